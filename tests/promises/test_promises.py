"""The promises of the design, one test for each, on real servers where that matters."""

# ruff: noqa: A006 - the contract calls an entity's identifier `id`

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gcache import GCache, GCacheKey, GCacheKeyConfig, LayerUnavailable, PickleSerializer
from gcache.conformance.proxy import FaultProxy
from gcache.conformance.waiting import wait_until
from gcache.core.envelope import Sealed, open_sealed, seal
from gcache.core.events import Disabled, Error, Hit, Load, Miss
from tests.contract.stacks import Instances, ListSink, Stack, cache_all, cache_remotely
from tests.servers.process import Server

PATIENCE_SEC = 10
ROOT = Path(__file__).parents[2]
TRACKED = GCacheKey("user_id", "1", "GetUser", track_for_invalidation=True)
UNTRACKED = GCacheKey("user_id", "1", "GetUser")

on_servers = pytest.mark.parametrize("stack", ["valkey", "redis", "cluster"], indirect=True)
on_redis = pytest.mark.parametrize("stack", ["redis"], indirect=True)
sides = pytest.mark.parametrize("side", ["sync", "async"])


class Source:
    """Gives 1, then 2, and so on."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> int:
        self.runs += 1
        return self.runs

    async def awaited(self) -> int:
        return self()


@pytest.fixture
def source() -> Source:
    return Source()


async def read(gcache: GCache, side: str, key: GCacheKey, source: Source) -> Any:
    return gcache.get(key, source) if side == "sync" else await gcache.aget(key, source.awaited)


async def invalidate(gcache: GCache, side: str) -> None:
    if side == "sync":
        gcache.invalidate("user_id", "1")
    else:
        await gcache.ainvalidate("user_id", "1")


TROUBLES: dict[str, Callable[[Server, FaultProxy], object]] = {
    "killed": lambda server, proxy: server.kill(),
    "frozen": lambda server, proxy: server.freeze(),
    "black hole": lambda server, proxy: proxy.black_hole(),
    "refusing": lambda server, proxy: proxy.refuse(),
    "garbage": lambda server, proxy: proxy.garbage(),
    "cut off": lambda server, proxy: proxy.cut_after(3),
    "lying": lambda server, proxy: proxy.garbage(b"$5\r\nlying\r\n"),
    "nonsense": lambda server, proxy: proxy.garbage(b":1\r\n"),
    "loading": lambda server, proxy: proxy.garbage(b"-LOADING Redis is loading\r\n"),
    "read only": lambda server, proxy: proxy.garbage(b"-READONLY You can't write against a replica.\r\n"),
}


class TestPromise1TheCacheNeverBreaksACaller:
    """A layer that is down, slow, full, lying or corrupt costs a bounded time once; the source answers."""

    @pytest.mark.parametrize("server", ["valkey"], indirect=True)
    @sides
    @pytest.mark.parametrize("trouble", TROUBLES)
    async def test_promise_1_the_cache_never_breaks_a_caller(
        self, server: Server, fault_proxy: FaultProxy, trouble: str, side: str, source: Source
    ) -> None:
        """Calls succeed with the source's value when trouble starts between two calls."""
        stack = Stack(server)
        config = stack.config(
            redis_config=stack.redis_config(port=fault_proxy.port), cache_config_provider=cache_remotely
        )
        async with GCache(config) as gcache:
            with gcache.enable():
                for key in (TRACKED, UNTRACKED):
                    await read(gcache, side, key, source)
                TROUBLES[trouble](server, fault_proxy)
                answers = [await read(gcache, side, key, source) for key in (TRACKED, UNTRACKED)]

        assert [3, 4] == answers

    @sides
    async def test_promise_1_trouble_ends(
        self, server: Server, fault_proxy: FaultProxy, side: str, source: Source
    ) -> None:
        """When the server is back so is the cache, and it caches what it should."""
        stack = Stack(server)
        config = stack.config(
            redis_config=stack.redis_config(port=fault_proxy.port), cache_config_provider=cache_remotely
        )
        seen: list[int] = []
        async with GCache(config) as gcache:
            with gcache.enable():
                await read(gcache, side, TRACKED, source)
                fault_proxy.refuse()
                away = await read(gcache, side, TRACKED, source)
                fault_proxy.pass_through()
                deadline = time.monotonic() + PATIENCE_SEC
                while not seen or seen[-1] != 1:
                    assert time.monotonic() < deadline
                    seen.append(await read(gcache, side, TRACKED, source))
                    await asyncio.sleep(0.01)

        assert 2 == away

    @pytest.mark.parametrize("server", ["valkey"], indirect=True)
    @sides
    async def test_promise_1_then_nothing(
        self, server: Server, fault_proxy: FaultProxy, side: str, source: Source
    ) -> None:
        """A layer that answers nothing is waited for once or twice, not by each of ten calls."""
        stack = Stack(server)
        config = stack.config(
            redis_config=stack.redis_config(port=fault_proxy.port), cache_config_provider=cache_remotely
        )
        async with GCache(config) as gcache:
            with gcache.enable():
                await read(gcache, side, UNTRACKED, source)
                fault_proxy.black_hole()
                before = fault_proxy.accepted
                for _ in range(6):
                    await read(gcache, side, UNTRACKED, source)
                attempts = fault_proxy.accepted - before

        assert 7 == source.runs
        assert attempts <= 2

    @sides
    async def test_promise_1_full(self, own_server: Server, side: str, source: Source) -> None:
        """A server without room for another entry stores nothing and breaks nothing."""
        own_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        own_server.command("CONFIG", "SET", "maxmemory", "1mb")
        sink = ListSink()
        config = Stack(own_server).config(cache_config_provider=cache_remotely, metrics=sink)
        async with GCache(config) as gcache:
            with gcache.enable():
                answers = [await read(gcache, side, key, source) for key in [TRACKED, UNTRACKED] * 2]

        assert [1, 2, 3, 4] == answers
        assert {"OutOfMemoryError"} == {event.error for event in sink.of(Error)}

    @on_servers
    @sides
    async def test_promise_1_corrupt(
        self, stack: Stack, new_gcache: Instances, side: str, source: Source
    ) -> None:
        """An entry with any of its bytes changed, cut or added is a miss, and is written anew."""
        gcache = new_gcache(cache_config_provider=cache_remotely)
        with gcache.enable():
            await read(gcache, side, UNTRACKED, source)
            [(name, intact)] = stack.stored().items()
            for corrupt in _corruptions(intact):
                before = source.runs
                with stack.server.client() as client:
                    client.set(name, corrupt)
                answers = [await read(gcache, side, UNTRACKED, source) for _ in range(2)]

                assert [before + 1] * 2 == answers, corrupt

    def test_promise_1_a_raising_sink(self, new_gcache: Instances, source: Source) -> None:
        """A metrics sink that raises breaks no call."""

        class Broken:
            def record(self, event: object) -> None:
                raise RuntimeError("no room")

        gcache = new_gcache(metrics=Broken())
        with gcache.enable():
            answers = [gcache.get(TRACKED, source), gcache.get(TRACKED, source)]

        assert [1, 1] == answers

    @sides
    async def test_promise_1_a_raising_provider(
        self, new_gcache: Instances, side: str, source: Source
    ) -> None:
        """A config provider that raises leaves the last good policy in force."""
        is_broken = False

        async def provider(key: GCacheKey) -> GCacheKeyConfig:
            if is_broken:
                raise RuntimeError("no configuration to be had")
            return await cache_all(key)

        gcache = new_gcache(cache_config_provider=provider, config_refresh_sec=0)
        with gcache.enable():
            before = await read(gcache, side, TRACKED, source)
            is_broken = True
            after = await read(gcache, side, TRACKED, source)

        assert [1, 1] == [before, after]

    def test_promise_1_a_refused_value(self, stack: Stack, new_gcache: Instances) -> None:
        """A value that no serializer takes is served all the same, each time."""
        gcache = new_gcache(cache_config_provider=cache_remotely)
        with gcache.enable():
            answers = [gcache.get(TRACKED, threading.Lock) for _ in range(2)]

        assert all(type(answer) is type(threading.Lock()) for answer in answers)


