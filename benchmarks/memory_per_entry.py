"""What an entry of the memory layer takes, beside its key and its value, against a plain dict's.

100,000 entries of small dicts, measured with `tracemalloc` while keys and values are there already; both
have the same keys. The floor is a dict of (value, expiry), which bounds, invalidates and counts nothing.
A cached function's entry is measured as well, where each has made its own key.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks.harness import expect
from benchmarks.results import Row
from benchmarks.subject import profile, subject
from gcache import MemoryLayer
from gcache.core.entries import Entry, Generation

ENTRIES = 100_000
_VALUES = {f"urn:bench:user_id:{number}#Memory": profile(str(number)) for number in range(ENTRIES)}


def run() -> list[Row]:
    plain = _bytes(_fill_plain)
    rows = [
        _row("bytes of an entry, untracked", _bytes(lambda: _fill_layer(None)), plain, 1.5),
        _row("bytes of an entry, tracked", _bytes(lambda: _fill_layer(b"e" * 16)), plain, None),
    ]
    with subject() as subj:
        cached = subj.cached(lambda user_id: _VALUES[f"urn:bench:user_id:{user_id}#Memory"], "Memory")
        cached(0)
        taken = _bytes(lambda: [cached(number) for number in range(ENTRIES)] and None)
    return [*rows, _row("bytes of an entry, with the key that a function made", taken, plain, None)]


def _fill_plain() -> object:
    entries: dict[str, tuple[Any, float]] = {}
    for key, value in _VALUES.items():
        entries[key] = value, time.monotonic() + 600
    return entries


def _fill_layer(epoch: bytes | None) -> object:
    layer: MemoryLayer[Entry] = MemoryLayer(max_entries=ENTRIES, sweep=False)
    generation = Generation()
    for key, value in _VALUES.items():
        now = time.time()
        layer.put({key: Entry(value, now, now + 600, epoch, generation)}, 600)
    expect(len(layer), ENTRIES)
    return layer


def _bytes(fill: Callable[[], object]) -> float:
    """Return how many bytes an entry takes of what `fill` leaves behind."""
    gc.collect()
    tracemalloc.start()
    filled = fill()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del filled
    return taken / ENTRIES


def _row(job: str, ours: float, floor: float, target: float | None) -> Row:
    ratio = ours / floor
    return Row(job, ours, floor, ratio, target, "dict of (value, expiry)", ratio, ratio, 1, unit="B")
