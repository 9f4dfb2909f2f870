"""Event loops that come and go, one after another and many at once, on real servers."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKey
from gcache.backends import _redis_clients
from gcache.backends._redis_clients import PerLoop
from gcache.backends.redis import RedisLayer
from tests.contract.stacks import Instances, ListSink, Stack, cache_all, cache_remotely
from tests.core.stage import PATIENCE_SEC, in_background, in_threads

if TYPE_CHECKING:
    from tests.servers.process import Server

KEY = GCacheKey("user_id", "1", "GetUser", track_for_invalidation=True)
on_servers = pytest.mark.parametrize("stack", ["valkey", "redis"], indirect=True)
# A loop that is only closed, as some applications do it, leaves the sockets of its clients to the collector.
untidy = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Source:
    """A source that counts its runs, and answers with the count."""

    runs = 0

    async def awaited(self) -> int:
        self.runs += 1
        return self.runs


class Client:
    """A client as far as a lane looks at one before it is used."""

    def __init__(self) -> None:
        self.connection_pool = self
        self.max_connections = 1
        self.decode_responses = False
        self.connection_class, self.connection_kwargs = object, dict[str, Any]()

    def get_encoder(self) -> Client:
        return self

    encoding = "utf-8"


@pytest.mark.parametrize("verb", ["lane", "close"])
def test_loops_of_others(verb: str) -> None:
    """Other threads may add their loops between any two steps of one that looks through them all."""
    per_loop = PerLoop(Client, is_ours=True)
    loops: list[asyncio.AbstractEventLoop] = []

    async def do(verb: str) -> None:
        getattr(per_loop, verb)()

    def add(_: int = 0) -> None:
        loops.append(asyncio.new_event_loop())
        loops[-1].run_until_complete(do("lane"))

    def look(frame: Any, event: str, _: Any) -> Any:
        is_looking = frame.f_code.co_filename in (weakref.__file__, _redis_clients.__file__)
        if is_looking and event == "line" and len(loops) < 40:
            in_threads(1, add)
        return look if is_looking else None

    async def looked() -> None:
        sys.settrace(look)
        try:
            getattr(per_loop, verb)()
        finally:
            sys.settrace(tracer)

    tracer = sys.gettrace()
    for _ in range(4):
        add()
    mine = asyncio.new_event_loop()
    try:
        mine.run_until_complete(looked())
    finally:
        for loop in (*loops, mine):
            loop.close()

    assert len(loops) > 10


@on_servers
class TestOneAfterAnother:
    def test_no_growth(self, stack: Stack, new_gcache: Instances) -> None:
        """After a hundred runs there is not one client, connection, file or thread more than after one."""
        sink, source = ListSink(), Source()
        gcache = new_gcache(cache_config_provider=cache_remotely, metrics=sink)
        server: Server = stack.server  # type: ignore[assignment]

        async def use() -> Any:
            with gcache.enable():
                await asyncio.gather(*[gcache.aget(KEY, source.awaited) for _ in range(3)])
                await gcache.ainvalidate("user_id", "1")
                return await gcache.aget(KEY, source.awaited)

        def counts() -> tuple[int, int, int]:
            gc.collect()
            lanes = gcache._engine.chain.tiers[-1]._layer._per_loop._lanes
            connections = server.command("CLIENT", "LIST").count(b"\n")
            return len(lanes), connections, len(os.listdir("/proc/self/fd"))

        asyncio.run(use())
        first = counts()
        for _ in range(99):
            asyncio.run(use())

        assert first == counts()
        assert 1 + 100 == source.runs  # the first run of each but the first begins with a hit

    @untidy
    def test_only_closed(self, stack: Stack) -> None:
        """Loops that are closed without a word to their generators leave nothing behind either."""
        layer = RedisLayer(stack.redis_config())

        def use() -> int:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(layer.aput({"key": b"value"}, 60))
            loop.close()
            del loop
            gc.collect()
            return len(os.listdir("/proc/self/fd"))

        first, last = use(), [use() for _ in range(20)][-1]
        layer.close()
        gc.collect()

        assert first == last


@on_servers
class TestAtOnce:
    def test_threads(self, stack: Stack, new_gcache: Instances) -> None:
        """Loops in many threads at once read one key with one load, and each on its own connections."""
        gcache = new_gcache(cache_config_provider=cache_remotely, metrics=(sink := ListSink()))
        source = Source()

        async def use() -> list[Any]:
            with gcache.enable():
                return [await gcache.aget(KEY, source.awaited) for _ in range(5)]

        answers = in_threads(8, lambda _: asyncio.run(use()))

        assert [[1] * 5] * 8 == answers
        assert 1 == source.runs
        assert [] == [event for event in sink.events if type(event).__name__ == "Error"]


class TestClosedUnderWaiters:
    @pytest.mark.parametrize(
        ("end", "stack"),
        [("run", "memory"), ("run", "valkey"), ("run", "redis"), ("close", "memory")],
        indirect=["stack"],
    )
    def test_other_loop(self, new_gcache: Instances, end: str) -> None:
        """When the loop whose task leads a flight ends, those who wait on other loops load for themselves."""
        gcache = new_gcache(cache_config_provider=cache_all)
        begun, waiting = threading.Event(), threading.Event()

        async def never() -> None:
            begun.set()
            await asyncio.Event().wait()

        async def lead() -> None:
            task = asyncio.create_task(gcache.aget(KEY, never))
            while not waiting.is_set():
                await asyncio.sleep(0.001)
            del task

        def lead_and_end() -> None:
            if end == "run":
                asyncio.run(lead())
                return
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda loop, context: None)  # it would tell of the pending task
            loop.run_until_complete(lead())
            loop.close()
            del loop
            gc.collect()

        def followed() -> bool:
            [flights] = gcache._engine.chain.flights.under_way.values()
            return any(flight._wakers for flight in flights.values())

        async def follow() -> Any:
            async def load() -> str:
                return "mine"

            task = asyncio.create_task(gcache.aget(KEY, load))
            while not followed():
                await asyncio.sleep(0.001)
            waiting.set()
            return await asyncio.wait_for(task, PATIENCE_SEC)

        with gcache.enable(), in_background(lead_and_end) as led:
            assert begun.wait(PATIENCE_SEC)

            assert "mine" == asyncio.run(follow())
            led()
        gc.collect()
