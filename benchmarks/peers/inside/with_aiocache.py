"""aiocache: its memory cache, or its Redis cache with pickled values, which takes no dicts otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiocache import Cache
from aiocache import cached as decorator
from aiocache.serializers import PickleSerializer


def cached(source: Callable[..., Any], port: int | None) -> Callable[..., Any]:
    if port is None:
        decorate: Any = decorator(ttl=600)
    else:
        decorate = decorator(
            ttl=600, cache=Cache.REDIS, endpoint="127.0.0.1", port=port, serializer=PickleSerializer()
        )
    return decorate(source)
