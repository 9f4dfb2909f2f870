"""The function behind the cache: slow by a millisecond, and known by heart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict

LOAD_SEC = 0.001


class Source:
    """Loads values, and remembers how often and for how long it has run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: defaultdict[int, int] = defaultdict(int)
        self.loads = 0
        self.spent_sec: defaultdict[int, float] = defaultdict(float)

    def value_of(self, number: int) -> dict[str, object]:
        """Return the one right value: no two numbers have the same, nor has a number twice."""
        version = self._versions[number]
        return {"number": number, "version": version, "text": f"version {version} of {number}, " * 8}

    def renew(self, number: int) -> None:
        """Give the number another value from now on."""
        self._versions[number] += 1

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
        return self.value_of(number)