def _corruptions(intact: bytes) -> Iterator[bytes]:
    places = random.Random(0).sample(range(len(intact)), 12)
    yield from (intact[:place] + bytes([intact[place] ^ 1]) + intact[place + 1 :] for place in places)
    yield from (intact[: len(intact) // 2], intact[:-1], intact + b"\0", b"", b"gC", os.urandom(64))


class Process:
    """Another process that reads the tracked key through the same authority."""

    def __init__(self, stack: Stack) -> None:
        words = [sys.executable, "-m", "tests.promises.other_process"]
        self._process = subprocess.Popen(
            [*words, stack.prefix, str(stack.port), str(stack.is_cluster)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=ROOT,
        )

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE_SEC)


@pytest.fixture
def other_process(stack: Stack) -> Iterator[Process]:
    process = Process(stack)
    yield process
    process.close()


class TestPromise2InvalidationIsExact:
    """Once invalidate has returned, no read that starts later gets what was loaded before."""

    @on_servers
    @sides
    async def test_promise_2_invalidation_is_exact(
        self, gcache: GCache, other_process: Process, side: str
    ) -> None:
        """Neither what another process had cached nor what it was just loading is read afterwards."""

        other_process.say("read a")
        cached = other_process.answer()
        await invalidate(gcache, side)
        other_process.say("load b")
        assert "loading" == other_process.answer()
        await invalidate(gcache, side)
        other_process.say("go")
        in_flight = other_process.answer()
        with gcache.enable():
            here = gcache.get(TRACKED, lambda: "c")
        other_process.say("read d")
        there = other_process.answer()
        await invalidate(gcache, side)
        other_process.say("read e")
        at_last = other_process.answer()

        assert ["a", "b", "c", "c", "e"] == [cached, in_flight, here, there, at_last]

    def test_promise_2_under_load(self, gcache: GCache) -> None:
        """Of readers beside a writer, none reads what was invalidated before it began."""
        database = [0]
        valid_from = [0]
        failures: list[tuple[int, int]] = []
        over = threading.Event()

        @gcache.enable()
        def keep_reading() -> None:
            while not over.is_set():
                oldest = valid_from[0]
                answer = gcache.get(TRACKED, lambda: database[0])
                if answer < oldest:
                    failures.append((oldest, answer))

        readers = [threading.Thread(target=keep_reading) for _ in range(4)]
        for reader in readers:
            reader.start()
        for value in range(1, 100):
            database[0] = value
            gcache.invalidate("user_id", "1")
            valid_from[0] = value
        over.set()
        for reader in readers:
            reader.join(PATIENCE_SEC)

        assert [] == failures

    @sides
    async def test_promise_2_unreachable_authority(
        self, server: Server, fault_proxy: FaultProxy, side: str, source: Source
    ) -> None:
        """An invalidation that cannot reach the server raises, yet ends what is in memory here."""
        stack = Stack(server)
        config = stack.config(redis_config=stack.redis_config(port=fault_proxy.port))
        async with GCache(config) as gcache:
            with gcache.enable():
                await read(gcache, side, TRACKED, source)
                fault_proxy.refuse()
                with pytest.raises(LayerUnavailable, match="remote"):
                    await invalidate(gcache, side)
                after = await read(gcache, side, TRACKED, source)

        assert 2 == after

    @pytest.mark.parametrize("server", ["valkey"], indirect=True)
    @sides
    async def test_promise_2_is_kept_later(
        self, server: Server, fault_proxy: FaultProxy, side: str, source: Source
    ) -> None:
        """An invalidation that could not reach the server is done in the background once it can."""
        stack = Stack(server)
        config = stack.config(redis_config=stack.redis_config(port=fault_proxy.port))
        async with GCache(config) as gcache:
            with gcache.enable():
                await read(gcache, side, TRACKED, source)
                fault_proxy.refuse()
                with pytest.raises(LayerUnavailable):
                    await invalidate(gcache, side)
                fault_proxy.pass_through()
                deadline = time.monotonic() + 3
                while any(name.endswith("#epoch") for name in stack.stored()):
                    assert time.monotonic() < deadline, "the invalidation was given up"
                    await asyncio.sleep(0.01)

    def test_promise_2_no_clock(
        self, stack: Stack, new_gcache: Instances, monkeypatch: pytest.MonkeyPatch, source: Source
    ) -> None:
        """A wall clock that jumps back and forth makes no invalidated value come back."""
        ahead_sec = [0.0]
        real = time.time
        monkeypatch.setattr("time.time", lambda: real() + ahead_sec[0])
        gcache = new_gcache()
        answers = []
        with gcache.enable():
            for ahead_sec[0] in (0.0, 500.0, -500.0, 3000.0, 0.0):
                gcache.invalidate("user_id", "1")
                answers.append(gcache.get(TRACKED, source))

        assert [1, 2, 3, 4, 5] == answers


class TestPromise3OneLoadPerKeyAtATime:
    """Across threads and event loops of a process."""

    @pytest.mark.parametrize("key", [UNTRACKED, TRACKED], ids=["untracked", "tracked"])
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_promise_3_one_load_per_key_at_a_time(self, gcache: GCache, key: GCacheKey) -> None:
        """Eight threads and three loops with four tasks each, all at once, load once."""
        callers = 8 + 3 * 4
        runs: list[int] = []

        def travellers() -> int:
            return sum(gcache._engine.chain.flights.travellers.values())

        def load() -> int:
            runs.append(1)
            wait_until(lambda: travellers() == callers, sentence="all callers to look for the key")
            return 7

        async def aload() -> int:
            runs.append(1)
            while travellers() < callers:
                await asyncio.sleep(0.001)
            return 7

        @gcache.enable()
        def in_thread() -> list[int]:
            return [gcache.get(key, load)]

        def in_loop() -> list[int]:
            async def tasks() -> list[int]:
                with gcache.enable():
                    return await asyncio.gather(*[gcache.aget(key, aload) for _ in range(4)])

            return asyncio.run(tasks())

        with ThreadPoolExecutor(16) as pool:
            calls = [pool.submit(call) for call in [in_thread] * 8 + [in_loop] * 3]
            answers = [answer for call in calls for answer in call.result(PATIENCE_SEC)]

        gcache.close()
        gc.collect()

        assert [7] * callers == answers
        assert [1] == runs

    def test_promise_3_failures_are_shared_and_over(self, gcache: GCache, source: Source) -> None:
        """All who wait for a load that fails get its exception, and the next call loads again."""
        runs: list[int] = []

        def fail() -> int:
            runs.append(1)
            travellers = gcache._engine.chain.flights.travellers
            wait_until(lambda: sum(travellers.values()) == 8, sentence="all callers to look for the key")
            raise LookupError

        call = gcache.enable()(lambda: gcache.get(TRACKED, fail))
        with ThreadPoolExecutor(8) as pool:
            errors = [
                submitted.exception(PATIENCE_SEC) for submitted in [pool.submit(call) for _ in range(8)]
            ]
        with gcache.enable():
            after = gcache.get(TRACKED, source)

        assert [LookupError] * 8 == [type(error) for error in errors]
        assert [1] == runs
        assert 1 == after


def test_promise_4_off_by_default(gcache: GCache, source: Source) -> None:
    """Nothing is cached before enable(), nor after it, nor after an exception inside it."""
    get = gcache.cached("user_id", "id", "GetName")(lambda id: source())
    before = [get(1), get(1)]
    with pytest.raises(KeyError), gcache.enable():
        raise KeyError
    after = [get(1), get(1)]
    in_new_thread: list[int] = []
    with gcache.enable():
        thread = threading.Thread(target=lambda: in_new_thread.extend([get(1), get(1)]))
        thread.start()
        thread.join()

    assert [1, 2, 3, 4, 5, 6] == before + after + in_new_thread


class Bomb:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


class TestPromise5BytesFromOutsideAreData:
    """Nothing read from a layer can run code, or be taken for another key's value."""

    @on_servers
    @sides
    async def test_promise_5_bytes_from_outside_are_data(
        self, stack: Stack, new_gcache: Instances, tmp_path: Path, side: str, source: Source
    ) -> None:
        """A pickle that would run code is a miss, bare as well as in an envelope that fits."""
        trap = tmp_path / "sprung"
        gcache = new_gcache(cache_config_provider=cache_remotely)
        bomb = pickle.dumps(Bomb(trap))
        with gcache.enable():
            await read(gcache, side, UNTRACKED, source)
            [name] = stack.stored()
            sealed = Sealed(bomb, time.time(), time.time() + 3600, None)
            forged = seal(sealed, name, PickleSerializer().identity)
            answers = []
            for hostile in (bomb, forged):
                with stack.server.client() as client:
                    client.set(name, hostile)
                answers.append(await read(gcache, side, UNTRACKED, source))
        was_opened = open_sealed(forged, name, PickleSerializer().identity).payload == bomb

        assert was_opened
        assert [2, 3] == answers
        assert not trap.exists()
        pickle.loads(bomb)
        assert trap.exists()

    @on_servers
    def test_promise_5_another_keys_entry(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """The bytes of one key put under another's name are a miss, and are called what they are."""
        sink = ListSink()
        gcache = new_gcache(cache_config_provider=cache_remotely, metrics=sink)
        keys = [GCacheKey("user_id", name, "GetUser") for name in ("alice", "mallory")]
        with gcache.enable():
            for key in keys:
                gcache.get(key, source)
            [theirs] = [value for name, value in stack.stored().items() if "mallory" in name]
            [hers] = [name for name in stack.stored() if "alice" in name]
            with stack.server.client() as client:
                client.set(hers, theirs)
            answer = gcache.get(keys[0], source)

        assert 3 == answer
        assert "other_key" == sink.of(Miss)[-1].reason


class TestPromise6WorkStaysWithItsCaller:
    """Sync work happens in the caller's thread, async work on the caller's loop."""

    def test_promise_6_sync_work_in_the_callers_thread(self, gcache: GCache) -> None:
        """A sync source runs in its caller's thread and sees its context variables."""
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
        variable.set("mine")
        with gcache.enable():
            thread = gcache.get(TRACKED, lambda: (threading.get_ident(), variable.get()))

        assert (threading.get_ident(), "mine") == tuple(thread)

    async def test_promise_6_async_work_on_the_callers_loop(self, gcache: GCache) -> None:
        """An async source runs on its caller's loop and sees its context variables."""
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
        variable.set("mine")
        seen: list[Any] = []

        async def load() -> None:
            seen.append((asyncio.get_running_loop(), variable.get()))

        with gcache.enable():
            await gcache.aget(TRACKED, load)

        assert [(asyncio.get_running_loop(), "mine")] == seen

    async def test_promise_6_all_ways_to_nest(self, gcache: GCache) -> None:
        """Cached functions call cached functions: sync in sync, sync in async, async in async."""

        def decorate(use_case: str) -> Any:
            return gcache.cached("user_id", "id", use_case, track_for_invalidation=True)

        inner = decorate("Inner")(lambda id: f"inner {id}")
        middle = decorate("Middle")(lambda id: f"middle {inner(id)}")

        @decorate("AsyncMiddle")
        async def amiddle(id: int) -> str:
            return f"async {middle(id)}"

        @decorate("Outer")
        async def outer(id: int) -> str:
            return f"outer {await amiddle(id)}"

        with gcache.enable():
            answers = [await outer(1), await outer(1)]

        assert ["outer async middle inner 1"] * 2 == answers

    def test_promise_6_processes_may_fork(self, gcache: GCache, source: Source) -> None:
        """A forked child reads what its parent cached, loads and invalidates, and so does the parent."""
        with gcache.enable():
            gcache.get(TRACKED, source)
            child = os.fork()
            if not child:
                status = 1
                try:
                    hit = gcache.get(TRACKED, source)
                    gcache.invalidate("user_id", "1")
                    status = 0 if (hit, gcache.get(TRACKED, source)) == (1, 2) else 2
                finally:
                    os._exit(status)
            _, code = os.waitpid(child, 0)
            gcache.invalidate("user_id", "1")
            answer = gcache.get(TRACKED, source)

        assert 0 == os.waitstatus_to_exitcode(code)
        assert 2 == answer


@on_servers
@sides
async def test_promise_7_flushall_removes_what_this_namespace_wrote(
    stack: Stack, gcache: GCache, source: Source, side: str
) -> None:
    """flushall takes every key under the prefix, entries and epochs and holds, and no other key."""
    with stack.server.client() as client:
        for number in range(30):
            client.set(f"somebody else's {number}", "kept")
    theirs = stack.stored()
    with gcache.enable():
        for number in range(30):
            gcache.get(GCacheKey("user_id", number, "GetUser", {}, bool(number % 2)), source)
        gcache.invalidate("user_id", "held", fallback_buffer_ms=60_000)
    seen: list[int] = []
    if side == "sync":
        gcache.flushall(progress=seen.append)
    else:
        await gcache.aflushall(progress=seen.append)

    assert theirs == stack.stored()
    assert 30 + 15 + 1 <= seen[-1]


class TestPromise8EveryCallIsCountedOnce:
    """Hit, miss with its reason, disabled with its reason, error."""

    @sides
    async def test_promise_8_every_call_is_counted_once(
        self, stack: Stack, new_gcache: Instances, source: Source, side: str
    ) -> None:
        """Whatever becomes of a call, it is one hit, one miss, or one that was disabled."""
        sink = ListSink()

        def provider(key: GCacheKey) -> GCacheKeyConfig | None:
            if key.use_case == "Unconfigured":
                return None
            return GCacheKeyConfig() if key.use_case == "RampedDown" else GCacheKeyConfig.enabled(60)

        gcache = new_gcache(metrics=sink, cache_config_provider=provider)
        get = gcache.cached("user_id", "id", "Function")(lambda id, q=0: source())
        calls = 0

        async def call(key: GCacheKey) -> None:
            nonlocal calls
            calls += 1
            await read(gcache, side, key, source)

        await call(TRACKED)
        with gcache.enable():
            for key in (TRACKED, TRACKED, UNTRACKED):
                await call(key)
            gcache.invalidate("user_id", "1")
            await call(TRACKED)
            gcache.invalidate("user_id", "1", fallback_buffer_ms=60_000)
            await call(TRACKED)
            await call(GCacheKey("user_id", "1", "Unconfigured"))
            await call(GCacheKey("user_id", "1", "RampedDown"))
            for arguments in ((1,), (1,), (1, object())):
                calls += 1
                get(*arguments)
                sink.collect()
        await gcache.aclose()
        with gcache.enable():
            await call(TRACKED)

        reasons = {event.reason for event in sink.of(Miss, Disabled)}
        assert calls == sink.calls()
        assert {
            "context",
            "absent",
            "held",
            "missing_config",
            "ramped_down",
            "unkeyable",
            "closed",
        } <= reasons
        assert 2 == sum(event.calls for event in sink.of(Hit))

    @pytest.mark.parametrize("trouble", ["killed", "garbage", "cut off", "nonsense"])
    async def test_promise_8_in_trouble(
        self, server: Server, fault_proxy: FaultProxy, source: Source, trouble: str
    ) -> None:
        """Calls in trouble are counted once, never as hits, and with them what failed or was skipped."""
        stack, sink = Stack(server), ListSink()
        config = stack.config(
            redis_config=stack.redis_config(port=fault_proxy.port),
            cache_config_provider=cache_remotely,
            metrics=sink,
        )
        async with GCache(config) as gcache:
            with gcache.enable():
                gcache.get(TRACKED, source)
                TROUBLES[trouble](server, fault_proxy)
                for side in ("sync", "async") * 3:
                    await read(gcache, side, TRACKED, source)

        assert 7 == sink.calls()
        assert [] == sink.of(Hit)
        skipped = [event for event in sink.of(Miss) if event.reason == "skipped"]
        assert 6 <= len(sink.of(Error)) + len(skipped)

    async def test_promise_8_while_waiting(self, new_gcache: Instances) -> None:
        """Those who wait for one load are counted each, once."""
        sink = ListSink()
        gcache = new_gcache(metrics=sink)

        async def load() -> int:
            while sum(gcache._engine.chain.flights.travellers.values()) < 20:
                await asyncio.sleep(0.001)
            return 1

        with gcache.enable():
            await asyncio.gather(*[gcache.aget(TRACKED, load) for _ in range(20)])
        await gcache.aclose()

        assert 20 == sink.calls()
        assert 1 == len(sink.of(Load))

    @on_servers
    @sides
    async def test_promise_8_many_at_once(self, new_gcache: Instances, side: str) -> None:
        """Of many ids each is counted once, and each is loaded once, whatever becomes of the others."""
        sink = ListSink()
        gcache = new_gcache(metrics=sink, cache_config_provider=cache_all)
        asked: list[list[int]] = []

        def get_users(user_ids: list[int]) -> dict[int, int]:
            asked.append(user_ids)
            return {user_id: len(asked) for user_id in user_ids}

        async def aget_users(user_ids: list[int]) -> dict[int, int]:
            return get_users(user_ids)

        many = gcache.cached_many("user_id", ids_arg="user_ids", track_for_invalidation=True)
        cached: Any = many(get_users if side == "sync" else aget_users)

        async def read_many(user_ids: list[int]) -> dict[int, int]:
            answer = cached(user_ids)
            return await answer if side == "async" else answer  # type: ignore[no-any-return]

        with gcache.enable():
            await read_many([1, 2])
            await gcache.ainvalidate("user_id", 2)
            answer = await read_many([3, 2, 1])
        await read_many([1])

        assert ({3: 2, 2: 2, 1: 1}, [[1, 2], [3, 2], [1]]) == (answer, asked)
        assert [1, 4] == [sum(event.calls for event in sink.of(kind)) for kind in (Hit, Miss)]
        assert ["context"] == [event.reason for event in sink.of(Disabled)]
