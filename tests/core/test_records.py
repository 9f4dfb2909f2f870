import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from gcache.core.records import Record


class Made(Record):
    first: int
    second: str = "b"
    third: tuple[int, ...] = ()

    def doubled(self) -> int:
        return 2 * self.first


class Reference(NamedTuple):
    first: int
    second: str = "b"
    third: tuple[int, ...] = ()

    def doubled(self) -> int:
        return 2 * self.first


CALLS: list[Callable[[Any], Any]] = [
    lambda kind: kind(1),
    lambda kind: kind(1, "x", (3,)),
    lambda kind: kind(1, third=(3,)),
    lambda kind: kind(third=(3,), first=1),
    lambda kind: kind._make([1, "x", ()]),
    lambda kind: kind(1)._replace(second="y"),
]
MISTAKES: list[Callable[[Any], Any]] = [
    lambda kind: kind(),
    lambda kind: kind(second="x"),
    lambda kind: kind(1, "x", (), 4),
    lambda kind: kind(1, first=1),
    lambda kind: kind(1, fourth=4),
    lambda kind: kind(1, "x", (), fourth=4),
    lambda kind: kind._make([1, "x", (), 4]),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "look",
    [
        tuple,
        len,
        hash,
        lambda record: repr(record).partition("(")[2],
        lambda record: record._asdict(),
        lambda record: (record.first, record.second, record.third, record.doubled()),
        lambda record: (record._fields, record._field_defaults, record.__match_args__),
        lambda record: record == (1, "b", ()),
        lambda record: sorted([record, (0,)]),
    ],
)
def test_named_tuple(look: Callable[[Any], Any], call: Callable[[Any], Any]) -> None:
    """A record is made, and is, what a named tuple of the same fields would be."""
    assert look(call(Reference)) == look(call(Made))


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("kind", [Made, Reference])
def test_mistakes(kind: Any, mistake: Callable[[Any], Any]) -> None:
    """A value too many, too few, twice or for no field is a TypeError, as of any call."""
    with pytest.raises(TypeError):
        mistake(kind)


@pytest.mark.parametrize("kind", [Made, Reference])
def test_no_such_field(kind: Any) -> None:
    """A field that is none cannot be replaced."""
    with pytest.raises((TypeError, ValueError)):
        kind(1)._replace(fourth=4)


def test_immutable() -> None:
    """A record holds its fields and nothing else, for good."""
    record: Any = Made(1)

    for name in ("first", "other"):
        with pytest.raises(AttributeError):
            setattr(record, name, 2)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies(copied: Callable[[Any], Any]) -> None:
    """A copy of a record is one, with the same fields."""
    copied_record = copied(Made(1, third=(3,)))

    assert (Made, (1, "b", (3,))) == (type(copied_record), tuple(copied_record))


def test_match() -> None:
    """A record is matched by the places of its fields and by their names."""
    match Made(1, "x"):
        case Made(first, second, third=third):
            assert (1, "x", ()) == (first, second, third)


def test_subclass() -> None:
    """A class that is made of a record's has its fields."""

    class Special(Made):
        pass

    assert (1, "x", ()) == (Special(1, "x").first, Special(1, "x").second, Special(1, "x").third)
