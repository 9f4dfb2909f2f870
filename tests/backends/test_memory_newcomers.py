"""Who waits, who stays and who goes when a memory layer is full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from gcache import MemoryLayer
from gcache.backends._sieve import Ghosts
from tests.backends.ring import assert_sound, strangers
from tests.core.stage import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def fill(layer: MemoryLayer[Any], keys: Iterable[str], value: str = "x", ttl: float = 100) -> None:
    for key in keys:
        layer.put({key: value}, ttl)


def gone(layer: MemoryLayer[Any], keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key not in layer._slots]


def newcomers(layer: MemoryLayer[Any]) -> list[str]:
    return [key for key, slot in layer._slots.items() if slot.is_new]


class TestNewcomers:
    def test_wait(self, clock: Clock) -> None:
        """A newcomer may wait until a tenth of the room has come; a visit meanwhile makes it a resident."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=50, clock=clock.monotonic)
        every = strangers(59)
        asked_for, not_asked_for = every[50:52]
        fill(layer, every[:50])
        layer.get(every[:50])
        fill(layer, every[50:54])
        layer.get([asked_for])
        fill(layer, every[54:])

        assert [not_asked_for] == gone(layer, [*every[50:52], *every[54:]])
        assert asked_for not in newcomers(layer)
        assert_sound(layer)

    def test_residents_outlast_a_scan(self, clock: Clock) -> None:
        """A scan takes a tenth of the room from who was visited once, and little more: few are mistaken."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=100, clock=clock.monotonic)
        fill(layer, names(100))
        layer.get(names(100))

        fill(layer, names(1000, 1000))

        assert 10 <= len(gone(layer, names(100))) <= 30

    @pytest.mark.parametrize("room", [1, 2, 3, 5, 10, 11, 25])
    def test_all_that_there_is_room_for(self, clock: Clock, room: int) -> None:
        """As many keys as there is room for stay, however often they are put, and what came last is there."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=room, clock=clock.monotonic)
        fill(layer, names(room) * 3)
        missing = gone(layer, names(room))
        fill(layer, ["last"])

        assert ([], []) == (missing, gone(layer, ["last"]))

    @pytest.mark.parametrize("room", [1, 2, 3, 5, 10])
    def test_nobody_stays_for_ever(self, clock: Clock, room: int) -> None:
        """Residents that nobody asks for any more give way to what is asked for now."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=room, clock=clock.monotonic)
        fill(layer, names(room))
        layer.get(names(room))
        now = names(room, 100)
        for key in now * 5:
            if layer.find(key, clock.now) is None:
                fill(layer, [key])
            layer.find(key, clock.now)

        assert [] == gone(layer, now)

    def test_over(self, clock: Clock) -> None:
        """A newcomer whose time is over goes though it was visited, before any that lives."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=20, clock=clock.monotonic, sweep=False)
        fill(layer, names(20))
        fill(layer, ["10"], ttl=1)
        layer.get(names(20))
        layer._sieve._eye = layer._slots["15"]  # away from what is over
        clock.advance(1)

        fill(layer, ["new"])

        assert ["10"] == gone(layer, names(20))

    def test_resident_over(self, clock: Clock) -> None:
        """So does a resident."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=40, clock=clock.monotonic, sweep=False)
        every = strangers(43)
        fill(layer, every[:40])
        fill(layer, every[5:6], ttl=1)
        layer.get(every[:40])
        fill(layer, every[40:41])  # which evicts the first, and leaves three newcomers
        layer.get(every[:41])
        fill(layer, every[41:42])  # one became a resident, and is evicted as everybody was visited
        layer.get(every[:40])
        layer._sieve._eye = layer._slots[every[30]]
        clock.advance(1)
        before = gone(layer, every[:40])

        fill(layer, every[42:])

        assert every[5:6] == [key for key in gone(layer, every[:40]) if key not in before]


class TestGhosts:
    def test_comes_back(self, clock: Clock) -> None:
        """Who is asked for again soon after it was evicted is a newcomer no more."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=200, clock=clock.monotonic)
        fill(layer, names(200))
        layer.get(names(180, 20))
        fill(layer, names(20, 1000))
        first = gone(layer, names(200))
        fill(layer, names(20))

        assert names(20) == first
        assert len([key for key in newcomers(layer) if key in first]) < 10  # 256 places for 40 ghosts
        assert_sound(layer)

    def test_deleted_is_no_ghost(self, clock: Clock) -> None:
        """What was deleted comes back as a newcomer: it was not evicted too early."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=20, clock=clock.monotonic)
        fill(layer, names(20))
        layer.delete(["7"])
        fill(layer, ["7"])

        assert "7" in newcomers(layer)

    @pytest.mark.parametrize("held", [1, 20, 1000])
    def test_bounded(self, held: int) -> None:
        """However many are remembered, there are at most two bytes for each that is held, or 16."""
        ghosts = Ghosts()
        for name in names(50 * held):
            ghosts.add(name, held)

        assert held <= len(ghosts) <= max(16, 2 * held)

    def test_remembers(self) -> None:
        """Most of as many as are held are remembered, also as the table grows, and few strangers are."""
        ghosts = Ghosts()
        for number, name in enumerate(names(1000)):
            ghosts.add(name, number + 1)

        assert sum(name in ghosts for name in names(1000)) > 450
        assert sum(name in ghosts for name in names(10_000, 5_000)) < 200


class TestWeight:
    def test_heavy_scan(self, clock: Clock) -> None:
        """Newcomers have a tenth of the weight, too: a few heavy ones do not drive out all the light ones."""
        layer: MemoryLayer[str] = MemoryLayer(max_weight=100, weigh=len, clock=clock.monotonic)
        every = strangers(70)
        fill(layer, every[:50])
        layer.get(every[:50])

        fill(layer, every[50:], "x" * 20)

        assert [] == gone(layer, every[:50])
        assert_sound(layer)

    def test_one_heavy(self, clock: Clock) -> None:
        """A newcomer that alone is more than a tenth does not go before residents that nobody asks for."""
        layer: MemoryLayer[str] = MemoryLayer(max_weight=100, weigh=len, clock=clock.monotonic)
        every = strangers(64)
        fill(layer, every[:60])
        layer.get(every[:60])
        fill(layer, every[60:63], "x" * 20)
        layer.delete([every[61]])

        fill(layer, every[63:], "x" * 30)

        assert every[60:62] == gone(layer, every[60:])
        assert 10 == len(gone(layer, every[:60]))
        assert_sound(layer)

    def test_growing_resident_is_spared(self, clock: Clock) -> None:
        """The hand passes a resident that grows, visited or not, and evicts the next."""
        layer: MemoryLayer[str] = MemoryLayer(max_weight=40, weigh=len, clock=clock.monotonic)
        fill(layer, names(40))
        layer.get(names(40))
        fill(layer, ["new"])  # evicts 0, where the hand stood
        layer.get(["38", "39", "new"])

        layer.put({"1": "xx"}, 100)

        assert ["0", "2"] == gone(layer, names(40))
        assert_sound(layer)

    def test_growing_where_the_hand_gives_up(self, clock: Clock) -> None:
        """Nor is it evicted where the hand has taken away as many marks as it may at once."""
        layer: MemoryLayer[str] = MemoryLayer(max_weight=600, weigh=len, clock=clock.monotonic)
        fill(layer, names(600))
        layer.get(names(600))
        fill(layer, ["one", "two"])
        everybody = list(layer._slots)
        layer.get(everybody)
        slot = layer._sieve._hand
        for _ in range(500 + (slot is layer._sieve._root)):
            slot = slot.after

        layer.put({slot.key: "xx"}, 100)

        assert slot.key not in gone(layer, everybody)
        assert 1 == len(gone(layer, everybody))
        assert_sound(layer)
