"""Runs a Python file with a `gcache` whose every tenth call is bad: `broken.py KIND FILE [argument ...]`."""

from __future__ import annotations

import functools
import inspect
import runpy
import sys
from itertools import count
from pathlib import Path
from typing import Any

import gcache

_cached = gcache.GCache.cached


def spoilt(kind: str, value: Any) -> Any:
    """Return what a call gets instead of `value`."""
    if kind == "raises":
        raise ConnectionError("the cache is away")
    return {**value, "text": "the value of another key"}


def broken(kind: str, function: Any) -> Any:
    calls = count(1)

    @functools.wraps(function)
    def call(number: int) -> Any:
        value = function(number)
        return value if next(calls) % 10 else spoilt(kind, value)

    @functools.wraps(function)
    async def acall(number: int) -> Any:
        value = await function(number)
        return value if next(calls) % 10 else spoilt(kind, value)

    return acall if inspect.iscoroutinefunction(function) else call


def break_calls(kind: str) -> None:
    def cached(self: gcache.GCache, *names: Any, **options: Any) -> Any:
        decorate = _cached(self, *names, **options)
        return lambda function: broken(kind, decorate(function))

    setattr(gcache.GCache, "cached", cached)  # noqa: B010


if __name__ == "__main__":
    break_calls(sys.argv[1])
    sys.argv = sys.argv[2:]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
