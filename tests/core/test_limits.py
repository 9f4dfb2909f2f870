"""How long an operation of a layer is waited for."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheConfig, GCacheConfigError, LayerUnavailable, MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core import limits
from gcache.core.limits import MOST_THREADS, Limit
from gcache.core.runtime import LoopRuntime, Operation, Outcome, ThreadRuntime, drive
from tests.core.layers import AsyncLayer, SyncLayer
from tests.core.stage import Clock, Recorded, Source, in_threads

if TYPE_CHECKING:
    from gcache import GCache

SHORT_SEC, LONG_SEC = 0.02, 60.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What stuck operations wait for; it opens at the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture(params=["sync", "async"])
def attempt(request: pytest.FixtureRequest) -> Callable[..., Outcome[Any]]:
    """Attempts an operation, from a thread or from an event loop."""

    def from_thread(operation: Operation[..., Any], *args: Any) -> Outcome[Any]:
        return drive(ThreadRuntime().attempt(operation, *args))

    def from_loop(operation: Operation[..., Any], *args: Any) -> Outcome[Any]:
        return asyncio.run(LoopRuntime().attempt(operation, *args))

    return from_thread if request.param == "sync" else from_loop


async def aforever() -> None:
    await asyncio.Event().wait()


class TestOutcomes:
    """What comes of an operation with a limit."""

    def test_in_time(self, attempt: Any) -> None:
        """One that is in time gives what it gives without."""

        async def aplus(number: int) -> int:
            return number + 1

        limit = Limit(LONG_SEC)

        assert 2 == attempt(Operation(lambda number: number + 1, limit=limit), 1).unwrap()
        assert 2 == attempt(Operation(awaitable=aplus, limit=limit), 1).unwrap()

    @pytest.mark.parametrize("kind", [ValueError, TimeoutError, StopIteration])
    def test_own_error(self, attempt: Any, kind: type[Exception]) -> None:
        """One that fails in time fails with its own error, be it a TimeoutError."""
        error = kind("own")

        def fail() -> None:
            raise error

        async def afail() -> None:
            raise error

        assert error is attempt(Operation(fail, limit=Limit(LONG_SEC))).error
        if kind is not StopIteration:  # which no coroutine can raise
            assert repr(error) == repr(attempt(Operation(awaitable=afail, limit=Limit(LONG_SEC))).error)

    def test_late(self, attempt: Any, gate: threading.Event) -> None:
        """One that takes longer is an error that says so."""
        outcomes = [
            attempt(Operation(gate.wait, limit=Limit(SHORT_SEC))),
            attempt(Operation(awaitable=aforever, limit=Limit(SHORT_SEC))),
        ]

        assert [TimeoutError] * 2 == [type(outcome.error) for outcome in outcomes]
        assert ["No answer within 0.02 s."] * 2 == [str(outcome.error) for outcome in outcomes]

    def test_late_one_is_cancelled(self, attempt: Any) -> None:
        """What is awaited is cancelled when it is late."""
        cancelled = threading.Event()

        async def late() -> None:
            try:
                await aforever()
            finally:
                cancelled.set()

        attempt(Operation(awaitable=late, limit=Limit(SHORT_SEC)))

        assert cancelled.wait(10)

    def test_context(self, attempt: Any) -> None:
        """What blocks runs in its caller's context, whatever thread it is in."""
        variable = contextvars.ContextVar("variable", default="none")
        variable.set("the caller's")

        assert "the caller's" == attempt(Operation(variable.get, limit=Limit(LONG_SEC))).unwrap()

    def test_end_of_the_caller(self) -> None:
        """What is to end the caller does, and the thread serves the next."""
        limit = Limit(LONG_SEC)

        def end() -> None:
            raise SystemExit

        with pytest.raises(SystemExit):
            drive(ThreadRuntime().attempt(Operation(end, limit=limit)))
        assert 1 == drive(ThreadRuntime().attempt(Operation(lambda: 1, limit=limit))).unwrap()

    async def test_cancelled_caller(self, gate: threading.Event) -> None:
        """A caller that is cancelled while it waits is cancelled, and not late."""
        begun = threading.Event()

        def stuck() -> None:
            begun.set()
            gate.wait(10)

        task = asyncio.create_task(LoopRuntime().attempt(Operation(stuck, limit=Limit(LONG_SEC))))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)

        assert isinstance(outcome, asyncio.CancelledError)


