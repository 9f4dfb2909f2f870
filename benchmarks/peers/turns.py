"""Peers as contestants: each run is asked for over a pipe, and timed by the peer's own process."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.environments import NotInstalledError, python_with
from benchmarks.harness import Contestant, compare
from benchmarks.peers.catalogue import PEERS, RACES, Peer
from benchmarks.results import Row

_WORKER = Path(__file__).parent / "inside" / "worker.py"
_END_SEC = 10


class Opponents:
    """The peers of one race. `contestants` take turns with ours; afterwards `rows` tells what came of it."""

    def __init__(self, notes: dict[str, str]) -> None:
        self.contestants: list[Contestant] = []
        self._notes = notes
        self._workers: list[tuple[Peer, subprocess.Popen[str]]] = []

    def add(self, peer: Peer, worker: subprocess.Popen[str], calls: int, round_sec: float | None) -> None:
        options = {} if round_sec is None else {"round_sec": round_sec}
        self.contestants.append(Contestant(lambda times: _seconds(worker, times), calls, **options))
        self._workers.append((peer, worker))

    def rows(self, job: str, ours: Contestant, targets: Mapping[str, float]) -> list[Row]:
        """Return a row for each peer, ours against it, except for those whose source ran: they had misses."""
        told: list[Row] = []
        for (peer, worker), contestant in zip(self._workers, self.contestants, strict=True):
            if wrong := _end(worker):
                told_of = f"its source ran {wrong} times in its turns" if isinstance(wrong, int) else wrong
                self._notes[f"{peer.name}, {job}"] = f"left out: {told_of}"
                continue
            told.append(compare(job, ours, contestant, targets.get(peer.name), peer.name, is_peer=True))
        return told


class Peers:
    """Those who take part, by the interpreters that have them, and `notes` on why another does not."""

    def __init__(self, pythons: Mapping[Peer, Path], notes: dict[str, str]) -> None:
        self._pythons = pythons
        self.notes = notes

    def python(self, name: str) -> Path | None:
        """Return the interpreter of the environment of the peer of that name, if it takes part."""
        return next((python for peer, python in self._pythons.items() if peer.name == name), None)

    @contextmanager
    def join(self, race: str, port: int | None = None, round_sec: float | None = None) -> Iterator[Opponents]:
        """Start the processes of all who take part in `race`, and end them with the block."""
        task = {**asdict(RACES[race]), "port": port}
        opponents = Opponents(self.notes)
        with ExitStack() as stack:
            for peer, python in self._pythons.items():
                if race not in peer.races:
                    continue
                worker = stack.enter_context(_started(python, {**task, "adapter": peer.adapter}))
                if complaint := _answer(worker):
                    self.notes[f"{peer.name}, {race}"] = f"left out: {complaint}"
                    continue
                opponents.add(peer, worker, len(task["users"]) * (task["calls_each"] or 1), round_sec)
            yield opponents


NOBODY = Peers({}, {})


def installed(directory: Path) -> Peers:
    """Return all peers, each in an environment under `directory`, but for those that cannot be installed."""
    pythons: dict[Peer, Path] = {}
    notes: dict[str, str] = {}
    for peer in PEERS:
        try:
            place = directory.resolve() / peer.name.replace(" ", "-")
            pythons[peer] = python_with([peer.pinned, *peer.needs], place)
        except NotInstalledError as error:
            notes[peer.name] = f"not installed: {error}"
    return Peers(pythons, notes)


@contextmanager
def _started(python: Path, task: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    command = [str(python), "-E", str(_WORKER), json.dumps(task)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True, bufsize=1) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def _seconds(worker: subprocess.Popen[str], times: int) -> float:
    """Have a peer take its turn; not a number if it cannot, and `_end` will say why."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    if worker.poll() is not None:
        return math.nan
    worker.stdin.write(f"{times}\n")
    line = worker.stdout.readline()
    return float(line) if line[:1].isdigit() else math.nan


def _end(worker: subprocess.Popen[str]) -> Any:
    assert worker.stdin is not None
    worker.stdin.close()
    return _answer(worker)


def _answer(worker: subprocess.Popen[str]) -> Any:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    return json.loads(line) if line else "its process ended"
