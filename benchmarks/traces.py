"""Orders in which keys are asked for, on which policies of eviction differ."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path

from examples.demo import corpus, trace

ACCESSES = 1_000_000
KEYS, _EXPONENT, _SEED = 100_000, 0.99, 20_261_125
_SCANS, _SCAN_LENGTH = 4, 50_000
SCANNED = _SCANS * _SCAN_LENGTH


def zipf(accesses: int = ACCESSES) -> list[str]:
    """Draw from 100,000 keys, the n-th of which is asked for n ** -0.99 times as often as the first."""
    weights = list(accumulate(number**-_EXPONENT for number in range(1, KEYS + 1)))
    names = [str(number) for number in range(KEYS)]
    return random.Random(_SEED).choices(names, cum_weights=weights, k=accesses)


def zipf_with_scans() -> list[str]:
    """Four fifths of it Zipf, and between them, four times, 50,000 keys that nobody asks for again."""
    usual = iter(zipf(ACCESSES - SCANNED))
    return list(islice(_interrupted(usual), ACCESSES))


def demo() -> list[str]:
    """Every identifier of the standard library, as a reader of all its source code meets it."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "names.db")
        corpus.build(database, corpus.source_files(), lambda _done: None)
        return trace.reading_order(database)


def _interrupted(usual: Iterator[str]) -> Iterator[str]:
    between = (ACCESSES - SCANNED) // (_SCANS + 1)
    for number in range(_SCANS):
        yield from islice(usual, between)
        yield from (f"scan {number} {place}" for place in range(_SCAN_LENGTH))
    yield from usual
