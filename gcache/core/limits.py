"""How long an operation may take before it is done without."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future
    from queue import SimpleQueue

T = TypeVar("T")

MOST_THREADS = 32
_IDLE_SEC = 5.0


class Limit:
    """`sec` seconds for each operation of one layer, and the threads of those that block.

    A thread cannot be stopped: one whose operation is late goes on with it, and the answer is dropped. There
    are 32 at most; while all of them are late, whatever comes next fails at once.
    """

    def __init__(self, sec: float, thread_name: str = "gcache-limited") -> None:
        self.sec = sec
        self._thread_name = thread_name
        self._make_own()

    def late(self) -> TimeoutError:
        """Return the error of an operation that took too long."""
        return TimeoutError(f"No answer within {self.sec:g} s.")

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` does, and raise what it raises, in another thread. Raises TimeoutError."""
        future = self.begin(work)
        try:
            return future.result(self.sec)
        except TimeoutError:
            if future.done():  # it is the work's own
                raise
            raise self.late() from None
        finally:
            self.leave(future)

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Have `work` done in another thread, in the caller's context.

        Raises TimeoutError if all threads are late, RuntimeError if there can be none.
        """
        from concurrent.futures import Future

        task = _Task(Future(), work)
        with self._lock:
            if len(self._late) >= MOST_THREADS:
                raise TimeoutError(f"{MOST_THREADS} operations that took over {self.sec:g} s have not ended.")
            if self._threads < min(self._tasks + 1, MOST_THREADS):
                threading.Thread(target=self._work, name=self._thread_name, daemon=True).start()
                self._threads += 1
            self._tasks += 1
            self._queue.put(task)
        return task.future

    def leave(self, future: Future[Any]) -> None:
        """Wait for `future` no longer. It is not begun if that can be helped; if not, it is late."""
        if not future.done() and not future.cancel():
            with self._lock:
                if not future.done():
                    self._late.add(future)

    def after_fork(self) -> None:
        """Forget the threads, which only the parent has."""
        self._make_own()

    def _make_own(self) -> None:
        from queue import SimpleQueue

        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Task] = SimpleQueue()
        self._late: set[Future[Any]] = set()
        self._tasks = 0
        self._threads = 0

    def _work(self) -> None:
        from queue import Empty

        while True:
            try:
                task = self._queue.get(timeout=_IDLE_SEC)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._threads -= 1
                        return
                continue
            task.do()
            with self._lock:
                self._tasks -= 1
                self._late.discard(task.future)
            del task  # nothing of a call is to live on while its thread is idle


class _Task:
    """Something to do, and the future of what comes of it."""

    def __init__(self, future: Future[Any], work: Callable[[], Any]) -> None:
        self.future = future
        self._work = work
        self._context = contextvars.copy_context()

    def do(self) -> None:
        """Do it, unless nobody waits for it any more."""
        if self.future.set_running_or_notify_cancel():
            try:
                result = self._context.run(self._work)
            except BaseException as error:  # raised where it is waited for
                self.future.set_exception(error)
            else:
                self.future.set_result(result)
