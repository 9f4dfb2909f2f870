"""The in-process layer: a dictionary that stays within its bounds, and drops what expired."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gcache.backends._sieve import Sieve
from gcache.backends._slots import EntrySlot, Slot, slot_of
from gcache.backends._sweeper import Sweeper
from gcache.backends._weighing import by_bytes
from gcache.core.entries import Entry, Kept
from gcache.core.protocols import CacheLayer, Progress
from gcache.errors import EntryTooLarge, GCacheConfigError

if TYPE_CHECKING:
    from gcache.urls import LayerURL

Stored = TypeVar("Stored")

_LOOKS_PER_PUT = 4  # so what has expired is a quarter of what is held at most, while puts come steadily
_EVICTED_AT_ONCE = 16
_DELETED_AT_ONCE = 256


class MemoryLayer(Generic[Stored]):
    """Keeps up to `max_entries` live objects, each until its own deadline.

    Reading takes no lock and moves nothing: a hit sets a mark. Newcomers wait in a tenth of the room until
    they are evicted or, if they were visited, stay. Among those who stay a hand goes from the oldest on,
    takes marks away, and evicts the first that has none (SIEVE). Who comes back soon after an eviction stays
    at once; to know them takes two bytes at most for each entry held. What is put here is what is given back,
    the very object; for an entry, one that holds the very value, and its dates to a quarter of a second.
    `clock` is monotonic, in seconds.

    `max_weight` bounds the sum of what `weigh` says of the values, in whole numbers of 0 or more. It is
    called with the value that a function returned, once for each `put` or `add`, in the caller's thread and
    without a lock; what it raises, they raise. Without `weigh` it is in bytes: `sys.getsizeof` of all objects
    that the value consists of, and 400 for the entry. Objects that entries share count for each of them.

    Expired entries leave without being asked for. Each `put` looks at four entries more, and while `sweep` is
    true a thread, one for all layers of the process, looks at each within half a minute or so. It runs only
    while something is held.

    Raises GCacheConfigError if there is room for nothing, or if there is `weigh` without `max_weight`.
    """

    in_process = True

    def __init__(
        self,
        name: str = CacheLayer.LOCAL,
        max_entries: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_weight: int | None = None,
        weigh: Callable[[Any], int] | None = None,
        sweep: bool = True,
    ) -> None:
        if max_entries < 1:
            raise GCacheConfigError(f"max_entries is {max_entries!r}: make room for 1 at least.")
        if max_weight is not None and max_weight < 1:
            raise GCacheConfigError(f"max_weight is {max_weight!r}: make room for 1 at least.")
        if weigh is not None and max_weight is None:
            raise GCacheConfigError("weigh is given without max_weight: say how much there is room for.")
        self.name = name
        self.max_entries = max_entries
        self.max_weight = max_weight
        self._weigh = by_bytes(max_weight) if weigh is None and max_weight is not None else weigh
        self._limit = max_weight or 0
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[str, Slot[Stored]] = {}
        self._sieve: Sieve[Stored] = Sieve()
        self._is_swept = sweep
        _all_layers.add(self)
        if sweep:
            _sweeper.know(self)

    @property
    def lookup(self) -> Callable[[str], Slot[Stored] | None] | None:
        """What returns the slot of a key, also one that is over; None where a subclass has its own `find`."""
        return self._slots.get if getattr(self.find, "__func__", None) is _find else None

    def find(self, key: str, now: float) -> Stored | None:
        """Return what is under `key`, unless its life was over at `now`."""
        slot = self._slots.get(key)
        if slot is None or slot.deadline <= now:
            return None
        if not slot.visited:
            slot.visited = True
        return slot.stored

    def get(self, keys: Sequence[str]) -> Sequence[Stored | None]:
        now = self._clock()
        return [self.find(key, now) for key in keys]

    def put(self, items: Mapping[str, Stored], ttl: float) -> None:
        now = self._clock()
        self._put([self._slot_of(key, stored, now, ttl) for key, stored in items.items()], now)

    def keep(self, key: str, entry: Stored, ttl: float, ahead_sec: float, stale_sec: float) -> None:
        """Keep one entry for `stale_sec` after its life, in whose last `ahead_sec` it is not found."""
        now = self._clock()
        self._put([self._slot_of(key, entry, now, ttl, ahead_sec, stale_sec)], now)

    def find_kept(self, key: str, now: float) -> Kept | None:
        """Return what is under `key` for as long as it is kept, with what is left of its life."""
        slot = self._slots.get(key)
        if slot is None or slot.ends <= now:
            return None
        slot.visited = True
        stored: Any = slot.stored
        return Kept(stored, slot.lives_until - now)

    def add(self, key: str, value: Stored, ttl: float) -> bool:
        now = self._clock()
        fresh = self._slot_of(key, value, now, ttl)
        displaced: list[Any] = []
        is_free = is_done = False
        while not is_done:
            with self._lock:
                slot = self._slots.get(key)
                is_free = slot is None or slot.lives_until <= now
                is_done = not is_free or self._place(fresh, now, displaced)
        self._see_to_sweeping()
        return is_free

    def delete(self, keys: Sequence[str]) -> int:
        now = self._clock()
        displaced: list[Slot[Stored]] = []
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = keys[start : start + _DELETED_AT_ONCE]
            with self._lock:
                for key in some:
                    slot = self._slots.get(key)
                    if slot is not None:
                        self._sieve.remove(slot)
                        self._forget(slot, displaced)
        return sum(slot.lives_until > now for slot in displaced)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        removed = self.delete([key for key in list(self._slots) if key.startswith(prefix)])
        if progress is not None:
            progress(removed)
        return removed

    def close(self) -> None:
        self.clear("")
        _sweeper.look_again()

    def sweep(self, looks: int) -> int:
        """Look at the next `looks` entries, let go of those whose life is over, and return how many.

        The next call goes on where this one ended. It is for those who want no thread to do it.
        """
        displaced: list[Any] = []
        with self._lock:
            self._sweep(self._clock(), looks, displaced)
        return len(displaced)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def weight(self) -> int:
        """The sum of what the values weigh that are held now; 0 without `max_weight`."""
        return self._sieve.weight

    def after_fork(self) -> None:
        """Give the child a lock of its own, and an empty layer if the parent was just changing it."""
        if self._lock.locked():
            self._slots.clear()  # which stays the same one: cached functions know it
            self._sieve = Sieve()
        self._lock = threading.Lock()

    def _put(self, fresh: list[Slot[Stored]], now: float) -> None:
        displaced: list[Any] = []
        for slot in fresh:
            is_done = False
            while not is_done:
                with self._lock:
                    is_done = self._place(slot, now, displaced)
        self._see_to_sweeping()

    def _slot_of(
        self, key: str, stored: Stored, now: float, ttl: float, ahead_sec: float = 0, stale_sec: float = 0
    ) -> Slot[Stored]:
        """Return a slot, not yet in its place. Raises EntryTooLarge, and what `weigh` raises."""
        weight = 0 if self._weigh is None else self._weight_of(self._weigh, stored)
        lives_until = now + ttl
        deadline = now + max(0.0, ttl - ahead_sec) if ahead_sec else lives_until
        ends = lives_until + stale_sec if stale_sec else lives_until
        return slot_of(key, stored, deadline, lives_until, ends, weight)

    def _weight_of(self, weigh: Callable[[Any], int], stored: Stored) -> int:
        weight = weigh(stored.value if isinstance(stored, (Entry, EntrySlot)) else stored)
        if weight > self._limit:
            raise EntryTooLarge(
                f"The value weighs {weight} of at most {self._limit}: raise max_weight, or give a weigh "
                "that counts less."
            )
        if weight < 0:
            raise GCacheConfigError(f"weigh returned {weight!r} for a value: let it return 0 or more.")
        return weight

    # What goes is kept in `displaced` until the lock is free, and under the lock nothing is made that could
    # start the garbage collector: whoever is told so by __del__ may come back here.

    def _place(self, fresh: Slot[Stored], now: float, displaced: list[Any]) -> bool:
        """Store what is in `fresh`; False if it takes another call, since none may keep the lock for long.

        A key that is there keeps its place: a new value is no newcomer.
        """
        self._sweep(now, _LOOKS_PER_PUT, displaced)
        slot = self._slots.get(fresh.key)
        if slot is None:
            if not self._make_room(None, self._limit - fresh.weight, self.max_entries - 1, now, displaced):
                return False
            self._slots[fresh.key] = fresh
            self._sieve.append(fresh)
            return True
        grown = fresh.weight - slot.weight
        if not self._make_room(slot, self._limit - grown, self.max_entries, now, displaced):
            return False
        displaced.append(slot)
        fresh.key = slot.key  # the one that the mapping has
        self._sieve.replace(slot, fresh)
        self._slots[slot.key] = fresh
        return True

    def _make_room(
        self, spared: Slot[Stored] | None, weight: int, entries: int, now: float, displaced: list[Any]
    ) -> bool:
        """Evict down to `weight` and `entries`, but never `spared`; False if more is left to evict."""
        for _ in range(_EVICTED_AT_ONCE):
            if self._sieve.weight <= weight and len(self._slots) <= entries:
                return True
            self._forget(self._sieve.evict(len(self._slots), now, spared), displaced)
        return self._sieve.weight <= weight and len(self._slots) <= entries

    def _sweep(self, now: float, looks: int, displaced: list[Any]) -> None:
        first = len(displaced)
        self._sieve.sweep(now, looks, displaced)
        if len(displaced) > first:
            for place in range(first, len(displaced)):
                del self._slots[displaced[place].key]

    def _forget(self, slot: Slot[Stored], displaced: list[Any]) -> None:
        displaced.append(slot)
        del self._slots[slot.key]

    def _see_to_sweeping(self) -> None:
        if _sweeper.thread is None and self._is_swept:
            _sweeper.start()


def from_url(url: LayerURL) -> MemoryLayer[Any]:
    """Return the layer of a URL such as `memory?name=near&max_weight=64MB`. Raises GCacheConfigError."""
    from gcache.urls import size

    url.only()
    return MemoryLayer(**url.options(name=str, max_entries=int, max_weight=size))


_find = MemoryLayer[Any].find
_sweeper = Sweeper()
_all_layers: weakref.WeakSet[MemoryLayer[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    _sweeper.after_fork()
    for layer in tuple(_all_layers):
        layer.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
