"""What the in-process layer holds at most, by weight and of what has expired, and how long it locks."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from typing import Any

import pytest

from gcache import EntryTooLarge, GCacheConfigError, MemoryLayer
from gcache.backends._weighing import ENTRY_BYTES, by_bytes
from gcache.core.entries import Entry, Generation
from gcache.discovery import layer_from
from tests.backends.ring import assert_sound
from tests.core.stage import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def layer(clock: Clock) -> MemoryLayer[Any]:
    return MemoryLayer(max_weight=10, weigh=len, clock=clock.monotonic, sweep=False)


class Thing:
    """What an application may keep: an object with attributes."""

    def __init__(self, text: str) -> None:
        self.text = text


class TestWeight:
    def test_bounded(self, layer: MemoryLayer[Any]) -> None:
        """The weights held are never more than max_weight, and what was put last is there."""
        for number in range(100):
            layer.put({str(number): "x" * (number % 11)}, 5)

            assert layer.weight <= 10
            assert layer.get([str(number)]) == ["x" * (number % 11)]

    def test_heavy_for_many_light(self, clock: Clock) -> None:
        """A heavy value takes the place of as many light ones as it takes."""
        layer: MemoryLayer[str] = MemoryLayer(max_weight=1000, weigh=len, clock=clock.monotonic)
        layer.put({str(number): "x" for number in range(1000)}, 5)

        layer.put({"heavy": "x" * 990}, 5)
        layer.add("another", "x" * 500, 5)

        assert (500, [None, "x" * 500]) == (layer.weight, layer.get(["heavy", "another"]))
        assert_sound(layer)

    def test_grows_in_place(self, layer: MemoryLayer[Any]) -> None:
        """A new value that is heavier displaces others, and never itself."""
        layer.put({"a": "x", "b": "xxx", "c": "xxxx"}, 5)

        layer.put({"a": "x" * 9}, 5)

        assert (["x" * 9, None, None], 9) == (layer.get(["a", "b", "c"]), layer.weight)

    def test_grows_where_the_hand_is(self, layer: MemoryLayer[Any]) -> None:
        """The hand passes what grows, and takes the next without a mark, not just the next."""
        layer.put({"a": "x", "b": "xxx", "c": "xxx"}, 5)
        layer.get(["b"])

        layer.put({"a": "xxxxx"}, 5)

        assert ["xxxxx", "xxx", None] == layer.get(["a", "b", "c"])

    def test_what_goes_weighs_nothing(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """What is deleted, cleared, replaced or over is no weight any more."""
        layer.put({"a": "xxx", "b": "xxx"}, 5)
        layer.put({"a": "x"}, 5)
        weights = [layer.weight]
        layer.delete(["b"])
        weights.append(layer.weight)
        clock.advance(5)
        layer.sweep(10)
        weights.append(layer.weight)

        assert [4, 1, 0] == weights

    def test_by_entries_too(self) -> None:
        """Both bounds hold: that by entries for what weighs nothing, too."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=5, max_weight=10, weigh=len)
        layer.put({str(number): "" for number in range(50)}, 5)

        assert (5, 0) == (len(layer), layer.weight)

    @pytest.mark.parametrize(
        ("verb", "arguments"), [("put", [{"b": "y", "c": "x" * 11}]), ("add", ["c", "x" * 11])]
    )
    def test_too_heavy(self, layer: MemoryLayer[Any], verb: str, arguments: list[Any]) -> None:
        """A value that is heavier than all the room is refused before anything is stored or evicted."""
        layer.put({"a": "xxx", "b": "xxx"}, 5)

        with pytest.raises(EntryTooLarge, match="11 of at most 10"):
            getattr(layer, verb)(*arguments, 5)

        assert ["xxx", "xxx", None] == layer.get(["a", "b", "c"])

    def test_weighed_once_and_without_the_lock(self) -> None:
        """`weigh` is called once for each put and add, and may use the layer."""
        weighed: list[str] = []

        def weigh(value: str) -> int:
            weighed.append(value)
            assert not layer._lock.locked()
            return layer.delete(["nothing"]) + 1

        layer: MemoryLayer[str] = MemoryLayer(max_weight=1, weigh=weigh)
        layer.put({"a": "first", "b": "second"}, 5)
        layer.get(["a", "b"])
        layer.add("b", "third", 5)
        layer.delete(["b"])

        assert ["first", "second", "third"] == weighed

    def test_of_an_entry_its_value(self) -> None:
        """What is weighed is what the function returned, not what core keeps it in."""
        layer: MemoryLayer[Entry] = MemoryLayer(max_weight=10, weigh=len)
        layer.put({"a": Entry("xxx", 0, 5, None, Generation())}, 5)

        assert 3 == layer.weight

    @pytest.mark.parametrize("weigh", [lambda value: -1, lambda value: 1 / 0])
    def test_bad_weigh(self, weigh: Any) -> None:
        """A negative weight is an error, and what `weigh` raises comes out; nothing is stored."""
        layer: MemoryLayer[int] = MemoryLayer(max_weight=10, weigh=weigh)

        with pytest.raises((GCacheConfigError, ZeroDivisionError)):
            layer.put({"a": 1}, 5)
        assert 0 == len(layer)

    def test_weigh_alone(self) -> None:
        """`weigh` without a bound is an error: it would bound nothing."""
        with pytest.raises(GCacheConfigError, match="without max_weight"):
            MemoryLayer(weigh=len)


