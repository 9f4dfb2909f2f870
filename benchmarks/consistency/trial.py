"""A trial: worker processes let loose on one server, and what they bring back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.consistency import worker
from benchmarks.consistency.history import Invalidation, Reading
from benchmarks.consistency.subjects import Subject
from benchmarks.consistency.worker import Task, Traffic
from benchmarks.harness import void_unless

_START_SEC = 60
_SLOWEST_READS_A_SEC = 200
_LEAST_PERCENT = 20
_INT = array("q").itemsize


@dataclass(frozen=True)
class Authority:
    """The server, or a node of the Cluster, that all processes agree on."""

    name: str
    port: int
    is_cluster: bool = False


@dataclass
class Trial:
    """What all processes have seen, in no particular order; `loads` and `raised` are sums."""

    seconds: float = 0
    loads: int = 0
    raised: int = 0
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    readings: list[Reading] = field(default_factory=list[Reading])
    invalidations: list[Invalidation] = field(default_factory=list[Invalidation])

    @property
    def hit_percent(self) -> float:
        """The share of reads for which no source ran."""
        return 100 * (1 - self.loads / len(self.readings))


def conduct(subject: Subject, authority: Authority, traffic: Traffic) -> Trial:
    """Run the workers of one trial. Raises RuntimeError if they do not do what the trial claims."""
    # Elsewhere nothing is said about the monotonic clock of one process in another.
    void_unless(sys.platform == "linux", "the processes share a clock on Linux only")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        (directory / "source").write_bytes(bytes(traffic.all_entities * _INT))
        prefix = f"urn:consistency:{uuid.uuid4().hex}"
        tasks = [
            Task(traffic, place, name, authority.port, authority.is_cluster, prefix)
            for place in range(traffic.processes)
        ]
        workers = [stack.enter_context(_running(subject, task)) for task in tasks]
        stack.enter_context(_limit(workers, _START_SEC + traffic.reads / _SLOWEST_READS_A_SEC))
        seconds = _let_run(workers, directory)
        return _collected(directory, subject, traffic, seconds)


@contextmanager
def _running(subject: Subject, task: Task) -> Iterator[subprocess.Popen[str]]:
    command = [*subject.command, str(Path(worker.__file__)), task.dump()]
    with (
        Path(task.directory, f"errors-{task.place}").open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **subject.environment},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _limit(workers: list[subprocess.Popen[str]], limit_sec: float) -> Iterator[None]:
    """End workers that hang; whoever waits for them then hears of their end."""

    def end() -> None:
        for process in workers:
            process.kill()

    timer = threading.Timer(limit_sec, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _let_run(workers: list[subprocess.Popen[str]], directory: Path) -> float:
    """Start all together, let them write until all have read; return the seconds that took."""
    _await_all(workers, "ready\n", directory)
    started = time.monotonic()
    _tell_all(workers, directory)
    _await_all(workers, "done\n", directory)
    seconds = time.monotonic() - started
    _tell_all(workers, directory)
    _await_all(workers, "", directory)
    for place, process in enumerate(workers):
        void_unless(process.wait() == 0, f"worker {place} failed: {_last_words(directory, place)}")
    return seconds


def _await_all(workers: list[subprocess.Popen[str]], word: str, directory: Path) -> None:
    for place, process in enumerate(workers):
        assert process.stdout
        said = process.stdout.readline()
        void_unless(said == word, f"worker {place} said {said!r}: {_last_words(directory, place)}")


def _tell_all(workers: list[subprocess.Popen[str]], directory: Path) -> None:
    for place, process in enumerate(workers):
        assert process.stdin
        try:
            process.stdin.write("go on\n")
            process.stdin.flush()
        except BrokenPipeError:
            void_unless(False, f"worker {place} is gone: {_last_words(directory, place)}")


def _last_words(directory: Path, place: int) -> str:
    return (directory / f"errors-{place}").read_text(errors="replace")[-2000:]


def _collected(directory: Path, subject: Subject, traffic: Traffic, seconds: float) -> Trial:
    trial = Trial(seconds)
    for place in range(traffic.processes):
        readings = list(map(Reading._make, _triples(directory / f"readings-{place}")))
        invalidations = list(map(Invalidation._make, _triples(directory / f"invalidations-{place}")))
        void_unless(bool(readings and invalidations), f"worker {place} did nothing")
        trial.readings += readings
        trial.invalidations += invalidations
        summary = json.loads((directory / f"summary-{place}").read_text())
        void_unless(subject.owns(summary["gcache"]), f"worker {place} ran {summary['gcache']}")
        trial.loads += summary["loads"]
        trial.raised += summary["raised"]
        trial.packages = summary["packages"]
    _check_meaning(trial, traffic)
    return trial


def _triples(path: Path) -> Iterator[tuple[Any, ...]]:
    integers = array("q", path.read_bytes())
    return zip(*[iter(integers)] * 3, strict=True)


def _check_meaning(trial: Trial, traffic: Traffic) -> None:
    """The cache must have answered, and most of what was read must have been invalidated by then."""
    reads = len(trial.readings)
    void_unless(reads + trial.raised >= traffic.reads, f"{reads:,} of {traffic.reads:,} reads were done")
    void_unless(trial.hit_percent >= _LEAST_PERCENT, f"{trial.hit_percent:.1f} % of reads were hits")
    judged = 100 * sum(_began_later(trial)) / reads
    void_unless(judged >= _LEAST_PERCENT, f"{judged:.1f} % of reads came after an invalidation")


def _began_later(trial: Trial) -> Iterator[bool]:
    """For each reading, whether an invalidation of its entity had returned before."""
    first_ns: dict[int, int] = {}
    for entity, returned_ns, _ in trial.invalidations:
        first_ns[entity] = min(returned_ns, first_ns.get(entity, returned_ns))
    return (entity in first_ns and started_ns > first_ns[entity] for entity, started_ns, _ in trial.readings)
