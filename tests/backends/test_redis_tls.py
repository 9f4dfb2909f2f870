"""TLS, and a user with few rights and an awkward password, through RedisConfig."""

from __future__ import annotations

from asyncio import to_thread
from typing import TYPE_CHECKING, Any

import pytest
import redis

from gcache import GCache, GCacheConfig, GCacheConfigError, GCacheKey, RedisBus, RedisConfig
from gcache.backends.redis import RedisLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Error
from tests.contract.stacks import ListSink, cache_remotely

if TYPE_CHECKING:
    from tests.servers.tls import TlsServer

sides = pytest.mark.parametrize("side", ["sync", "async"])


def config_for(server: TlsServer, **options: Any) -> RedisConfig:
    return RedisConfig(
        **{
            "host": "localhost",
            "port": server.port,
            "username": server.username,
            "password": server.password,
            "protocol": "rediss",
            "redis_py_options": {"ssl_ca_certs": str(server.ca_file)},
        }
        | options
    )


@sides
async def test_user_with_few_rights(tls_server: TlsServer, side: str) -> None:
    """Reading, writing, invalidating and flushing need TLS, the awkward password and few rights only."""
    sink = ListSink()
    runs: list[int] = []
    config = GCacheConfig(
        redis_config=config_for(tls_server),
        urn_prefix=f"{tls_server.key_prefix}cache",
        cache_config_provider=cache_remotely,
        metrics=sink,
    )
    key = GCacheKey("user_id", "1", "GetUser")

    async def load() -> int:
        runs.append(1)
        return len(runs)

    async with GCache(config) as gcache:
        with gcache.enable():
            if side == "sync":
                answers = [gcache.get(key, lambda: runs.append(1) or len(runs)) for _ in range(2)]
                gcache.delete(key)
                gcache.flushall()
            else:
                answers = [await gcache.aget(key, load) for _ in range(2)]
                await gcache.adelete(key)
                await gcache.aflushall()

    assert [1, 1] == answers
    assert [] == sink.of(Error)
    assert 0 == tls_server.command("DBSIZE")


@sides
async def test_invalidations_of_a_user_with_few_rights(tls_server: TlsServer, side: str) -> None:
    """Invalidating, with a buffer as well, needs no more than that, and neither does the bus."""
    sink = ListSink()
    redis_config = config_for(tls_server)
    config = GCacheConfig(
        redis_config=redis_config,
        invalidation_bus=RedisBus(redis_config),
        urn_prefix=f"{tls_server.key_prefix}cache",
        cache_config_provider=cache_remotely,
        metrics=sink,
    )
    async with GCache(config) as gcache:
        with gcache.enable():
            gcache.get(GCacheKey("user_id", "1", "GetUser", track_for_invalidation=True), lambda: 1)
            await to_thread(wait_until, lambda: [1] == sink.hears(), sentence="it to hear")
            for buffer_ms in (0, 5000):
                if side == "sync":
                    gcache.invalidate("user_id", "1", buffer_ms)
                else:
                    await gcache.ainvalidate("user_id", "1", buffer_ms)

    assert [] == sink.of(Error)


@sides
async def test_certificate_is_checked(tls_server: TlsServer, side: str) -> None:
    """A server whose authority is not known is not talked to."""
    layer = RedisLayer(config_for(tls_server, redis_py_options={}))
    with pytest.raises(redis.ConnectionError, match="certificate"):
        layer.get(["app:key"]) if side == "sync" else await layer.aget(["app:key"])
    await layer.aclose()


@sides
async def test_wrong_password(tls_server: TlsServer, side: str) -> None:
    """A wrong password is an error of the layer, which does not repeat it."""
    layer = RedisLayer(config_for(tls_server, password="wrong/secret"))
    with pytest.raises(redis.AuthenticationError) as raised:
        layer.get(["app:key"]) if side == "sync" else await layer.aget(["app:key"])
    await layer.aclose()

    assert "secret" not in str(raised.value)


def test_unknown_protocol() -> None:
    """A protocol that is neither plain nor TLS is refused."""
    with pytest.raises(GCacheConfigError, match="'redis', or 'rediss'"):
        RedisConfig(protocol="https")
