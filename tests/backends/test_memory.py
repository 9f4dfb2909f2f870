"""The in-process layer: expiry, SIEVE, and what every layer promises."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gcache import CacheLayer, GCacheConfigError, MemoryLayer
from tests.core.stage import Clock, in_threads


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def layer(clock: Clock) -> MemoryLayer[Any]:
    return MemoryLayer(max_entries=3, clock=clock.monotonic)


def held(layer: MemoryLayer[Any], keys: str) -> str:
    """Return which of `keys` are there, without visiting them."""
    return "".join(key for key in keys if key in layer._slots)


class TestBasics:
    def test_the_very_object(self, layer: MemoryLayer[Any]) -> None:
        """What is put is what is given back, None where nothing is, in the order of the keys."""
        value = object()
        layer.put({"a": value}, 5)

        assert [None, value, None] == layer.get(["b", "a", "c"])
        assert value is layer.find("a", 1000.0)

    def test_name(self) -> None:
        """It is the local layer unless it is called otherwise, and keeps live objects."""
        assert (CacheLayer.LOCAL, "near", True) == (
            MemoryLayer[Any]().name,
            MemoryLayer[Any]("near").name,
            MemoryLayer.in_process,
        )

    @pytest.mark.parametrize("room", [0, -1])
    def test_no_room(self, room: int) -> None:
        """A layer with room for nothing is an error."""
        with pytest.raises(GCacheConfigError, match="max_entries"):
            MemoryLayer(max_entries=room)

    def test_expiry(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """An entry is there until its time has come, each until its own."""
        layer.put({"a": 1}, 5)
        layer.put({"b": 2}, 10)
        clock.advance(4.999)
        before = layer.get(["a", "b"])
        clock.advance(0.001)

        assert ([1, 2], [None, 2]) == (before, layer.get(["a", "b"]))

    def test_replaced(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """What is put again has a new value and a new life."""
        layer.put({"a": 1}, 5)
        clock.advance(4)
        layer.put({"a": 2}, 5)
        clock.advance(4)

        assert [2] == layer.get(["a"])
        assert 1 == len(layer)

    def test_add(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """`add` stores only where nothing lives, and tells whether it did."""
        told = [layer.add("a", 1, 5), layer.add("a", 2, 5)]
        clock.advance(5)
        told.append(layer.add("a", 3, 5))

        assert ([True, False, True], [3]) == (told, layer.get(["a"]))

    def test_delete(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """`delete` tells how many were there; an entry whose time has come was not."""
        layer.put({"a": 1, "b": 2}, 5)
        layer.put({"c": 3}, 10)
        clock.advance(5)

        assert 1 == layer.delete(["a", "c", "c", "z"])
        assert ([None] * 3, 1) == (layer.get(["a", "b", "c"]), len(layer))

    def test_clear(self, layer: MemoryLayer[Any]) -> None:
        """`clear` forgets what begins with the prefix, and nothing else, and tells how many there were."""
        seen: list[int] = []
        layer.put({"a:1": 1, "a:2": 2, "b:1": 3}, 5)

        assert 2 == layer.clear("a:", seen.append)
        assert ([2], [None, None, 3]) == (seen, layer.get(["a:1", "a:2", "b:1"]))
        assert 0 == layer.clear("a:")

    def test_close(self, layer: MemoryLayer[Any]) -> None:
        """A closed layer holds nothing."""
        layer.put({"a": 1}, 5)

        layer.close()

        assert 0 == len(layer)


class _Comes:
    """Something that comes back to its layer when it is freed."""

    def __init__(self, layer: MemoryLayer[Any]) -> None:
        self.layer = layer

    def __del__(self) -> None:
        self.layer.put({"freed": 1}, 5)


class TestFreed:
    @pytest.mark.parametrize("verb", ["replace", "evict", "delete", "clear", "add"])
    def test_may_come_back(self, layer: MemoryLayer[Any], clock: Clock, verb: str) -> None:
        """An object that is freed by a change may use the layer, as a cached value's own code may."""
        layer.put({"a": _Comes(layer)}, 5)

        if verb == "replace":
            layer.put({"a": 2}, 5)
        elif verb == "evict":
            layer.put({key: key for key in "bcde"}, 5)
        elif verb == "delete":
            layer.delete(["a"])
        elif verb == "clear":
            layer.clear("a")
        else:
            clock.advance(10)
            layer.add("a", 2, 5)

        assert [1] == layer.get(["freed"])


