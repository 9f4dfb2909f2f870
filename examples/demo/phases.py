"""The same trace four times: without a cache, with the local layer, and with both layers in two processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .lookup import Lookup
from .screen import Screen
from .second import SecondProcess
from .traffic import Run, drive

PREFIX = 40
"""Without a cache only one part in so many of the trace is run, or nobody would wait for it."""


def no_cache(screen: Screen, database: Path, names: Sequence[str]) -> Run:
    prefix = names[: len(names) // PREFIX]
    screen.scene(
        "1  No cache",
        "Caching is off until it is enabled, so every call goes to the source. "
        f"Only the first {len(prefix):,} calls of the trace are made: all of it would take too long.",
    )
    with Lookup(database, 1) as lookup, screen.progress("looking up", len(prefix)) as report:
        return drive("1 no cache", lookup, prefix, report)


def local_only(screen: Screen, database: Path, names: Sequence[str], room: int) -> Run:
    screen.scene(
        "2  The local layer",
        f"The whole trace, with room for {room:,} entries: a tenth of the names, so most are evicted again.",
    )
    with (
        Lookup(database, room) as lookup,
        lookup.gcache.enable(),
        screen.progress("looking up", len(names)) as report,
    ):
        return drive("2 local layer", lookup, names, report)


def first_process(screen: Screen, lookup: Lookup, names: Sequence[str]) -> Run:
    screen.scene(
        "3  Local and remote layers, two processes",
        "The whole trace again, with the same room. This process finds both layers empty, and fills "
        "the remote one with what it loads.",
    )
    with lookup.gcache.enable(), screen.progress("first process", len(names)) as report:
        return drive("3a process 1, cold", lookup, names, report)


def second_process(screen: Screen, second: SecondProcess, names: Sequence[str]) -> Run:
    screen.say("The second process starts with an empty local layer, and finds the remote one warm.")
    with screen.progress("second process", len(names)) as report:
        return second.run("3b process 2, warm", report)
