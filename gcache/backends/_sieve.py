"""SIEVE: the order in which entries came, and the hand that goes round it, in steps that never grow."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar, cast

from gcache.core.entries import Entry

Stored = TypeVar("Stored")

_MARKS_AT_ONCE = 500  # the worst case of one eviction, about 20 µs


class Slot(Generic[Stored]):
    """An entry's place, read without a lock. But for its mark and its neighbours it never changes.

    `find` answers until `deadline`, the entry's life is over at `lives_until`, and it is kept until it
    `ends`: one and the same time for most, which have one place for the three.
    """

    __slots__ = ("after", "before", "deadline", "key", "visited")

    after: Slot[Stored]
    before: Slot[Stored]
    lives_until: float
    ends: float
    weight = 0

    def __init__(self, key: str, deadline: float) -> None:
        self.key = key
        self.deadline = deadline
        self.visited = False

    @property
    def stored(self) -> Stored:
        """What `find` returns."""
        raise NotImplementedError


class ThingSlot(Slot[Stored]):
    """The place of anything that is no entry."""

    __slots__ = ("_stored", "ends", "lives_until", "weight")

    def __init__(
        self, key: str, stored: Stored, deadline: float, lives_until: float, ends: float, weight: int
    ) -> None:
        super().__init__(key, deadline)
        self._stored = stored
        self.lives_until = lives_until
        self.ends = ends
        self.weight = weight

    @property
    def stored(self) -> Stored:
        return self._stored


class EntrySlot(Slot[Any]):
    """An entry and its place in one, which takes less memory. It is as good as the entry for all who read."""

    __slots__ = ("began", "expires", "generation", "value")

    epoch: bytes | None = None
    load_sec = 0.0

    def __init__(self, key: str, entry: Entry, deadline: float) -> None:
        super().__init__(key, deadline)
        self.value = entry.value
        self.began = entry.began
        self.expires = entry.expires
        self.generation = entry.generation

    @property
    def stored(self) -> Any:
        return self


class FullEntrySlot(EntrySlot):
    """The same with what few entries need: an epoch, a weight, dates that differ."""

    __slots__ = ("ends", "epoch", "lives_until", "load_sec", "weight")

    def __init__(
        self, key: str, entry: Entry, deadline: float, lives_until: float, ends: float, weight: int
    ) -> None:
        super().__init__(key, entry, deadline)
        self.epoch = entry.epoch
        self.load_sec = entry.load_sec
        self.lives_until = lives_until
        self.ends = ends
        self.weight = weight


Slot.lives_until = Slot.ends = Slot.__dict__["deadline"]  # other names of the same place


def slot_of(
    key: str, stored: Any, deadline: float, lives_until: float, ends: float, weight: int
) -> Slot[Any]:
    """Return the smallest slot that there is for what is stored."""
    if not isinstance(stored, (Entry, EntrySlot)):
        return ThingSlot(key, stored, deadline, lives_until, ends, weight)
    entry = cast("Entry", stored)
    if deadline == ends and weight == 0 and entry.epoch is None and entry.load_sec == 0:
        return EntrySlot(key, entry, deadline)
    return FullEntrySlot(key, entry, deadline, lives_until, ends, weight)


class Sieve(Generic[Stored]):
    """All slots in a ring, from the oldest to the newest, with a hand that evicts and an eye that sweeps.

    Adding and removing one takes the same few steps wherever it is and however many there are. Nothing here
    is safe for several threads: one lock of the layer goes around every call.
    """

    def __init__(self) -> None:
        root: Slot[Any] = Slot("", math.inf)  # stands between the newest and the oldest
        root.before = root.after = root
        self._root = self._hand = self._eye = root

    def append(self, slot: Slot[Stored]) -> None:
        """Take in the newest."""
        root = self._root
        slot.before = last = root.before
        slot.after = root
        last.after = root.before = slot

    def replace(self, slot: Slot[Stored], fresh: Slot[Stored]) -> None:
        """Put `fresh` where `slot` is, with its mark."""
        fresh.visited = slot.visited
        fresh.before, fresh.after = before, after = slot.before, slot.after
        before.after = after.before = fresh
        if self._hand is slot:
            self._hand = fresh
        if self._eye is slot:
            self._eye = fresh
        del slot.before, slot.after

    def remove(self, slot: Slot[Stored]) -> None:
        """Take out one that is here. The hand and the eye go on from the next."""
        before, after = slot.before, slot.after
        before.after = after
        after.before = before
        if self._hand is slot:
            self._hand = after
        if self._eye is slot:
            self._eye = after
        del slot.before, slot.after  # without a ring of references it is freed at once

    def evict(self, now: float, spared: Slot[Stored] | None) -> Slot[Stored]:
        """Take out and return the next that has no mark or is over; there must be one besides `spared`.

        After 500 marks in a row the next goes, marked or not: the hand has all the entries of a large
        layer to pass if all were visited, and everybody would wait for it.
        """
        root, slot = self._root, self._hand
        for _ in range(_MARKS_AT_ONCE):
            if slot.visited and slot.ends > now:
                slot.visited = False
            elif slot is not root and slot is not spared:
                break
            slot = slot.after
        while slot is root or slot is spared:
            slot = slot.after
        self._hand = slot
        self.remove(slot)
        return slot

    def sweep(self, now: float, looks: int, over: list[Any]) -> None:
        """Look at the next `looks` slots; take out those that are over at `now`, and add them to `over`."""
        slot = self._eye
        for _ in range(looks):
            after = slot.after
            if slot.ends <= now:
                self.remove(slot)
                over.append(slot)
            slot = after
        self._eye = slot
