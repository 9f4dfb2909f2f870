"""The in-process layer: expiry, SIEVE, and what every layer promises."""

from __future__ import annotations

import dis
import gc
import os
import sys
import threading
from collections.abc import Iterator
from inspect import isfunction
from typing import Any

import pytest

from gcache import CacheLayer, GCacheConfigError, MemoryLayer
from gcache.backends._sieve import Ghosts, Sieve
from tests.backends.ring import assert_sound
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
    @pytest.mark.parametrize("bound", ["max_entries", "max_weight"])
    def test_no_room(self, bound: str, room: int) -> None:
        """A layer with room for nothing is an error."""
        with pytest.raises(GCacheConfigError, match=bound):
            MemoryLayer(**{bound: room})  # type: ignore[arg-type]

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

    @pytest.mark.skipif(
        sys.version_info >= (3, 12), reason="the collector runs a little later than it is due"
    )
    def test_by_the_collector(self, clock: Clock) -> None:
        """The collector, which tells any object of its end, is never set off by whoever holds the lock."""
        layer: MemoryLayer[Any] = MemoryLayer(max_entries=50, clock=clock.monotonic, sweep=False)
        was_locked: set[bool] = set()
        me = threading.get_ident()

        def look(_phase: str, _info: object) -> None:
            if threading.get_ident() == me:  # and not the sweeper's, which has no such lock
                was_locked.add(layer._lock.locked())

        usual = gc.get_threshold()
        gc.callbacks.append(look)
        gc.set_threshold(1)
        try:
            for number in range(200):
                layer.put({str(number): number, "often": number}, 5)
                layer.add(f"added {number}", number, 50)
                layer.delete([str(number), "nothing"])
                layer.sweep(2)
                clock.advance(1)
        finally:
            gc.set_threshold(*usual)
            gc.callbacks.remove(look)

        assert {False} == was_locked

    @pytest.mark.parametrize("owner", [Sieve, Ghosts, MemoryLayer])
    def test_nothing_is_built(self, owner: type[Any]) -> None:
        """What runs under the lock builds no containers, not even a tuple that mostly is one used before."""
        names = ("_place", "_make_room", "_sweep", "_forget")
        for name, function in vars(owner).items():
            if name in names or (owner is not MemoryLayer and isfunction(function) and name != "__init__"):
                built = {each.opname for each in dis.get_instructions(function)}

                assert not {opname for opname in built if opname.startswith(("BUILD_", "MAKE_"))}, name


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
        layer.get(["d"])
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


@pytest.fixture
def hasty() -> Iterator[None]:
    """The interpreter changes threads as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
class TestThreads:
    def test_bounded(self) -> None:
        """Eight threads that do everything keep the bounds, and none ever sees another key's value."""
        layer: MemoryLayer[str] = MemoryLayer(max_entries=20, max_weight=30, weigh=len)

        def work(number: int) -> None:
            for step in range(2000):
                key = str((step * (number + 1)) % 50)
                layer.put({key: key}, 60 if step % 3 else 1e-5)
                assert layer.find(key, 0) in (None, key)
                assert layer.get([key])[0] in (None, key)
                layer.add(f"{step % 9}", f"{step % 9}", 60)
                if step % 5 == 0:
                    layer.sweep(3)
                if step % 7 == 0:
                    layer.delete([key])
                if step % 500 == 0:
                    layer.clear("1")
                assert len(layer) <= 20
                assert layer.weight <= 30

        assert [None] * 8 == in_threads(8, work)
        assert_sound(layer)

    def test_new_value_with_its_own_life(self) -> None:
        """Who reads while a value is replaced never gets one that was over, however often that happens."""
        layer: MemoryLayer[int] = MemoryLayer(clock=lambda: float(time[0]))
        time, is_over = [0], threading.Event()
        layer.put({str(other): -1 for other in range(100)}, 1e9)

        def work(number: int) -> None:
            if number == 0:
                for now in range(0, 20_000, 2):
                    time[0] = now
                    layer.put({"now": now}, 1)
                is_over.set()
            while not is_over.is_set():
                now = time[0]
                found = layer.find("now", now)
                assert found is None or found >= now

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
