"""Values as text: any two tell themselves apart, and equal ones are the same."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import string
import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcache.core.rendering import escape, render, render_id
from gcache.errors import InvalidKey, UnrenderableArgument

DOCUMENTED = "%?#&={}"


class Color(enum.Enum):
    RED = 1
    BLUE = "blue"


class Shape(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Rank(enum.IntEnum):
    FIRST = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class UserId(int):
    pass


class Email(str):
    __slots__ = ()


ENUMS = [*Color, *Shape, *Access, Access(0), Access.READ | Access.WRITE]

texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    [
        "None",
        "True",
        "nan",
        "inf",
        "1",
        "1.0",
        "bytes(00)",
        "dict()",
        "set()",
        "",
        "''",
        "a,b",
        "[a]",
        "a:b",
        "%20",
    ]
)
zones = st.sampled_from([None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=2), "CEST")])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | texts
    | st.binary(max_size=6)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.ip_addresses()
    | st.sampled_from([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fe80::/64")])
    | st.sampled_from(
        [pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a/b"), pathlib.PurePosixPath("a")]
    )
    | st.sampled_from(ENUMS)
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
values = st.recursive(
    hashables,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(hashables, max_size=3)
        | st.frozensets(hashables, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3)
    ),
    max_leaves=8,
)


def identity(value: Any) -> Any:
    """Return what is equal for values of the same type and content, without any rendering."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, tuple(identity(item) for item in value)
    if kind in (set, frozenset):
        return kind, frozenset(identity(item) for item in value)
    if kind is dict:
        return kind, frozenset((identity(k), identity(v)) for k, v in value.items())
    if kind in (float, complex, decimal.Decimal):
        return kind, str(value)
    if isinstance(value, enum.Enum):
        return kind, value.name, value.value
    if isinstance(value, datetime.datetime | datetime.time):
        return kind, value.isoformat(), value.fold, str(value.tzinfo)
    return kind, value


class TestInjective:
    @given(values, values)
    @example(1, "1")
    @example(1, True)
    @example(1, 1.0)
    @example(0.0, -0.0)
    @example(None, "None")
    @example(float("inf"), "inf")
    @example([1, 2], (1, 2))
    @example(["a", "b"], ["a,b"])
    @example(["a", ["b"]], [["a"], "b"])
    @example({"a": "b"}, {"a:b"})
    @example("it's", "it''s")
    @example(b"ab", "bytes(6162)")
    @example(Color.RED, Shape.RED)
    def test_any_two(self, one: object, other: object) -> None:
        """Two values render equal if, and only if, they are equal and of the same type all the way down."""
        same = identity(one) == identity(other)

        assert same == (render(one) == render(other))

    @pytest.mark.parametrize(
        ("one", "other"),
        [(Level.LOW, 1), (Level.LOW, Rank.FIRST), (Mode.FAST, "fast"), (UserId(1), 1), (Email("a"), "a")],
        ids=repr,
    )
    def test_subclasses(self, one: object, other: object) -> None:
        """A member of an IntEnum or a StrEnum, or an int of its own class, is not what it equals."""
        assert render(one) != render(other)

    @given(values)
    def test_equal_calls(self, value: Any) -> None:
        """A value renders as its copy does."""
        if isinstance(value, dict | set | frozenset):
            copy = type(value)(reversed(list(value.items() if isinstance(value, dict) else value)))
        else:
            copy = value

        assert render(value) == render(copy)

    @pytest.mark.parametrize("kind", [set, frozenset, dict.fromkeys])
    def test_any_order(self, kind: Any) -> None:
        """What has no order renders the same however it was filled."""
        one, other = kind([0, 8, 16]), kind([16, 8, 0])

        assert list(one) != list(other)
        assert render([one]) == render([other])

    @given(values)
    def test_one_component(self, value: object) -> None:
        """What is rendered holds nothing that ends a component of a key."""
        rendered = render(value)

        assert set() == set(rendered) & (set(DOCUMENTED) - {"%"} | set(string.whitespace))


