"""Where work happens: sync work in the caller's thread, async work on the caller's loop."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import subprocess
import sys
import threading
import weakref
from functools import partial
from typing import Any

import pytest

from gcache.conformance.waiting import wait_until
from gcache.core.background import background_loop
from gcache.core.runtime import (
    LoopRuntime,
    Operation,
    Outcome,
    ThreadRuntime,
    drive,
)
from gcache.core.threads import Helpers
from tests.core.stage import PATIENCE_SEC, in_threads

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


def here() -> int:
    return threading.get_ident()


async def ahere() -> int:
    await asyncio.sleep(0)
    return threading.get_ident()


def fail() -> None:
    raise StopIteration("end")


async def afail() -> None:
    raise LookupError("gone")


@pytest.fixture
def loops() -> LoopRuntime:
    return LoopRuntime()


class TestOutcome:
    def test_value(self) -> None:
        """A value comes out as it went in."""
        assert None is Outcome(None).unwrap()

    def test_error(self) -> None:
        """An exception is raised as itself."""
        error = LookupError()

        with pytest.raises(LookupError) as caught:
            Outcome(error=error).unwrap()

        assert error is caught.value


class TestThreadRuntime:
    @pytest.mark.parametrize(
        "operation", [Operation(here), Operation(here, ahere)], ids=["one side", "both sides"]
    )
    def test_blocking(self, operation: Operation[[], int]) -> None:
        """What can block does so in the caller's thread."""
        assert here() == drive(ThreadRuntime().attempt(operation)).unwrap()

    def test_awaitable(self) -> None:
        """What can only be awaited is, on one loop on a thread of its own."""
        threads = in_threads(4, lambda _: drive(ThreadRuntime().attempt(Operation(awaitable=ahere))).unwrap())

        assert 1 == len(set(threads))
        assert here() not in threads

    @pytest.mark.parametrize(
        ("expected", "operation"),
        [(StopIteration, Operation(fail)), (LookupError, Operation(awaitable=afail))],
    )
    def test_error(self, expected: type[Exception], operation: Operation[[], None]) -> None:
        """What is raised is the outcome, a StopIteration as well."""
        assert expected is type(drive(ThreadRuntime().attempt(operation)).error)

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_end(self, kind: type[BaseException]) -> None:
        """What ends the caller is raised."""

        def end() -> None:
            raise kind

        with pytest.raises(kind):
            drive(ThreadRuntime().attempt(Operation(end)))

    def test_on_background_loop(self) -> None:
        """A sync call on the loop that it needs is an error, and does not wait for itself."""
        runtime = ThreadRuntime()

        async def call_sync() -> Outcome[int]:
            return drive(runtime.attempt(Operation(awaitable=ahere)))

        outcome = drive(runtime.attempt(Operation(awaitable=call_sync))).unwrap()

        assert isinstance(outcome.error, RuntimeError)
        assert "call an async one there" in str(outcome.error)

    def test_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A caller that is interrupted while it waits cancels what it waited for."""
        cancelled = threading.Event()
        begun = threading.Event()

        async def never() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        def interrupt(future: Any, timeout: float | None = None) -> None:
            assert begun.wait(10)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("concurrent.futures.Future.result", interrupt)
            with pytest.raises(KeyboardInterrupt):
                background_loop.run(never)

        assert cancelled.wait(10)

    def test_spawn(self) -> None:
        """What is spawned runs in another thread."""
        threads: list[int] = []

        async def work() -> None:
            threads.append(here())

        ThreadRuntime().spawn(work())
        wait_until(lambda: bool(threads), sentence="it ran")

        assert here() not in threads

    def test_spawn_without_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be started it is left undone, without a sound."""

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        async def work() -> None:
            raise AssertionError

        coroutine = work()
        with monkeypatch.context() as patch:
            patch.setattr("gcache.core.runtime.helpers", Helpers())
            patch.setattr(threading.Thread, "start", start)
            ThreadRuntime().spawn(coroutine)

        assert None is coroutine.cr_frame

    def test_spawn_context(self) -> None:
        """What is spawned sees its spawner's variables, and changes only its own."""
        seen: list[int] = []

        async def work() -> None:
            seen.append(variable.get())
            variable.set(2)

        token = variable.set(1)
        for _ in range(2):
            ThreadRuntime().spawn(work())
        wait_until(lambda: len(seen) == 2, sentence="both ran")
        left = variable.get()
        variable.reset(token)

        assert ([1, 1], 1) == (seen, left)

    def test_suspension(self) -> None:
        """A coroutine that suspends where nothing can is an error that says so, and is closed."""
        closed: list[bool] = []

        async def suspend() -> None:
            try:
                await asyncio.sleep(0)
            finally:
                closed.append(True)

        with pytest.raises(RuntimeError, match="suspended"):
            drive(suspend())

        assert [True] == closed


