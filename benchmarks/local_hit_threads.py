"""Hits in the local layer from eight threads at once, against as many from one.

Ours and the floor's figures are nanoseconds a hit of all threads together: with one interpreter lock no
number of threads can do better than one, and a lock of the layer's own would show here. What handing over
between threads costs by itself is what it costs the hand-written closure.
"""

from __future__ import annotations

import time
from contextvars import copy_context
from threading import Barrier, Thread
from typing import Any

from benchmarks.floors import sync_floor
from benchmarks.harness import Contestant, compare, race
from benchmarks.results import Row
from benchmarks.subject import USERS, profile, subject

THREADS = 8
_HITS = 160_000


def _hits(cached: Any, times: int) -> None:
    for _ in range(times // len(USERS)):
        for user in USERS:
            cached(user)


def _from_threads(cached: Any, threads: int) -> Contestant:
    """Return what makes the same number of hits, shared among `threads`."""

    def run(_times: int) -> float:
        barrier = Barrier(threads + 1)

        def work() -> None:
            barrier.wait()
            _hits(cached, _HITS // threads)
            barrier.wait()

        workers = [Thread(target=copy_context().run, args=(work,)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        barrier.wait()
        started = time.perf_counter()
        barrier.wait()
        taken = time.perf_counter() - started
        for worker in workers:
            worker.join()
        return taken / _HITS

    return Contestant(run, round_sec=0)


def _row(job: str, cached: Any, at_most: float | None) -> Row:
    _hits(cached, len(USERS))
    many, one = _from_threads(cached, THREADS), _from_threads(cached, 1)
    race(many, one, rounds=40)
    return compare(job, many, one, at_most, "the same hits from one thread")


def run() -> list[Row]:
    with subject() as subj:
        return [
            # The interpreter's own handing over between threads is some percent.
            _row("local hit, 8 threads together", subj.cached(profile, "Threads"), 1.05),
            _row("hit of a closure over a dict, 8 threads together", sync_floor(profile).function, None),
        ]
