"""Defects that were reproduced in others, each shown to be absent here."""

# ruff: noqa: A006 - the contract calls an entity's identifier `id`

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from gcache import GCache, GCacheKey, GCacheKeyConfig, MemoryLayer, RedisConfig
from gcache.conformance.waiting import wait_until
from gcache.core.events import Disabled, Error
from tests.contract.stacks import (
    Instances,
    ListSink,
    Stack,
    ThreadLocalClients,
    asyncio_client,
    cache_all,
    cache_remotely,
)
from tests.core.stage import waiting
from tests.servers.process import Server

PATIENCE_SEC = 10
TRACKED = GCacheKey("user_id", "1", "GetUser", track_for_invalidation=True)
UNTRACKED = GCacheKey("user_id", "1", "GetUser")
DAY_SEC = 86_400

memory_only = pytest.mark.parametrize("stack", ["memory"], indirect=True)
on_servers = pytest.mark.parametrize("stack", ["valkey", "redis", "cluster"], indirect=True)
sides = pytest.mark.parametrize("side", ["sync", "async"])


class Source:
    """Gives 1, then 2, and so on."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, *_: object) -> int:
        self.runs += 1
        return self.runs

    async def awaited(self, *_: object) -> int:
        return self()


class Gate:
    """A source that stops on its way until it is let go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, value: Any = "old") -> Any:
        self.entered.set()
        assert self.opened.wait(PATIENCE_SEC)
        return value

    async def awaited(self, value: Any = "old") -> Any:
        self.entered.set()
        while not self.opened.is_set():
            await asyncio.sleep(0.001)
        return value

    async def until_entered(self) -> None:
        while not self.entered.is_set():
            await asyncio.sleep(0.001)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def enabled(gcache: GCache, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as another thread may run it: with caching on there."""
    return gcache.enable()(function)


class TestExceptionInsideEnable:
    """An exception inside `enable()` leaves caching on."""

    def test_block(self, gcache: GCache, source: Source) -> None:
        """After an exception in the block caching is off."""
        with pytest.raises(KeyError), gcache.enable():
            raise KeyError
        answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]

        assert [1, 2] == answers

    @memory_only
    async def test_decorated(self, gcache: GCache, source: Source) -> None:
        """After an exception in a decorated function, sync or async, caching is off."""

        @gcache.enable()
        def fail() -> None:
            raise KeyError

        @gcache.enable()
        async def afail() -> None:
            raise KeyError

        with pytest.raises(KeyError):
            fail()
        with pytest.raises(KeyError):
            await afail()
        answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]

        assert [1, 2] == answers

    @memory_only
    def test_nested(self, gcache: GCache, source: Source) -> None:
        """An exception in enable(False) leaves the outer block enabled."""
        with gcache.enable():
            with pytest.raises(KeyError), gcache.enable(False):
                raise KeyError
            answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]

        assert [1, 1] == answers


class TestStampede:
    """50 concurrent misses run the source 50 times."""

    def test_threads(self, gcache: GCache, pool: ThreadPoolExecutor) -> None:
        """50 threads that miss the same key at once run the source once."""
        runs: list[int] = []
        all_there = threading.Barrier(50)

        @gcache.cached("user_id", "user_id", "GetUser")
        def get_user(user_id: int) -> str:
            runs.append(user_id)
            wait_until(lambda: _travellers(gcache) == 50, sentence="50 callers to look for the key")
            return "Alice"

        def call() -> str:
            all_there.wait(PATIENCE_SEC)
            return get_user(1)

        calls = [pool.submit(enabled(gcache, call)) for _ in range(50)]

        assert ["Alice"] * 50 == [call.result(PATIENCE_SEC) for call in calls]
        assert [1] == runs

    async def test_tasks(self, gcache: GCache) -> None:
        """50 tasks that miss the same key at once run the source once."""
        runs: list[int] = []

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> str:
            runs.append(user_id)
            while _travellers(gcache) < 50:
                await asyncio.sleep(0)
            return "Alice"

        with gcache.enable():
            answers = await asyncio.wait_for(asyncio.gather(*[get_user(1) for _ in range(50)]), PATIENCE_SEC)

        assert ["Alice"] * 50 == answers
        assert [1] == runs

    def test_tracked(self, gcache: GCache, pool: ThreadPoolExecutor) -> None:
        """Misses of a tracked key, which plant an epoch first, share one run as well."""
        runs: list[int] = []

        def load() -> int:
            runs.append(1)
            wait_until(lambda: _travellers(gcache) == 20, sentence="20 callers to look for the key")
            return 1

        calls = [pool.submit(enabled(gcache, lambda: gcache.get(TRACKED, load))) for _ in range(20)]

        assert [1] * 20 == [call.result(PATIENCE_SEC) for call in calls]
        assert [1] == runs


def _travellers(gcache: GCache) -> int:
    """How many calls are past memory and have no value yet."""
    return sum(gcache._engine.chain.flights.travellers.values())


class TestLoadInFlightDuringInvalidate:
    """A load in flight during `invalidate` is cached afterwards."""

    def test_threads(self, gcache: GCache, gate: Gate, pool: ThreadPoolExecutor) -> None:
        """What was loaded before the invalidation is not what is read after it."""
        load = pool.submit(enabled(gcache, lambda: gcache.get(TRACKED, gate)))
        assert gate.entered.wait(PATIENCE_SEC)
        gcache.invalidate("user_id", "1")
        gate.opened.set()
        load.result(PATIENCE_SEC)
        with gcache.enable():
            answers = [gcache.get(TRACKED, lambda: "new"), gcache.get(TRACKED, lambda: "newer")]

        assert ["new", "new"] == answers

    async def test_tasks(self, gcache: GCache, gate: Gate) -> None:
        """What a task loaded before the invalidation is not what is read after it."""
        with gcache.enable():
            load = asyncio.create_task(gcache.aget(TRACKED, gate.awaited))
            await gate.until_entered()
            await gcache.ainvalidate("user_id", "1")
            gate.opened.set()
            await load
            answers = [gcache.get(TRACKED, lambda: "new"), gcache.get(TRACKED, lambda: "newer")]

        assert ["new", "new"] == answers

    def test_reader_does_not_join(self, gcache: GCache, gate: Gate, pool: ThreadPoolExecutor) -> None:
        """Who reads after the invalidation does not wait for the load that began before it."""
        load = pool.submit(enabled(gcache, lambda: gcache.get(TRACKED, gate)))
        assert gate.entered.wait(PATIENCE_SEC)
        gcache.invalidate("user_id", "1")
        later = pool.submit(enabled(gcache, lambda: gcache.get(TRACKED, lambda: "new")))
        answer = later.result(PATIENCE_SEC)
        still_loading = not load.done()
        gate.opened.set()

        assert "new" == answer
        assert still_loading
        assert "old" == load.result(PATIENCE_SEC)

    @on_servers
    def test_written_by_another_instance(
        self, stack: Stack, new_gcache: Instances, gate: Gate, pool: ThreadPoolExecutor
    ) -> None:
        """A late entry on the server is not served to an instance that knows of no invalidation."""
        gcache = new_gcache()
        load = pool.submit(enabled(gcache, lambda: gcache.get(TRACKED, gate)))
        assert gate.entered.wait(PATIENCE_SEC)
        gcache.invalidate("user_id", "1")
        gate.opened.set()
        load.result(PATIENCE_SEC)
        gcache.close()
        with new_gcache() as other, other.enable():
            answer = other.get(TRACKED, lambda: "new")

        assert "new" == answer


def test_invalidation_reaches_the_local_layer(stack: Stack, gcache: GCache, source: Source) -> None:
    """An entry in memory dies with its entity, and its memory answer is not what is read next."""
    with gcache.enable():
        gcache.get(TRACKED, source)
        if stack.server is not None:
            stack.server.empty()  # so that memory alone could answer
            gcache.get(TRACKED, source)
        before = source.runs
        gcache.invalidate("user_id", "1")
        after = gcache.get(TRACKED, source)

    assert (1, 2) == (before, after)


class TestPlainInvalidateDuringABuffer:
    """A plain invalidate shortens a standing buffer."""

    @sides
    @pytest.mark.parametrize("second_ms", [0, 10])
    async def test_same_instance(self, gcache: GCache, source: Source, side: str, second_ms: int) -> None:
        """After a plain or shorter invalidation the longer buffer still stands."""
        with gcache.enable():
            if side == "sync":
                gcache.invalidate("user_id", "1", fallback_buffer_ms=60_000)
                gcache.invalidate("user_id", "1", fallback_buffer_ms=second_ms)
            else:
                await gcache.ainvalidate("user_id", "1", fallback_buffer_ms=60_000)
                await gcache.ainvalidate("user_id", "1", fallback_buffer_ms=second_ms)
            await asyncio.sleep(second_ms / 1000)
            answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]

        assert [1, 2] == answers

    @on_servers
    @sides
    async def test_on_the_server(
        self, stack: Stack, new_gcache: Instances, source: Source, side: str
    ) -> None:
        """Nor does another instance's plain invalidation shorten what stands on the server."""
        with new_gcache() as gcache:
            gcache.invalidate("user_id", "1", fallback_buffer_ms=60_000)
        async with new_gcache() as other:
            if side == "sync":
                other.invalidate("user_id", "1")
            else:
                await other.ainvalidate("user_id", "1")
        with new_gcache() as third, third.enable():
            answers = [third.get(TRACKED, source), third.get(TRACKED, source)]
        [epoch_key] = stack.stored()

        assert [1, 2] == answers
        assert 50_000 < stack.lifetime_ms(epoch_key) <= 60_000


class TestClocks:
    """Clocks of app hosts decide freshness; tracked TTLs must be capped at 4 h or old values come back."""

    @on_servers
    @pytest.mark.parametrize("writer_ahead_sec", [-600, 600])
    def test_freshness_without_clocks(
        self,
        stack: Stack,
        new_gcache: Instances,
        monkeypatch: pytest.MonkeyPatch,
        source: Source,
        writer_ahead_sec: int,
    ) -> None:
        """Hosts whose clocks are ten minutes apart share hits, and no hit survives an invalidation."""

        def on_host(ahead_sec: int, act: Callable[[GCache], object]) -> Any:
            clock = SimpleNamespace(time=lambda: time.time() + ahead_sec, monotonic=time.monotonic)
            monkeypatch.setattr("gcache.assembly.time", clock)
            with new_gcache() as gcache, gcache.enable():
                return act(gcache)

        def read(gcache: GCache) -> int:
            return gcache.get(TRACKED, source)

        written = on_host(writer_ahead_sec, read)
        shared = on_host(0, read)
        on_host(0, lambda gcache: gcache.invalidate("user_id", "1"))
        reread = on_host(writer_ahead_sec, read)
        on_host(writer_ahead_sec, lambda gcache: gcache.invalidate("user_id", "1"))
        after = on_host(0, read)

        assert [1, 1, 2, 3] == [written, shared, reread, after]

    @on_servers
    def test_no_cap_on_tracked_ttl(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """An entry kept for a week outlives its invalidation unserved, whatever becomes of the epoch."""
        gcache = new_gcache(cache_config_provider=lambda key: GCacheKeyConfig.enabled(7 * DAY_SEC))
        with gcache.enable():
            gcache.get(TRACKED, source)
            lifetimes_ms = {name: stack.lifetime_ms(name) for name in stack.stored()}
            gcache.invalidate("user_id", "1")
        gcache.close()
        names_left = set(stack.stored())
        with new_gcache() as other, other.enable():
            after = other.get(TRACKED, source)

        [entry] = [name for name in lifetimes_ms if "#GetUser" in name]
        assert 0.9 * 7 * DAY_SEC * 1000 - 60_000 < lifetimes_ms[entry]
        assert lifetimes_ms[entry] <= min(lifetimes_ms.values())
        assert {entry} == names_left
        assert 2 == after

    @on_servers
    def test_lost_epoch_is_a_miss(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """An entry whose epoch was evicted or has expired is a miss."""
        with new_gcache() as gcache, gcache.enable():
            gcache.get(TRACKED, source)
        [epoch_key] = [name for name in stack.stored() if name.endswith("#epoch")]
        with stack.server.client() as client:
            client.delete(epoch_key)
        with new_gcache() as other, other.enable():
            answers = [other.get(TRACKED, source), other.get(TRACKED, source)]

        assert [2, 2] == answers


class TestNested:
    """A nested sync cached call raises; the sync source runs on another thread."""

    def test_sync_in_sync(self, gcache: GCache) -> None:
        """Cached sync functions call each other, on every level."""

        @gcache.cached("number", "n", "Fibonacci")
        def fibonacci(n: int) -> int:
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        with gcache.enable():
            answer = fibonacci(30)

        assert 832_040 == answer

    async def test_sync_in_a_running_loop(self, gcache: GCache, source: Source) -> None:
        """A sync cached function may be called inside a running loop, and inside an async cached one."""
        get = gcache.cached("user_id", "id", "Inner", track_for_invalidation=True)(lambda id: source())

        @gcache.cached("user_id", "id", "Outer", track_for_invalidation=True)
        async def outer(id: int) -> int:
            return get(id) + 100

        with gcache.enable():
            answers = [get(1), await outer(1), await outer(1), get(2), await outer(2)]

        assert [1, 101, 101, 2, 102] == answers

    async def test_async_in_async(self, gcache: GCache, source: Source) -> None:
        """Cached async functions call each other."""

        @gcache.cached("user_id", "id", "Inner")
        async def inner(id: int) -> int:
            return source()

        @gcache.cached("user_id", "id", "Outer")
        async def outer(id: int) -> int:
            return await inner(id) + 100

        with gcache.enable():
            answers = [await outer(1), await outer(1), await inner(1)]

        assert [101, 101, 1] == answers

    def test_recursion_on_one_key(self, gcache: GCache) -> None:
        """A source that calls itself for the same key runs again, and does not wait for itself."""
        depth = 0

        @gcache.cached("user_id", "id", "GetUser")
        def get_user(id: int) -> int:
            nonlocal depth
            depth += 1
            return depth if depth == 3 else get_user(id)

        with gcache.enable():
            answer = get_user(1)

        assert 3 == answer

    def test_sync_source_keeps_its_thread(self, gcache: GCache, pool: ThreadPoolExecutor) -> None:
        """The source of a sync function runs on its caller's thread, whichever that is."""
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: threading.get_ident())

        def call(id: int) -> tuple[int, int]:
            return threading.get_ident(), get(id)

        with gcache.enable():
            here = call(1)
        there = pool.submit(enabled(gcache, call), 2).result(PATIENCE_SEC)

        assert here[0] == here[1]
        assert there[0] == there[1]
        assert here[0] != there[0]

    async def test_sync_source_keeps_its_thread_in_a_loop(self, gcache: GCache) -> None:
        """Called inside a running loop, too."""
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: threading.get_ident())
        with gcache.enable():
            thread = get(1)

        assert threading.get_ident() == thread


def run_in_fork(function: Callable[[], object]) -> int:
    """Return the exit status of a forked child that runs `function`: 0 if it returned, 9 if it hung."""
    child = os.fork()
    if not child:
        try:
            function()
            os._exit(0)
        except BaseException:
            logging.exception("in the fork")
            os._exit(1)
    status: list[int] = []

    def is_over() -> bool:
        done, code = os.waitpid(child, os.WNOHANG)
        status.append(code)
        return done == child

    try:
        wait_until(is_over, sentence="the fork to end")
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return 9
    return os.waitstatus_to_exitcode(status[-1])


class TestFork:
    """Hangs after `fork()`."""

    @sides
    def test_child_goes_on(self, stack: Stack, new_gcache: Instances, source: Source, side: str) -> None:
        """A child of a process that used the cache reads, writes and invalidates, on its own connections."""
        gcache = new_gcache(cache_config_provider=cache_all)
        other_key = GCacheKey("user_id", "2", "GetUser")

        def use() -> None:
            with gcache.enable():
                if side == "sync":
                    gcache.get(TRACKED, source)
                    gcache.get(other_key, source)
                    gcache.invalidate("user_id", "1")
                else:
                    asyncio.run(ause())

        async def ause() -> None:
            await gcache.aget(TRACKED, source.awaited)
            await gcache.aget(other_key, source.awaited)
            await gcache.ainvalidate("user_id", "1")
            await gcache._engine.chain.tiers[-1]._layer.aclose() if stack.server else None

        def in_child() -> None:
            use()
            with gcache.enable():
                assert source.runs == 3
                assert gcache.get(other_key, source) == 2

        use()
        status = run_in_fork(in_child)
        with gcache.enable():
            in_parent = gcache.get(other_key, source)

        assert 0 == status
        assert 2 == in_parent

    @sides
    def test_fork_while_a_load_is_under_way(
        self, gcache: GCache, gate: Gate, pool: ThreadPoolExecutor, side: str
    ) -> None:
        """A child does not wait for a load that only its parent's thread could finish."""
        load = pool.submit(enabled(gcache, lambda: gcache.get(TRACKED, gate)))
        assert gate.entered.wait(PATIENCE_SEC)

        def in_child() -> None:
            with gcache.enable():
                if side == "sync":
                    assert gcache.get(TRACKED, lambda: "child's") == "child's"
                else:
                    asyncio.run(in_childs_loop())

        async def in_childs_loop() -> None:
            assert await gcache.aget(TRACKED, Gate.awaited.__get__(open_gate)) == "old"

        open_gate = Gate()
        open_gate.opened.set()
        status = run_in_fork(in_child)
        gate.opened.set()

        assert 0 == status
        assert "old" == load.result(PATIENCE_SEC)


class TestSecondLoop:
    """A second `asyncio.run` on a thread errors."""

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_redis_config(self, new_gcache: Instances) -> None:
        """Several asyncio.run in one thread are all served by the server."""
        sink = ListSink()
        gcache = new_gcache(cache_config_provider=cache_all, metrics=sink)

        async def use(id: int) -> int:
            source = Source()
            key = GCacheKey("user_id", id, "GetUser", track_for_invalidation=True)
            with gcache.enable():
                await asyncio.gather(*[gcache.aget(key, source.awaited) for _ in range(5)])
                await gcache.ainvalidate("user_id", id)
                await gcache.aget(key, source.awaited)
            return source.runs

        runs = [asyncio.run(use(number)) for number in range(3)]
        gcache.close()
        gc.collect()

        assert [2, 2, 2] == runs
        assert [] == sink.of(Error)

    @on_servers
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_thread_local_factory(self, stack: Stack, new_gcache: Instances) -> None:
        """A factory's one client for a thread serves all the loops that this thread runs."""
        sink = ListSink()
        clients = ThreadLocalClients(functools.partial(asyncio_client, stack))
        gcache = new_gcache(redis_client_factory=clients, metrics=sink, cache_config_provider=cache_remotely)

        async def use(source: Source) -> list[int]:
            with gcache.enable():
                return [await gcache.aget(TRACKED, source.awaited) for _ in range(2)]

        source = Source()
        answers = [asyncio.run(use(source)) for _ in range(3)]
        gcache.close()
        del clients
        gc.collect()

        assert [[1, 1]] * 3 == answers
        assert [] == sink.of(Error)


class TestSlowSourceOfAnotherKey:
    """A local hit waits behind another key's slow source."""

    def test_threads(self, gcache: GCache, gate: Gate, pool: ThreadPoolExecutor) -> None:
        """While one key's source is stuck, other keys are hits and misses as ever."""
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: gate(id) if id == "slow" else id)
        call = enabled(gcache, get)
        call("warm")
        slow = pool.submit(call, "slow")
        assert gate.entered.wait(PATIENCE_SEC)
        answers = [pool.submit(call, name).result(PATIENCE_SEC) for name in ("warm", "cold")]
        was_stuck = not slow.done()
        gate.opened.set()

        assert ["warm", "cold"] == answers
        assert was_stuck
        assert "slow" == slow.result(PATIENCE_SEC)

    async def test_tasks(self, gcache: GCache, gate: Gate) -> None:
        """While one key's awaited source is stuck, other keys are hits and misses as ever."""

        @gcache.cached("user_id", "id", "GetUser")
        async def get(id: str) -> str:
            return await gate.awaited(id) if id == "slow" else id

        with gcache.enable():
            await get("warm")
            slow = asyncio.create_task(get("slow"))
            await gate.until_entered()
            answers = [await asyncio.wait_for(get(name), PATIENCE_SEC) for name in ("warm", "cold")]
            was_stuck = not slow.done()
            gate.opened.set()

        assert ["warm", "cold"] == answers
        assert was_stuck
        assert "slow" == await slow


