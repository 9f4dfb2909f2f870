"""Contestants that take turns, and what becomes of their times.

All contestants of a race run once in each of many short rounds, in an order that changes, so that
whatever else the machine is doing hits them alike. A ratio is the median of the rounds' own ratios.
The garbage collector stays as it is in production, on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from random import Random
from statistics import median, quantiles
from typing import Any

from benchmarks.peers.inside.calling import in_a_row
from benchmarks.results import Row

ROUNDS = 120
ROUND_SEC = 0.004
_WARM_UP_ROUNDS = 12


@dataclass
class Contestant:
    """`run(times)` does the work and returns the seconds it took, or an awaitable of them.

    It does `calls` calls each time. `round_sec` 0 keeps to one time a round.
    """

    run: Callable[[int], Any]
    calls: int = 1
    round_sec: float = ROUND_SEC

    def __post_init__(self) -> None:
        self.times = 1
        self.total_calls = 0
        self.ns: list[float] = []

    def note(self, seconds: float, is_warm_up: bool) -> None:
        self.total_calls += self.times * self.calls
        if not is_warm_up:
            self.ns.append(seconds * 1e9 / (self.times * self.calls))
        elif seconds < self.round_sec:
            self.times = max(self.times, min(self.times * 8, round(self.times * self.round_sec / seconds)))


def calls(*statements: str, **names: Any) -> Contestant:
    """Return a contestant that runs `statements`, which hold one call each, one after another."""
    return Contestant(in_a_row(statements, **names), len(statements))


def _turns(contestants: Sequence[Contestant], rounds: int) -> Iterator[tuple[Contestant, bool]]:
    order = Random(0)
    for number in range(-_WARM_UP_ROUNDS, rounds):
        for contestant in order.sample(contestants, len(contestants)):
            yield contestant, number < 0


def race(*contestants: Contestant, rounds: int = ROUNDS) -> None:
    """Let the contestants take turns in this thread."""
    for contestant, is_warm_up in _turns(contestants, rounds):
        contestant.note(contestant.run(contestant.times), is_warm_up)


async def arace(*contestants: Contestant, rounds: int = ROUNDS) -> None:
    """Let the contestants take turns in this task, without a step of the event loop that they do not take."""
    for contestant, is_warm_up in _turns(contestants, rounds):
        seconds = contestant.run(contestant.times)
        contestant.note(await seconds if isawaitable(seconds) else seconds, is_warm_up)


def compare(
    job: str,
    ours: Contestant,
    floor: Contestant,
    target: float | None = None,
    floor_is: str = "",
    *,
    is_peer: bool = False,
) -> Row:
    """Return the outcome of a race between two; `is_peer` says that the other is no floor but a peer."""
    ratios = [one / other for one, other in zip(ours.ns, floor.ns, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    return Row(
        job,
        median(ours.ns),
        median(floor.ns),
        median(ratios),
        target,
        floor_is,
        low,
        high,
        len(ratios),
        is_peer,
    )


def within(job: str, figure: float, limit: float, unit: str, limit_is: str) -> Row:
    """Return the outcome of something that is measured once, against the most that it may be."""
    ratio = figure / limit
    return Row(job, figure, limit, ratio, 1, limit_is, ratio, ratio, 1, unit=unit)


def expect(actual: object, expected: object) -> None:
    """Stop the benchmark if it does not do what it claims to measure."""
    void_unless(actual == expected, f"{actual!r} where {expected!r} was expected")


def void_unless(condition: bool, complaint: str) -> None:
    """Stop the benchmark with `complaint` unless `condition` holds."""
    if not condition:
        raise RuntimeError(f"The benchmark is void: {complaint}.")
