"""Bytes under the cache's very keys that it never wrote. They stay when the fault ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from benchmarks.drills.repeating import repeating
from benchmarks.drills.scene import Fault, Scene

_AGAIN_SEC = 0.02


def planted(mangle: Callable[[bytes, random.Random], bytes]) -> Fault:
    """Replace the value of each key, once for each value, by what `mangle` makes of it."""

    @contextmanager
    def plant(scene: Scene) -> Iterator[None]:
        mangled: dict[bytes, bytes] = {}
        chance = random.Random(5)

        def once(client: redis.Redis) -> None:
            for key in client.scan_iter(count=1000):
                value = client.get(key)
                if isinstance(value, bytes) and value != mangled.get(key):
                    mangled[key] = mangle(value, chance)
                    client.set(key, mangled[key], keepttl=True)

        with scene.stage.server.client() as client, repeating(lambda: once(client), _AGAIN_SEC):
            yield

    return plant


@contextmanager
def wrong_type(scene: Scene) -> Iterator[None]:
    """A list lies under each key."""

    def once(client: redis.Redis) -> None:
        for key in client.scan_iter(count=1000, _type="string"):
            with client.pipeline() as pipeline:
                pipeline.delete(key)
                pipeline.lpush(key, "no value of yours")
                pipeline.execute()

    with scene.stage.server.client() as client, repeating(lambda: once(client), _AGAIN_SEC):
        yield


def garbage(value: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 500))


def truncated(value: bytes, chance: random.Random) -> bytes:
    return value[: chance.randrange(len(value) or 1)]


def flipped(value: bytes, chance: random.Random) -> bytes:
    """Return `value` with one bit of it the other way round."""
    bit = chance.randrange(8 * len(value) or 1)
    number = int.from_bytes(value, "big") ^ (1 << bit)
    return number.to_bytes(max(len(value), 1), "big")
