"""Calls, one after another, each timed."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import quantiles
from time import perf_counter_ns

from .lookup import Lookup

LOCAL, REMOTE, SOURCE = ANSWERERS = ("local", "remote", "source")
_REPORT_EVERY = 1 << 10
_LEAST_TRIP_NS = 5_000  # no server answers sooner


@dataclass
class Run:
    """What one run has shown. `began` and `took` are in nanoseconds, one item for each call.

    `answerer` is an index into ANSWERERS, worked out after each call from the two counters that move at
    once; `hits` and `loads` are gcache's count and the source's.
    """

    title: str
    began: array[int] = field(default_factory=lambda: array("q"))
    took: array[int] = field(default_factory=lambda: array("q"))
    answerer: array[int] = field(default_factory=lambda: array("b"))
    failures: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    loads: int = 0
    layer_errors: int = 0

    @property
    def calls(self) -> int:
        return len(self.took)

    @property
    def seconds(self) -> float:
        return (self.began[-1] + self.took[-1] - self.began[0]) / 1e9 if self.took else 0.0

    @property
    def adds_up(self) -> bool:
        """Whether each call is counted once: as a hit of one layer, or as a load."""
        counted = [self.hits[LOCAL], self.hits[REMOTE], self.loads]
        return counted == [self.answerer.count(number) for number in range(len(ANSWERERS))]

    def share(self, answerer: str) -> float:
        """Return which part of the calls, 0 to 1, was answered by a layer or by the source."""
        count = self.loads if answerer == SOURCE else self.hits[answerer]
        return count / self.calls if self.calls else 0.0

    def percentile_us(self, percent: int) -> float:
        """Return how many microseconds `percent` of the calls stayed below."""
        return quantiles(self.took, n=100, method="inclusive")[percent - 1] / 1e3


def drive(
    title: str, lookup: Lookup, names: Iterable[str], report: Callable[[int], None] = lambda done: None
) -> Run:
    """Look up each of `names`; tell `report` now and then how many are done."""
    run = Run(title)
    hits, loads, errors = lookup.tally.collect(), lookup.source.loads, lookup.tally.layer_errors
    _call(run, lookup, names, report)
    run.hits = lookup.tally.collect() - hits
    run.loads = lookup.source.loads - loads
    run.layer_errors = lookup.tally.layer_errors - errors
    return run


def _call(run: Run, lookup: Lookup, names: Iterable[str], report: Callable[[int], None]) -> None:
    where_is, source, tally = lookup.where_is, lookup.source, lookup.tally
    for number, name in enumerate(names):
        loads, remotes = source.loads, tally.hits[REMOTE]
        before = perf_counter_ns()
        try:
            where_is(name)
        except Exception:
            run.failures += 1
        after = perf_counter_ns()
        run.began.append(before)
        run.took.append(after - before)
        # Hits arrive in sums, which are asked for only after calls that can have been to a server.
        is_far = after - before > _LEAST_TRIP_NS and tally.collect()[REMOTE] > remotes
        run.answerer.append(2 if source.loads > loads else 1 if is_far else 0)
        if not number % _REPORT_EVERY:
            report(number)
