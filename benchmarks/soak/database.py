"""What is cached, and what may be answered of it: versions in memory that all processes share."""

from __future__ import annotations

import mmap
import time
from pathlib import Path
from typing import NamedTuple

_KEPT = 8192
_INT = 8


class Row(NamedTuple):
    """A version of an entity, and when it was read (monotonic, seconds)."""

    entity: int
    version: int
    loaded_at: float


class Database:
    """Versions of entities, each with one writer, and until which version each was invalidated, and when.

    An aligned 64-bit integer is read or written in one step on the machines of today; so nobody locks, and a
    forked child cannot find a lock that nobody holds.
    """

    def __init__(self, path: Path, entities: int) -> None:
        with path.open("r+b") as file:
            cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self.entities = entities
        self._versions = cells[:entities]
        self._floors = cells[entities : 2 * entities]
        self._announced_ns = cells[2 * entities :]

    @staticmethod
    def create(path: Path, entities: int) -> Database:
        path.write_bytes(bytes(entities * (2 + _KEPT) * _INT))
        return Database(path, entities)

    def load(self, entity: int) -> Row:
        return Row(entity, self._versions[entity], time.monotonic())

    def version(self, entity: int) -> int:
        return self._versions[entity]

    def commit(self, entity: int) -> int:
        self._versions[entity] += 1
        return self._versions[entity]

    def announce(self, entity: int, version: int) -> None:
        """Note that an invalidation which followed this version has returned, without raising."""
        self._announced_ns[entity * _KEPT + version % _KEPT] = time.monotonic_ns()
        self._floors[entity] = version

    def floor(self, entity: int) -> int:
        """Return the oldest version that a read which begins now may bring."""
        return self._floors[entity]

    def overdue_sec(self, row: Row, began: float) -> float:
        """Return how long before `began` a newer version had been announced; 0 if none had."""
        for version in range(row.version + 1, self._floors[row.entity] + 1):
            announced_ns = self._announced_ns[row.entity * _KEPT + version % _KEPT]
            if announced_ns:
                return max(0.0, began - announced_ns / 1e9)
        return 0.0
