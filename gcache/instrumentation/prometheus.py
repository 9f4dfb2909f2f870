"""Counts events in Prometheus metrics. No other module imports prometheus_client."""

from __future__ import annotations

import logging
from threading import Lock
from types import MethodType
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary, WeakMethod

from gcache.core.events import (
    Disabled,
    Entries,
    Error,
    Get,
    Hit,
    Invalidation,
    Listening,
    Load,
    Miss,
    Pending,
    Serialization,
    Shadow,
    Size,
)
from gcache.errors import GCacheConfigError, MissingExtra
from gcache.instrumentation._handlers import answered, compared, counted, measured, missed

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise MissingExtra(
        "PrometheusSink needs prometheus_client: install it with `pip install 'gcache-toolkit[prometheus]'`"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import Metric

    from gcache.core.events import Event
    from gcache.instrumentation._handlers import Handler

    Callback: TypeAlias = Callable[[], object]
    Reference: TypeAlias = Callable[[], Callback | None]

_logger = logging.getLogger("gcache")

_GET_SECONDS = (5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LOAD_SECONDS = (1e-3, 2e-3, 3e-3, 5e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SERIALIZATION_SECONDS = (5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.03, 0.1)
_AGE_SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_SIZE_BYTES = tuple(float(4**power) for power in range(3, 12))


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


class _BeforeCollect(Collector):
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


class _Families:
    """The metrics of one registry. An event's fields are its labels, but for the last if it is an amount."""

    def __init__(self) -> None:
        self.before_collect = _BeforeCollect()
        self.requests = _counter(
            "requests", ("use_case", "key_type"), "Calls of cached functions: hits, misses and disabled."
        )
        self.hits = _counter("hits", Hit._fields[:-1], "Calls that a layer answered.")
        self.misses = _counter(
            "misses",
            Miss._fields,
            "Calls that no layer answered, by the last one asked and the reason it gave.",
        )
        self.disabled = _counter(
            "disabled",
            Disabled._fields[:-1],
            "Calls that went past the cache as nothing was to be cached, by reason.",
        )
        self.errors = _counter(
            "errors",
            Error._fields,
            "Failures by exception class: the source's own, which callers see, have in_fallback true.",
        )
        self.invalidations = _counter(
            "invalidations", Invalidation._fields, "Entities that a layer was told to forget."
        )
        self.get = _histogram("get_seconds", Get._fields[:-1], _GET_SECONDS, "How long a layer took to read.")
        self.load = _histogram("load_seconds", Load._fields[:-1], _LOAD_SECONDS, "How long the source ran.")
        self.serialization = _histogram(
            "serialization_seconds",
            Serialization._fields[:-1],
            _SERIALIZATION_SECONDS,
            "How long it took to turn a value into bytes (dump) or back (load).",
        )
        self.size = _histogram(
            "size_bytes", Size._fields[:-1], _SIZE_BYTES, "How large the written entries are."
        )
        self.entries = Gauge(
            "gcache_entries",
            "Entries that in-process layers hold now.",
            Entries._fields[:-1],
            registry=None,
            multiprocess_mode="livesum",
        )
        self.pending = Gauge(
            "gcache_invalidations_pending",
            "Invalidations that have not reached the last layer, or the bus, yet.",
            registry=None,
            multiprocess_mode="livesum",
        )
        self.listening = Gauge(
            "gcache_bus_listening",
            "Whether this process hears of invalidations in others: 1, or 0 while it is cut off.",
            Listening._fields[:-1],
            registry=None,
            multiprocess_mode="livemin",
        )
        self.shadows = _counter(
            "shadow", Shadow._fields[:-1], "Hits that were compared with what the source returns, by outcome."
        )
        self.mismatch_age = _histogram(
            "shadow_mismatch_age_seconds",
            Shadow._fields[:-2],
            _AGE_SECONDS,
            "How long before the hit the load had begun whose value the source no longer returns.",
        )
        self.handlers = self._handlers()

    def _handlers(self) -> dict[type[Event], Handler]:
        return {
            Hit: answered(self.requests, self.hits),
            Disabled: answered(self.requests, self.disabled),
            Miss: missed(self.requests, self.misses),
            Error: counted(lambda event: self.errors.labels(*event[:-1], _flag(event.in_fallback)).inc),
            Invalidation: counted(lambda event: self.invalidations.labels(*event).inc),
            Get: measured(lambda labels: self.get.labels(*labels).observe),
            Load: measured(lambda labels: self.load.labels(*labels).observe),
            Serialization: measured(lambda labels: self.serialization.labels(*labels).observe),
            Size: measured(lambda labels: self.size.labels(*labels).observe),
            Entries: measured(lambda labels: self.entries.labels(*labels).set),
            Pending: lambda event: self.pending.set(event.waiting),
            Listening: measured(lambda labels: self.listening.labels(*labels).set),
            Shadow: compared(self.shadows, self.mismatch_age),
        }

    def register(self, registry: CollectorRegistry) -> None:
        """Make all metrics part of `registry`, or none of them."""
        done: list[Collector] = []
        try:
            for collector in self._collectors():
                registry.register(collector)
                done.append(collector)
        except ValueError as error:
            for collector in done:
                registry.unregister(collector)
            raise GCacheConfigError(
                "Somebody else's metrics in this registry have names that PrometheusSink needs: "
                f"give it a registry of its own, PrometheusSink(registry=CollectorRegistry()) ({error})"
            ) from error

    def _collectors(self) -> tuple[Collector, ...]:
        return (
            self.before_collect,
            self.requests,
            self.hits,
            self.misses,
            self.disabled,
            self.errors,
            self.invalidations,
            self.get,
            self.load,
            self.serialization,
            self.size,
            self.entries,
            self.pending,
            self.listening,
            self.shadows,
            self.mismatch_age,
        )


_lock = Lock()
_registered: WeakKeyDictionary[CollectorRegistry, _Families] = WeakKeyDictionary()


def _families_of(registry: CollectorRegistry) -> _Families:
    with _lock:
        families = _registered.get(registry)
        if families is None:
            families = _Families()
            families.register(registry)
            _registered[registry] = families
        return families


def _counter(name: str, labels: Sequence[str], help: str) -> Counter:
    return Counter(f"gcache_{name}_total", help, labels, registry=None)


def _histogram(name: str, labels: Sequence[str], buckets: Sequence[float], help: str) -> Histogram:
    return Histogram(f"gcache_{name}", help, labels, buckets=buckets, registry=None)


def _flag(flag: bool) -> str:
    return "true" if flag else "false"
