"""Adding what is not there, and removing what is."""

from __future__ import annotations

from gcache.conformance._sides import Layer
from gcache.conformance._together import Meeting, in_processes
from gcache.conformance.layers.layer import LayerPart, Layers
from gcache.conformance.suite import needs

_KEYS = 20


class Adding(LayerPart, topic="add"):
    """One of many, and never two."""

    def test_add_only_if_absent(self, layer: Layer, prefix: str) -> None:
        """add() stores under a free key and says True; it leaves what is there alone and says False.

        Of the readers that find no epoch, one plants it and the others take that one.
        """
        told = [layer.add(f"{prefix}key", b"first", 60), layer.add(f"{prefix}key", b"second", 60)]

        assert [True, False] == told
        assert b"first" == layer.one(f"{prefix}key")

    def test_add_after_delete(self, layer: Layer, prefix: str) -> None:
        """A key that was deleted, or cleared, is free for add() at once.

        After an invalidation the next reader plants a new epoch; if it could not, nothing would be cached.
        """
        layer.put({f"{prefix}deleted": b"old", f"{prefix}cleared:key": b"old"}, 60)
        layer.delete([f"{prefix}deleted"])
        layer.clear(f"{prefix}cleared:")
        told = [layer.add(f"{prefix}deleted", b"new", 60), layer.add(f"{prefix}cleared:key", b"new", 60)]

        assert [True, True] == told
        assert [b"new", b"new"] == list(layer.get([f"{prefix}deleted", f"{prefix}cleared:key"]))

    def test_add_after_put(self, layer: Layer, prefix: str) -> None:
        """add() leaves alone what put() stored, and put() replaces what add() stored.

        A hold is put where an epoch stood; no reader may plant over it.
        """
        layer.put({f"{prefix}a": b"put"}, 60)
        told = layer.add(f"{prefix}a", b"added", 60)
        layer.add(f"{prefix}b", b"added", 60)
        layer.put({f"{prefix}b": b"put"}, 60)

        assert not told
        assert [b"put", b"put"] == list(layer.get([f"{prefix}a", f"{prefix}b"]))

    @needs("atomic_add")
    def test_add_in_threads(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Of eight threads that add one key at once, one is told True, and its value is what is there.

        Two that are both told so would each go on with an epoch of their own, and one could take a hold away.
        """

        meeting = Meeting(8)
        told = layers.in_threads(8, lambda number: self._add_all(layer, prefix, number, meeting))

        self._one_each(layer, prefix, told)

    @needs("atomic_add")
    def test_add_at_once(self, layer: Layer, prefix: str) -> None:
        """Of ten calls that are under way together on one event loop, one is told True.

        That is how readers of an async application meet.
        """
        told = layer.at_once("add", [(f"{prefix}key", b"%d" % number, 60) for number in range(10)])

        assert 1 == sum(told)
        assert b"%d" % told.index(True) == layer.one(f"{prefix}key")

    @needs("atomic_add", "shared")
    def test_add_in_processes(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Of four processes that add one key at once, one is told True, and its value is what is there.

        A lock in one process keeps no other one out.
        """

        def add(number: int) -> list[bool]:
            own = layers.open()
            told = self._add_all(own, prefix, number, meeting)
            layers.close(own)
            return told

        meeting = Meeting(4)
        told = in_processes(4, add)

        self._one_each(layer, prefix, told)

    def _add_all(self, layer: Layer, prefix: str, number: int, meeting: Meeting) -> list[bool]:
        told: list[bool] = []
        try:
            for key in range(_KEYS):
                meeting.wait(number, key + 1)
                told.append(layer.add(f"{prefix}{key}", b"%d" % number, 60))
        finally:
            meeting.leave(number)
        return told

    def _one_each(self, layer: Layer, prefix: str, told: list[list[bool]]) -> None:
        winners = [[number for number, own in enumerate(told) if own[key]] for key in range(_KEYS)]

        assert [1] * _KEYS == [len(names) for names in winners]
        assert [b"%d" % name for [name] in winners] == list(layer.get([f"{prefix}{n}" for n in range(_KEYS)]))


class Removing(LayerPart, topic="delete and clear"):
    """What is to go, goes, and nothing else."""

    def test_delete_counts(self, layer: Layer, prefix: str) -> None:
        """delete() removes all of its keys and returns how many were there; one named twice counts once.

        The last layer must have forgotten the entry when delete() has returned.
        """
        layer.put({f"{prefix}{n}": b"value" for n in range(10)}, 60)
        keys = [f"{prefix}{n}" for n in range(5, 15)]
        removed = layer.delete([*keys, keys[0]])

        assert 5 == removed
        assert [b"value"] * 5 + [None] * 10 == list(layer.get([f"{prefix}{n}" for n in range(15)]))
        assert 0 == layer.delete(keys)

    def test_clear_removes_all_with_the_prefix(self, layer: Layer, prefix: str) -> None:
        """clear() removes every key that begins with the prefix, thousands too, and the prefix itself.

        flushall() is for the moment when wrong values are out; what it leaves is served on.
        """
        names = [f"{prefix}mine", *(f"{prefix}mine:{n}" for n in range(self._many()))]
        for start in range(0, len(names), 500):
            layer.put(dict.fromkeys(names[start : start + 500], b"value"), 600)
        before = list(layer.get(names))
        removed = layer.clear(f"{prefix}mine")

        assert [b"value"] * len(names) == before
        assert [None] * len(names) == list(layer.get(names))
        assert (len(names) if self.counts_clears else 0) == removed

    def test_clear_removes_nothing_else(self, layer: Layer, prefix: str) -> None:
        """clear() leaves every key alone that does not begin with the prefix, letter by letter.

        Several applications share a server, told apart by nothing but their prefixes.
        """
        others = ["min", "min:e", "MINE:1", "mine", "xmine:1", "{mine:1}", "m%", "mine*", "mine%:", "mi_e:1"]
        layer.put({f"{prefix}{name}": b"value" for name in others}, 60)
        layer.put({f"{prefix}mine:1": b"value", f"{prefix}mine:2": b"value"}, 60)
        layer.clear(f"{prefix}mine:")

        assert [b"value"] * len(others) == list(layer.get([f"{prefix}{name}" for name in others]))
        assert [None, None] == list(layer.get([f"{prefix}mine:1", f"{prefix}mine:2"]))

    def test_clear_takes_no_pattern(self, layer: Layer, prefix: str) -> None:
        """What a store takes for a wildcard stands for itself in a prefix.

        A prefix holds what a team has chosen for its name.
        """
        for wildcards in ("*", "?", "[a-z]", "%", "_", "\\", ".*", "^"):
            layer.put({f"{prefix}{wildcards}:1": b"value", f"{prefix}a:1": b"value"}, 60)
            layer.clear(f"{prefix}{wildcards}:")

            assert [None, b"value"] == list(layer.get([f"{prefix}{wildcards}:1", f"{prefix}a:1"]))

    def test_clear_takes_long_prefixes(self, layer: Layer, prefix: str) -> None:
        """clear() looks at the whole prefix, however long it is, and at keys that are longer still.

        A layer that keeps digests in place of long keys has to keep the keys as well, or it cannot tell.
        """
        stem = f"{prefix}{'x' * 5000}"[: (self.max_key_bytes or 5000) - 2]
        names = [f"{stem}a1", f"{stem}a2", f"{stem}b1", f"{prefix}short"]
        layer.put(dict.fromkeys(names, b"value"), 60)
        layer.clear(f"{stem}a")

        assert [None, None, b"value", b"value"] == list(layer.get(names))

    def test_clear_reports_progress(self, layer: Layer, prefix: str) -> None:
        """clear() calls progress with the number removed so far, which never falls and ends with the result.

        Clearing millions takes a while, and somebody looks on.
        """
        names = [f"{prefix}{n}" for n in range(self._many())]
        for start in range(0, len(names), 500):
            layer.put(dict.fromkeys(names[start : start + 500], b"value"), 600)
        seen: list[int] = []
        removed = layer.clear(prefix, seen.append)

        assert sorted(seen) == seen
        assert removed == (seen[-1] if seen else 0)
        assert {None} == set(layer.get(names))

    def test_clear_where_nothing_is(self, layer: Layer, prefix: str) -> None:
        """clear() of a prefix that no key has removes nothing, and is no error.

        flushall() clears each prefix of a key builder, used or not.
        """
        assert 0 == layer.clear(f"{prefix}nothing:")

    def test_stored_after_clear(self, layer: Layer, prefix: str) -> None:
        """What is put after a clear() is there, under cleared keys too.

        An application goes on after a flush.
        """
        layer.put({f"{prefix}key": b"old"}, 60)
        layer.clear(prefix)
        layer.put({f"{prefix}key": b"new"}, 60)

        assert b"new" == layer.one(f"{prefix}key")

    @needs("shared")
    def test_removed_for_all(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """What one layer deletes or clears, is gone for another one over the same storage at once.

        The authority is what all processes agree on.
        """
        other = layers.open()
        names = [f"{prefix}deleted", f"{prefix}cleared:1"]
        other.put(dict.fromkeys(names, b"value"), 60)
        before = [*layer.get(names), *other.get(names)]
        layer.delete([f"{prefix}deleted"])
        layer.clear(f"{prefix}cleared:")

        assert [b"value"] * 4 == before
        assert [None, None] == list(other.get(names))

    def _many(self) -> int:
        return 2500 if self.max_entries is None else self.max_entries // 2
