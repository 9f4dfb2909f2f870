"""Let two processes call, write, fork and run loops while everything fails, and see that nothing is lost.

`python -m benchmarks.soak [--minutes 10] [--seed 0]` (Linux). Prints what was done and what was found; the
exit code is 1 if a call failed or was answered wrongly, if memory grew, or if anything was left over.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.soak.database import Database
from benchmarks.soak.faults import planned
from benchmarks.soak.report import Found, print_table
from benchmarks.soak.vitals import Vitals, look
from benchmarks.soak.worker import Task, work
from gcache.conformance.proxy import FaultProxy
from gcache.conformance.waiting import wait_until
from tests.servers.process import Server

_PROCESSES = 2
_LOOK_SEC = 1.0
_PATIENCE_SEC = 120.0


class Soak:
    """The server, the proxy before it, and the processes that reach it through that."""

    def __init__(self, stack: ExitStack, seed: int) -> None:
        self._server = stack.enter_context(Server("valkey"))
        self._proxy = stack.enter_context(FaultProxy(self._server.port))
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "database")
        tasks = [Task(place, _PROCESSES, self._proxy.port, str(path), seed) for place in range(_PROCESSES)]
        Database.create(path, tasks[0].entities)
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in tasks]
        self._lines = [ours for ours, _ in pipes]
        self._workers = [
            context.Process(target=work, args=(task, theirs))
            for task, (_, theirs) in zip(tasks, pipes, strict=True)
        ]
        self._seed = seed
        self._started = 0.0
        self._due = 0.0
        self.found = Found(looks=[list[Vitals]() for _ in tasks])

    def run(self, minutes: float) -> Found:
        for worker in self._workers:
            worker.start()
        try:
            self._hear()
            self._started = time.monotonic()
            self._let_fail(minutes * 60)
            self._end()
        finally:
            for worker in self._workers:
                worker.kill()
                worker.join()
        return self.found

    def _let_fail(self, seconds: float) -> None:
        from random import Random

        chance = Random(self._seed)
        for plan in planned(self._seed):
            if time.monotonic() - self._started > seconds:
                return
            plan.fault.begin(self._server, self._proxy, chance)
            self._wait(plan.lasts_sec)
            plan.fault.end(self._server, self._proxy, chance)
            self.found.faults[plan.name] += 1
            self._wait(plan.pause_sec)
            self.found.connections.append((self._elapsed(), self._connections()))

    def _end(self) -> None:
        """Have everything in order, have the processes come to rest, and see what they leave."""
        self._tell("settle")
        self.found.settled = self._hear()
        self._tell("check and close")
        self.found.reports = self._hear()
        try:
            wait_until(lambda: self._connections() == 0, sentence="no connection is left")
        except TimeoutError:
            self.found.connections_left = self._connections()
        self._tell("go")
        for worker in self._workers:
            worker.join(_PATIENCE_SEC)
            self.found.exit_codes.append(worker.exitcode)

    def _wait(self, seconds: float) -> None:
        """Let time pass, and look at the processes now and then."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + _LOOK_SEC
                for worker, looks in zip(self._workers, self.found.looks, strict=True):
                    looks.append(look(worker.pid or 0, self._elapsed()))
            time.sleep(min(left, 0.1))

    def _connections(self) -> int:
        """Return how many clients the server has but for the one that asks."""
        return len(self._server.command("CLIENT", "LIST").splitlines()) - 1

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _tell(self, word: str) -> None:
        for line in self._lines:
            line.send(word)

    def _hear(self) -> list[Any]:
        said: list[Any] = []
        for place, line in enumerate(self._lines):
            if not line.poll(_PATIENCE_SEC):
                raise RuntimeError(f"Process {place} says nothing: it hangs, or has died.")
            said.append(line.recv())
        return said


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0, help="decides the order of the faults")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        found = Soak(stack, chosen.seed).run(chosen.minutes)
    print_table(found)
    complaints = found.complaints()
    for complaint in complaints:
        print(f"\nNOT AS PROMISED: {complaint}")
    print(f"\n{len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())
