"""SIEVE with a place for newcomers to wait in: who goes when there is no room, in steps that never grow."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from gcache.backends._slots import Slot

Stored = TypeVar("Stored")

_MARKS_AT_ONCE = 500  # of newcomers, and as many of residents: the worst case of one eviction, about 80 µs
_SHARES = 10  # of which newcomers have one
_FEWEST_GHOSTS = 16


class Ghosts:
    """Who was evicted lately: a byte of the key's hash, in a table of one or two bytes for each that is held.

    A ghost goes when another takes its place. One key in 255 is taken for a ghost that is none.
    """

    def __init__(self) -> None:
        self._table = bytearray(_FEWEST_GHOSTS)

    def __len__(self) -> int:
        """Return how many there is room for."""
        return len(self._table)

    def add(self, key: str, held: int) -> None:
        """Remember `key`, of `held` that there are."""
        if len(self._table) < held:
            self._table *= 2  # which puts each ghost into both of the places where it may be looked for
        code = hash(key)
        self._table[code & len(self._table) - 1] = code >> 40 & 0xFF or 1  # 0 is an empty place

    def __contains__(self, key: str) -> bool:
        code = hash(key)
        return self._table[code & len(self._table) - 1] == (code >> 40 & 0xFF or 1)


class Sieve(Generic[Stored]):
    """All slots in a ring: residents from the oldest to the newest, then newcomers likewise.

    Newcomers have a tenth of what is held, be it entries or weight. When room is made and they have more, the
    oldest one goes; but if it was visited it becomes the newest resident, as does a newcomer that was evicted
    lately. Otherwise a hand that goes through the residents evicts one. An eye sweeps the whole ring.

    Adding and removing one takes the same few steps wherever it is and however many there are. Nothing here
    is safe for several threads: one lock of the layer goes around every call.
    """

    def __init__(self) -> None:
        root: Slot[Any] = Slot("", float("inf"))  # stands between the newest newcomer and the oldest resident
        root.before = root.after = root
        self._root = self._hand = self._eye = self._oldest_newcomer = root
        self._ghosts = Ghosts()
        self._newcomers = self._newcomers_weight = self.weight = 0

    def append(self, slot: Slot[Stored]) -> None:
        """Take in one that was not here."""
        slot.is_new = slot.key not in self._ghosts
        after = self._root if slot.is_new else self._oldest_newcomer
        slot.before = before = after.before
        slot.after = after
        before.after = after.before = slot
        if slot.is_new and self._oldest_newcomer is after:
            self._oldest_newcomer = slot
        self._tally(slot, slot.weight, 1)

    def replace(self, slot: Slot[Stored], fresh: Slot[Stored]) -> None:
        """Put `fresh` where `slot` is, with its marks."""
        fresh.visited, fresh.is_new = slot.visited, slot.is_new
        fresh.before = before = slot.before
        fresh.after = after = slot.after
        before.after = after.before = fresh
        self._point(slot, fresh)
        self._tally(slot, fresh.weight - slot.weight, 0)
        del slot.before, slot.after

    def remove(self, slot: Slot[Stored]) -> None:
        """Take out one that is here. The hand and the eye go on from the next."""
        before, after = slot.before, slot.after
        before.after = after
        after.before = before
        self._point(slot, after)
        self._tally(slot, -slot.weight, -1)
        del slot.before, slot.after  # without a ring of references it is freed at once

    def evict(self, held: int, now: float, spared: Slot[Stored] | None) -> Slot[Stored]:
        """Take out and return the next, of `held`, that has no mark or is over; one must not be `spared`.

        After 500 marks in a row the next goes, marked or not: all the entries of a large layer are to be
        passed if all were visited, and everybody would wait for it.
        """
        slot = self._newcomer_to_go(held, now, spared) or self._resident_to_go(now, spared)
        self._ghosts.add(slot.key, held)
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

    def _newcomer_to_go(self, held: int, now: float, spared: Slot[Stored] | None) -> Slot[Stored] | None:
        """Return the first of the newcomers that are too many and do not become residents."""
        most, most_weight = -(-held // _SHARES), self.weight / _SHARES
        slot, number, weight = self._oldest_newcomer, self._newcomers, self._newcomers_weight
        leaves, marks = False, _MARKS_AT_ONCE
        while number >= most or (weight > most_weight and number > 1):
            leaves = slot is not spared and (marks <= 0 or not slot.visited or slot.ends <= now)
            if leaves:
                break
            slot.is_new = slot.visited = False
            number -= 1
            weight -= slot.weight
            marks -= 1
            slot = slot.after
        self._oldest_newcomer, self._newcomers, self._newcomers_weight = slot, number, weight
        return slot if leaves else None

    def _resident_to_go(self, now: float, spared: Slot[Stored] | None) -> Slot[Stored]:
        slot = self._hand
        for _ in range(_MARKS_AT_ONCE):
            if slot.is_new:  # the hand has passed the newest resident
                slot = self._root.after
            if slot.visited and slot.ends > now:
                slot.visited = False
            elif slot is not spared:
                break
            slot = slot.after
        while slot is self._root or slot is spared:
            slot = slot.after
        self._hand = slot
        return slot

    def _point(self, slot: Slot[Stored], to: Slot[Stored]) -> None:
        """Have all that stand at `slot`, which leaves, stand at `to`."""
        if self._oldest_newcomer is slot:
            self._oldest_newcomer = to
        if self._eye is slot:
            self._eye = to
        if self._hand is slot:
            self._hand = self._root if to.is_new else to

    def _tally(self, slot: Slot[Stored], weight: int, number: int) -> None:
        self.weight += weight
        if slot.is_new:
            self._newcomers += number
            self._newcomers_weight += weight