AT_EXIT = """
import asyncio, threading
from gcache.core.runtime import ThreadRuntime

begun = threading.Event()

async def block():
    begun.set()
    threading.Event().wait()

async def idle():
    pass

ThreadRuntime().spawn(idle())
ThreadRuntime().spawn(block())
assert begun.wait(10)
"""


class TestHelpers:
    @pytest.fixture
    def helpers(self) -> Helpers:
        return Helpers()

    def test_reuse(self, helpers: Helpers) -> None:
        """A thread that is done does what comes next."""
        threads: list[int] = []

        for count in range(1, 4):
            helpers.hand(lambda: threads.append(here()))
            wait_until(
                lambda count=count: len(threads) == count and bool(helpers.idle), sentence="it is done"
            )

        assert 1 == len(set(threads))

    def test_busy(self, helpers: Helpers) -> None:
        """Nothing waits for a thread that is busy."""
        may_end, done = threading.Event(), threading.Event()
        helpers.hand(lambda: may_end.wait(10))

        helpers.hand(done.set)

        assert done.wait(10)
        may_end.set()

    def test_end(self, helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread that nobody has work for ends, and another one does what comes later."""
        monkeypatch.setattr("gcache.core.threads.HELPER_IDLE_SEC", 0.001)
        threads: list[threading.Thread] = []
        helpers.hand(lambda: threads.append(threading.current_thread()))
        wait_until(lambda: bool(threads) and not threads[0].is_alive(), sentence="the thread has ended")

        helpers.hand(lambda: threads.append(threading.current_thread()))
        wait_until(lambda: len(threads) == 2 and not threads[1].is_alive(), sentence="so has the next")

        assert [] == helpers.idle

    def test_taken(self, helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread whose inbox is taken as it would end waits for what will be put into it."""
        done = threading.Event()
        real = queue.SimpleQueue

        class Inbox:
            def __init__(self) -> None:
                self._queue: queue.SimpleQueue[Any] = real()
                self._waits = 0
                self.put = self._queue.put

            def get(self, timeout: float) -> Any:
                try:
                    return self._queue.get(timeout=timeout)
                except queue.Empty:
                    self._waits += 1
                    if self._waits == 1:
                        helpers.idle.remove(self)  # type: ignore[arg-type]
                    if self._waits == 3:
                        self.put(done.set)
                    raise

        monkeypatch.setattr(queue, "SimpleQueue", Inbox)
        monkeypatch.setattr("gcache.core.threads.HELPER_IDLE_SEC", 0.001)

        helpers.hand(lambda: None)

        assert done.wait(10)

    def test_many(self, helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever is handed over is done, once, also when threads end all the time."""
        monkeypatch.setattr("gcache.core.threads.HELPER_IDLE_SEC", 0.0001)
        done: list[tuple[int, int]] = []

        def hand(spawner: int) -> None:
            for number in range(250):
                helpers.hand(partial(done.append, (spawner, number)))

        in_threads(4, hand)
        wait_until(lambda: len(done) >= 1000, sentence="all is done")

        assert {(spawner, number) for spawner in range(4) for number in range(250)} == set(done)
        assert 1000 == len(done)

    def test_failing_work(self, helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work that raises ends its thread, which is no obstacle to what comes next."""
        done, complaints = threading.Event(), list[Any]()
        monkeypatch.setattr(threading, "excepthook", complaints.append)

        helpers.hand(fail)
        wait_until(lambda: bool(complaints), sentence="it has failed")
        helpers.hand(done.set)

        assert done.wait(10)
        assert StopIteration is complaints[0].exc_type

    def test_forgets(self, helpers: Helpers) -> None:
        """An idle thread keeps nothing of what it did alive."""

        class Argument:
            """What a call was about."""

        argument = Argument()
        reference = weakref.ref(argument)
        helpers.hand(lambda argument=argument: None)
        del argument

        wait_until(lambda: reference() is None, sentence="it is gone")

    def test_after_fork(self, helpers: Helpers) -> None:
        """A child hands nothing to threads that it does not have."""
        helpers.hand(lambda: None)
        wait_until(lambda: bool(helpers.idle), sentence="the thread is idle")

        helpers.after_fork()

        assert [] == helpers.idle

    def test_exit(self) -> None:
        """Neither an idle nor a busy one keeps the interpreter from its end."""
        subprocess.run([sys.executable, "-c", AT_EXIT], check=True, timeout=30)


class TestLoopRuntime:
    @pytest.mark.parametrize(
        "operation",
        [Operation(awaitable=ahere), Operation(here, ahere), Operation(here, inline=True)],
        ids=["one side", "both sides", "inline"],
    )
    async def test_on_loop(self, loops: LoopRuntime, operation: Operation[[], int]) -> None:
        """What can be awaited, and what never waits, happens on the caller's loop."""
        assert here() == (await loops.attempt(operation)).unwrap()

    async def test_blocking(self, loops: LoopRuntime) -> None:
        """What can only block does so in another thread, while the loop goes on."""
        may_end = threading.Event()

        def block() -> int:
            assert may_end.wait(10)
            return here()

        task = asyncio.create_task(loops.attempt(Operation(block)))
        await asyncio.sleep(0)
        may_end.set()

        assert here() != (await task).unwrap()

    @pytest.mark.parametrize(
        ("error", "operation"),
        [
            (LookupError, Operation(awaitable=afail)),
            (StopIteration, Operation(fail, inline=True)),
            (StopIteration, Operation(fail)),
        ],
        ids=["awaited", "inline", "in a thread"],
    )
    async def test_error(
        self, loops: LoopRuntime, error: type[Exception], operation: Operation[[], None]
    ) -> None:
        """What is raised is the outcome, a StopIteration from a thread as well."""
        outcome = await asyncio.wait_for(loops.attempt(operation), PATIENCE_SEC)

        assert isinstance(outcome.error, error)

    async def test_cancelled(self, loops: LoopRuntime) -> None:
        """A caller that is cancelled ends; that is no outcome."""
        task = asyncio.create_task(loops.attempt(Operation(awaitable=asyncio.Event().wait)))
        await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task

    def test_any_loop(self, loops: LoopRuntime) -> None:
        """One runtime serves one loop after another, and several at once."""

        def run(_: int = 0) -> int:
            return asyncio.run(loops.attempt(Operation(lambda: 7))).unwrap()

        assert [7, 7] == [run(), run()]
        assert [7] * 4 == in_threads(4, run)

    async def test_spawn(self, loops: LoopRuntime) -> None:
        """What is spawned runs on the same loop, and is held on to until it is done."""
        threads: list[int] = []

        async def work() -> None:
            await asyncio.sleep(0)
            threads.append(here())

        loops.spawn(work())
        assert 1 == len(loops._tasks)
        while loops._tasks:
            await asyncio.sleep(0)

        assert [here()] == threads
