"""What PrometheusSink does with an event: one function for each way of counting.

`.labels()` costs more than the counting itself, so each keeps the bound methods of its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from gcache.instrumentation._client import observing

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

    from gcache.core.events import (
        Disabled,
        Entries,
        Error,
        Get,
        Hit,
        Invalidation,
        Load,
        Miss,
        Serialization,
        Shadow,
        Size,
        Skipping,
    )

Handler: TypeAlias = Callable[[Any], None]
Family = TypeVar("Family", "Counter", "Gauge", "Histogram")


def labelled(family: Family, labels: Iterable[str]) -> Family:
    """Return the child of `family` for `labels`.

    A scrape fails as a whole over one text that UTF-8 cannot hold, so lone surrogates are spelled out.
    """
    return family.labels(*(label.encode(errors="backslashreplace").decode() for label in labels))


def answered(requests: Counter, outcomes: Counter) -> Handler:
    """Count calls in both families: they are requests, and they had this outcome."""
    children: dict[tuple[str, ...], tuple[Handler, Handler]] = {}

    def handle(event: Hit | Miss | Disabled) -> None:
        *_, count = event
        labels = event[:-1]
        try:
            request, outcome = children[labels]
        except KeyError:
            request, outcome = labelled(requests, labels[:2]).inc, labelled(outcomes, labels).inc
            children[labels] = request, outcome
        request(count)
        outcome(count)

    return handle


def counted(child_of: Callable[[Any], Callable[[], None]]) -> Handler:
    """Count events one by one; `child_of` makes what counts those that are equal to one."""
    children: dict[Error | Invalidation | tuple[str, ...], Callable[[], None]] = {}

    def handle(event: Error | Invalidation | tuple[str, ...]) -> None:
        try:
            child = children[event]
        except KeyError:
            child = children[event] = child_of(event)
        child()

    return handle


def measured(child_of: Callable[[tuple[str, ...]], Handler]) -> Handler:
    """Hand on the amount that is the last field; `child_of` makes what takes those with the same labels."""
    children: dict[tuple[str, ...], Handler] = {}

    def handle(event: Load | Entries) -> None:
        labels = event[:-1]
        try:
            child = children[labels]
        except KeyError:
            child = children[labels] = child_of(labels)
        child(event[-1])

    return handle


def timed(child_of: Callable[[tuple[str, ...]], Histogram]) -> Handler:
    """Hand on the amounts in the last field; `child_of` makes what takes those with the same labels."""
    children: dict[tuple[str, ...], Handler] = {}

    def handle(event: Get | Serialization | Size) -> None:
        labels = event[:-1]
        try:
            child = children[labels]
        except KeyError:
            child = children[labels] = observing(child_of(labels))
        child(event[-1])

    return handle


def switched(is_on: Gauge, times: Counter) -> Handler:
    """Say in one family whether something is on, and count in the other how often it was switched on."""

    def handle(event: Skipping) -> None:
        *labels, state = event
        labelled(is_on, labels).set(state)
        if state:
            labelled(times, labels).inc()

    return handle


def compared(shadows: Counter, ages: Histogram) -> Handler:
    """Count shadow reads in one family, and the ages of mismatches in the other."""
    count = counted(lambda labels: labelled(shadows, labels).inc)
    measure = measured(lambda labels: labelled(ages, labels).observe)

    def handle(event: Shadow) -> None:
        *labels, result, age_sec = event
        count(event[:-1])
        if result == "mismatch":
            measure((*labels, age_sec))

    return handle