class TestSieve:
    def test_one_hit_wonders(self, layer: MemoryLayer[Any]) -> None:
        """What was never visited goes first, oldest first, whatever comes."""
        layer.put({"a": 1}, 5)
        layer.put({"b": 2}, 5)
        layer.put({"c": 3}, 5)
        layer.get(["a"])

        layer.put({"d": 4}, 5)
        first = held(layer, "abcd")
        layer.put({"e": 5}, 5)

        assert ("acd", "ade") == (first, held(layer, "abcde"))

    def test_visited_survive_a_scan(self, clock: Clock) -> None:
        """Visited entries survive any number of newcomers that nobody visits."""
        layer: MemoryLayer[Any] = MemoryLayer(max_entries=10, clock=clock.monotonic)
        popular = [f"popular{number}" for number in range(5)]
        layer.put(dict.fromkeys(popular, 1), 1000)

        for number in range(1000):
            layer.get(popular)
            layer.put({f"scan{number}": 1}, 1000)

        assert [1] * 5 == layer.get(popular)
        assert 10 == len(layer)

    def test_mark_lasts_one_round(self, layer: MemoryLayer[Any]) -> None:
        """A visit saves an entry from one passing of the hand, not for ever."""
        layer.put({"a": 1, "b": 2, "c": 3}, 5)
        layer.get(["a", "b", "c"])

        layer.put({"d": 4}, 5)
        layer.put({"e": 5}, 5)

        assert "cde" == held(layer, "abcde")

    def test_new_value_is_no_newcomer(self, layer: MemoryLayer[Any]) -> None:
        """What is put again keeps its place, and is not visited by that."""
        layer.put({"a": 1, "b": 2, "c": 3}, 5)
        layer.put({"a": 4}, 5)

        layer.put({"d": 5}, 5)

        assert "bcd" == held(layer, "abcd")

    def test_expired_first(self, layer: MemoryLayer[Any], clock: Clock) -> None:
        """A visit does not save what is over."""
        layer.put({"a": 1}, 1)
        layer.put({"b": 2, "c": 3}, 5)
        layer.get(["a"])
        clock.advance(1)

        layer.put({"d": 4}, 5)

        assert "bcd" == held(layer, "abcd")

    def test_deleted_place(self, layer: MemoryLayer[Any]) -> None:
        """A deleted entry leaves no place behind that its successor of the same name would inherit."""
        layer.put({"a": 1, "b": 2, "c": 3}, 5)
        layer.delete(["a"])
        layer.put({"a": 4}, 5)

        layer.put({"d": 5}, 5)

        assert "acd" == held(layer, "abcd")

    def test_hand_keeps_its_place(self, clock: Clock) -> None:
        """The hand goes on where it was, though the gaps before and after it have been closed."""
        layer: MemoryLayer[int] = MemoryLayer(max_entries=40, clock=clock.monotonic)
        visited = [f"visited{number}" for number in range(10)]
        others = [f"other{number}" for number in range(30)]
        layer.put(dict.fromkeys(visited + others, 1), 5)
        layer.get(visited)
        layer.put({"next": 1}, 5)
        layer.delete(others)
        layer.put({f"filler{number}": 1 for number in range(29)}, 5)

        layer.put({"last": 1}, 5)

        assert ["next"] == [key for key in (*visited, "next", "last") if key not in layer._slots]

    def test_room_for_one(self, clock: Clock) -> None:
        """With room for one the last one is there."""
        layer: MemoryLayer[int] = MemoryLayer(max_entries=1, clock=clock.monotonic)
        for number in range(100):
            layer.put({str(number): number}, 5)
            layer.get([str(number)])

        assert ([99], 1) == (layer.get(["99"]), len(layer))


KEYS = st.sampled_from([f"{group}:{number}" for group in "ab" for number in range(6)])


