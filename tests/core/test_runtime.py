"""Where work happens: sync work in the caller's thread, async work on the caller's loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from gcache.core.runtime import LoopRuntime, Operation, Outcome, ThreadRuntime, _background_loop, drive
from tests.core.stage import in_threads
from tests.servers.waiting import wait_until

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
def loops() -> Any:
    runtime = LoopRuntime()
    yield runtime
    runtime.close()


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
                _background_loop.run(never)

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
            patch.setattr(threading.Thread, "start", start)
            ThreadRuntime().spawn(coroutine)

        assert None is coroutine.cr_frame

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
        "operation", [Operation(awaitable=afail), Operation(lambda: {}["x"], inline=True)]
    )
    async def test_error(self, loops: LoopRuntime, operation: Operation[[], None]) -> None:
        """What is raised is the outcome."""
        assert isinstance((await loops.attempt(operation)).error, LookupError)

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

    async def test_close(self) -> None:
        """A closed runtime lets its threads go; closing again, or before anything ran, is nothing."""
        runtime = LoopRuntime()
        runtime.close()
        await runtime.attempt(Operation(here))

        runtime.close()

        wait_until(
            lambda: not any(thread.name.startswith("gcache-blocking") for thread in threading.enumerate()),
            sentence="the threads have gone",
        )
