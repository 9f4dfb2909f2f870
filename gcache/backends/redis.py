"""The reference remote layer: Redis or Valkey, one server or a Cluster, from threads and from event loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gcache.backends import _redis_clients as clients
from gcache.backends._redis_lanes import is_cluster
from gcache.backends._redis_packing import Writes
from gcache.core.config import RedisConfig
from gcache.core.protocols import CacheLayer, Progress
from gcache.errors import GCacheConfigError

if TYPE_CHECKING:
    from gcache.urls import LayerURL

_SCAN_COUNT = 1_000

# One key, so a Cluster runs it on the one node that has it. It is epochs.retired, by the server's clock.
_RETIRE = """
local stored, holder, hold_ms = redis.pcall('GET', KEYS[1]), ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends, value, last = {}, 'h', 0
if type(stored) == 'string' and string.sub(stored, 1, 1) == 'h' then
    for name, till in string.gmatch(string.sub(stored, 2), '(%w*):(%d+);') do
        if tonumber(till) > now then ends[name] = tonumber(till) end
    end
end
if hold_ms > 0 then
    ends[holder] = math.max(ends[holder] or 0, now + hold_ms)
elseif holder ~= '' then
    ends[holder] = nil
end
for name, till in pairs(ends) do
    value = value .. name .. ':' .. string.format('%.0f', till) .. ';'
    last = math.max(last, till)
end
if last > 0 then
    redis.call('SET', KEYS[1], value, 'PX', last - now)
elseif stored then
    redis.call('DEL', KEYS[1])
