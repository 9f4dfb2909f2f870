"""async-lru, with a TTL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from async_lru import alru_cache


def cached(source: Callable[..., Any], _port: int | None) -> Callable[..., Any]:
    decorate: Any = alru_cache(maxsize=100_000, ttl=600)
    return decorate(source)
