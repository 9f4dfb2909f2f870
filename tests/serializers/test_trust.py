# ruff: noqa: F401, F821, UP006, UP007, UP045
from __future__ import annotations

import abc
import collections
import enum
import functools
import http
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import types
import typing
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import attr
import attrs
import pydantic
import pytest

from gcache.serializers import PickleSerializer
from gcache.serializers.trust import classes_named_by

if typing.TYPE_CHECKING:
    pass

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntFlag):
    LOW = 1


@dataclass
class Item:
    price: Decimal
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Order:
    id: UUID
    items: list[Item]
    parent: Optional[Order] = None


@dataclass(frozen=True)
class Special(Order):
    extra: Level = Level.LOW


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class ItemBox(Box[Item]):
    pass


class Items(list[Item]):
    pass


@attrs.define
class AttrsOrder:
    items: tuple[Item, ...]
    date: datetime | None = None


@attr.s
class OldAttrs:
    item = attr.ib(type=Item)


class Model(pydantic.BaseModel):
    items: dict[str, Item]
    again: Model | None = None
    _secret: Level = pydantic.PrivateAttr(default=Level.LOW)


class ModelBox(pydantic.BaseModel, Generic[T]):
    contents: list[T]


class Site(pydantic.BaseModel):
    url: pydantic.HttpUrl
    password: pydantic.SecretStr


class Pair(NamedTuple):
    left: Item
    right: Level


class Row(TypedDict):
    item: Item
    deep: list[Inner]


class Inner(TypedDict, total=False):
    level: typing.Required[Level]


class Wide(Inner):
    pair: Pair


class Plain:
    item: Item
    shared: ClassVar[Pair]
    constant: Final[Level] = Level.LOW

    def __init__(self) -> None:
        self.other = 1


class Left:
    right: Right


class Right:
    left: Left


class Shape(Protocol):
    colour: Colour


class Abstract(abc.ABC):
    item: Item

    @abc.abstractmethod
    def area(self) -> float: ...


class Empty(abc.ABC):  # noqa: B024
    pass


class Square(Abstract):
    side: Level

    def area(self) -> float:
        return 1.0


class Meta(type):
    pass


class Shadowing:
    Item: Item | None = None


OrderId = NewType("OrderId", Item)
Json = Union[dict[str, "Json"], list["Json"], str, Item]
Alias = dict[str, "list[Order]"]


def returning(annotation: object) -> Callable[[], object]:
    def function() -> object:
        return None

    function.__annotations__["return"] = annotation
    return function


ITEM = {Item, Colour}
ORDER = {Order, *ITEM}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("Item", ITEM),
        (Item, ITEM),
        ("Order", ORDER),
        ("Item | None", ITEM),
        (Optional[Item], ITEM),
        (Union[Item, Order, int], ORDER),
        ("list[Item]", ITEM),
        (list["Item"], ITEM),
        (typing.List["Item"], ITEM),
        ("dict[Colour, set[Level]]", {Colour, Level}),
        ("tuple[Item, ...]", ITEM),
        ("tuple[int, Pair]", {Pair, Level, *ITEM}),
        ("Annotated[Item, Level.LOW, 'note']", ITEM),
        ("Literal[Colour.RED, 'Order', 1]", {Colour}),
        ("OrderId", ITEM),
        ("Json", ITEM),
        ("Alias", ORDER),
        ("Awaitable[Item]", ITEM),
        ("Coroutine[Any, Any, Item]", ITEM),
        ("AsyncIterator[Item]", ITEM),
        ("Sequence[Item]", ITEM),
        ("Mapping[str, Iterable[Item]]", ITEM),
        ("collections.defaultdict[str, collections.deque[Item]]", ITEM),
        ("Special", {Special, Level, *ORDER}),
        ("Box[Item]", {Box, *ITEM}),
        ("Box[Box[Item]]", {Box, *ITEM}),
        ("Box", {Box}),
        ("ItemBox", {ItemBox, *ITEM}),
        ("Items", {Items, *ITEM}),
        ("AttrsOrder", {AttrsOrder, *ITEM}),
        ("OldAttrs", {OldAttrs, *ITEM}),
        ("Model", {Model, Level, *ITEM}),
        ("ModelBox[Item]", {ModelBox, ModelBox[Item], *ITEM}),
        ("Pair", {Pair, Level, *ITEM}),
        ("Row", {Level, *ITEM}),
        ("Wide", {Pair, Level, *ITEM}),
        ("Plain", {Plain, Level, *ITEM}),
        ("Left", {Left, Right}),
        ("Square", {Square, Level, *ITEM}),
        ("Shadowing", {Shadowing, *ITEM}),
        ("Colour", {Colour}),
        ("Level", {Level}),
    ],
    ids=str,
)
def test_the_classes_of_an_annotation_are_found(annotation: object, expected: set[type]) -> None:
    """Whatever its form, the classes in it and those in their fields are found, and no others."""
    assert expected == classes_named_by(returning(annotation))


