"""What a soak has found, as a table, and what of it is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.soak.vitals import Vitals, rss_mb

MOST_GROWTH_MB = 4.0
"""The allocator's ups and downs stay below; 10 bytes kept of each call would pass it in ten minutes."""
SLOWEST_SEC = 10.0
HITS_WITHIN_SEC = 10.0
_MINUTE = 60.0


@dataclass
class Found:
    """All figures; `looks` has a list for each process."""

    looks: list[list[Vitals]]
    faults: Counter[str] = field(default_factory=Counter)
    connections: list[tuple[float, int]] = field(default_factory=list)
    connections_left: int = 0
    settled: list[dict[str, float]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    exit_codes: list[int | None] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        return sum((Counter(report["counts"]) for report in self.reports), Counter())

    def slowest(self, what: str) -> float:
        return max(report["slowest"].get(what, 0.0) for report in self.reports)

    def growths_mb(self) -> list[tuple[float, float]]:
        """Return for each process its memory after the first two minutes, or a third, and at the end."""
        grown = []
        for looks in self.looks:
            end = looks[-1].at
            warm, span = min(2 * _MINUTE, end / 3), min(_MINUTE, end / 3)
            grown.append((rss_mb(looks, warm, warm + span), rss_mb(looks, end - span, end)))
        return grown

    def complaints(self) -> list[str]:
        return list(self._complaints())

    def _complaints(self) -> Iterator[str]:
        for place, report in enumerate(self.reports):
            said = report["counts"].get("complaints", 0)
            for text in report["complaints"]:
                yield f"process {place}, one of {said}: {text}"
            for left in report["left"]:
                yield f"process {place} is left with {left}"
        for place, (before, after) in enumerate(self.growths_mb()):
            if after - before > MOST_GROWTH_MB:
                yield f"process {place} grew from {before:.1f} to {after:.1f} MB"
        if self.connections_left:
            yield f"the server has {self.connections_left} connections left"
        if (slowest := self.slowest("read")) > SLOWEST_SEC:
            yield f"a read took {slowest:.1f} s"
        if (slowest := max(times["hits"] for times in self.settled)) > HITS_WITHIN_SEC:
            yield f"hits took {slowest:.1f} s to resume"
        if any(self.exit_codes):
            yield f"the processes ended with {self.exit_codes}"


def print_table(found: Found) -> None:
    counts = found.counts()
    print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(found.faults.items())))
    for what, count in sorted(counts.items()):
        print(f"  {what:<28}{count:>12,}")
    for what in ("read", "write"):
        print(f"  slowest {what:<20}{found.slowest(what):>10.2f} s")
    for what in ("hits", "told"):
        print(f"  {what + ' again after':<28}{max(times[what] for times in found.settled):>10.2f} s")
    print(f"\n{'minute':<8}" + "".join(f"{f'process {place}: MB, threads, files':>36}" for place in (0, 1)))
    for minute in range(int(found.looks[0][-1].at // _MINUTE) + 1):
        print(f"{minute:<8}" + "".join(f"{_at(looks, minute * _MINUTE):>36}" for looks in found.looks))
    print(f"{'end':<8}" + "".join(f"{_at(looks, looks[-1].at):>36}" for looks in found.looks))
    print(f"connections while all is well: {_connections(found)}; left at the end: {found.connections_left}")
    for place, (before, after) in enumerate(found.growths_mb()):
        print(f"process {place} grew by {after - before:+.2f} MB, from {before:.1f}")


def _at(looks: list[Vitals], at: float) -> str:
    nearest = min(looks, key=lambda each: abs(each.at - at))
    return f"{nearest.rss_mb:.1f}, {nearest.threads}, {nearest.files}"


def _connections(found: Found) -> str:
    numbers = [count for _, count in found.connections]
    third = max(1, len(numbers) // 3)
    first, last = sum(numbers[:third]) / third, sum(numbers[-third:]) / third
    return f"{first:.0f} in the first third, {last:.0f} in the last, {max(numbers)} at most"
