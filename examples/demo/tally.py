"""A metrics sink of the demo's own: it counts the events that gcache hands it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from gcache import CacheLayer
from gcache.core.events import Disabled, Error, Event, Hit


class Tally:
    """Hits by layer, calls that bypassed the cache, and failures of layers that no caller has seen."""

    def __init__(self) -> None:
        self.hits = Counter({CacheLayer.LOCAL: 0, CacheLayer.REMOTE: 0})
        self.bypassed = 0
        self.layer_errors = 0
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []

    def record(self, event: Event) -> None:
        with self._lock:
            match event:
                case Hit():
                    self.hits[event.layer] += event.calls
                case Disabled():
                    self.bypassed += event.calls
                case Error(in_fallback=False):
                    self.layer_errors += 1

    def before_collect(self, callback: Callable[[], object]) -> None:
        """Remember whom to ask for the sums that are due: local hits arrive in sums."""
        self._callbacks.append(callback)

    def collect(self) -> Counter[str]:
        """Return the hits by layer up to now."""
        for callback in self._callbacks:
            callback()
        return self.hits.copy()
