"""The bundled serializers under the suite."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections import OrderedDict
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import attrs
import pytest

from gcache import JsonSerializer, PickleSerializer
from gcache.conformance import SerializerSuite

PLAIN = (None, True, 1, -1.5, float("nan"), "text", "é\u2028", [], [1, [2, "x"]], {}, {"a": {"b": [None]}})


@dataclasses.dataclass
class User:
    id: int
    names: list[str]


@attrs.frozen
class Point:
    x: float
    y: float


class Color(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: User


class Unknown:
    """A class that nobody trusts."""


class TestJsonSerializer(SerializerSuite):
    values = PLAIN
    refused = ((1,), {1: 1}, {1}, b"x", Color.RED, User(1, []), "\ud800", [[(1,)]])

    @pytest.fixture
    def serializer(self) -> JsonSerializer:
        return JsonSerializer()


class TestPickleSerializer(SerializerSuite):
    values = (
        *PLAIN,
        *((1, [2]), {1: {2}, None: frozenset({3})}, b"\x00\xff", bytearray(b"x"), OrderedDict(a=[1])),
        *(Decimal("1.10"), UUID(int=7), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        *(User(1, ["a"]), [Point(1, 2)], {Color.RED: Pair(1, User(2, []))}),
    )
    refused = (Unknown(), [Unknown()], Unknown, print)

    @pytest.fixture
    def serializer(self) -> PickleSerializer:
        return PickleSerializer(trusted=(User, Point, Color, Pair))


class TestUntrustingPickleSerializer(SerializerSuite):
    refused = (User(1, []), Color.RED)

    @pytest.fixture
    def values(self) -> tuple[object, ...]:
        return PLAIN

    @pytest.fixture
    def serializer(self) -> PickleSerializer:
        return PickleSerializer()
