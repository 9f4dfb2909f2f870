"""The ways to run GCache that the contract holds for: memory alone, or memory in front of a server."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis.asyncio

from gcache import GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, RedisConfig
from gcache.core.events import Disabled, Event, Hit, Listening, Miss

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server


async def cache_all(key: GCacheKey) -> GCacheKeyConfig:
    """A config provider that caches everything everywhere, for longer than any test runs."""
    return GCacheKeyConfig.enabled(3600)


async def cache_remotely(key: GCacheKey) -> GCacheKeyConfig:
    """A config provider that leaves the memory layer out, so that every read asks the server."""
    return GCacheKeyConfig(ttl_sec={"remote": 3600}, ramp={"remote": 100})


def new_prefix() -> str:
    return f"urn:test:{uuid.uuid4().hex}"


class Stack:
    """Where the instances of one test run."""

    def __init__(self, server: Server | Cluster | None) -> None:
        self.server = server
        self.prefix = new_prefix()

    @property
    def is_cluster(self) -> bool:
        return hasattr(self.server, "nodes")

    @property
    def port(self) -> int:
        assert self.server is not None
        nodes: list[Server] = getattr(self.server, "nodes", [self.server])
        return nodes[0].port

    @property
    def layer_names(self) -> list[str]:
        return ["local"] if self.server is None else ["local", "remote"]

    def redis_config(self, **options: Any) -> RedisConfig:
        return RedisConfig(**{"host": "127.0.0.1", "port": self.port, "cluster": self.is_cluster} | options)

    def config(self, **options: Any) -> GCacheConfig:
        """A configuration under this stack's prefix; every later one shares what is stored."""
        own_chain = {"redis_config", "redis_client_factory", "layers"} & set(options)
        if self.server is not None and not own_chain:
            options["redis_config"] = self.redis_config()
        return GCacheConfig(**{"cache_config_provider": cache_all, "urn_prefix": self.prefix} | options)

    def stored(self) -> dict[str, bytes]:
        """All strings on the server, by key."""
        assert self.server is not None
        with self.server.client() as client:
            keys = list(client.scan_iter(count=1000))
            return {key.decode(): client.get(key) for key in keys}

    def lifetime_ms(self, key: str) -> int:
        assert self.server is not None
        with self.server.client() as client:
            return int(client.pttl(key))


class ListSink:
    """A sink that remembers."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.collect: Callable[[], object] = lambda: None

    def before_collect(self, callback: Callable[[], object]) -> None:
        self.collect = callback

    def record(self, event: Event) -> None:
        self._events.append(event)

    @property
    def events(self) -> list[Event]:
        """Everything so far, with the sums that are due."""
        self.collect()
        return list(self._events)

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    def hears(self) -> list[int]:
        """What the listener said of itself, in its order."""
        return [event.hears for event in self.of(Listening)]

    def calls(self) -> int:
        """How many calls were counted."""
        return sum(getattr(event, "calls", 1) for event in self.of(Hit, Miss, Disabled))


class ThreadLocalClients:
    """A factory as the contract has it, thread-local clients of redis.asyncio, that can close them all."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._thread_local = threading.local()
        self._made: list[tuple[Any, Any]] = []

    def __call__(self) -> Any:
        if not hasattr(self._thread_local, "client"):
            self._thread_local.client = self._make()
        client = self._thread_local.client
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return client
        self._made.append((client, loop))
        return client

    async def aclose(self) -> None:
        """Close each client on the loop that used it."""
        for client, loop in self._made:
            if loop is asyncio.get_running_loop():
                await client.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.aclose(), loop))


def asyncio_client(stack: Stack, **options: Any) -> Any:
    kind = redis.asyncio.RedisCluster if stack.is_cluster else redis.asyncio.Redis
    return kind.from_url(f"redis://127.0.0.1:{stack.port}", **options)


class Instances:
    """Instances of a test, closed with it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._made: list[GCache] = []

    def __call__(self, **options: Any) -> GCache:
        gcache = GCache(self._stack.config(**options))
        self._made.append(gcache)
        return gcache

    async def aclose(self) -> None:
        for gcache in self._made:
            await gcache.aclose()
