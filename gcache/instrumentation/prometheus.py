"""Counts events in Prometheus metrics."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gcache.instrumentation._client import REGISTRY, CollectorRegistry
from gcache.instrumentation._families import Families

if TYPE_CHECKING:
    from gcache.core.events import Event
    from gcache.instrumentation._before_collect import Callback


class PrometheusSink:
    """Counts every event in the metrics `gcache_*` of `registry`.

    Sinks on one registry share its metrics, and their counts add up. Raises GCacheConfigError if
    somebody else's metric has one of the names.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        families = _families_of(registry)
        self._before_collect = families.before_collect
        self._handlers = families.handlers

    def record(self, event: Event) -> None:
        """Count `event`."""
        self._handlers[type(event)](event)

    def before_collect(self, callback: Callback) -> None:
        """Run `callback` at the start of each scrape of the registry, so that it can record what is pending.

        It is called from any thread, and by scrapes at once; what it raises is logged. A bound method is
        held weakly and forgotten with its object, anything else stays as long as the registry does.

        Two kinds of scrape call nothing: in multiprocess mode, and of chosen names (`name[]=`). So
        record what is pending now and then without being called, too.
        """
        self._before_collect.add(callback)


_lock = Lock()
_registered: WeakKeyDictionary[CollectorRegistry, Families] = WeakKeyDictionary()


def _families_of(registry: CollectorRegistry) -> Families:
    with _lock:
        families = _registered.get(registry)
        if families is None:
            families = Families()
            families.register(registry)
            _registered[registry] = families
        return families
