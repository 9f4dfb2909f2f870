"""The in-process layer: a dictionary that stays within its bounds by SIEVE."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gcache.core.protocols import CacheLayer, Progress
from gcache.errors import GCacheConfigError

if TYPE_CHECKING:
    from gcache.urls import LayerURL

Stored = TypeVar("Stored")


class _Slot(Generic[Stored]):
    __slots__ = ("deadline", "key", "stored", "visited")

    def __init__(self, key: str, stored: Stored, deadline: float) -> None:
        self.key = key
        self.stored: Stored | None = stored
        self.deadline = deadline
        self.visited = False


class MemoryLayer(Generic[Stored]):
    """Keeps up to `max_entries` live objects, each until its own deadline.

    Reading takes no lock and moves nothing: a hit sets a mark. To make room a hand goes through the
    entries from the oldest on, takes marks away, and evicts the first entry that has none (SIEVE). What
    is put here is what is given back, the very object. `clock` is monotonic, in seconds.

    Raises GCacheConfigError if there is room for nothing.
    """

    in_process = True

    def __init__(
        self,
        name: str = CacheLayer.LOCAL,
        max_entries: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_entries < 1:
            raise GCacheConfigError(f"max_entries is {max_entries!r}: make room for 1 at least.")
        self.name = name
        self.max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot[Stored]] = {}
        self._queue: list[_Slot[Stored] | None] = []
        self._hand = 0
        _all_layers.add(self)

    def find(self, key: str, now: float) -> Stored | None:
        """Return what is under `key`, unless its life was over at `now`."""
        slot = self._slots.get(key)
        if slot is None or slot.deadline <= now:
            return None
        slot.visited = True
        return slot.stored

    def get(self, keys: Sequence[str]) -> Sequence[Stored | None]:
        now = self._clock()
        return [self.find(key, now) for key in keys]

    def put(self, items: Mapping[str, Stored], ttl: float) -> None:
        deadline = self._clock() + ttl
        displaced: list[Any] = []  # freed when the lock is: who is told so by __del__ may come back here
        with self._lock:
            for key, stored in items.items():
                displaced.append(self._put(key, stored, deadline))

    def add(self, key: str, value: Stored, ttl: float) -> bool:
        now = self._clock()
        displaced: object = None
        with self._lock:
            is_free = self.find(key, now) is None
            if is_free:
                displaced = self._put(key, value, now + ttl)
        del displaced
        return is_free

    def delete(self, keys: Sequence[str]) -> int:
        now = self._clock()
        with self._lock:
            slots = [slot for key in keys if (slot := self._slots.pop(key, None)) is not None]
            self._drop_stale_places()
        for slot in slots:
            slot.stored = None  # a gap in the queue keeps the slot for a while
        return sum(slot.deadline > now for slot in slots)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        removed = self.delete([key for key in tuple(self._slots) if key.startswith(prefix)])
        if progress is not None:
            progress(removed)
        return removed

    def close(self) -> None:
        self.clear("")

    def __len__(self) -> int:
        return len(self._slots)

    def after_fork(self) -> None:
        """Give the child a lock of its own, and an empty layer if the parent was just changing it."""
        if self._lock.locked():
            self._slots, self._queue, self._hand = {}, [], 0
        self._lock = threading.Lock()

    def _put(self, key: str, stored: Stored, deadline: float) -> object:
        """Store one object, and return what has to go for it.

        A key that is there keeps its place: a new value is no newcomer.
        """
        slot = self._slots.get(key)
        if slot is not None:
            displaced: object = slot.stored
            slot.stored = stored
            slot.deadline = deadline
            return displaced
        displaced = self._evict() if len(self._slots) >= self.max_entries else None
        slot = _Slot(key, stored, deadline)
        self._queue.append(slot)
        self._slots[key] = slot
        return displaced

    def _evict(self) -> object:
        now = self._clock()
        while True:
            if self._hand >= len(self._queue):
                self._hand = 0
                self._drop_stale_places()
            slot = self._queue[self._hand]
            if slot is not None and self._slots.get(slot.key) is slot:
                if slot.visited and slot.deadline > now:
                    slot.visited = False
                    self._hand += 1
                    continue
                del self._slots[slot.key]
                self._queue[self._hand] = None
                self._hand += 1
                self._drop_stale_places()
                return slot
            self._queue[self._hand] = None
            self._hand += 1

    def _drop_stale_places(self) -> None:
        """Close the gaps that evicted and deleted entries left, once they are as many as the entries."""
        if len(self._queue) <= 2 * len(self._slots) + 16:
            return
        kept: list[_Slot[Stored] | None] = []
        hand = 0
        for place, slot in enumerate(self._queue):
            if slot is not None and self._slots.get(slot.key) is slot:
                kept.append(slot)
                hand += place < self._hand
        self._queue, self._hand = kept, hand


def from_url(url: LayerURL) -> MemoryLayer[Any]:
    """Return the layer of a URL such as `memory?name=near&max_entries=1000`. Raises GCacheConfigError."""
    url.only()
    return MemoryLayer(**url.options(name=str, max_entries=int))


_all_layers: weakref.WeakSet[MemoryLayer[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for layer in tuple(_all_layers):
        layer.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
