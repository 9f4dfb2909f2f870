"""cashews: its memory cache, or Redis with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cashews import Cache


def cached(source: Callable[..., Any], port: int | None) -> Callable[..., Any]:
    cache = Cache()
    cache.setup("mem://?size=100000" if port is None else f"redis://127.0.0.1:{port}/0")
    decorate: Any = cache(ttl=600)
    return decorate(source)
