from __future__ import annotations

import collections
import datetime
import enum
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache.errors import SerializationError
from gcache.serializers import JsonSerializer

serializer = JsonSerializer()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**4000), max_value=10**4000),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=30,
)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


@given(documents)
def test_a_document_comes_back_as_it_was(document: object) -> None:
    """Values, types, the order of keys and the sign of zero are kept."""
    actual = serializer.load(serializer.dump(document))

    assert same(document, actual)


@given(
    st.recursive(
        scalars | st.text() | st.binary() | st.floats() | st.dates() | st.sampled_from([*Colour, *Level]),
        lambda inner: st.one_of(
            st.lists(inner),
            st.lists(inner).map(tuple),
            st.dictionaries(st.text() | st.integers() | st.none() | st.booleans(), inner),
        ),
    )
)
def test_a_value_comes_back_as_it_was_or_is_refused(value: object) -> None:
    """Nothing is ever changed on the way; NaN, which equals nothing, is compared by its looks."""
    try:
        data = serializer.dump(value)
    except SerializationError:
        return
    actual = serializer.load(data)

    assert repr(value) == repr(actual)


def test_the_bytes_are_compact_utf_8() -> None:
    """No spaces, and no escapes where UTF-8 has the character."""
    assert '{"name":"Zoë","tags":[1,2]}'.encode() == serializer.dump({"name": "Zoë", "tags": [1, 2]})


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, -0.0, 1e308, 5e-324, 10**4000, "\x00\u2028\U0001f600"]
)
def test_the_edges_of_scalars_come_back(value: object) -> None:
    """Infinities, signed zeros, large ints and odd characters come back."""
    actual = serializer.load(serializer.dump([value]))

    assert same([value], actual)


def test_nan_comes_back() -> None:
    """Not-a-number comes back as such."""
    assert math.isnan(serializer.load(serializer.dump(math.nan)))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ((1, 2), "tuple"),
        ({1: "a"}, "int"),
        ({None: "a"}, "None"),
        ({Colour.RED: 1}, "Colour"),
        ({(1, 2): 1}, "tuple"),
        ({1}, "set"),
        (b"x", "bytes"),
        (datetime.date(2024, 1, 1), "date"),
        (Text("x"), "Text"),
        (Whole(1), "Whole"),
        (Colour.RED, "Colour"),
        (Level.LOW, "Level"),
        (collections.OrderedDict(a=1), "OrderedDict"),
        (collections.Counter(a=1), "Counter"),
        (object(), "object"),
        ("\ud800", "surrogate"),
        ("\ud83d\ude00", "surrogate"),
        ({"\ud800": 1}, "surrogate"),
    ],
    ids=repr,
)
def test_what_json_would_change_is_refused_by_name(value: object, named: str) -> None:
    """The error says in one sentence what it is, and what to do, however deep it lies."""
    with pytest.raises(SerializationError, match=named) as caught:
        serializer.dump({"a": [0, [value]]})

    assert "PickleSerializer" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.get_int_max_str_digits(), reason="this interpreter writes ints of any size")
def test_an_int_beyond_the_interpreters_limit_is_refused() -> None:
    """The limit on digits that Python sets itself is named as the reason."""
    with pytest.raises(SerializationError, match="digits"):
        serializer.dump([10 ** (sys.get_int_max_str_digits() + 1)])


@pytest.mark.parametrize("depth", [201, 900, 100_000])
@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}], ids=["list", "dict"])
def test_deep_nesting_is_refused(depth: int, wrap: Any) -> None:
    """Beyond 200 levels a document is refused, whatever the interpreter could bear."""
    document: object = 1
    for _ in range(depth):
        document = wrap(document)

    with pytest.raises(SerializationError, match="200 levels"):
        serializer.dump(document)


def test_nesting_of_200_levels_comes_back() -> None:
    """The limit itself is allowed."""
    document: list[Any] = []
    for _ in range(199):
        document = [document]

    assert document == serializer.load(serializer.dump(document))


def test_what_contains_itself_is_refused() -> None:
    """A cycle is refused at once, however often it branches."""
    ring: list[Any] = []
    ring += [ring, {"again": ring}, ring]

    with pytest.raises(SerializationError, match="nested"):
        serializer.dump(ring)


def test_a_part_may_occur_twice() -> None:
    """A list that is reached in two ways comes back as two equal lists."""
    part = [1]

    assert [[1], {"a": [1]}, [1]] == serializer.load(serializer.dump([part, {"a": part}, part]))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[1,]", b"nul", b"\xff", b'"\xed\xa0\x80"', b"1 2", b"'a'", b"{1:2}"],
)
def test_malformed_bytes_raise(data: bytes) -> None:
    """What is no JSON is no value."""
    with pytest.raises(ValueError):
        serializer.load(data)


@given(st.binary())
def test_noise_raises_or_is_json(noise: bytes) -> None:
    """Any bytes give a value that could be stored, or a ValueError."""
    try:
        value = serializer.load(noise)
    except ValueError:
        return

    assert same(value, serializer.load(serializer.dump(value))) or "nan" in repr(value)
