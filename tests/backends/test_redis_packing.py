"""Commands that are packed here are those that redis-py would send."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio

from gcache.backends._redis_packing import Writes, packing, write_packing

KEYS = ["{urn:shop:user_id:1}?page=2#GetPosts", "{urn:shop:user_id:1}#epoch"]
VALUES = [b"", b"\r\n", b"\xff" * 70_000]
NAMES = {"one": KEYS[:1], "two": KEYS, "accent": ["é", *KEYS], "odd": ["", "\r\n", "$1"], "many": KEYS * 500}


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis], ids=["sync", "async"])
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "latin-1", "utf-16"])
@pytest.mark.parametrize("keys", NAMES.values(), ids=NAMES)
def test_as_redis_py(kind: Any, encoding: str, keys: list[str]) -> None:
    """Whatever the keys and the client's encoding are, it is the same MGET, byte for byte."""
    client = kind(encoding=encoding)
    connection = client.connection_pool.make_connection()

    packed = packing(client)(connection, keys)

    assert b"".join(connection.pack_command("MGET", *keys)) == b"".join(packed)


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis], ids=["sync", "async"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("options", [(), ("NX",)], ids=["always", "if_absent"])
@pytest.mark.parametrize("keys", NAMES.values(), ids=NAMES)
def test_writes_as_redis_py(kind: Any, encoding: str, options: tuple[str, ...], keys: list[str]) -> None:
    """Whatever the keys, the values and the encoding are, they are the same SETs, byte for byte."""
    client = kind(encoding=encoding)
    connection = client.connection_pool.make_connection()
    writes = Writes({key: VALUES[place % len(VALUES)] for place, key in enumerate(keys)}, 60_000, options)

    packed = write_packing(client)(connection, writes)

    assert b"".join(connection.pack_commands(writes.commands())) == b"".join(packed)
