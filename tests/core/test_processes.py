"""Processes that fork, loops that follow each other, and cached functions inside cached functions."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKey, GCacheKeyConfig, MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Hit, Shadow
from tests.core.layers import AsyncLayer, SyncLayer
from tests.core.stage import (
    PATIENCE_SEC,
    AsyncSide,
    Clock,
    Recorded,
    Source,
    SyncSide,
    in_background,
    in_threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
# Python says so from 3.12 on; that the child works all the same is what is tested here.
knowingly = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def in_child(work: Callable[[], object]) -> None:
    """Run `work` in a forked child; what it raises fails the test, and so does a child that hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            os.write(writing, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(status)
    os.close(writing)
    ended: list[tuple[int, int]] = []
    try:
        wait_until(
            lambda: (
                bool(ended) or (os.waitpid(child, os.WNOHANG) != (0, 0) and ended.append((child, 0)) is None)
            ),
            sentence="the child has ended",
        )
    except TimeoutError:
        os.kill(child, 9)
        os.waitpid(child, 0)
        raise
    with os.fdopen(reading, "rb") as pipe:
        complaint = pipe.read().decode()
    assert "" == complaint


@forks
@knowingly
class TestFork:
    def test_shadows(self, make_gcache: Callable[..., GCache], recorded: Recorded) -> None:
        """A child shadows its hits with helpers of its own: those of its parent are not in it."""
        config = GCacheKeyConfig({"*": 60}, {"*": 100}, {"*": 100})
        gcache = make_gcache(cache_config_provider=lambda key: config, config_refresh_sec=1000)
        side = SyncSide()
        get_user = side.cached(gcache, Source())

        def hit() -> None:
            get_user(1)
            wait_until(lambda: bool(recorded.of(Shadow)), sentence="the hit is shadowed")

        with gcache.enable():
            get_user(1)
            hit()
            side.settle(gcache)
            recorded.forget()
            in_child(hit)

    def test_keeps_memory(self, make_gcache: Callable[..., GCache], side: SyncSide) -> None:
        """A child has what its parent had in memory, and what it adds is its own."""
        if not isinstance(side, SyncSide):
            side.close()  # a child has no use for its parent's loop
            side = AsyncSide()
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())

        def child() -> None:
            with gcache.enable():
                assert [1, 2, 2] == [get_user(1), get_user(2), get_user(2)]

        with gcache.enable():
            get_user(1)
            in_child(child)

            assert [1, 2] == [get_user(1), get_user(2)]

    def test_in_the_middle_of_a_load(self, gcache: GCache) -> None:
        """A child that is forked while another thread loads does not wait for that thread."""
        begun, may_end = threading.Event(), threading.Event()
        source = Source()

        def hold_up() -> None:
            if source.loads == 1:
                begun.set()
                assert may_end.wait(2 * PATIENCE_SEC)

        source.before = hold_up
        get_user = SyncSide().cached(gcache, source)

        def child() -> None:
            assert 2 == get_user(1)

        with gcache.enable(), in_background(lambda: get_user(1)) as first:
            assert begun.wait(PATIENCE_SEC)
            try:
                in_child(child)
            finally:
                may_end.set()

            assert 1 == first()

    def test_within_a_load(self, gcache: GCache) -> None:
        """A load may itself fork; parent and child both finish it."""
        children: list[int] = []

        @gcache.cached("user_id", "user_id", "GetUser")
        def get_user(user_id: int) -> int:
            if not children:
                children.append(1)
                in_child(lambda: get_user(1))
            return 7

        with gcache.enable():
            assert [7, 7] == [get_user(1), get_user(1)]

    @pytest.mark.parametrize(
        "lock",
        [
            lambda gcache: gcache._engine._lock,
            lambda gcache: gcache._engine.chain.flights.lock,
            lambda gcache: gcache._engine.chain.routes.policies._flights.lock,
            lambda gcache: gcache._engine._generations._lock,
            lambda gcache: gcache._engine.recorder._lock,
            lambda gcache: gcache._engine._notices._lock,
            lambda gcache: gcache._engine.memory._lock,
            lambda gcache: gcache._engine.chain.tiers[-1]._lock,
        ],
        ids=["engine", "flights", "policies", "generations", "recorder", "notices", "memory", "tier"],
    )
    def test_locked(
        self, make_gcache: Callable[..., GCache], clock: Clock, lock: Callable[[GCache], Any]
    ) -> None:
        """Whatever another thread holds at the moment of the fork, the child gets through."""
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), SyncLayer("remote", clock)])
        get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)

        def child() -> None:
            SyncSide().cached(gcache, Source(), use_case="Another")
            with gcache.enable():
                get_user(1)
                get_user(2, object())
                gcache.invalidate("user_id", 1, fallback_buffer_ms=1)
                get_user(1)
                gcache.flushall()
            gcache.close()

        with gcache.enable():
            get_user(1)
        with lock(gcache):
            in_child(child)

    def test_skipped_layer(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A child skips what its parent skips, and finds out by itself when it is back."""
        remote, side, gate = SyncLayer("remote", clock), SyncSide(), threading.Event()
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source())
        [tier] = gcache._engine.chain.tiers
        breaker = tier.breaker
        assert breaker is not None

        def child() -> None:
            assert breaker.is_open
            remote.failing, remote.before = set(), {}
            with gcache.enable():
                get_user(1)
                wait_until(lambda: not breaker.is_open, sentence="it is back")
                assert get_user(1) == get_user(1)

        with gcache.enable():
            remote.failing = {"*"}
            for page in range(3):
                get_user(1, page)
            remote.before["get"] = lambda: gate.wait(10)
            clock.advance(10)
            get_user(1)
            with breaker._lock:
                in_child(child)
        gate.set()
        side.settle(gcache)

        assert breaker.is_open

    def test_limited_layer(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A child gets threads of its own for a layer with a limit."""
        gcache = make_gcache(layers=[SyncLayer("remote", clock)], layer_timeout_sec={"*": 60})
        get_user = SyncSide().cached(gcache, Source())

        def child() -> None:
            with gcache.enable():
                assert [1, 2] == [get_user(1), get_user(2)]

        with gcache.enable():
            get_user(1)
            in_child(child)

    def test_background_loop(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A child gets a background loop of its own."""
        gcache = make_gcache(layers=[AsyncLayer("remote", clock)])
        get_user = SyncSide().cached(gcache, Source())

        def child() -> None:
            with gcache.enable():
                assert [1, 2] == [get_user(1), get_user(2)]

        with gcache.enable():
            get_user(1)
            in_child(child)

    def test_blocking_threads(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A child gets threads of its own for what blocks."""
        gcache = make_gcache(layers=[SyncLayer("remote", clock)])

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            return user_id

        def ask() -> int:
            with gcache.enable():
                return asyncio.run(get_user(1))

        ask()
        in_child(ask)

    def test_counts(self, make_gcache: Callable[..., GCache], recorded: Recorded) -> None:
        """A child counts from nothing: what its parent counted, the parent delivers."""
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())

        def child() -> None:
            get_user(1)
            assert [1] == [event.calls for event in recorded.of(Hit)]

        with gcache.enable():
            get_user(1)
            recorded.forget()
            for _ in range(5):
                get_user(1)
            in_child(child)

        assert [5] == [event.calls for event in recorded.of(Hit)]

    def test_courier(self, make_gcache: Callable[..., GCache]) -> None:
        """A child starts a thread of its own to deliver what it counts."""
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())

        def couriers() -> list[str]:
            return [thread.name for thread in threading.enumerate() if thread.name == "gcache-metrics"]

        def child() -> None:
            assert [] == couriers()
            get_user(2)
            assert 1 == len(couriers())

        with gcache.enable():
            get_user(1)
            assert 1 == len(couriers())
            in_child(child)


