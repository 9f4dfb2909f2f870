"""SIEVE: the order in which entries came, and the hand that goes round it, in steps that never grow."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

Stored = TypeVar("Stored")

_MARKS_AT_ONCE = 500  # the worst case of one eviction, about 20 µs


class Slot(Generic[Stored]):
    """An entry's place. Readers go by `deadline`, `expires`, `ends`, `visited` and `stored`, without a lock.

    `find` answers until `deadline`, the entry's life is over when it `expires`, and it is kept until it
    `ends`: one and the same time for most. Writers set `stored` before them, so that nobody takes what is
    over for what lives on.
    """

    __slots__ = ("after", "before", "deadline", "ends", "expires", "key", "stored", "visited", "weight")

    after: Slot[Stored]
    before: Slot[Stored]

    def __init__(self, key: str, stored: Stored, deadline: float, weight: int) -> None:
        self.key = key
        self.stored = stored
        self.deadline = self.expires = self.ends = deadline
        self.weight = weight
        self.visited = False


class Sieve(Generic[Stored]):
    """All slots in a ring, from the oldest to the newest, with a hand that evicts and an eye that sweeps.

    Adding and removing one takes the same few steps wherever it is and however many there are. Nothing here
    is safe for several threads: one lock of the layer goes around every call.
    """

    def __init__(self) -> None:
        root: Slot[Any] = Slot("", None, math.inf, 0)  # stands between the newest and the oldest
        root.before = root.after = root
        self._root = self._hand = self._eye = root

    def append(self, slot: Slot[Stored]) -> None:
        """Take in the newest."""
        root = self._root
        slot.before = last = root.before
        slot.after = root
        last.after = root.before = slot

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
