"""Keys that a careless builder mixes up."""

from __future__ import annotations

import datetime
import decimal
import enum
import itertools
import uuid
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

import attrs
from hypothesis import strategies as st

from gcache.core.keys import GCacheKey

Identity: TypeAlias = tuple[Any, ...]


class _Color(enum.Enum):
    RED = "red"
    ONE = 1


# Whatever joins the parts of a key somewhere, and what an escape makes of it.
_IDS = (
    "1",
    "",
    "1?x=1",
    "1#U",
    "1:2",
    "1&y=2",
    "{1}",
    "1}",
    "}{",
    "{}",
    "1%3A2",
    "1%",
    "a b",
    "a%20b",
    "é",
    "e\u0301",
)
_USE_CASES = ("U", "u", "U#U", "U?x=1", "Epoch", "epochs", "x=1#U", "U ", "{U}", "epoch}", "U%")
_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"x": 1},
    {"x": "1"},
    {"x": "1&y=2"},
    {"x": "1", "y": "2"},
    {"x": "1&y=", "z": ""},
    {"x": "1#U"},
    {"x": ""},
    {"X": 1},
    {"x": "1,2"},
    {"x": ["1", "2"]},
    {"x": ["1,2"]},
    {"x": ["1", "'2'"]},
)
_KEY_TYPES = ("k", "K", "k?x=1", "k#U", "{k", "k}")

ARGUMENTS: tuple[Any, ...] = (
    *(
        1,
        "1",
        True,
        "True",
        1.0,
        "1.0",
        None,
        "None",
        "",
        b"1",
        "b'1'",
        "1 ",
        "nan",
        float("nan"),
        "inf",
        float("inf"),
    ),
    *(
        [1],
        (1,),
        {1},
        frozenset({1}),
        {1: 1},
        {"1": 1},
        {1: "1"},
        ["1"],
        [[1]],
        [1, 1],
        [],
        (),
        [[]],
        {},
        "[1]",
        "(1,)",
    ),
    *(
        ["a", "b"],
        ["a,b"],
        ["a", ["b"]],
        [["a"], "b"],
        [None],
        ["None"],
        [True],
        {"a": {"b": 1}},
        {"a": 1, "b": 1},
    ),
    *(
        decimal.Decimal(1),
        decimal.Decimal("1.0"),
        datetime.date(2024, 1, 1),
        "2024-01-01",
        datetime.datetime(2024, 1, 1),
    ),
    *(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), datetime.timedelta(1), 86_400, "1 day, 0:00:00"),
    *(
        uuid.UUID(int=1),
        str(uuid.UUID(int=1)),
        _Color.RED,
        "red",
        _Color.ONE,
        "_Color.RED",
        "\ud800",
        "?",
        "é",
        "e\u0301",
    ),
)
"""Arguments no two of which are the same. A builder may refuse any but the plainest."""

PLAINEST: tuple[Any, ...] = (1, "1", True, 1.0, None, "", "None")
"""Arguments that every builder can render."""


def neighbours() -> Iterator[GCacheKey]:
    """Yield thousands of keys of which many are the same once their parts are simply joined."""
    for key_type, id, use_case in itertools.product(_KEY_TYPES, _IDS, _USE_CASES):
        for arguments in _ARGUMENTS:
            yield GCacheKey(key_type, id, use_case, arguments, True)
        yield GCacheKey(key_type, id, use_case)


def entities() -> Iterator[tuple[str, Any]]:
    """Yield key types and ids, no two of which are one entity."""
    yield from itertools.product(_KEY_TYPES, (*_IDS, 12345, -1))


_text = st.text("a1:?#&={}%,'\"()[] \n\\é\ud800", max_size=6) | st.text(max_size=8)
_name = st.text("abx=&", min_size=1, max_size=3)
_scalar = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats().filter(lambda number: str(number) != "-0.0")
    | _text
)
_value = st.recursive(_scalar, lambda part: st.lists(part, max_size=3) | st.tuples(part, part), max_leaves=5)
_use_case = _text.filter(lambda text: text not in ("", "epoch", "watermark"))
_key_type = _text.filter(lambda text: text and ":" not in text)

keys: st.SearchStrategy[GCacheKey] = st.builds(
    GCacheKey,
    _key_type,
    _text | st.integers(),
    _use_case,
    st.dictionaries(_name, _value, max_size=3),
    st.booleans(),
)
"""Keys of any texts, with arguments that every builder can render, and lists and tuples of them."""


def relatives(key: GCacheKey) -> Iterator[GCacheKey]:
    """Yield `key`, and keys that differ from it in one thing each."""
    yield key
    yield attrs.evolve(key, track_for_invalidation=not key.track_for_invalidation)
    yield attrs.evolve(key, key_type=f"{key.key_type}1")
    yield attrs.evolve(key, id=f"{key.id}1")
    yield attrs.evolve(key, use_case=f"{key.use_case}1")
    for number, (name, value) in enumerate(key.args):
        others = [*key.args[:number], *key.args[number + 1 :]]
        for changed in (None, str(value), repr(value), [value], (value,)):
            yield attrs.evolve(key, args=[*others, (name, changed)])
        yield attrs.evolve(key, args=others)


def identity(key: GCacheKey) -> Identity:
    """Return what makes two keys the same: the id by its text, arguments by type and value."""
    arguments = tuple((name, _identity(value)) for name, value in key.args)
    return key.key_type, str(key.id), key.use_case, arguments, key.track_for_invalidation


def _identity(value: Any) -> Identity:
    kind = cast("type[object]", type(value))
    return (kind, *map(_identity, value)) if kind in (list, tuple) else (kind, repr(value))