class TestLocalTtlChangedAtRunTime:
    """A local TTL changed at run time is ignored after first use."""

    @memory_only
    @pytest.mark.parametrize(("first_sec", "second_sec"), [(1000, 10), (10, 1000)])
    def test_heeded(
        self,
        stack: Stack,
        new_gcache: Instances,
        monkeypatch: pytest.MonkeyPatch,
        source: Source,
        first_sec: int,
        second_sec: int,
    ) -> None:
        """Entries stored after the change live as long as the new TTL says, shorter or longer."""
        now = time.monotonic()
        clock = SimpleNamespace(time=time.time, monotonic=lambda: now)
        monkeypatch.setattr("gcache.assembly.time", clock)
        ttl_sec = first_sec
        gcache = new_gcache(
            layers=[MemoryLayer(clock=lambda: now)],
            config_refresh_sec=0,
            cache_config_provider=lambda key: GCacheKeyConfig.enabled(ttl_sec),
        )
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: source())

        with gcache.enable():
            get("before")
            ttl_sec = second_sec
            stored = get("after")
            now += 11
            read = get("after")

        assert (second_sec > 11) == (stored == read)

    @memory_only
    def test_switched_off(self, new_gcache: Instances, source: Source) -> None:
        """A local TTL of 0 takes memory out at once, and a later one puts it back."""
        ttl_sec = 1000.0
        gcache = new_gcache(
            config_refresh_sec=0,
            cache_config_provider=lambda key: GCacheKeyConfig(
                ttl_sec={"local": ttl_sec}, ramp={"local": 100}
            ),
        )
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: source())

        with gcache.enable():
            on = [get(1), get(1)]
            ttl_sec = 0
            off = [get(1), get(1)]
            ttl_sec = 1000
            on_again = [get(2), get(2)]

        assert ([1, 1], [2, 3], [4, 4]) == (on, off, on_again)


