"""Adding many keys in one step."""

from __future__ import annotations

from gcache.conformance._sides import Layer
from gcache.conformance._together import Meeting, in_processes
from gcache.conformance.clocks import Clock
from gcache.conformance.layers.layer import LayerPart, Layers
from gcache.conformance.suite import needs

_KEYS = 3
_TURNS = 20


class BulkAdding(LayerPart, topic="add_many"):
    """What `add` does, for many keys, each by itself."""

    def test_bulk_add_is_declared(self, layer: Layer) -> None:
        """A layer has `add_many` if, and only if, it declares bulk_add.

        Core uses it as soon as it is there, in place of as many calls of `add`.
        """
        verb = "add_many" if layer.side == "sync" else "aadd_many"

        assert self.bulk_add == hasattr(layer.raw, verb)

    @needs("bulk_add")
    def test_add_many_each_by_itself(self, layer: Layer, prefix: str) -> None:
        """add_many() stores under each free key, leaves alone what is there, and says which was which.

        Of the entities that a call is about some have an epoch, and those are to stay.
        """
        names = [f"{prefix}{name}" for name in ("d", "b", "c", "a")]
        layer.put({names[1]: b"there"}, 60)
        layer.add(names[3], b"added", 60)
        told = layer.add_many(dict.fromkeys(names, b"new"), 60)

        assert [True, False, True, False] == [bool(each) for each in told]
        assert [b"new", b"there", b"new", b"added"] == list(layer.get(names))
        assert [False] == [bool(each) for each in layer.add_many({names[0]: b"newer"}, 60)]

    @needs("bulk_add")
    def test_add_many_after_delete(self, layer: Layer, prefix: str) -> None:
        """A key that was deleted is free for add_many() at once, and put() replaces what it stored.

        After an invalidation the next reader plants a new epoch, and a hold takes its place.
        """
        layer.put({f"{prefix}a": b"old", f"{prefix}b": b"old"}, 60)
        layer.delete([f"{prefix}a"])
        told = layer.add_many({f"{prefix}a": b"new", f"{prefix}b": b"new", f"{prefix}c": b"new"}, 60)
        layer.put({f"{prefix}c": b"put"}, 60)

        assert [True, False, True] == [bool(each) for each in told]
        assert [b"new", b"old", b"put"] == list(layer.get([f"{prefix}a", f"{prefix}b", f"{prefix}c"]))

    @needs("bulk_add")
    def test_add_many_of_hundreds(self, layer: Layer, prefix: str) -> None:
        """However many there are, each is stored, with its own value.

        A call can be about a thousand entities that nobody has asked for before.
        """
        count = 1000 if self.max_entries is None else self.max_entries // 2
        items = {f"{prefix}{number}": b"%d" % number for number in range(count)}
        told = layer.add_many(items, 60)

        assert [True] * count == [bool(each) for each in told]
        assert list(items.values()) == list(layer.get(list(items)))

    @needs("bulk_add")
    def test_add_many_expires(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """What was added is gone after its ttl, and what was there first lives as long as it was to.

        An epoch that stayed for ever would fill the storage, and one that lived on would be nobody's.
        """
        life = max(0.25, self.min_ttl_sec)
        layer.put({f"{prefix}first": b"value"}, life)
        layer.add_many({f"{prefix}first": b"new", f"{prefix}long": b"value"}, 60)
        layer.add_many({f"{prefix}short": b"value", f"{prefix}long": b"new"}, life)
        deadline = clock.monotonic() + life + self.late_sec + 2
        names = [f"{prefix}first", f"{prefix}short"]
        while any(layer.get(names)) and clock.monotonic() < deadline:
            clock.advance(0.01)

        assert [None, None, b"value"] == list(layer.get([*names, f"{prefix}long"]))

    @needs("bulk_add", "atomic_add")
    def test_add_many_in_threads(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Of eight threads that add the same keys at once, one is told True of each, and its value is there.

        Two that are both told so would each go on with an epoch of their own.
        """
        meeting = Meeting(8)
        told = layers.in_threads(8, lambda number: self._add_many_at_once(layer, prefix, number, meeting))

        self._one_of_each(layer, prefix, told)

    @needs("bulk_add", "atomic_add", "shared")
    def test_add_many_in_processes(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Of four processes that add the same keys at once, one is told True of each.

        A lock in one process keeps no other one out.
        """

        def add(number: int) -> list[bool]:
            own = layers.open()
            told = self._add_many_at_once(own, prefix, number, meeting)
            layers.close(own)
            return told

        meeting = Meeting(4)
        told = in_processes(4, add)

        self._one_of_each(layer, prefix, told)

    def _add_many_at_once(self, layer: Layer, prefix: str, number: int, meeting: Meeting) -> list[bool]:
        told: list[bool] = []
        try:
            for turn in range(_TURNS):
                meeting.wait(number, turn + 1)
                items = {f"{prefix}{turn}:{key}": b"%d" % number for key in range(_KEYS)}
                told += [bool(each) for each in layer.add_many(items, 60)]
        finally:
            meeting.leave(number)
        return told

    def _one_of_each(self, layer: Layer, prefix: str, told: list[list[bool]]) -> None:
        names = [f"{prefix}{turn}:{key}" for turn in range(_TURNS) for key in range(_KEYS)]
        winners = [[number for number, own in enumerate(told) if own[place]] for place in range(len(names))]

        assert [1] * len(names) == [len(numbers) for numbers in winners]
        assert [b"%d" % number for [number] in winners] == list(layer.get(names))
