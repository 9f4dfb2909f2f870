"""cachetools: a TTLCache and a lock, without which threads must not share it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cachetools


def cached(source: Callable[..., Any], _port: int | None) -> Callable[..., Any]:
    decorate: Any = cachetools.cached(cachetools.TTLCache(100_000, 600), lock=threading.Lock())
    return decorate(source)
