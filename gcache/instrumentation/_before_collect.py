"""Calls those who have something to record before a registry is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from threading import Lock
from types import MethodType
from typing import TypeAlias
from weakref import WeakMethod

from gcache.instrumentation._client import Collector, Metric

Callback: TypeAlias = Callable[[], object]
Reference: TypeAlias = Callable[[], Callback | None]

_logger = logging.getLogger("gcache")


class BeforeCollect(Collector):
    """Yields no metrics. A registry collects in the order of registration, so this one goes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._references: tuple[Reference, ...] = ()

    def add(self, callback: Callback) -> None:
        reference = _reference(callback)
        with self._lock:
            alive = (known for known in self._references if known() is not None)
            self._references = (*alive, reference)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for reference in self._references:
            if (callback := reference()) is not None:
                _run(callback)
        return ()


def _reference(callback: Callback) -> Reference:
    if isinstance(callback, MethodType):
        try:
            return WeakMethod(callback)
        except TypeError:  # an object with slots may take no weak references
            pass
    return lambda: callback


def _run(callback: Callback) -> None:
    try:
        callback()
    except Exception:
        _logger.exception("%r failed; the scrape goes on without what it would have counted", callback)
