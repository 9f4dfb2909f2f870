"""redis-py clients with deadlines of our own: made late, one for all threads, one for each event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet, ref

from gcache.errors import GCacheConfigError, MissingExtra

try:
    import redis
    import redis.asyncio
    import redis.asyncio.retry
    import redis.backoff
    import redis.retry
except ImportError as error:
    raise MissingExtra(
        "Redis needs redis-py: install it with `pip install 'gcache-toolkit[redis]'`."
    ) from error

from gcache.backends._redis_direct import AsyncDirectLane, DirectLane
from gcache.backends._redis_lanes import (
    MAX_CONNECTIONS,
    AsyncClusterLane,
    AsyncLane,
    ClusterLane,
    Lane,
    forget_connections,
    in_vain,
    is_cluster,
)

if TYPE_CHECKING:
    from gcache.core.config import RedisConfig

CONNECT_TIMEOUT_SEC = 0.5
TIMEOUT_SEC = 0.5


def kinds(is_cluster: bool) -> tuple[Any, Any]:
    """Return the classes of clients for threads and for event loops."""
    if not is_cluster:
        return redis.Redis, redis.asyncio.Redis
    from gcache.backends._redis_cluster import AsyncCluster, SyncCluster

    return SyncCluster, AsyncCluster


def sync_client(config: RedisConfig) -> Any:
    """Return a client for threads. A Cluster is looked up at once, a single server when it is used."""
    kind, _ = kinds(config.cluster)
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    return kind(**_options(config, retry))


def async_client(config: RedisConfig) -> Any:
    """Return a client for the running event loop."""
    _, kind = kinds(config.cluster)
    retry = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
    return kind(**_options(config, retry))


def is_async(client: Any) -> bool:
    """Tell which of redis-py's two kinds `client` is. Raises GCacheConfigError if it is neither."""
    if isinstance(client, redis.asyncio.Redis | redis.asyncio.RedisCluster):
        return True
    if isinstance(client, redis.Redis | redis.RedisCluster):
        return False
    raise GCacheConfigError(
        f"redis_client_factory returned {type(client).__name__}: return a Redis or RedisCluster "
        "of redis or of redis.asyncio."
    )


def _options(config: RedisConfig, retry: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "host": config.host,
        "port": config.port,
        "username": config.username,
        "password": config.password,
        "ssl": config.protocol == "rediss",
        "socket_connect_timeout": CONNECT_TIMEOUT_SEC,
        "socket_timeout": TIMEOUT_SEC,
        "max_connections": MAX_CONNECTIONS,
        "retry": retry,
        **config.redis_py_options,
    }
    return options


class PerThread:
    """The client of a sync factory: each thread keeps the one that the factory gave it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._local = threading.local()

    def lane(self) -> Lane:
        """Return the way to the thread's client."""
        lane: Lane | None = getattr(self._local, "lane", None)
        if lane is None:
            lane = self._local.lane = Lane(self._make())
        return lane

    def close(self) -> None:
        """Leave the clients to whoever made them."""


class Shared:
    """One client for all threads of a process, made when it is first used, and anew after a fork."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._vain_beginnings = 0
        self._lane: Lane | None = None
        _all_shared.add(self)

    def lane(self) -> Lane:
        """Return the way to the client."""
        return self._lane or self._begin()

    def close(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.close()

    def after_fork(self) -> None:
        """Forget the parent's client: its sockets are the parent's."""
        self._lock = threading.Lock()
        self._lane = None

    def _begin(self) -> Lane:
        vain_beginnings = self._vain_beginnings
        with self._lock:
            if self._lane is not None:
                return self._lane
            if self._vain_beginnings != vain_beginnings:
                raise in_vain()
            try:
                client = self._make()
            except BaseException:
                self._vain_beginnings += 1
                raise
            self._lane = ClusterLane(client) if is_cluster(client) else DirectLane(client)
            return self._lane


async def _nothing() -> Sequence[bytes | None]:
    return []


class _Latest(threading.local):
    """The lane that this thread used last, for the loop that it ran, as long as there are both."""

    loop: Callable[[], asyncio.AbstractEventLoop | None] = staticmethod(lambda: None)
    lane: Callable[[], AsyncLane | None] = staticmethod(lambda: None)


class PerLoop:
    """One client for each event loop. `is_ours` tells our clients from those that a factory keeps."""

    def __init__(self, make: Callable[[], Any], is_ours: bool) -> None:
        self._make = make
        self._is_ours = is_ours
        self._lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncLane] = WeakKeyDictionary()
        self._latest = _Latest()

    def read(self, keys: Sequence[str]) -> Awaitable[Sequence[bytes | None]]:
        """Return what brings what is stored under each of `keys`, in their order."""
        latest = self._latest
        if latest.loop() is not asyncio.get_running_loop() or (lane := latest.lane()) is None:
            lane = self.lane()
        return lane.read(keys) if keys else _nothing()

    def lane(self) -> AsyncLane:
        """Return the way to the running loop's client."""
        latest, loop = self._latest, asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            client = self._make()
            self._take_over(client)
            lane = self._lanes[loop] = _async_lane_to(client, self._is_ours)
        latest.loop, latest.lane = ref(loop), ref(lane)
        return lane

    def close(self) -> None:
        """Have every running loop close what it used; what stands still ends with its loop."""
        for loop, lane in self._by_loop():
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(lane.aclose(), loop)
        self._lanes.clear()
        self._latest = _Latest()

    async def aclose(self) -> None:
        """Close what this loop used. Clients of other loops can be closed there only, and end with them."""
        lane = self._lanes.pop(asyncio.get_running_loop(), None)
        self._latest = _Latest()
        if lane is not None:
            await lane.aclose()

    def _take_over(self, client: Any) -> None:
        """Forget connections that a loop left behind when it ended, and its client with them.

        A factory that keeps a client for each thread gives the same one to the thread's next loop.
        """
        for loop, lane in self._by_loop():
            if loop.is_closed():
                self._lanes.pop(loop, None)
                self._latest = _Latest()
                if lane.client is client:
                    forget_connections(client)

    def _by_loop(self) -> list[tuple[asyncio.AbstractEventLoop, AsyncLane]]:
        """Return the lanes by their loops. Other threads may add theirs, and loops may go, meanwhile."""
        loops = [loop for reference in self._lanes.keyrefs() if (loop := reference()) is not None]
        return [(loop, lane) for loop in loops if (lane := self._lanes.get(loop)) is not None]


class Clients:
    """Clients of our own for threads and for event loops, from one configuration."""

    def __init__(self, config: RedisConfig) -> None:
        kinds(config.cluster)  # imported by now, and not by whoever connects first
        self.shared = Shared(lambda: sync_client(config))
        self.per_loop = PerLoop(lambda: async_client(config), is_ours=True)

    def close(self) -> None:
        self.shared.close()
        self.per_loop.close()

    async def aclose(self) -> None:
        await self.per_loop.aclose()
        self.shared.close()


def _async_lane_to(client: Any, is_ours: bool) -> AsyncLane:
    if not is_ours:
        return AsyncLane(client, is_ours)
    return (AsyncClusterLane if is_cluster(client) else AsyncDirectLane)(client, is_ours)


_all_shared: WeakSet[Shared] = WeakSet()


def _after_fork() -> None:
    for shared in tuple(_all_shared):
        shared.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
