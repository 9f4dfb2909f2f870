"""theine, which makes the keys itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from theine import Memoize


def cached(source: Callable[..., Any], _port: int | None) -> Callable[..., Any]:
    decorate: Any = Memoize(100_000, timedelta(seconds=600))
    return decorate(source)
