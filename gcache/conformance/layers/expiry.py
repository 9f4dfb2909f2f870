"""Entries end when they are to end: not before, and not never."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gcache.conformance._sides import Layer
from gcache.conformance.clocks import Clock
from gcache.conformance.layers.layer import LayerPart

_GRAIN_SEC = 0.005
_YEAR_SEC = 365 * 86_400.0


class Watched:
    """The life that entries have in common as it is seen from outside, in readings of `clock`.

    A slow machine makes the bounds wide and the checks weaker, but never wrong.
    """

    def __init__(self, clock: Clock, layer: Layer, keys: Sequence[str]) -> None:
        self._clock = clock
        self._layer = layer
        self._keys = keys
        self.begun = self.done = clock.monotonic()

    def write(self, write: Callable[[], object]) -> None:
        """Do what gives the entries their life."""
        self.begun = self._clock.monotonic()
        write()
        self.done = self._clock.monotonic()

    def until_gone(self, life_sec: float, late_sec: float) -> tuple[float, float]:
        """Return how long the last to go has lived at least, and the first at most, by what was seen.

        Watches until all are gone, or one is still there after `life_sec` and `late_sec`.
        """
        limit = self.done + life_sec + late_sec + _GRAIN_SEC
        at_least, at_most = 0.0, math.inf
        while True:
            asked = self._clock.monotonic()
            found = list(self._layer.get(self._keys))
            if None in found:
                at_most = min(at_most, self._clock.monotonic() - self.begun)
            if found == [None] * len(found):
                return at_least, at_most
            at_least = asked - self.done
            if asked > limit:
                return at_least, at_most
            self._clock.advance(max(0.005, life_sec / 50))


class Expiry(LayerPart, topic="expiry"):
    """A time to live is neither a hint nor a lower bound."""

    @property
    def _short_sec(self) -> float:
        """A life that the layer can give as it is; no whole number of seconds, which some cut it down to."""
        return max(0.25, 1.3 * self.min_ttl_sec)

    def _watch(self, watched: Watched, life_sec: float) -> None:
        at_least, at_most = watched.until_gone(life_sec, self.late_sec)

        assert at_most >= life_sec - _GRAIN_SEC, "the entry was gone too early"
        assert at_least <= life_sec + self.late_sec + _GRAIN_SEC, "the entry was still there too late"

    def test_put_expires(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """What is put lives for its ttl: not less, and not more but for late_sec.

        Less makes misses that nobody can explain; more serves what was to be forgotten.
        """
        watched = Watched(clock, layer, [f"{prefix}key"])
        watched.write(lambda: layer.put({f"{prefix}key": b"value"}, self._short_sec))

        self._watch(watched, self._short_sec)

    def test_add_expires(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """What is added lives for its ttl, and the key is free again afterwards, looked at or not.

        Epochs and leases are added. One that never ended would keep its entity from being cached.
        """
        watched = Watched(clock, layer, [f"{prefix}key"])
        layer.add(f"{prefix}unseen", b"value", self._short_sec)
        watched.write(lambda: layer.add(f"{prefix}key", b"value", self._short_sec))

        self._watch(watched, self._short_sec)
        clock.advance(self.late_sec)  # on several servers, each may be late in its own way
        assert [True, True] == [layer.add(f"{prefix}{name}", b"again", 60) for name in ("key", "unseen")]
        assert [b"again", b"again"] == list(layer.get([f"{prefix}key", f"{prefix}unseen"]))

    def test_each_of_many_expires(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """Each of several items that are put together lives for the ttl, the last one as well as the first.

        Bulk writes fill a layer from another one; an item without an end would stay for ever.
        """
        names = [f"{prefix}{n}" for n in range(10)]
        watched = Watched(clock, layer, names)
        watched.write(lambda: layer.put(dict.fromkeys(names, b"value"), self._short_sec))

        self._watch(watched, self._short_sec)

    def test_overwriting_shortens(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """What is put again has the new ttl, when that is the shorter one.

        A TTL that was lowered at run time must hold for entries that are written from then on.
        """
        layer.put({f"{prefix}key": b"old"}, _YEAR_SEC)
        watched = Watched(clock, layer, [f"{prefix}key"])
        watched.write(lambda: layer.put({f"{prefix}key": b"new"}, self._short_sec))

        self._watch(watched, self._short_sec)

    def test_overwriting_lengthens(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """What is put again has the new ttl, when that is the longer one.

        An entry that kept the rest of its former life would be gone long before its time.
        """
        layer.put({f"{prefix}key": b"old", f"{prefix}other": b"old"}, self._short_sec)
        other = Watched(clock, layer, [f"{prefix}other"])
        layer.put({f"{prefix}key": b"new"}, 600)
        other.until_gone(self._short_sec, self.late_sec)

        assert b"new" == layer.one(f"{prefix}key")

    def test_refused_add_leaves_the_life(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """An add() that stores nothing does not change how long the entry lives that is there.

        Every reader that finds no epoch adds one. If that prolonged a hold, the hold might never end.
        """
        watched = Watched(clock, layer, [f"{prefix}key"])
        watched.write(lambda: layer.put({f"{prefix}key": b"value"}, self._short_sec))
        assert not layer.add(f"{prefix}key", b"refused", 600)

        self._watch(watched, self._short_sec)

    def test_expired_is_not_there(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """An entry whose time is over is absent for delete() and clear(), too, and not counted.

        What is counted is what was there; the count is what an application reports.
        """
        layer.put(
            {f"{prefix}{name}": b"value" for name in ("deleted", "cleared:1", "cleared:2")}, self._short_sec
        )
        layer.put({f"{prefix}watched": b"value"}, self._short_sec)
        watched = Watched(clock, layer, [f"{prefix}watched"])
        watched.until_gone(self._short_sec, self.late_sec)
        clock.advance(self.late_sec)  # on several servers, each may be late in its own way

        assert 0 == layer.delete([f"{prefix}deleted"])
        assert 0 == layer.clear(f"{prefix}cleared:")

    def test_tiny_lives(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """A ttl far below what the layer can tell apart is no error, and does not last.

        What is left of an entry's life when it is filled in from a farther layer can be any small number.
        """
        watched = Watched(clock, layer, [f"{prefix}key"])
        watched.write(lambda: layer.put({f"{prefix}key": b"value"}, 1e-6))
        at_least, _ = watched.until_gone(self.min_ttl_sec, self.late_sec)

        assert at_least <= self.min_ttl_sec + self.late_sec + _GRAIN_SEC, "the entry was still there too late"

    def test_long_lives(self, layer: Layer, prefix: str) -> None:
        """A ttl of more than thirty days, or of years, does not make an entry absent.

        Some stores take a large number for a date, and the date is long past.
        """
        lives = {f"{prefix}{days}": days * 86_400.0 for days in (29.9, 30.1, 365.0, 3650.0)}
        for name, life in lives.items():
            layer.put({name: b"put"}, life)
            layer.add(f"{name}+", b"added", life)

        assert [b"put"] * 4 == list(layer.get(list(lives)))
        assert [b"added"] * 4 == list(layer.get([f"{name}+" for name in lives]))
