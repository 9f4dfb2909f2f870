"""A layer that says how much it keeps."""

from __future__ import annotations

from gcache.conformance._sides import Layer
from gcache.conformance.layers.layer import LayerPart
from gcache.conformance.suite import needs
from gcache.core import epochs


class Bounds(LayerPart, topic="bounded"):
    """A layer that says how much it keeps, keeps no more."""

    @needs("max_entries")
    def test_max_entries(self, layer: Layer, prefix: str) -> None:
        """Of three times as many entries as there is room for, no more than max_entries stay.

        A cache that grows without end takes its application down.
        """
        room = self.max_entries or 0
        names = [f"{prefix}{n}" for n in range(3 * room)]
        for n, name in enumerate(names):
            layer.put({name: name.encode()}, 600)
            assert name.encode() == layer.one(name), "what was put just now must be there"
            if n == room + room // 10:
                assert self._count(layer, names) > room // 4, "most of the room is empty"

        assert self._count(layer, names) <= room

    @needs("max_bytes")
    def test_max_bytes(self, layer: Layer, prefix: str) -> None:
        """Of three times as many bytes as there is room for, no more than max_bytes stay.

        A disk that is full hurts more than the cache.
        """
        room = self.max_bytes or 0
        size = min(room // 50, self.max_value_bytes or room)
        names = [f"{prefix}{n}" for n in range(3 * room // size)]
        for n, name in enumerate(names):
            layer.put({name: bytes(size)}, 600)
            assert size == len(layer.one(name) or b""), "what was put just now must be there"
            if n == len(names) * 11 // 30:
                assert self._count(layer, names) * size > room // 4, "most of the room is empty"

        assert self._count(layer, names) * size <= room

    @needs("max_bytes")
    def test_sizes_of_all_kinds(self, layer: Layer, prefix: str) -> None:
        """A full layer makes room for a value of any size, small ones after large ones and over large ones.

        Room is found in pieces; a layer that stays full once it is full is off without anybody's knowing.
        """
        room = self.max_bytes or 0
        largest = min(room // 50, self.max_value_bytes or room)
        for turn in range(3 * room // largest):
            for name, size in (("large", largest), ("small", 100), ("middle", largest // 7)):
                key = f"{prefix}{name}:{turn % 60}"
                layer.put({key: bytes(size)}, 600)

                assert size == len(layer.one(key) or b"")

    @needs("bounded", "authority", "atomic_retire")
    def test_a_hold_outlives_eviction(self, layer: Layer, prefix: str) -> None:
        """A hold that retire() has put stands until its end, whatever else comes into a full layer.

        While it stands nothing of its entity is cached. If it went, readers would cache what is just
        being changed. Entries and epochs may go at any time: that costs misses.
        """
        layer.retire(f"{prefix}epoch", "holder", 600)
        size = min((self.max_bytes or 50_000) // 50, self.max_value_bytes or 1000)
        for n in range(max(150, 3 * (self.max_entries or 0))):
            layer.put({f"{prefix}{n}": bytes(size)}, 600)

        assert "hold" == epochs.standing(layer.one(f"{prefix}epoch"))

    def _count(self, layer: Layer, names: list[str]) -> int:
        return sum(value is not None for value in layer.get(names))