@pytest.mark.parametrize(
    "annotation",
    [
        None,
        "None",
        "int",
        "list[dict[str, Decimal | datetime | UUID | None]]",
        "pathlib.Path",
        "types.SimpleNamespace",
        "Any",
        "object",
        "type",
        "type[Item]",
        "typing.Type[Item]",
        "Callable[[Item], Order]",
        "typing.Callable[[Item], Order]",
        "Callable",
        "Iterable",
        "typing.Hashable",
        "Meta",
        "types.FunctionType",
        "types.ModuleType",
        "types.CodeType",
        "Shape",
        "Abstract",
        "Empty",
        "T",
        "Generic",
        "Protocol",
        "enum",
        "BaseException",
        "subprocess.Popen[bytes]",
        "threading.Thread",
        "tempfile.TemporaryDirectory[str]",
        "functools.partial[Item]",
        "statistics.NormalDist",
        "typing.Self",
        "typing.NoReturn",
        "typing.LiteralString",
    ],
)
def test_what_is_plain_or_is_no_data_is_not_found(annotation: object) -> None:
    """Plain data needs no trust; code, abstractions and the machinery of the standard library get none."""
    found = classes_named_by(returning(annotation))

    assert frozenset() == found - ITEM


def test_popen_is_not_trusted_because_it_is_annotated() -> None:
    """A class of the standard library that acts is left out, though what stands beside it is found."""
    assert ITEM == classes_named_by(returning("tuple[subprocess.Popen[bytes], Item]"))


def test_enums_and_named_tuples_of_the_standard_library_are_found() -> None:
    """These are data, wherever they come from."""
    expected = {http.HTTPStatus, urllib.parse.ParseResult}

    assert expected == classes_named_by(returning("dict[http.HTTPStatus, urllib.parse.ParseResult]"))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("OnlyForTypes", set()),
        ("OnlyForTypes | Item", ITEM),
        ("list[OnlyForTypes | Item]", ITEM),
        ("OnlyForTypes[Item]", ITEM),
        ("missing.module.Thing | Item", ITEM),
        ("dict[Missing, list[Item]]", ITEM),
        (list["Missing | Item"], ITEM),
        (Union["Missing", "Item"], ITEM),
        ("not python", set()),
        ("", set()),
        ("1 / 0", set()),
        ("Item.missing", set()),
        (3, set()),
        (object(), set()),
    ],
    ids=str,
)
def test_what_cannot_be_resolved_is_left_out(annotation: object, expected: set[type]) -> None:
    """A name that is missing costs itself only; nothing raises."""
    assert expected == classes_named_by(returning(annotation))


def test_a_function_without_an_annotation_names_nothing() -> None:
    """Parameters are not what is stored, and a missing annotation is no error."""

    def function(item: Item):  # type: ignore[no-untyped-def]
        return item

    assert frozenset() == classes_named_by(function)


@pytest.mark.parametrize("thing", [len, functools.partial(len), print, object(), None, Item, "x"], ids=repr)
def test_what_is_no_function_names_nothing(thing: Any) -> None:
    """Anything may be asked."""
    assert frozenset() == classes_named_by(thing)


