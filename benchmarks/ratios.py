"""See whether a hit has become slower: compare ratios to floors with those in benchmarks/baseline.json.

`python -m benchmarks.ratios [--write] [job ...]` runs the quick jobs, three times each. What is slower than
its baseline by more than the tolerance is run six times more, so that a moment's noise does not count; if the
median of all is still above, that is a failure, and the exit code 1. `--write` makes a baseline of nine runs.
It keeps the highest of three medians of three, and how far these lie apart: the tolerance is that, and 10 %
at the least, so a baseline that was written on a busy machine lets more pass.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks import results
from benchmarks.__main__ import measured
from benchmarks.peers.turns import NOBODY

JOBS = (
    *("local_hit", "local_hit_async", "local_hit_keywords", "local_hit_keys", "disabled"),
    *("redis_hit", "redis_hit_async", "redis_hit_many"),
)
LEAST_TOLERANCE = 0.1
BASELINE = Path(__file__).with_name("baseline.json")
_RUNS, _MORE_RUNS, _BASELINE_RUNS = 3, 6, 9
_HEADER = f"{'job':<52} {'before':>7} {'at most':>7} {'now':>7} {'change':>8}"

Ratios = dict[str, list[float]]


@dataclass(frozen=True)
class Known:
    """What the baseline has of a job: its ratio, and how far apart runs were with nothing changed."""

    ratio: float
    apart: float

    @property
    def most(self) -> float:
        return self.ratio * (1 + max(LEAST_TOLERANCE, self.apart))


@dataclass(frozen=True)
class Comparison:
    """A job in the baseline, and the median of the ratios that were measured now."""

    job: str
    before: Known | None
    now: float

    @property
    def is_slower(self) -> bool:
        return self.before is not None and self.now > self.before.most

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.job:<52} {'new':>7} {'':>7} {self.now:>7.3f}"
        figures = f"{self.before.ratio:>7.3f} {self.before.most:>7.3f} {self.now:>7.3f}"
        change = f"{100 * (self.now / self.before.ratio - 1):+.1f} %"
        return f"{self.job:<52} {figures} {change:>8}  {'SLOWER' if self.is_slower else ''}".rstrip()


def compared(baseline: Mapping[str, Known], ratios: Mapping[str, Iterable[float]]) -> list[Comparison]:
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
    baseline = {job: Known(**known) for job, known in kept["ratios"].items()}
    outcome = [each for name in chosen.jobs or JOBS for each in _checked(name, baseline)]
    slower = [each for each in outcome if each.is_slower]
    for each in slower:
        if each.before:
            print(f"{each.job} was {each.before.ratio:.3f} times its floor and is {each.now:.3f} times now.")
    print(f"{len(slower)} of {len(outcome)} have become slower.")
    return 1 if slower else 0


def _checked(name: str, baseline: Mapping[str, Known]) -> list[Comparison]:
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
    """Keep the highest median that three runs have, as many as the check makes; print how far they differ."""
    print(f"\n{'job':<52} {'lowest':>7} {'highest':>7}  medians of three runs")
    known: dict[str, Known] = {}
    for job, several in ((job, each[job]) for each in by_name.values() for job in each):
        threes = [median(several[first : first + _RUNS]) for first in range(0, len(several), _RUNS)]
        low, high = min(threes), max(threes)
        known[job] = Known(round(high, 4), round(high / low - 1, 4))
        print(f"{job:<52} {low:>7.3f} {high:>7.3f}  {100 * known[job].apart:.1f} % apart")
    kept = {"cpu": where["cpu"], "python": where["python"]}
    kept["ratios"] = {job: asdict(each) for job, each in known.items()}
    BASELINE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratios", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="job", help=f"of {', '.join(JOBS)}; all if none is named")
    parser.add_argument("--write", action="store_true", help=f"write {BASELINE.name} anew")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
