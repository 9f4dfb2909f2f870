"""Readers beside a writer, and how many of them got what had been invalidated before they began."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcache.conformance._instance import Instance

_ENTITIES = 4
_INVALIDATIONS = 150


class Trial:
    """A writer that raises numbers and invalidates them, and readers who know how far it has come.

    Both are in memory that processes share: the truth, and what it was when the last invalidation returned.
    """

    def __init__(self, writer: Instance) -> None:
        numbers = memoryview(mmap.mmap(-1, 8 * (2 * _ENTITIES + 1))).cast("q")
        self._truth, self._floor = numbers[:_ENTITIES], numbers[_ENTITIES : 2 * _ENTITIES]
        self._over = numbers[2 * _ENTITIES :]
        self._writer = writer

    def load(self, id: int) -> int:
        return self._truth[id]

    def write(self) -> int:
        try:
            for turn in range(_INVALIDATIONS):
                id = turn % _ENTITIES
                self._truth[id] += 1
                self._writer.invalidate(id)
                self._floor[id] = self._truth[id]
            return 0
        finally:
            self._over[0] = 1

    def read(self, read: Callable[[int], Any]) -> int:
        """Read until the writer is done; return how many of the reads were stale."""
        stale = 0
        while not self._over[0]:
            for id in range(_ENTITIES):
                floor = self._floor[id]
                stale += read(id) < floor
        return stale