def test_a_class_of_a_function_is_found_where_the_function_uses_it() -> None:
    """What the function closes over can be resolved; what it does not is left out."""

    @dataclass
    class Used:
        item: Item

    @dataclass
    class Unused:
        x: int

    def function() -> Used | Unused:
        return Used(Item(Decimal(1)))

    assert {Used, *ITEM} == classes_named_by(function)


def test_wrappers_are_looked_through() -> None:
    """A decorated function, a method, a class method and a static method are what they wrap."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any) -> Any:
            return function(*args)

        return inner

    class Service:
        @decorated
        def get(self) -> Item: ...  # type: ignore[empty-body]

        @classmethod
        def all(cls) -> Item: ...  # type: ignore[empty-body]

        @staticmethod
        async def one() -> Item: ...  # type: ignore[empty-body]

    for function in (
        Service.get,
        Service().get,
        Service.all,
        Service.one,
        Service.__dict__["all"],
        Service.__dict__["one"],
    ):
        assert ITEM == classes_named_by(function)


def test_pydantic_fields_with_types_of_its_own_come_back() -> None:
    """What pydantic puts into its URLs and secrets is found, although no annotation names it."""
    site = Site(url=pydantic.HttpUrl("https://example.com/a"), password=pydantic.SecretStr("x"))
    serializer = PickleSerializer(trusted=classes_named_by(returning("Site")))

    assert site == serializer.load(serializer.dump(site))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("Order", Order(UUID(int=1), [Item(Decimal(1), Colour.RED)], Order(UUID(int=2), []))),
        ("Box[Item]", Box(Item(Decimal(1)))),
        ("AttrsOrder", AttrsOrder((Item(Decimal(1)),), datetime(2024, 1, 1))),
        ("Model", Model(items={"a": Item(Decimal(1))}, again=Model(items={}))),
        ("ModelBox[Item]", ModelBox[Item](contents=[Item(Decimal(1))])),
        ("ModelBox[Item]", ModelBox(contents=[Item(Decimal(1))])),
        ("Row", {"item": Item(Decimal(1)), "deep": [{"level": Level.LOW}]}),
        ("Pair", Pair(Item(Decimal(1)), Level.LOW)),
        ("list[Items]", [Items([Item(Decimal(1))])]),
    ],
    ids=str,
)
def test_a_value_of_the_annotated_type_can_be_stored(annotation: str, value: object) -> None:
    """What the annotation promises is what a serializer that trusts its classes gives back."""
    serializer = PickleSerializer(trusted=classes_named_by(returning(annotation)))

    actual = serializer.load(serializer.dump(value))

    assert value == actual
    assert type(value) is type(actual)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is of Python 3.12")
def test_the_syntax_of_type_parameters_is_understood() -> None:
    """Type aliases, generic functions and generic classes of the newer syntax are followed."""
    module = types.ModuleType("newer_syntax")
    module.__dict__.update(Item=Item, dataclass=dataclass)
    source = (
        "type Tree[K] = dict[K, Tree[list[K]]] | Item\n"
        "type Lost = dict[str, Missing]\n"
        "@dataclass\nclass Crate[K]:\n    content: K\n"
        "def tree[K](key: K) -> Tree[Crate[K]] | K: ...\n"
        "def lost() -> Lost | Item: ...\n"
    )
    sys.modules["newer_syntax"] = module
    try:
        exec(source, module.__dict__)

        assert {module.Crate, *ITEM} == classes_named_by(module.tree)
        assert ITEM == classes_named_by(module.lost)
    finally:
        del sys.modules["newer_syntax"]


def test_a_class_without_a_module_is_found() -> None:
    """Where a class's module is gone, the names in its annotations cannot be resolved, the classes can."""
    cls = type("Gone", (), {"__module__": "gone", "__annotations__": {"item": "Item", "level": Level}})

    assert {cls, Level} == classes_named_by(returning(cls))
