"""Cached functions look into the mapping of an in-process layer that lets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcache import MemoryLayer
from gcache.core.entries import Entry, Generation
from gcache.core.rendering import ESCAPED, MEMORY, RENDERED, SHORT, Remembered, escape, render
from tests.core.stage import Clock, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


def raising(key: str) -> Any:
    raise KeyError(key)


class TestLookup:
    def test_last_moment(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """A hit is one until the deadline of its place, and none at it."""
        layer: MemoryLayer[Any] = MemoryLayer(clock=clock.monotonic)
        gcache = make_gcache(layers=[layer], config_refresh_sec=1_000_000)
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            get_user(1)
            (slot,) = layer._slots.values()
            clock.advance(slot.deadline - clock.monotonic() - 0.5)
            before = get_user(1)
            clock.advance(0.5)

            assert (1, 2) == (before, get_user(1))
        assert 2 == source.loads

    def test_mark(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """A hit marks its place, so that what is asked for stays when room is made."""
        layer: MemoryLayer[Any] = MemoryLayer(max_entries=2, clock=clock.monotonic)
        gcache = make_gcache(layers=[layer], config_refresh_sec=1_000_000)
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            for user_id in (1, 2, 1, 3, 1):
                get_user(user_id)

        assert 3 == source.loads

    def test_dead(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """What lies there from before an invalidation is not returned."""
        layer: MemoryLayer[Any] = MemoryLayer(clock=clock.monotonic)
        gcache = make_gcache(layers=[layer], config_refresh_sec=1_000_000)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            (slot,) = layer._slots.values()
            slot.generation.alive = False

            assert 2 == get_user(1)

    def test_own_find(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """A subclass with a `find` of its own is asked by it."""
        asked: list[str] = []

        class Watched(MemoryLayer[Any]):
            def find(self, key: str, now: float) -> Any:
                asked.append(key)
                return super().find(key, now)

        gcache = make_gcache(layers=[Watched(clock=clock.monotonic)], config_refresh_sec=1_000_000)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            asked.clear()
            get_user(1)

        assert [gcache._engine.keys.build(get_user.key(1))] == asked

    def test_a_parameter_named_exception(self, make_gcache: Callable[..., GCache]) -> None:
        """What cannot be a key goes to the source, also where a parameter has the name of what is caught."""
        gcache = make_gcache(config_refresh_sec=1_000_000)

        @gcache.cached("user_id", "user_id", use_case="GetUser")
        def get_user(user_id: Any, Exception: Any = None) -> Any:
            return Exception

        with gcache.enable():
            assert [None, None] == [get_user(1), get_user(1)]
            assert get_user(1, object) is object

    @pytest.mark.parametrize("way", ["around", "on_it"])
    def test_find_from_elsewhere(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, way: str
    ) -> None:
        """A `find` that somebody put around a layer, or on one, is asked just so."""
        asked: list[str] = []
        inner = MemoryLayer[Any](clock=clock.monotonic)

        def find(key: str, now: float) -> Any:
            asked.append(key)
            return MemoryLayer[Any].find(inner, key, now)

        class Around:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            def __len__(self) -> int:
                return len(inner)

        layer: Any = Around() if way == "around" else inner
        layer.find = find
        get_user = side.cached(gcache := make_gcache(layers=[layer], config_refresh_sec=1_000_000), Source())

        with gcache.enable():
            get_user(1)
            asked.clear()
            get_user(1)

        assert 1 == len(asked)

    @pytest.mark.parametrize("lookup", [raising, lambda key: key], ids=["raises", "no place"])
    def test_broken(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, lookup: Callable[[str], Any]
    ) -> None:
        """What a foreign layer's lookup raises, or that it returns no place, does not reach the caller."""

        class Broken(MemoryLayer[Any]):
            pass

        Broken.lookup = property(lambda self: lookup)  # type: ignore[method-assign,assignment]
        gcache = make_gcache(layers=[Broken(clock=clock.monotonic)], config_refresh_sec=1_000_000)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]

    def test_fork(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """A child that had to empty its layer puts its entries where its functions look."""
        layer: MemoryLayer[Any] = MemoryLayer(clock=clock.monotonic)
        lookup = layer.lookup
        layer._lock.acquire()
        layer.after_fork()
        layer.put({"a": 1}, 10)

        slot = lookup("a") if lookup else None
        assert slot is not None
        assert 1 == layer.find("a", 0)


class TestPlace:
    @pytest.mark.parametrize(
        ("epoch", "load_sec", "fields"), [(None, 0.0, 10), (b"e", 0.0, 11), (None, 1.5, 15)], ids=str
    )
    def test_size(self, clock: Clock, epoch: bytes | None, load_sec: float, fields: int) -> None:
        """An entry is kept with all that it says, and takes one object of as few fields as that needs."""
        layer: MemoryLayer[Entry] = MemoryLayer(clock=clock.monotonic, sweep=False)
        entry = Entry(["value"], 1.0, 2.0, epoch, Generation(), load_sec)
        layer.put({"a": entry}, 10)
        found: Any = layer.find("a", clock.monotonic())

        assert [getattr(entry, name) for name in Entry.__slots__] == [
            getattr(found, name) for name in Entry.__slots__
        ]
        assert object.__sizeof__(found) == 16 + 8 * fields
        assert found.value is entry.value

    def test_dates(self, clock: Clock) -> None:
        """Entries share the dates of a quarter of a second, rounded down; of stale ones they are exact."""
        layer: MemoryLayer[Entry] = MemoryLayer(clock=clock.monotonic, sweep=False)
        for number in range(3_000):
            entry = Entry(number, number / 20 + 0.2, number / 20 + 60.2, None, Generation())
            layer.put({f"short {number}": entry}, 10)
            layer.keep(f"stale {number}", entry, 10, 0, 20)
        kept: Any = [layer.find(f"short {number}", clock.monotonic()) for number in range(3_000)]
        exact: Any = layer.find("stale 1", clock.monotonic())

        assert [(0.0, 60.0), (0.25, 60.25), (150.0, 210.0)] == [
            (kept[at].began, kept[at].expires) for at in (0, 1, 2996)
        ]
        assert (0.25, 60.25) == (exact.began, exact.expires)
        assert len({id(slot.began) for slot in kept[:1000]}) < 300

    def test_replaced(self, clock: Clock) -> None:
        """A new value takes the place and the mark of the old one, which a reader may still hold whole."""
        layer: MemoryLayer[Entry] = MemoryLayer(max_entries=2, clock=clock.monotonic, sweep=False)
        first, second, third = (Entry(name, 1.0, 2.0, None, Generation()) for name in "abc")
        layer.put({"a": first, "b": second}, 10)
        held = layer.find("a", clock.monotonic())
        layer.put({"a": third}, 10)
        layer.put({"c": first}, 10)

        assert held is not None
        assert "a" == held.value
        assert ["c", None] == [kept and kept.value for kept in layer.get(["a", "b"])]


class TestTexts:
    @pytest.mark.parametrize("page", ["new est", "newest", 1, -5, 10**12, True, None, 1.5, ()])
    def test_default(self, make_gcache: Callable[..., GCache], page: Any) -> None:
        """A default that is given makes the key of the call that leaves it out."""
        loads: list[Any] = []

        def get_posts(user_id: int, page: Any = page) -> int:
            loads.append(page)
            return len(loads)

        cached = make_gcache().cached(key_type="user_id", id_arg="user_id")(get_posts)
        gcache = cached.key.__self__.engine

        token = gcache.enabled.set(True)
        try:
            again = eval(repr(page))
            assert [1, 1, 1] == [cached(1), cached(1, page), cached(1, page=again)]
        finally:
            gcache.enabled.reset(token)

    @pytest.mark.parametrize("text", ["a b", "a%b", "'", "a,b", "", "None", "20-10", "ü ö", "\ud800"])
    def test_remembered(self, text: str) -> None:
        """What was rendered once has the same text again."""
        twice = [(ESCAPED[text], RENDERED[text]) for _ in range(2)]

        assert [(escape(text), render(text))] * 2 == twice

    def test_long(self, make_gcache: Callable[..., GCache]) -> None:
        """No long text is remembered."""
        ESCAPED.clear()
        gcache = make_gcache()
        get_user = gcache.cached(key_type="user_id", id_arg="user_id")(lambda user_id: user_id)

        with gcache.enable():
            for user_id in (" " * SHORT, " " * (SHORT + 1)):
                get_user(user_id)

        assert [" " * SHORT] == list(ESCAPED)

    def test_bounded(self) -> None:
        """Only so many texts are remembered, and what comes once they are forgotten is right."""
        remembered = Remembered(escape)
        texts = [f"{number} %" for number in range(2 * MEMORY)]

        assert [escape(text) for text in texts] == [remembered[text] for text in texts]
        assert MEMORY >= len(remembered) > 0