class TestThreads:
    """The threads of operations that block."""

    def test_reused(self) -> None:
        """One thread serves one after another."""
        limit = Limit(LONG_SEC)
        threads = {limit.call(threading.get_ident) for _ in range(20)}

        assert 1 == len(threads)

    def test_together(self) -> None:
        """Several at once have a thread each, up to 32; the others wait their turn."""
        limit, most, now = Limit(LONG_SEC), 0, 0
        lock = threading.Lock()

        def work() -> None:
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.001)
            with lock:
                now -= 1

        outcomes = in_threads(100, lambda number: limit.call(work))

        assert [None] * 100 == outcomes
        assert 1 < most <= MOST_THREADS

    def test_stuck(self, attempt: Any, gate: threading.Event) -> None:
        """Once 32 are stuck the next one fails at once, and none is begun."""
        limit, begun = Limit(SHORT_SEC), []

        def stuck() -> None:
            begun.append(1)
            gate.wait(10)

        in_threads(MOST_THREADS + 8, lambda number: _failed(limit, stuck))
        outcome = attempt(Operation(stuck, limit=limit))

        assert MOST_THREADS == len(begun)
        assert "32 operations that took over 0.02 s have not ended." == str(outcome.error)

    async def test_stuck_for_loops(self, gate: threading.Event) -> None:
        """Those that callers on loops have given up are stuck as well."""
        limit, runtime = Limit(SHORT_SEC), LoopRuntime()
        operation = Operation(gate.wait, limit=limit)
        await asyncio.gather(*[runtime.attempt(operation) for _ in range(MOST_THREADS)])

        assert MOST_THREADS == len(limit._late)

    def test_free_again(self, gate: threading.Event) -> None:
        """When the stuck ones have ended there is room again."""
        limit = Limit(SHORT_SEC)
        in_threads(MOST_THREADS, lambda number: _failed(limit, gate.wait))
        stuck = len(limit._late)
        gate.set()
        wait_until(lambda: not limit._late, sentence="all have ended")

        assert MOST_THREADS == stuck
        assert 1 == limit.call(lambda: 1)

    def test_not_begun(self, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
        """What nobody waits for any more is not begun when its turn comes."""
        monkeypatch.setattr(limits, "MOST_THREADS", 1)
        limit, begun = Limit(SHORT_SEC), []
        limit.begin(gate.wait)
        _failed(limit, lambda: begun.append(1))
        gate.set()
        wait_until(lambda: not limit._tasks, sentence="the queue is empty")

        assert [] == begun

    def test_comes_as_a_thread_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is handed over in the moment in which the only thread would end is done."""
        monkeypatch.setattr(limits, "MOST_THREADS", 1)
        limit = Limit(LONG_SEC)

        class Sly(SimpleQueue[Any]):
            def get(self, *args: Any, **kwargs: Any) -> Any:
                if not futures:
                    futures.append(limit.begin(lambda: 1))
                    raise Empty
                return super().get(*args, **kwargs)

        futures: list[Any] = []
        limit._queue = Sly()
        limit.begin(lambda: 0)
        wait_until(lambda: bool(futures), sentence="something is handed over")

        assert 1 == futures[0].result(10)

    def test_idle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread that has had nothing to do for a while ends, and another one takes its place."""
        monkeypatch.setattr(limits, "_IDLE_SEC", 0.001)
        limit = Limit(LONG_SEC)
        for number in range(50):
            assert number == limit.call(lambda number=number: number)
            time.sleep(0.001 * (number % 3))
        wait_until(lambda: not limit._threads, sentence="the thread ends")

        assert 1 == limit.call(lambda: 1)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_after_fork(self, gate: threading.Event) -> None:
        """A child has threads of its own, however many of its parent's are stuck."""
        limit = Limit(SHORT_SEC)
        in_threads(MOST_THREADS, lambda number: _failed(limit, gate.wait))
        limit.after_fork()

        assert 1 == limit.call(lambda: 1)

    def test_exit(self) -> None:
        """A stuck operation keeps no interpreter from ending."""
        code = (
            "import threading\n"
            "from gcache.core.limits import Limit\n"
            "try: Limit(0.01).call(threading.Event().wait)\n"
            "except TimeoutError: print('late')\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
        )

        assert ("late\n", "") == (ended.stdout, ended.stderr)

    def test_none_to_be_had(self, monkeypatch: pytest.MonkeyPatch, attempt: Any) -> None:
        """Where no thread can be started, the operation fails."""

        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        limit = Limit(LONG_SEC)
        with monkeypatch.context() as patch:
            patch.setattr(limits.threading.Thread, "start", refuse)
            outcome = attempt(Operation(lambda: 1, limit=limit))

        assert isinstance(outcome.error, RuntimeError)
        assert 1 == attempt(Operation(lambda: 1, limit=limit)).unwrap()


def _failed(limit: Limit, work: Callable[[], object]) -> None:
    with pytest.raises(TimeoutError):
        limit.call(work)


class Stuck(SyncLayer):
    """A layer whose operations do not end before `gate` opens."""

    def __init__(self, name: str, clock: Clock, gate: threading.Event) -> None:
        super().__init__(name, clock)
        self.before = dict.fromkeys(["get", "put", "add", "delete", "clear", "close"], lambda: gate.wait(10))


class AsyncStuck(AsyncLayer):
    """A layer that answers nothing."""

    async def aget(self, keys: Any) -> Any:
        await aforever()

    async def adelete(self, keys: Any) -> Any:
        await aforever()


@pytest.fixture(params=["blocks", "is awaited"])
def stuck(request: pytest.FixtureRequest, clock: Clock, gate: threading.Event) -> Any:
    """A layer that answers nothing."""
    return Stuck("disk", clock, gate) if request.param == "blocks" else AsyncStuck("disk", clock)


class TestLayers:
    @pytest.mark.parametrize("named", ["disk", "*"])
    def test_done_without(
        self, make_gcache: Callable[..., GCache], stuck: Any, side: Any, recorded: Recorded, named: str
    ) -> None:
        """A layer that does not answer in time is done without, and skipped when that goes on."""
        gcache = make_gcache(layers=[stuck], layer_timeout_sec={named: SHORT_SEC})
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        with gcache.enable():
            values = [get_user(1) for _ in range(5)]

        assert [1, 2, 3, 4, 5] == values
        assert [("error", 1)] * 3 + [("skipped", 1)] * 2 == recorded.calls
        assert [("disk", "TimeoutError", False)] * 3 == recorded.errors

    def test_removing(self, make_gcache: Callable[..., GCache], stuck: Any, side: Any) -> None:
        """A removal that takes too long is told of as any that failed."""
        gcache = make_gcache(layers=[stuck], layer_timeout_sec={"disk": SHORT_SEC})
        get_user = side.cached(gcache, Source())

        with pytest.raises(LayerUnavailable) as raised:
            side.do(gcache, "delete", get_user.key(1))

        assert isinstance(raised.value.__cause__, TimeoutError)

    def test_clear_has_none(self, make_gcache: Callable[..., GCache], clock: Clock, side: Any) -> None:
        """Clearing takes as long as there is something to remove."""
        disk = SyncLayer("disk", clock)
        disk.before["clear"] = lambda: time.sleep(3 * SHORT_SEC)
        gcache = make_gcache(layers=[disk], layer_timeout_sec={"disk": SHORT_SEC})
        side.do(gcache, "flushall")

        assert disk.asked("clear")

    def test_others(
        self, make_gcache: Callable[..., GCache], clock: Clock, side: Any, gate: threading.Event
    ) -> None:
        """The limit of one layer concerns no other, and none concerns memory."""
        threads: list[str] = []
        disk, remote = SyncLayer("disk", clock), SyncLayer("remote", clock)
        for layer in (disk, remote):
            layer.before["get"] = lambda: threads.append(threading.current_thread().name)
        gcache = make_gcache(
            layers=[MemoryLayer[Any](clock=clock.monotonic), disk, remote],
            layer_timeout_sec={"disk": LONG_SEC, "local": SHORT_SEC},
        )
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            get_user(1)

        assert ["gcache-limited"] == [name for name in threads if "limited" in name]
        assert 2 == len(threads)
        assert [True, False, True] == [tier._limit is None for tier in gcache._engine.chain.tiers]

    def test_late_put(
        self, make_gcache: Callable[..., GCache], clock: Clock, side: Any, recorded: Recorded
    ) -> None:
        """An entry that is written late, after an invalidation, is not served."""
        gate = threading.Event()
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote], layer_timeout_sec={"remote": 0.2})
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        remote.before["put"] = lambda: gate.wait(10)
        with gcache.enable():
            old = get_user(1)
            remote.before.clear()
            side.do(gcache, "invalidate", "user_id", 1)
            gate.set()
            wait_until(lambda: bool(remote.entries()), sentence="the entry is written")
            new = get_user(1)

        assert [1, 2] == [old, new]


class TestConfig:
    @pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), True, "1", None])
    def test_no_seconds(self, timeout: Any) -> None:
        """What is no number of seconds above 0 is refused, and the layer named."""
        with pytest.raises(GCacheConfigError, match="layer_timeout_sec of layer 'disk' is"):
            GCacheConfig(layer_timeout_sec={"disk": timeout})

    def test_no_mapping(self) -> None:
        """One number for all is written with a star."""
        with pytest.raises(
            GCacheConfigError, match=r"layer_timeout_sec is 0\.2: give a value for each layer"
        ):
            GCacheConfig(layer_timeout_sec=0.2)  # type: ignore[arg-type]

    def test_star(self) -> None:
        """A layer goes by its own name first, then by the star, else it has no limit."""
        config = GCacheConfig(layer_timeout_sec={"disk": 1, "*": 2})

        assert [1, 2] == [config.timeout_sec("disk"), config.timeout_sec("remote")]
        assert GCacheConfig().timeout_sec("disk") is None