class TestKeyCollisions:
    """`a="1&b=2"` collides with two arguments; `1` and `"1"` collide; addresses become keys."""

    def test_calls_that_differ(self, gcache: GCache) -> None:
        """Each of these calls gets its own value."""
        get: Any = gcache.cached("user_id", "id", "GetUser")(
            lambda id, a=None, b=None, **more: (id, a, b, more)
        )
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            ((1,), {}),
            ((1, "1&b=2"), {}),
            ((1, "1", "2"), {}),
            ((1, "1", 2), {}),
            ((1, 1, 2), {}),
            ((1, 1.0, 2), {}),
            ((1, True, 2), {}),
            ((1, "None"), {}),
            ((1, ""), {}),
            ((1, "'"), {}),
            ((1, "1,2"), {}),
            ((1, ["1,2"]), {}),
            ((1, ["1", "2"]), {}),
            ((1, ("1", "2")), {}),
            ((1, [1, 2]), {}),
            ((1, b"1"), {}),
            ((1, {"a": 1}), {}),
            ((1, "a b"), {}),
            ((1, "a%20b"), {}),
            ((1,), {"c": 1}),
            ((1,), {"c": "1"}),
            (("1?a=1",), {}),
            (("1#GetUser",), {}),
            (("1?a=1#GetUser",), {}),
            (("1}",), {}),
            (("1:2",), {}),
        ]
        expected = [get.__wrapped__(*args, **kwargs) for args, kwargs in calls]
        with gcache.enable():
            rounds = [[get(*args, **kwargs) for args, kwargs in calls] for _ in range(2)]

        assert [list(map(repr, expected))] * 2 == [list(map(repr, answers)) for answers in rounds]

    def test_entities_that_differ(self, gcache: GCache) -> None:
        """Key types and ids do not run into each other."""
        keys = [
            GCacheKey("a", "b:c", "U"),
            GCacheKey("a", "b", "c"),
            GCacheKey("a", "b#c", "U"),
            GCacheKey("a", "b", "c#U"),
            GCacheKey("a", "b?x=1", "U"),
            GCacheKey("a", "b", "U", {"x": 1}),
            GCacheKey("a", "{b}", "U"),
            GCacheKey("a", "b", "U", track_for_invalidation=True),
        ]
        with gcache.enable():
            for number, key in enumerate(keys):
                gcache.put(key, number)
            answers = [gcache.get(key, lambda: "none") for key in keys]

        assert list(range(len(keys))) == answers

    def test_objects_without_a_rendering(
        self, stack: Stack, new_gcache: Instances, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An object whose text would be its address runs uncached, is counted, and logged once."""
        sink, source = ListSink(), Source()
        gcache = new_gcache(metrics=sink)
        get = gcache.cached("user_id", "id", "GetUser")(lambda id, q: source())
        with gcache.enable():
            answers = [get(1, object()), get(1, object()), get(object(), 1)]

        assert [1, 2, 3] == answers
        assert ["unkeyable"] * 3 == [event.reason for event in sink.of(Disabled)]
        assert 1 == len([line for line in caplog.messages if "adapter" in line])
        assert stack.server is None or {} == stack.stored()


class TestFlushall:
    """`flushall` wipes the whole Redis server."""

    @on_servers
    @sides
    async def test_leaves_others_alone(self, stack: Stack, gcache: GCache, source: Source, side: str) -> None:
        """Everything under the prefix goes, and nothing else, not even what looks much like it."""
        others = [
            "session:1",
            "urn:galileo:user_id:1#GetUser",
            f"{stack.prefix}2:user_id:1#GetUser",
            f"{{{stack.prefix}2:user_id:1}}#epoch",
            stack.prefix,
            f"x{stack.prefix}:user_id:1#GetUser",
        ]
        with stack.server.client() as client:
            for other in others:
                client.set(other, "kept")
        with gcache.enable():
            for number in range(50):
                gcache.get(GCacheKey("user_id", number, "GetUser", {}, number % 2 == 0), source)
        written = len(stack.stored())
        if side == "sync":
            gcache.flushall()
        else:
            await gcache.aflushall()

        assert written > len(others) + 50
        assert dict.fromkeys(others, b"kept") == stack.stored()


class TestPassword:
    """A password with `/` or `#` breaks the URL."""

    @sides
    async def test_any_letters(self, own_server: Server, side: str) -> None:
        """Any letters will do in user name and password."""
        user, password = "a/p#p", "p/a#s@s:w%rd?&="
        own_server.command("ACL", "SETUSER", user, "on", f">{password}", "~*", "+@all")
        own_server.command("ACL", "SETUSER", "default", "off")
        stack = Stack(own_server)
        source, sink = Source(), ListSink()
        config = stack.config(
            redis_config=stack.redis_config(username=user, password=password),
            cache_config_provider=cache_remotely,
            metrics=sink,
        )
        async with GCache(config) as gcache:
            with gcache.enable():
                if side == "sync":
                    answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]
                else:
                    answers = [await gcache.aget(TRACKED, source.awaited) for _ in range(2)]

        assert [1, 1] == answers
        assert [] == sink.of(Error)

    def test_is_not_shown(self) -> None:
        """No repr shows a password."""
        assert "secret" not in repr(RedisConfig(password="secret", redis_py_options={"password": "secret"}))


class TestSourceException:
    """An exception of the source is logged as a cache error, once per layer."""

    @sides
    async def test_is_the_callers(
        self, new_gcache: Instances, caplog: pytest.LogCaptureFixture, side: str
    ) -> None:
        """The caller gets the very exception; it is counted once, as the source's, and not logged."""
        caplog.set_level(logging.DEBUG, logger="gcache")
        sink, error = ListSink(), LookupError("no such user")
        gcache = new_gcache(metrics=sink)

        def fail() -> int:
            raise error

        async def afail() -> int:
            raise error

        async def call() -> int:
            if side == "sync":
                return gcache.get(UNTRACKED, fail)
            return await gcache.aget(UNTRACKED, afail)

        with gcache.enable(), pytest.raises(LookupError) as raised:
            await call()

        assert error is raised.value
        assert [Error("GetUser", "user_id", "", "LookupError", True)] == sink.of(Error)
        assert [] == caplog.messages

    def test_is_not_cached(self, gcache: GCache, source: Source) -> None:
        """After an exception the next call asks the source again, and does not hang."""

        def fail() -> int:
            raise LookupError

        with gcache.enable():
            for _ in range(2):
                with pytest.raises(LookupError):
                    gcache.get(TRACKED, fail)
            answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]

        assert [1, 1] == answers

    @memory_only
    def test_stop_iteration(self, gcache: GCache) -> None:
        """A source may raise StopIteration, which a coroutine could not let pass."""
        with gcache.enable(), pytest.raises(StopIteration):
            gcache.get(TRACKED, lambda: next(iter([])))


