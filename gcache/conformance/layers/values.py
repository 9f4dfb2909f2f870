"""What goes in comes out: values, keys, and many of them at once."""

from __future__ import annotations

import random
from collections import deque
from types import MappingProxyType

import pytest

from gcache.conformance._sides import Layer
from gcache.conformance.layers.layer import LayerPart
from gcache.conformance.suite import needs
from gcache.errors import EntryTooLarge

_MIB = 1 << 20
_AWKWARD = (
    "plain",
    "PLAIN",
    "with space",
    "trailing space",
    "trailing space ",
    "line\nbreak\r\n",
    "nul",
    "nul\0byte",
    "tab\t",
    "*",
    "?[a-z]",
    "100%_sure",
    "quote'\"`",
    "back\\slash",
    "../../escape",
    "{tag}#epoch",
    "café",
    "cafe\u0301",
    "ключ",
    "\U0001f511",
    "\x7f\x80\xff",
)


class Values(LayerPart, topic="values"):
    """Bytes are bytes, and every key is one of its own."""

    def test_any_bytes(self, layer: Layer, prefix: str) -> None:
        """get() gives back the very bytes that put() was given, whichever they are and however few.

        Core seals an entry into bytes and takes it for damaged if a single one has changed.
        """
        values = [b"", b"\0", b"\r\n", bytes(range(256)) * 4, b"\xff" * 1000, b"END\r\n", b"None"]
        values += [b"17", b" blanks \t\n", b"zeros at the end\0\0", "caf\u00e9".encode()]
        for value in values:
            layer.put({f"{prefix}key": value}, 60)
            found = layer.one(f"{prefix}key")

            assert value == found
            assert bytes is type(found)

    def test_large_values(self, layer: Layer, prefix: str) -> None:
        """A value of 1 MiB, or of max_value_bytes if that is less, is stored whole.

        Core does not cut values up; what a layer takes, it takes in one piece.
        """
        value = random.Random(0).randbytes(min(_MIB, self.max_value_bytes or _MIB))
        layer.put({f"{prefix}key": value}, 60)
        found = layer.one(f"{prefix}key")

        assert found is not None
        assert len(value) == len(found)
        assert value == found

    @needs("max_value_bytes")
    def test_too_large_values(self, layer: Layer, prefix: str) -> None:
        """A value above max_value_bytes is refused with EntryTooLarge, and what was there stays as it was.

        Core then serves the value uncached and says so. Any other error stands for a layer in trouble.
        """
        layer.put({f"{prefix}key": b"old"}, 60)
        with pytest.raises(EntryTooLarge):
            layer.put({f"{prefix}key": bytes((self.max_value_bytes or 0) + 1)}, 60)

        assert layer.one(f"{prefix}key") in (b"old", None)

    def test_awkward_keys(self, layer: Layer, prefix: str) -> None:
        """Any text is a key, and no two keys are the same: not by case, accents, blanks or wildcards.

        A key is made of arguments, which users of an application choose. To mix two up is to serve one
        user's value to another.
        """
        items = {f"{prefix}{name}": str(place).encode() for place, name in enumerate(_AWKWARD)}
        layer.put(items, 60)

        assert items == dict(zip(items, layer.get(list(items)), strict=True))
        assert len(items) == layer.delete(list(items))

    def test_long_keys(self, layer: Layer, prefix: str) -> None:
        """Keys as long as max_key_bytes, or 5,000 bytes long, are kept apart by their very last letter.

        Keys hold arguments, and those can be long; to cut one off is to serve another call's value.
        """
        stem = f"{prefix}{'x' * 5000}"[: (self.max_key_bytes or 5000) - 1]
        items = {f"{stem}{letter}": letter.encode() for letter in "abc"}
        layer.put(items, 60)

        assert [b"a", b"b", b"c", None] == list(layer.get([*items, f"{stem}d"]))

    @needs("max_key_bytes")
    def test_too_long_keys(self, layer: Layer, prefix: str) -> None:
        """A key that is longer than max_key_bytes raises, and nothing is stored under a part of it.

        Core counts the error and goes on without the layer, which is better than a wrong value.
        """
        stem = f"{prefix}{'x' * (self.max_key_bytes or 0)}"[: self.max_key_bytes]
        with pytest.raises(Exception):  # noqa: B017  # which one is up to the layer
            layer.put({f"{stem}y": b"long"}, 60)

        assert layer.one(stem) is None

    def test_absent(self, layer: Layer, prefix: str) -> None:
        """What was never stored is None, and no error.

        An error would count as a failure of the layer, and the call would go on without it.
        """
        assert layer.one(f"{prefix}never") is None

    def test_many_in_order(self, layer: Layer, prefix: str) -> None:
        """get() answers in the order of its keys: None where nothing is, and again for a key asked twice.

        Core reads an entry and its epoch in one call, and tells the two answers apart by their places.
        """
        layer.put({f"{prefix}{n}": b"%d" % n for n in range(0, 300, 2)}, 60)
        asked = [*range(299, -1, -1), 4, 5, 4]
        found = layer.get([f"{prefix}{n}" for n in asked])

        assert [None if n % 2 else b"%d" % n for n in asked] == list(found)

    def test_any_sequence_and_mapping(self, layer: Layer, prefix: str) -> None:
        """Keys may come in a tuple, or in any other Sequence; items in any Mapping.

        Callers of the protocol pass what it allows, and core is only one of them.
        """
        items = {f"{prefix}{n}": b"%d" % n for n in range(3)}
        layer.put(MappingProxyType(items), 60.0)
        found = [list(layer.get(keys)) for keys in (tuple(items), deque(items))]
        removed = layer.delete(tuple(items))

        assert [[b"0", b"1", b"2"]] * 2 == found
        assert 3 == removed

    def test_none_at_all(self, layer: Layer) -> None:
        """No keys are no values, no items are nothing to store, and nothing is deleted.

        Core may have nothing left to ask for when nearer layers have answered.
        """
        layer.put({}, 60)

        assert [] == list(layer.get([]))
        assert 0 == layer.delete([])

    def test_overwritten(self, layer: Layer, prefix: str) -> None:
        """A value put again takes the place of the old one, be it longer or shorter.

        A load that was made after an invalidation replaces the entry that the invalidation has ended.
        """
        found: list[bytes] = []
        for value in (b"first", b"the second, which is longer", b"3"):
            layer.put({f"{prefix}key": value, f"{prefix}{value!r}": b"other"}, 60)
            found.append(layer.one(f"{prefix}key"))

        assert [b"first", b"the second, which is longer", b"3"] == found

    def test_nothing_is_shared_with_the_caller(self, layer: Layer, prefix: str) -> None:
        """What a caller does later to the mapping it put, or to the answer it got, changes nothing stored.

        Core hands one mapping to several layers, and takes answers apart.
        """
        items = {f"{prefix}a": b"a", f"{prefix}b": b"b"}
        asked = list(items)
        layer.put(items, 60)
        items.clear()
        found = layer.get(asked)
        if isinstance(found, list):
            found.clear()
        asked.reverse()

        assert [b"b", b"a"] == list(layer.get(asked))
