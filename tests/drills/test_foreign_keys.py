"""What lies under our keys and was put there by nobody of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from gcache import GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, RedisConfig

if TYPE_CHECKING:
    from tests.servers.process import Server

EPOCH_KEY = "{urn:foreign:user_id:1}#epoch"
KEY = GCacheKey("user_id", 1, "GetUser", track_for_invalidation=True)
UNTRACKED = GCacheKey("user_id", 1, "GetName")

pytestmark = pytest.mark.parametrize("server", ["valkey"], indirect=True)


@pytest.fixture
def gcache(server: Server) -> Iterator[GCache]:
    remote = GCacheKeyConfig(ttl_sec={"remote": 60}, ramp={"remote": 100})
    config = GCacheConfig(
        redis_config=RedisConfig(host=server.host, port=server.port),
        urn_prefix="urn:foreign",
        cache_config_provider=lambda key: remote,
    )
    with GCache(config) as gcache:
        yield gcache


def loads_of_five(gcache: GCache, key: GCacheKey = KEY) -> int:
    """How often the source runs in five reads."""
    loads: list[int] = []
    with gcache.enable():
        for _ in range(5):
            gcache.get(key, lambda: loads.append(1))
    return len(loads)


def plant(server: Server, gcache: GCache, *command: str) -> None:
    """Have `command` fill the place of an untracked entry."""
    loads_of_five(gcache, UNTRACKED)
    [name] = server.command("KEYS", "*")
    server.command("DEL", name)
    server.command(command[0], name, *command[1:])


def test_load_replaces_foreign_bytes(server: Server, gcache: GCache) -> None:
    """Bytes that are no entry cost one load, whose value takes their place."""
    plant(server, gcache, "SET", "garbage")

    assert 1 == loads_of_five(gcache, UNTRACKED)


def test_load_replaces_a_foreign_type(server: Server, gcache: GCache) -> None:
    """A list where an entry would be costs one load, too."""
    plant(server, gcache, "LPUSH", "no entry")

    assert 1 == loads_of_five(gcache, UNTRACKED)


@pytest.mark.parametrize("command", [("SET", EPOCH_KEY, "garbage"), ("LPUSH", EPOCH_KEY, "no epoch")])
def test_epoch_is_planted_anew(server: Server, gcache: GCache, command: tuple[str, ...]) -> None:
    """What is neither an epoch nor a hold, of whatever type, is retired by the first load of its entity."""
    server.command(*command)

    assert 1 == loads_of_five(gcache)


def test_invalidate_ends_a_foreign_type(server: Server, gcache: GCache) -> None:
    """A list under the epoch key is done away with by `invalidate`, too."""
    server.command("LPUSH", EPOCH_KEY, "no epoch")
    gcache.invalidate("user_id", 1)

    assert 0 == server.command("EXISTS", EPOCH_KEY)
