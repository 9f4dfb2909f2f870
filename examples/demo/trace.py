"""The order in which names are looked up."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from sys import intern

SEED = 20_240_229


def reading_order(database: Path) -> list[str]:
    """Return every identifier as a reader of the whole library would meet it."""
    connection = sqlite3.connect(database)
    names = [intern(name) for (name,) in connection.execute("SELECT name FROM uses ORDER BY place")]
    connection.close()
    return names


def at_random(names: Sequence[str]) -> Iterator[str]:
    """Draw from `names` for ever: frequent ones come often, and no file gives way to the next."""
    draw = random.Random(SEED)
    while True:
        yield from draw.choices(names, k=1_000)


def for_seconds(
    seconds: float, names: Iterator[str], each: Callable[[float], None] = lambda elapsed: None
) -> Iterator[str]:
    """Pass `names` on until `seconds` have gone by; before each, tell `each` how many have."""
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        each(elapsed)
        yield next(names)


def some_names(names: Sequence[str], count: int) -> list[str]:
    """Return `count` different names, each as likely as any other."""
    return random.Random(SEED).sample(sorted(set(names)), count)
