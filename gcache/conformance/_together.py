"""Several threads, or several processes, that do something at the same moment."""

from __future__ import annotations

import mmap
import os
import pickle
import queue
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

PATIENCE_SEC = 30.0
"""How long is waited for what must come to an end before the test fails."""


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what `work(0)`, `work(1)`, ... give in threads that start together. Raises what one raises."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait(PATIENCE_SEC)
            results[number] = work(number)
        except BaseException as error:  # raised where it is waited for
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_SEC
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), f"a thread hangs after {PATIENCE_SEC} s"
    return results


class Meeting:
    """Where `count` threads or forked processes wait for each other, again and again."""

    def __init__(self, count: int) -> None:
        self._turns = memoryview(mmap.mmap(-1, 8 * count)).cast("q")

    def wait(self, number: int, turn: int) -> None:
        """Return when all have come to `turn`, the first being 1. Raises TimeoutError if one does not."""
        self._turns[number] = turn
        deadline = time.monotonic() + PATIENCE_SEC
        while min(self._turns) < turn:
            if time.monotonic() > deadline:
                raise TimeoutError(f"somebody has not come after {PATIENCE_SEC} s")
            time.sleep(0)

    def leave(self, number: int) -> None:
        """Let nobody wait for `number` any more."""
        self._turns[number] = sys.maxsize


class Worker:
    """A thread that does one thing after another, for callers who wait `limit_sec` for each at most."""

    def __init__(self, limit_sec: float) -> None:
        self._limit_sec = limit_sec
        self._todo: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, daemon=True).start()

    def do(self, work: Callable[[], T]) -> T:
        """Return what `work` gives, or raise what it raises; fail the test when it does not end."""
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._todo.put((work, done))
        try:
            value, error = done.get(timeout=self._limit_sec)
        except queue.Empty:
            pytest.fail(f"the layer has not answered after {self._limit_sec} s")
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def end(self) -> None:
        """Do nothing more, once what is under way has ended."""
        self._todo.put(None)

    def _run(self) -> None:
        while (todo := self._todo.get()) is not None:
            work, done = todo
            try:
                done.put((work(), None))
            except BaseException as error:  # raised where it is waited for
                done.put((None, error))


class Child:
    """A forked process at work."""

    def __init__(self, work: Callable[[], Any]) -> None:
        if not hasattr(os, "fork"):
            pytest.skip("this system does not fork")
        self._reading, writing = os.pipe()
        with warnings.catch_warnings():
            # From 3.12 on Python warns of threads in the parent; the child has to work all the same.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process = os.fork()
        if self.process == 0:
            _work_and_exit(work, writing)
        os.close(writing)

    def result(self) -> Any:
        """Return what the work gave, once it has. Raises AssertionError if it raised, or does not end."""
        try:
            told = self._read(time.monotonic() + PATIENCE_SEC)
        finally:
            os.close(self._reading)
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        assert told, "a forked process ended without a word"
        error, value = pickle.loads(told)
        assert error is None, f"in a forked process:\n{error}"
        return value

    def _read(self, deadline: float) -> bytes:
        told = b""
        while select.select([self._reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(self._reading, 65_536)
            if not chunk:
                return told
            told += chunk
        raise AssertionError(f"a forked process hangs after {PATIENCE_SEC} s")


def in_processes(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what `work(0)`, `work(1)`, ... give in forked processes that start together."""
    holding, held = os.pipe()

    def wait_and_work(number: int) -> Any:
        os.close(held)
        os.read(holding, 1)
        return work(number)

    children = [Child(lambda number=number: wait_and_work(number)) for number in range(count)]  # type: ignore[misc]
    os.close(holding)
    os.close(held)
    return [child.result() for child in children]


@contextmanager
def in_background(work: Callable[[], Any]) -> Generator[Callable[[], Any]]:
    """Run `work` in a thread; what is yielded waits for it, and returns what it gives or raises."""
    results: list[Any] = []

    def waited() -> Any:
        thread.join(PATIENCE_SEC)
        assert not thread.is_alive(), f"a thread hangs after {PATIENCE_SEC} s"
        [(value, error)] = results
        if error is not None:
            raise error
        return value

    def run() -> None:
        try:
            results.append((work(), None))
        except BaseException as error:  # raised where it is waited for
            results.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield waited
    thread.join(PATIENCE_SEC)


def _work_and_exit(work: Callable[[], Any], writing: int) -> None:
    try:
        told = pickle.dumps((None, work()))
    except BaseException:
        told = pickle.dumps((traceback.format_exc()[-4000:], None))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(told)
    os._exit(0)