class TestReadable:
    @pytest.mark.parametrize(
        ("expected", "value"),
        [
            ("abc", "abc"),
            ("user@example.com", "user@example.com"),
            ("a-b.c/d", "a-b.c/d"),
            ("größe", "größe"),
            ("two%20words", "two words"),
            ("'1'", "1"),
            ("''", ""),
            ("'it''s'", "it's"),
            ("'None'", "None"),
            ("1", 1),
            ("True", True),
            ("None", None),
            ("1.5", 1.5),
            ("[a,1]", ["a", 1]),
            ("(a)", ("a",)),
            ("dict(a:1,b:2)", {"b": 2, "a": 1}),
            ("set(1,2)", {2, 1}),
            ("bytes(6162)", b"ab"),
            ("Decimal('1.50')", decimal.Decimal("1.50")),
            ("Fraction('1/2')", fractions.Fraction(1, 2)),
            ("UUID('00000000-0000-0000-0000-000000000001')", uuid.UUID(int=1)),
            ("date('2024-02-29')", datetime.date(2024, 2, 29)),
            ("datetime('2024-02-29T01:00:00',0)", datetime.datetime(2024, 2, 29, 1)),
            (
                "datetime('2024-02-29T01:00:00+00:00',0,UTC)",
                datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.UTC),
            ),
            ("timedelta(1,2,3)", datetime.timedelta(1, 2, 3)),
            ("IPv4Address('10.0.0.1')", ipaddress.ip_address("10.0.0.1")),
            ("pathlib.PurePosixPath(a/b)", pathlib.PurePosixPath("a/b")),
            ("tests.core.test_rendering.Color(RED)", Color.RED),
            ("tests.core.test_rendering.Access('0')", Access(0)),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_text(self, expected: str, value: object) -> None:
        """Plain strings stand for themselves, all else looks as one would write it."""
        assert expected == render(value)


class TestEscape:
    @given(st.characters())
    def test_documented_only(self, character: str) -> None:
        """% ? # & = { }, white space, control characters, lone surrogates are encoded, and nothing else."""
        code = ord(character)
        is_unsafe = (
            character in DOCUMENTED
            or character.isspace()
            or code < 0x20
            or 0x7F <= code < 0xA0
            or 0xD800 <= code < 0xE000
        )
        encoded = "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))

        assert (encoded if is_unsafe else character) == escape(character)

    @given(texts, texts)
    def test_injective(self, one: str, other: str) -> None:
        """No two texts become the same."""
        assert (one == other) == (escape(one) == escape(other))

    def test_lone_surrogate(self) -> None:
        """Half a character is encoded, so that every key has bytes."""
        assert b"a%ED%A0%80" == escape("a\ud800").encode()


class TestIds:
    @pytest.mark.parametrize("value", [12345, "12345", UserId(12345), Email("12345")], ids=repr)
    def test_one_entity(self, value: object) -> None:
        """A number and its text are one id."""
        assert "12345" == render_id(value)

    @pytest.mark.parametrize(
        ("expected", "value"),
        [
            ("user@example.com", "user@example.com"),
            ("a:b", "a:b"),
            ("a%20b", "a b"),
            ("", ""),
            ("True", True),
            ("00000000-0000-0000-0000-000000000001", uuid.UUID(int=1)),
            ("2024-02-29", datetime.date(2024, 2, 29)),
            ("1.50", decimal.Decimal("1.50")),
        ],
        ids=repr,
    )
    def test_text(self, expected: str, value: object) -> None:
        """An id is its `str()`, escaped."""
        assert expected == render_id(value)

    @pytest.mark.parametrize("value", [[1], (1,), {1}, frozenset(), {}, object(), int], ids=repr)
    def test_no_defined_text(self, value: object) -> None:
        """What has no text of its own is refused, with the mend."""
        with pytest.raises(UnrenderableArgument, match="id_arg="):
            render_id(value)


@dataclasses.dataclass(frozen=True)
class Query:
    page: int


class Zone(datetime.tzinfo):
    def utcoffset(self, when: object) -> datetime.timedelta:
        return datetime.timedelta()


class TestUnrenderable:
    def test_says_what_it_is(self) -> None:
        """The message names the type and the mend, whether the value stands alone or in a list."""
        for value in (object(), [object()]):
            with pytest.raises(
                UnrenderableArgument, match=r"^A value of type builtins\.object .*arg_adapters"
            ):
                render(value)

    @pytest.mark.parametrize(
        "value",
        [
            object(),
            Query(1),
            int,
            len,
            lambda: 1,
            bytearray(b"a"),
            range(3),
            iter([]),
            Ellipsis,
            [object()],
            {1: [object()]},
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_refused(self, value: object) -> None:
        """A value of any other type is refused by the name of its type, however deep it lies."""
        with pytest.raises(UnrenderableArgument, match="arg_adapters") as caught:
            render(value)

        assert " at 0x" not in str(caught.value)

    def test_kinds(self) -> None:
        """The error is an InvalidKey, and a TypeError to those who know no better."""
        assert (True, True) == (
            issubclass(UnrenderableArgument, InvalidKey),
            issubclass(UnrenderableArgument, TypeError),
        )

    def test_self_containing(self) -> None:
        """A list that contains itself is refused, and not followed for ever."""
        loop: list[object] = []
        loop.append(loop)

        with pytest.raises(UnrenderableArgument, match="contains itself"):
            render(loop)

    def test_huge_number(self) -> None:
        """A number too long for Python to write is refused as every other value is."""
        for rendering in (render, render_id):
            with pytest.raises(UnrenderableArgument):
                rendering(10**5000)

    def test_address_in_zone(self) -> None:
        """A time zone that shows itself by its address in memory does not bring that into a key."""
        try:
            rendered = render(datetime.datetime(2024, 1, 1, tzinfo=Zone()))
        except UnrenderableArgument:
            rendered = ""

        assert "0x" not in rendered
