"""The longest that one operation on a memory layer of a million entries takes, beside a plain dict's.

A dict grows by copying itself, which nobody can interrupt; the floor is that. The garbage collector is off:
what it takes has to do with the number of objects in the process, whoever holds them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

from benchmarks.harness import expect
from benchmarks.results import Row
from gcache import MemoryLayer

ROOM, NEWCOMERS = 1_000_000, 600_000
_KEYS = [str(number) for number in range(ROOM + NEWCOMERS)]


def run() -> list[Row]:
    gc.disable()
    try:
        floor = _slowest_ns(_replace_in_dict(), _KEYS)
        layer: MemoryLayer[int] = MemoryLayer(max_entries=ROOM)
        growing = _slowest_ns(lambda key: layer.put({key: 1}, 600), _KEYS[:ROOM])
        expect(len(layer.get(_KEYS[:ROOM])), ROOM)
        full = _slowest_ns(lambda key: layer.put({key: 1}, 600), _KEYS[ROOM:])
        expect(len(layer), ROOM)
        deleting = _slowest_ns(lambda key: layer.delete([key]), _KEYS)
        layer.close()
    finally:
        gc.enable()
    return [
        _row("memory, longest put, up to 1,000,000 entries", growing, floor, 3),
        _row("memory, longest put, all 1,000,000 visited", full, floor, 3),
        _row("memory, longest delete of one of 1,000,000", deleting, floor, 1),
    ]


def _replace_in_dict() -> Callable[[str], object]:
    entries: dict[str, int] = {}
    oldest = iter(_KEYS)

    def put(key: str) -> None:
        entries[key] = 1
        if len(entries) > ROOM:
            del entries[next(oldest)]

    return put


def _slowest_ns(operation: Callable[[str], object], keys: Sequence[str]) -> float:
    slowest = 0.0
    for key in keys:
        started = time.perf_counter()
        operation(key)
        slowest = max(slowest, time.perf_counter() - started)
    return slowest * 1e9


def _row(job: str, ours: float, floor: float, target: float) -> Row:
    ratio = ours / floor
    return Row(job, ours, floor, ratio, target, "plain dict, its longest", ratio, ratio, 1)
