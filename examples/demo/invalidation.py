"""Rows change in the source, the first process invalidates, and both must see the new value at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

from .lookup import Lookup
from .screen import Screen
from .second import SecondProcess
from .trace import some_names

SHOWN = "urlopen"
ROUNDS = 250


@dataclass
class Invalidations:
    """How many rounds there were, in how many the old value was really cached, and what was stale after."""

    rounds: int = 0
    cached_before: int = 0
    stale_here: int = 0
    stale_there: int = 0
    seen_after_ms: list[float] = field(default_factory=list)


def invalidate(screen: Screen, lookup: Lookup, second: SecondProcess, names: Sequence[str]) -> Invalidations:
    """Change, invalidate and read again in both processes, name by name."""
    screen.scene(
        "5  Invalidation, seen by both processes",
        "The second process now reads through the remote layer only, by a ramp of 0 for its local one: "
        "invalidation is exact for reads that ask the remote layer, but what another process holds in its "
        "own memory lives there until its TTL.",
    )
    second.remote_only()
    result = Invalidations()
    with lookup.gcache.enable():
        _round(result, lookup, second, SHOWN, screen)
        chosen = some_names(names, ROUNDS - 1)
        with screen.progress("invalidating", len(chosen)) as report:
            for done, name in enumerate(chosen, start=1):
                _round(result, lookup, second, name)
                report(done)
    _tell(screen, result)
    return result


def _round(
    result: Invalidations, lookup: Lookup, second: SecondProcess, name: str, screen: Screen | None = None
) -> None:
    old = lookup.where_is(name).uses
    second.where_is(name)
    lookup.source.add_use(name)
    cached = [lookup.where_is(name).uses, second.where_is(name).uses]
    lookup.where_is.invalidate(name)
    invalidated = perf_counter()
    there = second.where_is(name).uses
    result.seen_after_ms.append((perf_counter() - invalidated) * 1e3)
    here = lookup.where_is(name).uses

    result.rounds += 1
    result.cached_before += cached == [old, old]
    result.stale_here += here != old + 1
    result.stale_there += there != old + 1
    if screen is not None:
        screen.say(f"where_is({name!r}).uses is {old} in both; one more use is written to the database:")
        screen.say(f"  not invalidated yet    first process {cached[0]:>4}    second process {cached[1]:>4}")
        screen.say(f"  invalidated            first process {here:>4}    second process {there:>4}")


def _tell(screen: Screen, result: Invalidations) -> None:
    slowest = max(result.seen_after_ms)
    screen.say(
        f"{result.rounds} names changed and invalidated. "
        f"Until then both processes had the old one cached {result.cached_before} times. "
        f"The next read was stale {result.stale_here} times in the first process "
        f"and {result.stale_there} times in the second, which had the new value within {slowest:.1f} ms."
    )
