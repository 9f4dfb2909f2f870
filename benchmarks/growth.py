"""Whether a hit stays as cheap with many use cases and with many entries.

The more memory is gone through the more often the processor's caches miss, whatever the code. So the floor
is the hand-written closure over as many functions or as many entries, called in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from benchmarks.floors import sync_floor
from benchmarks.harness import Contestant, calls, compare, race
from benchmarks.results import Row
from benchmarks.subject import subject

_CALLS = 1_000
_MOST_GROWTH = 1.1


def _constant(user_id: str) -> int:
    return 1


def _hits(functions: Sequence[Callable[[str], Any]], users: Sequence[str]) -> Contestant:
    """Return hits of as many functions and users as there are, in an order that no cache can foresee."""
    order = Random(1)
    pairs = [(order.choice(functions), order.choice(users)) for _ in range(200_000)]
    for function in set(functions):
        function(users[0])
    for user in users:
        functions[0](user)
    for function, user in pairs if len(functions) == 1 or len(users) == 1 else []:
        function(user)
    left = iter(pairs)

    def some() -> Sequence[tuple[Callable[[str], Any], str]]:
        nonlocal left
        taken = [pair for _, pair in zip(range(_CALLS), left, strict=False)]
        if len(taken) < _CALLS:
            left = iter(pairs)
            return some()
        return taken

    timed = calls("[function(user) for function, user in pairs]", pairs=[])

    def run(_times: int) -> float:
        timed.run.__globals__["pairs"] = some()
        return float(timed.run(1))

    return Contestant(run, _CALLS, round_sec=0)


def _row(job: str, use_cases: int, entries: int) -> Row:
    users = [str(12_345 + 7 * number) for number in range(entries)]
    with subject(max_entries=2 * max(use_cases, entries)) as subj:
        ours = _hits([subj.cached(_constant, f"Growth{number}") for number in range(use_cases)], users)
        floor = _hits([sync_floor(_constant).function for _ in range(use_cases)], users)
        race(ours, floor, rounds=150)
    return compare(job, ours, floor, None, "as many closures over dicts")


def _growth(job: str, first: Row, last: Row) -> Row:
    """Return how much faster ours grows than the floor, whose memory is not all in the processor either."""
    ratio = last.ratio / first.ratio
    floor_is = f"{first.ours_ns:.0f} ns, grown as the floor grows"
    floor_ns = first.ours_ns * last.floor_ns / first.floor_ns
    low, high = last.low / first.ratio, last.high / first.ratio
    return Row(job, last.ours_ns, floor_ns, ratio, _MOST_GROWTH, floor_is, low, high, last.rounds)


def run() -> list[Row]:
    use_cases = [
        _row("local hit, 1 use case, 1 entry", 1, 1),
        _row("local hit, 100 use cases", 100, 1),
        _row("local hit, 10,000 use cases", 10_000, 1),
    ]
    entries = [
        _row("local hit, 10 entries", 1, 10),
        _row("local hit, 10,000 entries", 1, 10_000),
        _row("local hit, 1,000,000 entries", 1, 1_000_000),
    ]
    return [
        *use_cases,
        _growth("local hit, from 1 to 10,000 use cases", use_cases[0], use_cases[-1]),
        *entries,
        _growth("local hit, from 10 to 1,000,000 entries", entries[0], entries[-1]),
    ]
