"""What a key builder makes of keys, and what is wrong with it."""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import Any

from gcache.conformance.keys.samples import identity
from gcache.core.keys import GCacheKey
from gcache.errors import UnrenderableArgument


def key_with(value: Any) -> GCacheKey:
    """Return a key with this argument."""
    return GCacheKey("k", 1, "U", {"x": value})


def all_strings(key_builder: Any, keys: Iterable[GCacheKey]) -> list[str]:
    """Return the strings of `keys`, and of the epochs of their entities."""
    return [
        string for key in keys for string in (key_builder.build(key), key_builder.epoch(key.key_type, key.id))
    ]


def rendered(key_builder: Any, values: Iterable[Any]) -> list[Any]:
    """Return those of `values` that can be arguments."""
    return [value for value in values if told_of(key_builder, key_with(value)) is not None]


def told_of(key_builder: Any, key: GCacheKey, refuse: bool = True) -> str | None:
    """Return what is wrong: what was built though it should be refused, or what was raised instead."""
    try:
        built = key_builder.build(key)
    except UnrenderableArgument:
        return None
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"[:200]
    return f"builds {built}"[:200] if refuse else None


def mixed_up(key_builder: Any, keys: Iterable[GCacheKey]) -> list[tuple[GCacheKey, GCacheKey]]:
    """Return pairs of keys that differ in something and have one string."""
    strings: dict[str, GCacheKey] = {}
    mixed_up: list[tuple[GCacheKey, GCacheKey]] = []
    for key in keys:
        first = strings.setdefault(key_builder.build(key), key)
        if first is not key and identity(first) != identity(key):
            mixed_up.append((first, key))
    return mixed_up[:5]


def slot(key: str) -> int:
    """Return the slot of `key` in a Redis Cluster: by its hash tag, if it has one."""
    start = key.find("{")
    end = key.find("}", start + 1)
    tag = key[start + 1 : end] if -1 < start < end - 1 else key
    return binascii.crc_hqx(tag.encode(), 0) % 16_384
