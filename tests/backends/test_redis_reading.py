"""Commands that are packed here are those that redis-py would send."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio

from gcache.backends._redis_reading import packing

KEYS = ["{urn:shop:user_id:1}?page=2#GetPosts", "{urn:shop:user_id:1}#epoch"]
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
