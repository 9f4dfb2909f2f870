"""The time of a suite: real, or moved by hand where a layer takes a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a suite tells time by. A layer that takes a clock is given `time` or `monotonic` of it."""

    def time(self) -> float:
        """Return Unix time, in seconds."""
        ...

    def monotonic(self) -> float:
        """Return the seconds since some moment."""
        ...

    def advance(self, seconds: float) -> None:
        """Return when `seconds` have gone by."""
        ...


class RealClock:
    """The machine's own."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def advance(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self._now = 1000.0

    def time(self) -> float:
        return 1_700_000_000.0 + self._now

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
