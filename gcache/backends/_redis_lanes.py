"""Ways to a Redis client: as many callers at once as it may have connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import redis.exceptions

from gcache.backends._redis_packing import Writes
from gcache.errors import GCacheConfigError

MAX_CONNECTIONS = 64
_MOST_AT_ONCE = 1_000
_PATIENCE_SEC = 2.0


def is_cluster(client: Any) -> bool:
    """Tell whether `client` speaks to a Cluster."""
    return hasattr(client, "keyslot")


def _checked(client: Any) -> Any:
    if client.get_encoder().decode_responses:
        raise GCacheConfigError(
            "The Redis client decodes responses, but entries are bytes: make it with decode_responses=False."
        )
    return client


def most_at_once(client: Any, pools: int = 1) -> int:
    """Return how many connections each of `pools` may have, to each node in the case of a Cluster."""
    if is_cluster(client):
        options = getattr(client, "connection_kwargs", None) or client.nodes_manager.connection_kwargs
    else:
        options = {"max_connections": client.connection_pool.max_connections}
    most = min(int(options.get("max_connections", MAX_CONNECTIONS)), _MOST_AT_ONCE)
    return max(1, most // pools)


def in_vain() -> Exception:
    """Return the error of those who waited for another to connect, which failed: so would they."""
    return redis.exceptions.ConnectionError("Another caller has just tried to connect, and failed.")


def forget_connections(client: Any) -> None:
    """Have an async client begin anew on another loop: what the last one left open is past closing."""
    if not is_cluster(client):
        client.connection_pool.reset()
        return
    nodes = client.nodes_manager
    for node in (*nodes.nodes_cache.values(), *nodes.startup_nodes.values()):
        node._connections.clear()
        node._free.clear()
    client._initialize, client._lock = True, None
    client._usage_lock, nodes._initialize_lock = asyncio.Lock(), asyncio.Lock()


class Lane:
    """The way to a client for threads. Entered, it gives the client to as many as may have one at once."""

    def __init__(self, client: Any, pools: int = 1) -> None:
        self.client = _checked(client)
        self._gate = threading.BoundedSemaphore(most_at_once(client, pools))

    def __enter__(self) -> Any:
        if not self._gate.acquire(timeout=_PATIENCE_SEC):
            raise redis.exceptions.TimeoutError("All connections were busy for too long.")
        return self.client

    def __exit__(self, *_: object) -> None:
        self._gate.release()

    def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is stored under each of `keys`, in their order."""
        with self as client:
            many = client.mget_nonatomic if _is_spread(client, keys) else client.mget
            return many(keys)  # type: ignore[no-any-return]

    def write(self, writes: Writes) -> Sequence[Any]:
        """Send all `writes` together, and return their replies. Raises the first error."""
        with self as client:
            commands = writes.commands()
            if len(commands) == 1:
                return [client.execute_command(*commands[0])]
            with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return pipeline.execute()  # type: ignore[no-any-return]

    def close(self) -> None:
        self.client.close()


class ClusterLane(Lane):
    """A lane to a Cluster whose client has a queue for each node."""

    def __enter__(self) -> Any:
        return self.client

    def __exit__(self, *_: object) -> None: ...


class AsyncLane:
    """The way to a client for the tasks of one event loop, on which nothing stays open when the loop ends.

    One task has a Cluster's nodes looked up while the others wait: redis-py closes connections at the end
    of that which others would be using already.
    """

    def __init__(self, client: Any, is_ours: bool, pools: int = 1) -> None:
        self.client = _checked(client)
        self._is_ours = is_ours
        self._gate = asyncio.Semaphore(most_at_once(client, pools))
        self._beginning = asyncio.Lock()
        self._vain_beginnings = 0
        self._keeper: AsyncGenerator[None, None] | None = None

    async def __aenter__(self) -> Any:
        if self._keeper is None:
            await self._begin()
        if self._gate.locked():
            async with asyncio.timeout(_PATIENCE_SEC):
                await self._gate.acquire()
        else:
            await self._gate.acquire()
        return self.client

    async def __aexit__(self, *_: object) -> None:
        self._gate.release()

    def read(self, keys: Sequence[str]) -> Awaitable[Sequence[bytes | None]]:
        """Return what brings what is stored under each of `keys`, in their order."""
        return self._read(keys)

    async def _read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        async with self as client:
            many = client.mget_nonatomic if _is_spread(client, keys) else client.mget
            return await many(keys)  # type: ignore[no-any-return]

    async def write(self, writes: Writes) -> Sequence[Any]:
        """Send all `writes` together, and return their replies. Raises the first error."""
        async with self as client:
            commands = writes.commands()
            if len(commands) == 1:
                return [await client.execute_command(*commands[0])]
            async with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close what is open, if it is ours. An application's own client may have other users."""
        if self._is_ours and self._keeper is not None:
            await self._keeper.aclose()

    async def _begin(self) -> None:
        vain_beginnings = self._vain_beginnings
        async with self._beginning:
            if self._keeper is not None:
                return
            if self._vain_beginnings != vain_beginnings:
                raise in_vain()
            try:
                if is_cluster(self.client):
                    await self.client.initialize()
            except BaseException:
                self._vain_beginnings += 1
                raise
            self._keeper = await (self._begun() if self._is_ours else _theirs(self.client))

    async def _begun(self) -> AsyncGenerator[None, None]:
        keeper = _until_the_end(self._close)
        await anext(keeper)
        return keeper

    async def _close(self) -> None:
        await self.client.aclose()


class AsyncClusterLane(AsyncLane):
    """A lane to a Cluster whose client has a queue for each node."""

    async def __aenter__(self) -> Any:
        if self._keeper is None:
            await self._begin()
        return self.client

    async def __aexit__(self, *_: object) -> None: ...


async def _until_the_end(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    """Call `close` when this is closed, which a loop does with all its generators when it ends."""
    try:
        yield
    finally:
        await close()


_their_keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, AsyncGenerator[None, None]]]
_their_keepers = WeakKeyDictionary()


async def _theirs(client: Any) -> AsyncGenerator[None, None]:
    """Have an application's client disconnected when the loop ends, and not before: it can connect anew."""
    keepers = _their_keepers.setdefault(asyncio.get_running_loop(), {})
    keeper = keepers.get(id(client))
    if keeper is None:
        close = client.aclose if is_cluster(client) else client.connection_pool.disconnect
        keeper = keepers[id(client)] = _until_the_end(close)
        await anext(keeper)
    return keeper


def _is_spread(client: Any, keys: Sequence[str]) -> bool:
    return is_cluster(client) and len({client.keyslot(key) for key in keys}) > 1
