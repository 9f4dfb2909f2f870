"""Values that come back changed from many a way of writing them."""

from __future__ import annotations

import datetime
import decimal
import enum
import threading
import uuid
from collections import OrderedDict, defaultdict, deque
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from hypothesis import strategies as st


class _Level(enum.IntEnum):
    LOW = 1


class _Name(str):
    __slots__ = ()


class _Pair(NamedTuple):
    left: int
    right: int


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


AWKWARD: tuple[Any, ...] = (
    *(True, 1, 1.0, -0.0, 0.1, 1e308, float("inf"), float("nan"), 2**200, 10**5000, 1j),
    *("", "é", "e\u0301", "\x00", "\u2028", "\ud800", "😀", _Name("name")),
    *(
        b"",
        bytes(range(256)),
        bytearray(b"x"),
        (),
        (1,),
        [],
        [()],
        {},
        set[int](),
        {1},
        frozenset({1}),
        [1, True],
    ),
    *({1: 1}, {"1": 1, 1: 2}, {None: 1}, {True: 1}, {1.5: 1}, {(1, 2): 3}, {"a": {"b": (1, [2])}}),
    *(
        _Level.LOW,
        _Pair(1, 2),
        OrderedDict[str, int](a=1),
        defaultdict(list[int], a=[1]),
        deque([1], maxlen=3),
    ),
    *(
        decimal.Decimal("1.10"),
        Fraction(1, 3),
        uuid.UUID(int=7),
        PurePosixPath("a/b"),
        range(3),
        slice(1),
        ...,
    ),
    *(datetime.datetime(2024, 1, 1, fold=1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
    *(datetime.date(2024, 1, 1), datetime.time(1), datetime.timedelta(1, 2, 3)),
)
"""Each has an `==`, so that a value which came back changed shows."""

UNWRITABLE: tuple[Any, ...] = (lambda: 0, threading.Lock(), iter([1]), (n for n in [1]), open, threading)
"""What cannot be written by any means, or means nothing elsewhere."""

ENDLESS: tuple[Any, ...] = (_endless(), _deep())
"""What those who follow it never come back from."""

_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda part: (
        st.lists(part, max_size=3)
        | st.tuples(part, part)
        | st.dictionaries(st.none() | st.booleans() | st.integers() | st.text(max_size=3), part, max_size=3)
    ),
    max_leaves=8,
)
"""Scalars and containers of them."""
