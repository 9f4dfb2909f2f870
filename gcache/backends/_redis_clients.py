"""redis-py clients with deadlines of our own: made late, one for all threads, one for each event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

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

if TYPE_CHECKING:
    from gcache.core.config import RedisConfig

CONNECT_TIMEOUT_SEC = 0.5
TIMEOUT_SEC = 0.5
MAX_CONNECTIONS = 64
_MOST_AT_ONCE = 1_000


def sync_client(config: RedisConfig) -> Any:
    """Return a client for threads. A Cluster is looked up at once, a single server when it is used."""
    kind = redis.RedisCluster if config.cluster else redis.Redis
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    return kind(**_options(config, retry))


def async_client(config: RedisConfig) -> Any:
    """Return a client for the running event loop."""
    kind = redis.asyncio.RedisCluster if config.cluster else redis.asyncio.Redis
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


def is_cluster(client: Any) -> bool:
    """Tell whether `client` speaks to a Cluster."""
    return isinstance(client, redis.RedisCluster | redis.asyncio.RedisCluster)


def check_raw(client: Any) -> Any:
    """Return `client` if it gives back bytes as they are. Raises GCacheConfigError."""
    if client.get_encoder().decode_responses:
        raise GCacheConfigError(
            "The Redis client decodes responses, but entries are bytes: make it with decode_responses=False."
        )
    return client


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
    if options.get("decode_responses"):
        raise GCacheConfigError("redis_py_options has decode_responses, but entries are bytes: leave it out.")
    return options


class PerThread:
    """The client of a sync factory: each thread keeps the one that the factory gave it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._local = threading.local()

    @contextmanager
    def lane(self) -> Iterator[Any]:
        """Hand out the thread's client."""
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = check_raw(self._make())
        yield client

    def close(self) -> None:
        """Leave the clients to whoever made them."""


class Shared:
    """One client for all threads of a process, made when it is first used, and anew after a fork."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._client: Any = None
        self.after_fork()
        _all_shared.add(self)

    @contextmanager
    def lane(self) -> Iterator[Any]:
        """Hand out the client to as many threads at once as it may have connections; others wait."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = check_raw(self._make())
                    self._gate = threading.BoundedSemaphore(_most_connections(self._client))
        with self._gate:
            yield self._client

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """Forget the parent's client: its sockets are the parent's."""
        self._lock = threading.Lock()
        self._gate = threading.BoundedSemaphore()
        self._client = None


class PerLoop:
    """One client for each event loop. `is_ours` tells our clients from those that a factory keeps."""

    def __init__(self, make: Callable[[], Any], is_ours: bool) -> None:
        self._make = make
        self._is_ours = is_ours
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, asyncio.Semaphore]]
        self._clients = WeakKeyDictionary()

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[Any]:
        """Hand out the loop's client to as many tasks at once as it may have connections; others wait."""
        loop = asyncio.get_running_loop()
        kept = self._clients.get(loop)
        if kept is None:
            client = check_raw(self._make())
            self._take_over(client)
            kept = self._clients[loop] = client, asyncio.Semaphore(_most_connections(client))
        client, gate = kept
        async with gate:
            yield client

    def close(self) -> None:
        """Have every running loop close what it used; what stands still ends with its loop."""
        for loop, (client, _) in tuple(self._clients.items()):
            if self._is_ours and loop.is_running():
                asyncio.run_coroutine_threadsafe(client.aclose(), loop)
        self._clients.clear()

    async def aclose(self) -> None:
        """Close what this loop used. Clients of other loops can be closed there only, and end with them."""
        client, _ = self._clients.pop(asyncio.get_running_loop(), (None, None))
        if client is not None and self._is_ours:
            await client.aclose()

    def _take_over(self, client: Any) -> None:
        """Forget connections that a loop left behind when it ended, and its client with them.

        A factory that keeps a client for each thread gives the same one to the thread's next loop.
        """
        for loop, (other, _) in tuple(self._clients.items()):
            if loop.is_closed():
                del self._clients[loop]
                if other is client and hasattr(client, "connection_pool"):
                    client.connection_pool.reset()


def _most_connections(client: Any) -> int:
    pool = getattr(client, "connection_pool", None)
    return min(getattr(pool, "max_connections", MAX_CONNECTIONS), _MOST_AT_ONCE)


_all_shared: WeakSet[Shared] = WeakSet()


def _after_fork() -> None:
    for shared in tuple(_all_shared):
        shared.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