end
"""


class SyncRedisLayer:
    """Redis for threads, over a client of `redis`."""

    wait_replicas = 0

    def __init__(self, client: clients.Shared | clients.PerThread, name: str = CacheLayer.REMOTE) -> None:
        self.name = name
        self._shared = client

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return self._shared.lane().read(keys) if keys else []

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        if items:
            self._shared.lane().write(Writes(items, _milliseconds(ttl), ()))

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        with self._shared.lane() as client:
            return bool(client.set(key, value, px=_milliseconds(ttl), nx=True))

    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        replies = self._shared.lane().write(Writes(items, _milliseconds(ttl), ("NX",)))
        return [bool(reply) for reply in replies]

    def delete(self, keys: Sequence[str]) -> int:
        with self._shared.lane() as client:
            return int(client.unlink(*keys)) if keys else 0

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        removed = 0
        with self._shared.lane() as client:
            for node in _primaries(client):
                cursor: Any = None
                while cursor != 0:
                    cursor, keys = _page(client.scan(cursor or 0, **_scan(prefix, node)))
                    removed += client.unlink(*keys) if keys else 0
                    if progress is not None:
                        progress(removed)
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        with self._shared.lane() as client:
            if self.wait_replicas:
                from gcache.backends._redis_replicas import run_and_wait

                run_and_wait(client, self.wait_replicas, _RETIRE, key, holder, _hold_ms(ttl))
            else:
                client.eval(_RETIRE, 1, key, holder, _hold_ms(ttl))

    def close(self) -> None:
        self._shared.close()


class AsyncRedisLayer:
    """Redis for event loops, over clients of `redis.asyncio`."""

    wait_replicas = 0

    def __init__(self, client: clients.PerLoop, name: str = CacheLayer.REMOTE) -> None:
        self.name = name
        self._per_loop = client

    async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return await self._per_loop.lane().read(keys) if keys else []

    # What does the same in fewer steps, for core.
    aget.begins = lambda self: self._per_loop.read  # type: ignore[attr-defined]

    async def aput(self, items: Mapping[str, bytes], ttl: float) -> None:
        if items:
            await self._per_loop.lane().write(Writes(items, _milliseconds(ttl), ()))

    async def aadd(self, key: str, value: bytes, ttl: float) -> bool:
        async with self._per_loop.lane() as client:
            return bool(await client.set(key, value, px=_milliseconds(ttl), nx=True))

    async def aadd_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        replies = await self._per_loop.lane().write(Writes(items, _milliseconds(ttl), ("NX",)))
        return [bool(reply) for reply in replies]

    async def adelete(self, keys: Sequence[str]) -> int:
        async with self._per_loop.lane() as client:
            return int(await client.unlink(*keys)) if keys else 0

    async def aclear(self, prefix: str, progress: Progress | None = None) -> int:
        removed = 0
        async with self._per_loop.lane() as client:
            for node in _primaries(client):
                cursor: Any = None
                while cursor != 0:
                    cursor, keys = _page(await client.scan(cursor or 0, **_scan(prefix, node)))
                    removed += await client.unlink(*keys) if keys else 0
                    if progress is not None:
                        progress(removed)
        return removed

    async def aretire(self, key: str, holder: str, ttl: float) -> None:
        async with self._per_loop.lane() as client:
            if self.wait_replicas:
                from gcache.backends._redis_replicas import arun_and_wait

                await arun_and_wait(client, self.wait_replicas, _RETIRE, key, holder, _hold_ms(ttl))
            else:
                await client.eval(_RETIRE, 1, key, holder, _hold_ms(ttl))

    async def aclose(self) -> None:
        await self._per_loop.aclose()


class RedisLayer(SyncRedisLayer, AsyncRedisLayer):
    """Redis for both, each with clients of its own: `RedisLayer(RedisConfig(port=6379))`.

    Nothing is connected before it is used. Operations raise what redis-py raises, and `retire` raises
    NotReplicated if fewer replicas than `invalidate_wait_replicas` acknowledged it in time.
    """

    def __init__(self, config: RedisConfig, name: str = CacheLayer.REMOTE) -> None:
        self.name = name
        self.wait_replicas = config.invalidate_wait_replicas
        self._clients = clients.Clients(config)
        self._shared, self._per_loop = self._clients.shared, self._clients.per_loop

    def close(self) -> None:
        self._clients.close()

    async def aclose(self) -> None:
        await self._clients.aclose()


def layer_of_factory(
    factory: Callable[[], Any], name: str = CacheLayer.REMOTE
) -> SyncRedisLayer | AsyncRedisLayer:
    """Return a layer over whichever kind of client `factory` makes. Runs it once to find out."""
    first = factory()
    if clients.is_async(first):
        return AsyncRedisLayer(clients.PerLoop(factory, is_ours=False), name)
    return SyncRedisLayer(clients.PerThread(factory), name)


def from_url(url: LayerURL) -> RedisLayer:
    """Return the layer of a URL such as `rediss://user:secret@host:6379/2?name=far&timeout_sec=0.3`.

    `timeout_sec` is for an answer and `connect_timeout_sec` for a connection; the other options are those
    of RedisConfig. A `rediss` URL may name the files `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile`.
    Raises GCacheConfigError.
    """
    from gcache.urls import flag, seconds

    url.only("login", "hosts", "path")
    files = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile") if url.scheme == "rediss" else ()
    options = url.options(
        name=str,
        cluster=flag,
        invalidate_wait_replicas=int,
        timeout_sec=seconds,
        connect_timeout_sec=seconds,
        **dict.fromkeys(files, str),
    )
    name = options.pop("name", CacheLayer.REMOTE)
    meant = {"timeout_sec": "socket_timeout", "connect_timeout_sec": "socket_connect_timeout"}
    redis_py_options = {
        meant.get(each, each): options.pop(each) for each in (*meant, *files) if each in options
    }
    redis_py_options |= _database(url, is_cluster=options.get("cluster", False))
    config = RedisConfig(
        protocol=url.scheme,
        username=url.username,
        password=url.password,
        redis_py_options=redis_py_options,
        **_address(url),
        **options,
    )
    return RedisLayer(config, name)


def _address(url: LayerURL) -> dict[str, Any]:
    if len(url.hosts) > 1:
        raise GCacheConfigError(
            f"A {url.scheme}:// URL names {len(url.hosts)} hosts: name one, which for a Cluster is any node."
        )
    host, port = url.hosts[0] if url.hosts else (None, None)
    return {name: value for name, value in (("host", host), ("port", port)) if value is not None}


def _database(url: LayerURL, is_cluster: bool) -> dict[str, int]:
    number = url.path.strip("/") or "0"
    if not (number.isascii() and number.isdecimal()):
        raise GCacheConfigError(
            f"The path of a {url.scheme}:// URL is no number of a database: write it as in redis://host/2."
        )
    if is_cluster and int(number):
        raise GCacheConfigError("A Cluster has database 0 only: leave the path out of its URL.")
    return {"db": int(number)} if int(number) else {}


def _milliseconds(ttl: float) -> int:
    return max(1, round(ttl * 1000))


def _hold_ms(ttl: float) -> int:
    return _milliseconds(ttl) if ttl > 0 else 0


def _primaries(client: Any) -> Sequence[Any]:
    return client.get_primaries() if is_cluster(client) else [None]


def _scan(prefix: str, node: Any) -> dict[str, Any]:
    escaped = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in prefix)
    options: dict[str, Any] = {"match": f"{escaped}*", "count": _SCAN_COUNT}
    return options if node is None else {**options, "target_nodes": node}


def _page(reply: Any) -> tuple[int, Any]:
    """Return cursor and keys. A Cluster's reply has the cursors by node, and one node was asked."""
    cursors, keys = reply
    cursor: Any = next(iter(cursors.values())) if hasattr(cursors, "values") else cursors
    return int(cursor), keys
