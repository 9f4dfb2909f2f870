"""cachebox: a TTLCache behind its decorator, which like ours hands out the very object, not a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cachebox


def cached(source: Callable[..., Any], _port: int | None) -> Callable[..., Any]:
    decorate: Any = cachebox.cached(cachebox.TTLCache(100_000, 600), postprocess=None)
    return decorate(source)