class AgainstModel(RuleBasedStateMachine):
    """Whatever is done, the layer says what a dictionary would that loses an entry only to make room."""

    @initialize(room=st.integers(1, 8))
    def start(self, room: int) -> None:
        self.clock = Clock()
        self.room = room
        self.layer: MemoryLayer[int] = MemoryLayer(max_entries=room, clock=self.clock.monotonic)
        self.model: dict[str, tuple[int, float]] = {}
        self.count = 0

    def expected(self, key: str) -> int | None:
        value, deadline = self.model.get(key, (0, 0.0))
        return value if deadline > self.clock.now else None

    def store(self, keys: list[str], ttl: int) -> None:
        """Store in the model, and take out what the layer evicted: what had no room, and not the last."""
        self.model.update(dict.fromkeys(keys, (self.count, self.clock.now + ttl)))
        evicted = [key for key in self.model if key not in self.layer._slots]
        assert len(evicted) == max(0, len(self.model) - self.room)
        assert not set(evicted) & set(keys[-1:])
        for key in evicted:
            del self.model[key]

    @rule(keys=st.lists(KEYS, max_size=4, unique=True), ttl=st.integers(1, 10))
    def put(self, keys: list[str], ttl: int) -> None:
        self.count += 1
        self.layer.put(dict.fromkeys(keys, self.count), ttl)
        self.store(keys, ttl)

    @rule(key=KEYS, ttl=st.integers(1, 10))
    def add(self, key: str, ttl: int) -> None:
        self.count += 1
        is_free = self.expected(key) is None
        assert is_free == self.layer.add(key, self.count, ttl)
        if is_free:
            self.store([key], ttl)

    @rule(keys=st.lists(KEYS, max_size=4))
    def get(self, keys: list[str]) -> None:
        assert list(map(self.expected, keys)) == self.layer.get(keys)

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete(self, keys: list[str]) -> None:
        living = sum(self.expected(key) is not None for key in set(keys))
        assert living == self.layer.delete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(group=st.sampled_from(["a:", "b:", ""]))
    def clear(self, group: str) -> None:
        living = sum(key.startswith(group) and self.expected(key) is not None for key in self.model)
        assert living == self.layer.clear(group)
        self.model = {key: stored for key, stored in self.model.items() if not key.startswith(group)}

    @rule(seconds=st.integers(1, 5))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "layer"):
            assert len(self.model) == len(self.layer) <= self.room
            assert len(self.layer._queue) <= 2 * self.room + 17


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class TestThreads:
    def test_bounded(self) -> None:
        """Any number of threads at once keep the bounds, and no reader ever sees another key's value."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=20)

        def work(number: int) -> None:
            for step in range(2000):
                key = str((step * (number + 1)) % 50)
                layer.put({key: key}, 60)
                assert layer.get([key])[0] in (None, key)
                if step % 7 == 0:
                    layer.delete([key])
                if step % 500 == 0:
                    layer.clear("1")
                assert len(layer) <= 20

        assert [None] * 8 == in_threads(8, work)

    def test_one_adds(self) -> None:
        """Of any number of callers at once one is told that it stored."""
        layer: MemoryLayer[int] = MemoryLayer()

        for key in map(str, range(50)):
            assert 1 == sum(in_threads(8, lambda number, key=key: layer.add(key, number, 60)))  # type: ignore[misc]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
class TestFork:
    def test_child(self, layer: MemoryLayer[Any]) -> None:
        """A child has what its parent had, and what it puts is its own."""
        from tests.core.test_processes import in_child

        layer.put({"a": 1}, 5)

        def child() -> None:
            layer.put({"b": 2}, 5)
            assert [1, 2] == layer.get(["a", "b"])

        in_child(child)

        assert [1, None] == layer.get(["a", "b"])

    def test_in_the_middle_of_a_change(self, layer: MemoryLayer[Any]) -> None:
        """A child that is forked while a thread changes the layer begins with an empty one, and works."""
        from tests.core.test_processes import in_child

        layer.put({"a": 1}, 5)
        holds, may_let_go = threading.Event(), threading.Event()

        def hold() -> None:
            with layer._lock:
                holds.set()
                may_let_go.wait(20)

        holder = threading.Thread(target=hold)
        holder.start()
        holds.wait(20)

        def child() -> None:
            assert [None] == layer.get(["a"])
            layer.put({"b": 2}, 5)
            assert [2] == layer.get(["b"])

        try:
            in_child(child)
        finally:
            may_let_go.set()
            holder.join()
        assert [1] == layer.get(["a"])