class TestBytes:
    def test_all_that_a_value_consists_of(self) -> None:
        """Without `weigh` a value weighs the bytes of all its objects, however deep, and the entry's own."""
        text = "x" * 10_000
        weigh = by_bytes(10**9)

        assert sys.getsizeof(text) + ENTRY_BYTES == weigh(text)
        for value in ([[text]], {"a": (text,)}, {text}, Thing(text), [Thing(text), text]):
            assert sys.getsizeof(text) < weigh(value) < sys.getsizeof(text) + 2000

    def test_no_more_than_matters(self) -> None:
        """Of what is too heavy no more is looked at, though it should refer to everything there is."""
        assert 1_000_000 < by_bytes(1_000_000)([sys.modules[name].__dict__ for name in sorted(sys.modules)])

    def test_honest(self, clock: Clock) -> None:
        """What a layer of small values takes of memory is at most max_weight, and at least half of it."""
        import tracemalloc

        layer: MemoryLayer[Any] = MemoryLayer(max_weight=4_000_000, sweep=False)
        tracemalloc.start()
        for number in range(20_000):
            value = {"id": number, "name": f"name {number}", "tags": [str(number)]}
            layer.put({f"urn:galileo:user_id:{number}": Entry(value, 0.1, 0.2, None, Generation())}, 60)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert 1 < len(layer) < 20_000
        assert 2_000_000 < taken < 4_000_000

    def test_url(self) -> None:
        """A layer's text may say it with a unit, and refuses what is no size."""
        layer: Any = layer_from("memory?max_weight=64MB")

        assert 64_000_000 == layer.max_weight
        with pytest.raises(GCacheConfigError, match="max_weight is 'heavy'"):
            layer_from("memory?max_weight=heavy")


