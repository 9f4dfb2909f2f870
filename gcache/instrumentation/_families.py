"""The metrics that events are counted in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from gcache.core.events import (
    Disabled,
    Entries,
    Error,
    Get,
    Hit,
    Invalidation,
    Lease,
    Listening,
    Load,
    Miss,
    Pending,
    Serialization,
    Shadow,
    Size,
    Skipping,
    Stale,
)
from gcache.errors import GCacheConfigError
from gcache.instrumentation._before_collect import BeforeCollect
from gcache.instrumentation._client import Collector, CollectorRegistry, Counter, Gauge, Histogram
from gcache.instrumentation._handlers import (
    answered,
    compared,
    counted,
    labelled,
    measured,
    switched,
    timed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcache.core.events import Event
    from gcache.instrumentation._handlers import Handler

Made = TypeVar("Made", bound=Collector)

_GET_SECONDS = (5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LOAD_SECONDS = (1e-3, 2e-3, 3e-3, 5e-3, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SERIALIZATION_SECONDS = (5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.03, 0.1)
_AGE_SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
_SIZE_BYTES = tuple(float(4**power) for power in range(3, 12))


class Families:
    """The metrics of one registry. An event's fields are its labels, but for the last if it is an amount."""

    def __init__(self) -> None:
        self.before_collect = BeforeCollect()
        self._collectors: list[Collector] = [self.before_collect]
        self.handlers: dict[type[Event], Handler] = {
            **self._of_calls(),
            **self._of_layers(),
            **self._of_invalidations(),
            **self._of_shadows(),
        }

    def _of_calls(self) -> dict[type[Event], Handler]:
        requests = self._counter(
            "requests", ("use_case", "key_type"), "Calls of cached functions: hits, misses and disabled."
        )
        hits = self._counter("hits", Hit._fields[:-1], "Calls that a layer answered.")
        misses = self._counter(
            "misses",
            Miss._fields[:-1],
            "Calls that no layer answered, by the last one asked and the reason it gave.",
        )
        disabled = self._counter(
            "disabled",
            Disabled._fields[:-1],
            "Calls that went past the cache as nothing was to be cached, by reason.",
        )
        errors = self._counter(
            "errors",
            Error._fields,
            "Failures by exception class: the source's own, which callers see, have in_fallback true.",
        )
        load = self._histogram("load_seconds", Load._fields[:-1], _LOAD_SECONDS, "How long the source ran.")
        stale = self._counter(
            "stale", Stale._fields, "Calls answered with an entry whose life was over, by reason."
        )
        leases = self._counter(
            "leases", Lease._fields, "Loads that asked for the lease of their key, by what came of it."
        )
        return {
            Hit: answered(requests, hits),
            Disabled: answered(requests, disabled),
            Miss: answered(requests, misses),
            Error: counted(lambda event: labelled(errors, (*event[:-1], _flag(event.in_fallback))).inc),
            Load: measured(lambda labels: labelled(load, labels).observe),
            Stale: counted(lambda event: labelled(stale, event).inc),
            Lease: counted(lambda event: labelled(leases, event).inc),
        }

    def _of_layers(self) -> dict[type[Event], Handler]:
        get = self._histogram("get_seconds", Get._fields[:-1], _GET_SECONDS, "How long a layer took to read.")
        serialization = self._histogram(
            "serialization_seconds",
            Serialization._fields[:-1],
            _SERIALIZATION_SECONDS,
            "How long it took to turn a value into bytes (dump) or back (load).",
        )
        size = self._histogram("size_bytes", Size._fields[:-1], _SIZE_BYTES, "How large written entries are.")
        entries = self._gauge(
            "entries", Entries._fields[:-1], "livesum", "Entries that in-process layers hold now."
        )
        is_open = self._gauge(
            "layer_open",
            Skipping._fields[:-1],
            "livemax",
            "Whether a layer is skipped (1), because it kept failing and has not answered since.",
        )
        opened = self._counter(
            "layer_opened",
            Skipping._fields[:-1],
            "How often a layer began to be skipped, as it kept failing.",
        )
        return {
            Get: timed(lambda labels: labelled(get, labels)),
            Serialization: timed(lambda labels: labelled(serialization, labels)),
            Size: timed(lambda labels: labelled(size, labels)),
            Entries: measured(lambda labels: labelled(entries, labels).set),
            Skipping: switched(is_open, opened),
        }

    def _of_invalidations(self) -> dict[type[Event], Handler]:
        invalidations = self._counter(
            "invalidations", Invalidation._fields, "Entities that a layer was told to forget."
        )
        pending = self._gauge(
            "invalidations_pending",
            Pending._fields[:-1],
            "livesum",
            "Invalidations that have not reached the last layer, or the bus, yet.",
        )
        listening = self._gauge(
            "bus_listening",
            Listening._fields[:-1],
            "livemin",
            "Whether this process hears of invalidations in others: 1, or 0 while it is cut off.",
        )
        return {
            Invalidation: counted(lambda event: labelled(invalidations, event).inc),
            Pending: lambda event: pending.set(event.waiting),
            Listening: measured(lambda labels: labelled(listening, labels).set),
        }

    def _of_shadows(self) -> dict[type[Event], Handler]:
        shadows = self._counter(
            "shadow", Shadow._fields[:-1], "Hits that were compared with what the source returns, by outcome."
        )
        mismatch_age = self._histogram(
            "shadow_mismatch_age_seconds",
            Shadow._fields[:-2],
            _AGE_SECONDS,
            "How long before the hit the load had begun whose value the source no longer returns.",
        )
        return {Shadow: compared(shadows, mismatch_age)}

    def register(self, registry: CollectorRegistry) -> None:
        """Make all metrics part of `registry`, or none of them."""
        done: list[Collector] = []
        try:
            for collector in self._collectors:
                registry.register(collector)
                done.append(collector)
        except ValueError as error:
            for collector in done:
                registry.unregister(collector)
            raise GCacheConfigError(
                "Somebody else's metrics in this registry have names that PrometheusSink needs: "
                f"give it a registry of its own, PrometheusSink(registry=CollectorRegistry()) ({error})"
            ) from error

    def _counter(self, name: str, labels: Sequence[str], help: str) -> Counter:
        return self._kept(Counter(f"gcache_{name}_total", help, labels, registry=None))

    def _histogram(self, name: str, labels: Sequence[str], buckets: Sequence[float], help: str) -> Histogram:
        return self._kept(Histogram(f"gcache_{name}", help, labels, buckets=buckets, registry=None))

    def _gauge(
        self,
        name: str,
        labels: Sequence[str],
        over_processes: Literal["livesum", "livemin", "livemax"],
        help: str,
    ) -> Gauge:
        return self._kept(
            Gauge(f"gcache_{name}", help, labels, registry=None, multiprocess_mode=over_processes)
        )

    def _kept(self, collector: Made) -> Made:
        self._collectors.append(collector)
        return collector


def _flag(flag: bool) -> str:
    return "true" if flag else "false"
