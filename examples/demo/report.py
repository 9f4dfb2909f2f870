"""What came out of it: a table of the runs, and whether each promise was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from .invalidation import Invalidations
from .traffic import LOCAL, REMOTE, Run

_COLUMNS = ("calls", "local", "remote", "loads", "median", "p99", "calls/s")


@dataclass(frozen=True)
class Promise:
    """Something that gcache promises, whether it was kept in this run, and the figures that say so."""

    sentence: str
    kept: bool
    figures: str


def table_of(runs: Sequence[Run]) -> Table:
    """Return one row for each run."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("run", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(run.title, *_cells(run))
    return table


def promises_of(runs: Sequence[Run], invalidations: Invalidations, wrong: int, checked: int) -> list[Promise]:
    """Judge the promises by what was measured."""
    calls, failures = sum(run.calls for run in runs), sum(run.failures for run in runs)
    stale = invalidations.stale_here + invalidations.stale_there
    astray = [run.title for run in runs if not run.adds_up]
    return [
        Promise("The cache never breaks a caller", failures == 0, f"{calls:,} calls, {failures} failed"),
        Promise(
            "Invalidation is exact", stale == 0, f"{2 * invalidations.rounds} reads after it, {stale} stale"
        ),
        Promise(
            "Every call is counted once",
            not astray,
            "hits + loads = calls in every run" if not astray else f"not in {', '.join(astray)}",
        ),
        Promise(
            "The cache says what the source says", wrong == 0, f"{checked} answers compared, {wrong} wrong"
        ),
    ]


def table_of_promises(promises: Sequence[Promise]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for promise in promises:
        verdict = "[green]kept[/]" if promise.kept else "[bold red]BROKEN[/]"
        table.add_row(verdict, promise.sentence, promise.figures)
    return table


def _cells(run: Run) -> list[str]:
    return [
        f"{run.calls:,}",
        _percent(run.share(LOCAL)),
        _percent(run.share(REMOTE)),
        f"{run.loads:,}",
        duration(run.percentile_us(50)),
        duration(run.percentile_us(99)),
        f"{run.calls / run.seconds:,.0f}",
    ]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share else "-"


def duration(microseconds: float) -> str:
    """Return a duration with its unit, to three digits: `850 ns`, `12.3 µs`, `4.56 ms`."""
    for unit, size in (("ns", 1e-3), ("µs", 1.0), ("ms", 1e3)):
        if microseconds < 999.5 * size:
            return f"{microseconds / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{microseconds / 1e6:.3g} s"
