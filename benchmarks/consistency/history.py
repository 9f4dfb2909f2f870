"""What was read and what had been invalidated by then, compared after the event.

An entity has versions 1, 2, 3 and so on; 0 is the one before the first write. Whoever writes one commits
it to the source, then invalidates the entity. Times are nanoseconds of one clock, that of `monotonic_ns`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple


class Reading(NamedTuple):
    """A read that began at `started_ns`, or a little later, and gave `version`."""

    entity: int
    started_ns: int
    version: int


class Invalidation(NamedTuple):
    """An invalidation that followed the commit of `version`; it had returned by `returned_ns`."""

    entity: int
    returned_ns: int
    version: int


class Violation(NamedTuple):
    """A reading whose version had been invalidated `stale_ns` before it began."""

    reading: Reading
    stale_ns: int


class _Timeline:
    """The invalidations of one entity, in the order in which they had returned."""

    def __init__(self, invalidations: Iterable[Invalidation]) -> None:
        in_order = sorted(invalidations, key=lambda invalidation: invalidation.returned_ns)
        self._returned_ns = [invalidation.returned_ns for invalidation in in_order]
        self._oldest_allowed = list(accumulate((invalidation.version for invalidation in in_order), max))

    def violation(self, reading: Reading) -> Violation | None:
        returned_before = bisect_left(self._returned_ns, reading.started_ns)
        if not returned_before or reading.version >= self._oldest_allowed[returned_before - 1]:
            return None
        ended_by = bisect_right(self._oldest_allowed, reading.version)
        return Violation(reading, reading.started_ns - self._returned_ns[ended_by])


def violations(readings: Iterable[Reading], invalidations: Iterable[Invalidation]) -> Iterator[Violation]:
    """Find each reading of a version older than one whose invalidation had returned before the read began.

    Such a version was loaded before the newer one was committed, so before that invalidation began. Of
    two events at the same nanosecond nobody knows which came first: they violate nothing.
    """
    by_entity: dict[int, list[Invalidation]] = {}
    for invalidation in invalidations:
        by_entity.setdefault(invalidation.entity, []).append(invalidation)
    timelines = {entity: _Timeline(those) for entity, those in by_entity.items()}
    for reading in readings:
        timeline = timelines.get(reading.entity)
        violation = timeline and timeline.violation(reading)
        if violation:
            yield violation