class TestLoops:
    @pytest.mark.parametrize("kind", [SyncLayer, AsyncLayer])
    def test_one_after_another(self, make_gcache: Callable[..., GCache], clock: Clock, kind: Any) -> None:
        """`asyncio.run` may be used again and again."""
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), kind("remote", clock)])
        loads = 0

        @gcache.cached("user_id", "user_id", "GetUser", track_for_invalidation=True)
        async def get_user(user_id: int) -> int:
            nonlocal loads
            loads += 1
            return loads

        async def main(user_id: int) -> list[int]:
            with gcache.enable():
                return [await get_user(user_id), await get_user(user_id)]

        assert [[1, 1], [1, 1], [2, 2]] == [asyncio.run(main(user_id)) for user_id in (1, 1, 2)]

    def test_refresh_left_behind(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A loop that ends while a policy is being asked for leaves nothing behind that hinders the next."""
        never: list[bool] = []

        async def provide(key: Any) -> GCacheKeyConfig:
            if never:
                await asyncio.Event().wait()
            return GCacheKeyConfig.enabled(1000)

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            return user_id

        async def main() -> int:
            with gcache.enable():
                return await get_user(1)

        asyncio.run(main())
        never.append(True)
        clock.advance(10)

        assert [1, 1] == [asyncio.run(main()), asyncio.run(main())]


class TestInside:
    @pytest.mark.parametrize("kind", [SyncLayer, AsyncLayer])
    async def test_running_loop(self, make_gcache: Callable[..., GCache], clock: Clock, kind: Any) -> None:
        """A sync cached function may be called inside a running loop, whichever sides its layers have."""
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), kind("remote", clock)])
        get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
            gcache.invalidate("user_id", 1)
            assert 2 == get_user(1)

    def test_sync_in_sync(self, gcache: GCache) -> None:
        """A cached function may call cached functions, in the caller's own thread."""
        threads: list[int] = []

        @gcache.cached("user_id", "user_id", "Inner")
        def inner(user_id: int) -> int:
            threads.append(threading.get_ident())
            return user_id

        @gcache.cached("user_id", "user_id", "Outer")
        def outer(user_id: int) -> int:
            threads.append(threading.get_ident())
            return inner(user_id) + inner(user_id) + inner(user_id + 1)

        with gcache.enable():
            assert [4, 4] == [outer(1), outer(1)]
        assert [threading.get_ident()] * 3 == threads

    @pytest.mark.parametrize("kind", [SyncLayer, AsyncLayer])
    async def test_sync_in_async(self, make_gcache: Callable[..., GCache], clock: Clock, kind: Any) -> None:
        """An async cached function may call sync ones."""
        gcache = make_gcache(layers=[kind("remote", clock)])
        inner = SyncSide().cached(gcache, Source(), use_case="Inner")

        @gcache.cached("user_id", "user_id", "Outer")
        async def outer(user_id: int) -> int:
            return inner(user_id) + inner(user_id)

        with gcache.enable():
            results = await asyncio.wait_for(asyncio.gather(*(outer(1) for _ in range(5))), PATIENCE_SEC)

        assert [2] * 5 == results

    def test_async_in_sync(self, gcache: GCache) -> None:
        """A sync cached function may run a loop of its own and await async ones there."""

        @gcache.cached("user_id", "user_id", "Inner")
        async def inner(user_id: int) -> int:
            return user_id

        @gcache.cached("user_id", "user_id", "Outer")
        def outer(user_id: int) -> int:
            return asyncio.run(inner(user_id))

        with gcache.enable():
            assert [1, 1] == [outer(1), outer(1)]

    def test_callers_context(self, gcache: GCache, side: SyncSide | AsyncSide) -> None:
        """A source sees that caching is enabled, on both sides."""
        seen: list[bool] = []
        source = Source()
        source.before = lambda: seen.append(gcache._engine.enabled.get())
        get_user = side.cached(gcache, source)

        with gcache.enable():
            get_user(1)

        assert [True] == seen


class TestImport:
    def test_core_knows_no_server(self) -> None:
        """To use memory alone neither redis nor prometheus_client is imported."""
        import subprocess

        code = (
            "import sys; from gcache import GCache, GCacheConfig;"
            "from gcache.instrumentation import NullSink;"
            "GCache(GCacheConfig(metrics=NullSink())).close();"
            "print(sorted({'redis', 'prometheus_client', 'asyncio'} & set(sys.modules)))"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )

        assert "[]" == result.stdout.strip()


class TestManyThreads:
    def test_mixed(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """Threads that read while another writes and invalidates never see a value from before that."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), remote])
        truth = [0]
        writing = threading.Lock()

        @gcache.cached("user_id", "user_id", "Get", track_for_invalidation=True)
        def get(user_id: int) -> int:
            return truth[0]

        def work(number: int) -> None:
            with gcache.enable():
                for _ in range(100):
                    if number == 0:
                        with writing:
                            truth[0] += 1
                            gcache.invalidate("user_id", 1)
                            assert truth[0] == get(1)
                    else:
                        floor = truth[0] - 1  # the last write that was certainly invalidated
                        assert get(1) >= floor

        assert [None] * 6 == in_threads(6, work)


class TestFirstUseCase:
    def test_one_chain(self, make_gcache: Callable[..., GCache], monkeypatch: pytest.MonkeyPatch) -> None:
        """Threads whose functions are the first of their instance get one chain between them."""
        engine = make_gcache()._engine
        make, asking, made = engine._make_chain, list[int](), list[object]()

        def slowly() -> object:
            wait_until(lambda: len(asking) == 4, sentence="all have asked")
            made.append(chain := make())
            return chain

        monkeypatch.setattr(engine, "_make_chain", slowly)

        chains = in_threads(4, lambda number: (asking.append(number), engine.chain)[1])

        assert [chains[0]] == made
        assert {id(made[0])} == {id(chain) for chain in chains}

    def test_finalizer(self, make_gcache: Callable[..., GCache], monkeypatch: pytest.MonkeyPatch) -> None:
        """What runs in the middle of that, as finalizers do, may use the instance, and gets that chain."""
        gcache = make_gcache()
        make, answers = gcache._engine._make_chain, list[object]()

        def interrupted() -> object:
            monkeypatch.setattr(gcache._engine, "_make_chain", make)
            with gcache.enable():
                answers.append(gcache.get(GCacheKey("user_id", 1, "Explicit"), lambda: 1))
            return make()

        monkeypatch.setattr(gcache._engine, "_make_chain", interrupted)
        work = threading.Thread(target=lambda: SyncSide().cached(gcache, Source()), daemon=True)
        work.start()
        work.join(PATIENCE_SEC)
        gcache._engine._lock = threading.RLock()  # one who waits for itself would have the other for ever

        assert [1] == answers
        with gcache.enable():
            assert 1 == gcache.get(GCacheKey("user_id", 1, "Explicit"), lambda: 2)

    @forks
    @knowingly
    def test_flights_after_a_fork(self, make_gcache: Callable[..., GCache]) -> None:
        """A child can delete with an instance without any, whatever a thread of its parent just deleted."""
        gcache = make_gcache()

        with gcache._engine.removal._flights.lock:
            in_child(lambda: in_threads(1, lambda _: gcache.delete(GCacheKey("user_id", 1, "Explicit"))))

    @forks
    @knowingly
    def test_after_a_fork(self, make_gcache: Callable[..., GCache]) -> None:
        """A child can have the first function of an instance of its parent, whoever was at it there."""
        gcache = make_gcache()

        def decorate() -> None:
            get_user = SyncSide().cached(gcache, source := Source())
            with gcache.enable():
                assert [1, 1] == [get_user(1), get_user(1)]
            assert 1 == source.loads

        with gcache._engine._lock:
            in_child(decorate)
