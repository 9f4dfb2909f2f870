"""See whether a hit has become slower: compare ratios to floors with those in benchmarks/baseline.json.

`python -m benchmarks.ratios [--write] [job ...]` runs the quick jobs, three times each. What is slower than
its baseline by more than the tolerance is run six times more, so that a moment's noise does not count; if the
median of all is still above, that is a failure, and the exit code 1. `--write` makes a baseline of nine runs,
and prints how far medians of three lie apart: mostly less than 5 %, hence a tolerance of 10 %.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import results
from benchmarks.__main__ import measured
from benchmarks.peers.turns import NOBODY

JOBS = (
    *("local_hit", "local_hit_async", "local_hit_keywords", "local_hit_keys", "disabled"),
    *("redis_hit", "redis_hit_async", "redis_hit_many"),
)
TOLERANCE = 0.1
BASELINE = Path(__file__).with_name("baseline.json")
_RUNS, _MORE_RUNS, _BASELINE_RUNS = 3, 6, 9
_HEADER = f"{'job':<52} {'before':>7} {'now':>7} {'change':>7}"

Ratios = dict[str, list[float]]


@dataclass(frozen=True)
class Comparison:
    """The ratio of a job in the baseline, and the median of those that were measured now."""

    job: str
    before: float | None
    now: float

    @property
    def is_slower(self) -> bool:
        return self.before is not None and self.now > self.before * (1 + TOLERANCE)

    def __str__(self) -> str:
        before, change = ("new", "") if self.before is None else (f"{self.before:.3f}", self._change())
        return (
            f"{self.job:<52} {before:>7} {self.now:>7.3f} {change:>7}  {'SLOWER' if self.is_slower else ''}"
        )

    def _change(self) -> str:
        return f"{100 * (self.now / self.before - 1):+.1f} %" if self.before else ""


def compared(baseline: Mapping[str, float], ratios: Mapping[str, Iterable[float]]) -> list[Comparison]:
    """Return how each of `ratios`, of several runs each, stands to the baseline."""
    return [Comparison(job, baseline.get(job), median(several)) for job, several in ratios.items()]


def main() -> int:
    chosen = _arguments()
    where = results.circumstances()
    results.print_where(where)
    if chosen.write:
        _write(where, {name: _run(name, _BASELINE_RUNS) for name in JOBS})
        return 0
    kept = json.loads(BASELINE.read_text())
    if any(kept[name] != where[name] for name in ("cpu", "python")):
        print(f"The baseline is from {kept['cpu']} with {kept['python']}: here ratios may differ.")
    print(f"\n{_HEADER}")
    outcome = [each for name in chosen.jobs or JOBS for each in _checked(name, kept["ratios"])]
    slower = [each for each in outcome if each.is_slower]
    for each in slower:
        print(f"{each.job} was {each.before:.3f} times its floor and is {each.now:.3f} times now.")
    print(f"{len(slower)} slower by more than {100 * TOLERANCE:.0f} %.")
    return 1 if slower else 0


def _checked(name: str, baseline: Mapping[str, float]) -> list[Comparison]:
    """Run a job as often as it takes to be sure, and print how its rows compare."""
    ratios = _run(name, _RUNS)
    if any(each.is_slower for each in compared(baseline, ratios)):
        for job, more in _run(name, _MORE_RUNS).items():
            ratios[job] += more
    outcome = compared(baseline, ratios)
    for each in outcome:
        print(each, flush=True)
    return outcome


def _run(name: str, runs: int) -> Ratios:
    ratios: Ratios = {}
    for _ in range(runs):
        for row in measured(name, NOBODY):
            if row.rounds > 1:
                ratios.setdefault(row.job, []).append(row.ratio)
    return ratios


def _write(where: Mapping[str, object], by_name: Mapping[str, Ratios]) -> None:
    """Keep the highest that three runs, as many as the check makes, have for a median; print the spread."""
    print(f"\n{'job':<52} {'lowest':>7} {'highest':>7}  medians of three runs")
    highest: dict[str, float] = {}
    for job, several in ((job, each[job]) for each in by_name.values() for job in each):
        threes = [median(several[first : first + _RUNS]) for first in range(0, len(several), _RUNS)]
        highest[job] = round(max(threes), 4)
        spread = 100 * (max(threes) / min(threes) - 1)
        print(f"{job:<52} {min(threes):>7.3f} {max(threes):>7.3f}  {spread:.1f} % apart")
    kept = {"cpu": where["cpu"], "python": where["python"], "ratios": highest}
    BASELINE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratios", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="job", help=f"of {', '.join(JOBS)}; all if none is named")
    parser.add_argument("--write", action="store_true", help=f"write {BASELINE.name} anew")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