class TestLogWhileRedisIsDown:
    """A traceback is logged on every call while Redis is down."""

    @sides
    async def test_two_lines(self, server: Server, caplog: pytest.LogCaptureFixture, side: str) -> None:
        """A hundred calls on a dead server are two lines, without a traceback, and a hundred answers."""
        caplog.set_level(logging.DEBUG, logger="gcache")
        source, sink = Source(), ListSink()
        config = Stack(server).config(cache_config_provider=cache_remotely, metrics=sink)
        async with GCache(config) as gcache:
            with gcache.enable():
                for call in range(110):
                    if call == 10:
                        server.kill()
                    key = GCacheKey("user_id", call, "GetUser", track_for_invalidation=call % 2 == 0)
                    if side == "sync":
                        gcache.get(key, source)
                    else:
                        await gcache.aget(key, source.awaited)

        lines = [record for record in caplog.records if record.name.startswith("gcache")]
        assert 110 == source.runs
        assert 2 == len(lines)
        assert [None, None] == [line.exc_info for line in lines]
        assert all("'remote'" in line.getMessage() for line in lines)
        assert 110 == sink.calls()


class TestManyReadsAtOnce:
    """Over 100 warm reads at once run out of connections and call the source."""

    @on_servers
    @pytest.mark.parametrize("options", [{}, {"max_connections": 5}], ids=["default", "5 connections"])
    @pytest.mark.parametrize("way", ["config", "factory"])
    async def test_tasks(
        self, stack: Stack, new_gcache: Instances, options: dict[str, Any], way: str
    ) -> None:
        """300 tasks that read warm keys at once are all served by the server."""
        sink, source = ListSink(), Source()
        clients = ThreadLocalClients(functools.partial(asyncio_client, stack, **options))
        ways: dict[str, dict[str, Any]] = {
            "config": {"redis_config": stack.redis_config(redis_py_options=options)},
            "factory": {"redis_client_factory": clients},
        }
        gcache = new_gcache(cache_config_provider=cache_remotely, metrics=sink, **ways[way])
        keys = [GCacheKey("user_id", number, "GetUser") for number in range(300)]
        with gcache.enable():
            for key in keys:
                await gcache.aget(key, source.awaited)
            answers = await asyncio.gather(*[gcache.aget(key, source.awaited) for key in keys])
        await gcache.aclose()
        await clients.aclose()

        assert [] == sink.of(Error)
        assert 300 == source.runs
        assert list(range(1, 301)) == answers

    @on_servers
    def test_threads(self, stack: Stack, new_gcache: Instances, pool: ThreadPoolExecutor) -> None:
        """60 threads on 5 connections are all served by the server."""
        sink, source = ListSink(), Source()
        gcache = new_gcache(
            cache_config_provider=cache_remotely,
            metrics=sink,
            redis_config=stack.redis_config(redis_py_options={"max_connections": 5}),
        )
        keys = [GCacheKey("user_id", number, "GetUser") for number in range(60)]
        with gcache.enable():
            for key in keys:
                gcache.get(key, source)
        start = threading.Barrier(60)

        def read(key: GCacheKey) -> int:
            start.wait(PATIENCE_SEC)
            for _ in range(10):
                gcache.get(key, source)
            return gcache.get(key, source)

        reads = [pool.submit(enabled(gcache, read), key) for key in keys]
        answers = [read.result(PATIENCE_SEC) for read in reads]

        assert [] == sink.of(Error)
        assert list(range(1, 61)) == answers
        assert 60 == source.runs


