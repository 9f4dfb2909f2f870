"""What is served after its life, and what is renewed before its end. Times are seconds."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import TYPE_CHECKING

from gcache.core.records import Record

if TYPE_CHECKING:
    from gcache.core.entries import Entry

_FARTHEST_AHEAD = 12.0
"""Of a million draws of `is_due`, six would renew an entry earlier than this many load times ahead."""


class Stale(Record):
    """An entry whose life was over `age_sec` ago, and the layer that kept it."""

    entry: Entry
    age_sec: float
    layer: str


def is_due(left_sec: float, load_sec: float, beta: float, point: float) -> bool:
    """Tell whether to renew an entry that has `left_sec` of its life, when chance has put it at `point`.

    `point` is above 0 and up to 1. The rule is XFetch: the longer the load took the earlier, and the likelier
    the nearer the end is.
    """
    return left_sec <= load_sec * beta * -log(point)


def ahead_sec(load_sec: float, beta: float) -> float:
    """Return how long before its end an entry may come to be due."""
    return _FARTHEST_AHEAD * beta * load_sec


class Throttle:
    """The keys whose load failed a moment ago. It has room for a few, and forgets the oldest.

    `clock` is monotonic.
    """

    def __init__(self, clock: Callable[[], float], room: int = 10_000) -> None:
        self._clock = clock
        self._room = room
        self._until: dict[str, float] = {}

    def slow_down(self, key: str, sec: float) -> None:
        """Have `key` wait for `sec` seconds."""
        self._until.pop(key, None)
        self._until[key] = self._clock() + sec
        while len(self._until) > self._room:
            try:
                self._until.pop(next(iter(self._until)), None)
            except (RuntimeError, StopIteration):  # another thread has just changed it
                return

    def waits(self, key: str) -> bool:
        """Tell whether it is too early to try `key` again."""
        until = self._until.get(key)
        if until is None:
            return False
        if self._clock() < until:
            return True
        self._until.pop(key, None)
        return False
