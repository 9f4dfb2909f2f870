"""Where a memory layer keeps what it holds, in as few bytes as there can be."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from gcache.core.entries import Entry

Stored = TypeVar("Stored")

_DATES_PER_SEC, _MOST_DATES = 4, 1_024


class Slot(Generic[Stored]):
    """An entry's place, read without a lock. But for its marks and its neighbours it never changes.

    `find` answers until `deadline`, the entry's life is over at `lives_until`, and it is kept until it
    `ends`: one and the same time for most, which have one place for the three.
    """

    __slots__ = ("after", "before", "deadline", "is_new", "key", "visited")

    after: Slot[Stored]
    before: Slot[Stored]
    lives_until: float
    ends: float
    weight = 0

    def __init__(self, key: str, deadline: float) -> None:
        self.key = key
        self.deadline = deadline
        self.visited = False
        self.is_new = True

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
    """An entry and its place in one, which takes less memory. It is as good as the entry for all who read.

    When its load began and when it expires is known to a quarter of a second, and never too late.
    """

    __slots__ = ("began", "expires", "generation", "value")

    epoch: bytes | None = None
    load_sec = 0.0

    def __init__(self, key: str, entry: Entry, deadline: float) -> None:
        super().__init__(key, deadline)
        self.value = entry.value
        self.began = _shared(entry.began)
        self.expires = _shared(entry.expires)
        self.generation = entry.generation

    @property
    def stored(self) -> Any:
        return self


class TrackedEntrySlot(EntrySlot):
    """The same with an epoch."""

    __slots__ = ("epoch",)

    def __init__(self, key: str, entry: Entry, deadline: float) -> None:
        super().__init__(key, entry, deadline)
        self.epoch = entry.epoch


class FullEntrySlot(TrackedEntrySlot):
    """The same with what few entries need: a weight, dates that differ and are exact."""

    __slots__ = ("ends", "lives_until", "load_sec", "weight")

    def __init__(
        self, key: str, entry: Entry, deadline: float, lives_until: float, ends: float, weight: int
    ) -> None:
        super().__init__(key, entry, deadline)
        self.began = entry.began
        self.expires = entry.expires
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
    if deadline != ends or weight or entry.load_sec:
        return FullEntrySlot(key, entry, deadline, lives_until, ends, weight)
    return EntrySlot(key, entry, deadline) if entry.epoch is None else TrackedEntrySlot(key, entry, deadline)


_dates: dict[float, float] = {}


def _shared(date: float) -> float:
    """Return the same number for all dates within a quarter of a second."""
    if len(_dates) >= _MOST_DATES:
        _dates.clear()
    date = date * _DATES_PER_SEC // 1 / _DATES_PER_SEC
    return _dates.setdefault(date, date)
