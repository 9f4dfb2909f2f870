"""The scenes in their order."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from . import corpus, phases
from .chart import Findings, draw
from .invalidation import invalidate
from .lookup import Lookup
from .outage import outage
from .ramp import ramp_up
from .report import promises_of, table_of, table_of_promises
from .screen import Screen
from .second import SecondProcess
from .server import Server
from .trace import reading_order, some_names

BUILD = Path("build")
CHART = BUILD / "demo.png"
ROOM_SHARE = 10
LIVE_SHARE = 10
CHECKED = 500


def show() -> bool:
    """Run all scenes, print the figures and draw the chart; tell whether every promise was kept."""
    started = time.monotonic()
    screen = Screen()
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=BUILD) as folder:
        findings, wrong = _scenes(screen, Path(folder))
    promises = promises_of(findings.runs, findings.invalidations, wrong, CHECKED)
    screen.scene("Results")
    screen.show(table_of(findings.runs))
    screen.show("")
    screen.show(table_of_promises(promises))
    draw(findings, CHART)
    screen.show("")
    screen.say(f"Chart: {CHART}    Total time: {time.monotonic() - started:.0f} s")
    return all(promise.kept for promise in promises)


def _scenes(screen: Screen, folder: Path) -> tuple[Findings, int]:
    database = folder / "stdlib.sqlite"
    room = _build(screen, database) // ROOM_SHARE
    names = reading_order(database)
    runs = [
        phases.no_cache(screen, database, names),
        phases.local_only(screen, database, names, room),
    ]
    with (
        Server(folder / "valkey") as server,
        Lookup(database, room, server.port) as lookup,
        SecondProcess(database, room, server.port) as second,
    ):
        runs.append(phases.first_process(screen, lookup, names))
        runs.append(phases.second_process(screen, second, names))
        few = names[: len(names) // LIVE_SHARE]
        runs.append(ramp_up(screen, lookup, few))
        invalidations = invalidate(screen, lookup, second, names)
        accident = outage(screen, lookup, server, few)
        runs.append(accident.run)
        wrong = _wrong_answers(lookup, some_names(names, CHECKED))
    return Findings(runs, invalidations, accident), wrong


def _build(screen: Screen, database: Path) -> int:
    files = corpus.source_files()
    screen.scene(
        "The source of truth",
        "Every identifier in Python's standard library, tests left out, with the places where it stands.",
    )
    with screen.progress("reading the library", len(files)) as report:
        built = corpus.build(database, files, report)
    screen.say(
        f"{built.uses:,} uses of {built.names:,} names in {built.files} files, in SQLite. "
        "The trace looks each of them up in reading order with where_is(name): "
        "a query that counts the uses of a name and says where it stands first."
    )
    return built.names


def _wrong_answers(lookup: Lookup, names: list[str]) -> int:
    with lookup.gcache.enable():
        return sum(lookup.where_is(name) != lookup.source.where_is(name) for name in names)
