"""The function behind the cache: slow by a millisecond, and known by heart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict

LOAD_SEC = 0.001


def value_of(number: int) -> dict[str, object]:
    """Return the one right value: no two numbers have the same."""
    return {"number": number, "text": f"the value of {number}, " * 8}


class Source:
    """Loads values, and remembers how often and for how long it has run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.loads = 0
        self.spent_sec: defaultdict[int, float] = defaultdict(float)

    def load(self, number: int) -> dict[str, object]:
        started = time.monotonic()
        time.sleep(LOAD_SEC)
        return self._loaded(number, started)

    async def aload(self, number: int) -> dict[str, object]:
        started = time.monotonic()
        await asyncio.sleep(LOAD_SEC)
        return self._loaded(number, started)

    def _loaded(self, number: int, started: float) -> dict[str, object]:
        with self._lock:
            self.loads += 1
            self.spent_sec[number] += time.monotonic() - started
        return value_of(number)