class TestExpired:
    def test_leave_by_any_puts(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """A layer full of what is over shrinks by puts of one single key, four entries by each."""
        layer = MemoryLayer(clock=clock.monotonic, sweep=False)
        layer.put({str(number): number for number in range(1000)}, 5)
        clock.advance(5)

        for _ in range(1000 // 4 + 1):
            layer.put({"one": 1}, 5)

        assert 1 == len(layer)
        assert_sound(layer)

    @pytest.mark.parametrize("ttl_sec", [10, 500])
    def test_share(self, clock: Clock, ttl_sec: int) -> None:
        """While puts come steadily, what is over is a quarter of what is held at most."""
        layer: MemoryLayer[int] = MemoryLayer(clock=clock.monotonic, sweep=False)
        chance = random.Random(0)
        for number in range(20 * ttl_sec):
            layer.put({str(number): number}, ttl_sec * chance.choice([0.2, 1, 1]))
            clock.advance(1)
            living = sum(slot.deadline > clock.now for slot in layer._slots.values())

            assert len(layer) - living <= len(layer) / 4 + 2

    def test_room_of_the_expired_first(self, clock: Clock) -> None:
        """Nothing alive is evicted for a put that finds something over to take out."""
        layer: MemoryLayer[int] = MemoryLayer(max_entries=4, clock=clock.monotonic, sweep=False)
        layer.put({"a": 1, "b": 2, "c": 3}, 50)
        layer.put({"over": 4}, 5)
        clock.advance(5)

        layer.put({"d": 4}, 50)

        assert [1, 2, 3, 4] == layer.get(["a", "b", "c", "d"])

    def test_sweep(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """`sweep` goes on where it was, and tells how many were over."""
        layer.put({"a": "x", "b": "x"}, 5)
        layer.put({"c": "x"}, 50)
        clock.advance(5)

        swept = [layer.sweep(1) for _ in range(4)]

        assert [0, 0, 1, 1] == sorted(swept)
        assert ["c"] == list(layer._slots)

    def test_freed_at_once(self, clock: Clock) -> None:
        """What leaves is freed by that, without the garbage collector."""
        layer: MemoryLayer[Any] = MemoryLayer(max_entries=2, clock=clock.monotonic, sweep=False)
        things = {name: Thing(name) for name in "abcde"}
        watched = {name: weakref.ref(thing) for name, thing in things.items()}
        gc.disable()
        try:
            layer.put({"a": things.pop("a")}, 50)
            layer.delete(["a"])
            layer.put({"b": things.pop("b")}, 5)
            clock.advance(5)
            layer.sweep(2)
            for name in "cde":
                layer.put({name: things.pop(name)}, 50)

            assert ["d", "e"] == [name for name, thing in watched.items() if thing() is not None]
        finally:
            gc.enable()


class TestWaiting:
    """How much is done at a stretch with the lock that others wait for."""

    def test_all_visited(self) -> None:
        """A put into a large layer that was all visited takes no more than 500 marks away, then evicts."""
        layer: MemoryLayer[int] = MemoryLayer(max_entries=2000)
        layer.put({str(number): number for number in range(2000)}, 60)
        layer.get([str(number) for number in range(2000)])

        layer.put({"new": 1}, 60)

        assert 2000 - 500 - 1 == sum(slot.visited for slot in layer._slots.values())

    @pytest.mark.parametrize("verb", ["put", "put many", "delete", "clear", "sweep away"])
    def test_others_get_a_turn(self, clock: Clock, verb: str) -> None:
        """Nothing that grows with the layer is done in one go: the lock is free in between."""
        layer: MemoryLayer[Any] = MemoryLayer(max_weight=5000, weigh=len, clock=clock.monotonic, sweep=False)
        names = [str(number) for number in range(5000)]
        layer.put(dict.fromkeys(names, "x"), 60)
        held: list[int] = []
        layer._lock = _Counting(lambda: len(layer), held)  # type: ignore[assignment]

        if verb == "put":
            layer.put({"heavy": "x" * 5000}, 60)
        elif verb == "put many":
            layer.put({f"new {name}": "x" for name in names}, 60)
        elif verb == "delete":
            layer.delete(names)
        elif verb == "clear":
            layer.clear("")
        else:
            clock.advance(60)
            while len(layer) > 1:
                layer.put({"one": "x"}, 60)

        assert len(held) > 10
        assert max(held) <= 256


class _Counting:
    """A lock that notes by how much the layer shrank under it."""

    def __init__(self, size: Any, held: list[int]) -> None:
        self.size, self.held, self.before = size, held, 0

    def __enter__(self) -> None:
        self.before = self.size()

    def __exit__(self, *exception: object) -> None:
        self.held.append(self.before - self.size())
