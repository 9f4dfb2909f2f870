"""The process that calls cached functions while a fault is made around it.

It runs in the subject's own environment and imports nothing of this project but the files beside it, one of
which sets the subject's cache up. Its argument is a JSON object: `adapter` names that file, `side` is "sync"
or "async", `options` say where the server is. Each line of stdin is a command, each is answered by one line.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

OFFSET_SEC = [0.0]
_real_time = time.time


def _shifted_time() -> float:
    return _real_time() + OFFSET_SEC[0]


time.time = _shifted_time  # before anything else is imported, so that all see the clock that drills set

from caller import Side  # noqa: E402
from journal import Journal  # noqa: E402
from source import Source  # noqa: E402

_WARM = range(20)


class Worker:
    """Carries commands out, each in a thread of its own so that a call that hangs can be told of."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._source = Source()
        adapter = importlib.import_module(task["adapter"])
        functions = adapter.functions(task["options"], self._source)
        self._invalidate = functions.get("invalidate")
        self._side = Side(functions[task["side"]], self._source, is_async=task["side"] == "async")
        self._unseen = 1_000_000

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command, and return what there is to tell of it."""
        work = getattr(self, command.pop("do"))
        answer: dict[str, Any] = work(**command)
        return answer

    def warm(self, limit_sec: float) -> dict[str, Any]:
        """Read the warm keys until each is answered by the cache."""
        return self._until_hits(list(_WARM), limit_sec)

    def calls(self, count: int, pause_sec: float, limit_sec: float, patience_sec: float) -> dict[str, Any]:
        """Call `count` times, half of them for warm keys, half for keys that nobody has seen before.

        No call begins after `limit_sec`, and one that hangs for `patience_sec` beyond is not waited for.
        """
        journal, loads = Journal(), self._source.loads
        numbers = list(self._alternating(count))
        self._side.run(self._side.in_turn(numbers, journal, pause_sec, limit_sec), limit_sec + patience_sec)
        return {**journal.told(), "loads": self._source.loads - loads}

    def crowd(self, count: int, rounds: int, patience_sec: float) -> dict[str, Any]:
        """Call `count` times at once, `rounds` times over. Latencies are beyond those of the bare source."""
        bare, journal = Journal(), Journal()
        for _ in range(rounds):
            self._side.at_once(list(self._alternating(count)), bare, patience_sec, is_bare=True)
        loads = self._source.loads
        for _ in range(rounds):
            self._side.at_once(list(self._alternating(count)), journal, patience_sec, is_bare=False)
        return {**journal.told(less_ms=bare.median_ms), "loads": self._source.loads - loads}

    def recover(self, limit_sec: float) -> dict[str, Any]:
        """Call until warm keys and unseen ones, tracked and untracked, are all answered by the cache."""
        return self._until_hits([0, 1, *self._unseen_numbers(2)], limit_sec)

    def clock(self, offset_sec: float) -> dict[str, Any]:
        """Have `time.time` of this process be so far off, then write all that is warm and tracked anew."""
        OFFSET_SEC[0] = offset_sec
        for number in _WARM[1::2] if self._invalidate else ():
            self._source.renew(number)
            self._invalidate("number", str(number))
        return {}

    def file_limit(self, size: int) -> dict[str, Any]:
        """Let no file of this process grow beyond `size` bytes; -1 lifts the limit."""
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size < 0 else size, hard))
        return {}

    def _until_hits(self, numbers: list[int], limit_sec: float) -> dict[str, Any]:
        journal, started, left = Journal(), time.monotonic(), limit_sec
        found = False
        while not found and left > 0:
            loads = self._source.loads
            self._side.run(self._side.in_turn(numbers, journal, 0, left), left)
            found = loads == self._source.loads and not journal.stuck
            if not found:
                time.sleep(0.01)
            left = limit_sec - (time.monotonic() - started)
        return {**journal.told(), "sec": time.monotonic() - started if found else None}

    def _alternating(self, count: int) -> Iterator[int]:
        """Two warm numbers, then two unseen ones, two warm, the same two again, and so on.

        Of each two, one is a tracked entity's. Where the cache works, three calls of four are hits.
        """
        unseen = range(0)
        for place in range(count):
            if place % 8 == 0:
                unseen = self._unseen_numbers(2)
            warm = place // 4 * 2 + place % 2
            yield warm % len(_WARM) if place % 4 < 2 else unseen[place % 2]

    def _unseen_numbers(self, count: int) -> range:
        self._unseen += count
        return range(self._unseen - count, self._unseen)


def main() -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the subject prints is no answer
    worker = Worker(json.loads(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(worker.do(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    threading.stack_size(256 * 1024)
    main()
    sys.stderr.flush()
    import os

    os._exit(0)  # whatever still hangs