class TestOthers:
    """What was reproduced in others than the peer."""

    @sides
    async def test_none_is_cached(self, stack: Stack, new_gcache: Instances, side: str) -> None:
        """None is a value like any other, in memory and on the server."""
        runs: list[None] = []

        async def aload() -> None:
            runs.append(None)

        for _ in range(2):
            async with new_gcache() as gcache:
                with gcache.enable():
                    for _ in range(2):
                        if side == "sync":
                            answer: Any = gcache.get(TRACKED, lambda: runs.append(None))
                        else:
                            answer = await gcache.aget(TRACKED, aload)
                        assert answer is None

        assert (2 if stack.server is None else 1) == len(runs)

    async def test_cancelled_first_waiter(self, gcache: GCache) -> None:
        """Cancelling the caller that loads cancels none of those who wait: one of them loads."""
        runs: list[int] = []
        leaders: list[Any] = []
        release = asyncio.Event()

        async def load() -> str:
            runs.append(1)
            leaders.append(asyncio.current_task())
            await release.wait()
            return "value"

        with gcache.enable():
            tasks = [asyncio.create_task(gcache.aget(TRACKED, load)) for _ in range(5)]
            while not runs or waiting(gcache) < 4:
                await asyncio.sleep(0.001)
            leaders[0].cancel()
            await asyncio.wait(leaders[:1], timeout=PATIENCE_SEC)
            release.set()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        assert leaders[0].cancelled()
        assert 4 == outcomes.count("value")
        assert 2 == len(runs)

    async def test_cancelled_waiter(self, gcache: GCache, gate: Gate) -> None:
        """Cancelling one who waits disturbs neither the load nor the others."""
        with gcache.enable():
            leader = asyncio.create_task(gcache.aget(TRACKED, gate.awaited))
            await gate.until_entered()
            waiters = [asyncio.create_task(gcache.aget(TRACKED, gate.awaited)) for _ in range(2)]
            while waiting(gcache) < 2:
                await asyncio.sleep(0.001)
            waiters[0].cancel()
            await asyncio.wait(waiters[:1], timeout=PATIENCE_SEC)
            gate.opened.set()
            answers = await asyncio.wait_for(asyncio.gather(leader, waiters[1]), PATIENCE_SEC)

        assert waiters[0].cancelled()
        assert ["old", "old"] == answers
