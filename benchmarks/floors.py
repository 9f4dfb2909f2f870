"""The least that a local cache with a switch, a lifetime and a counter can be: a closure over a dict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any

TTL_SEC = 600.0

enabled: ContextVar[bool] = ContextVar("floor_enabled", default=False)


class Hits:
    """How often a floor answered."""

    def __init__(self, function: Callable[..., Any], count: Callable[[], int]) -> None:
        self.function = function
        self.count = count


def sync_floor(source: Callable[[str], Any]) -> Hits:
    entries: dict[str, tuple[Any, float]] = {}
    hits = 0

    def cached(user_id: str) -> Any:
        nonlocal hits
        if not enabled.get():
            return source(user_id)
        found = entries.get(user_id)
        if found is not None and monotonic() < found[1]:
            hits += 1
            return found[0]
        value = source(user_id)
        entries[user_id] = (value, monotonic() + TTL_SEC)
        return value

    return Hits(cached, lambda: hits)


def async_floor(source: Callable[[str], Awaitable[Any]]) -> Hits:
    entries: dict[str, tuple[Any, float]] = {}
    hits = 0

    async def cached(user_id: str) -> Any:
        nonlocal hits
        if not enabled.get():
            return await source(user_id)
        found = entries.get(user_id)
        if found is not None and monotonic() < found[1]:
            hits += 1
            return found[0]
        value = await source(user_id)
        entries[user_id] = (value, monotonic() + TTL_SEC)
        return value

    return Hits(cached, lambda: hits)


def keyword_floor(source: Callable[..., Any]) -> Hits:
    entries: dict[tuple[str, int, str, bool], tuple[Any, float]] = {}
    hits = 0

    def cached(user_id: str, page: int = 1, *, order: str = "newest", deleted: bool = False) -> Any:
        nonlocal hits
        if not enabled.get():
            return source(user_id, page, order=order, deleted=deleted)
        key = (user_id, page, order, deleted)
        found = entries.get(key)
        if found is not None and monotonic() < found[1]:
            hits += 1
            return found[0]
        value = source(user_id, page, order=order, deleted=deleted)
        entries[key] = (value, monotonic() + TTL_SEC)
        return value

    return Hits(cached, lambda: hits)
