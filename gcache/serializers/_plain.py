"""The data types of the standard library, and how each is taken apart and made again."""

from __future__ import annotations

import ipaddress
import pathlib
import re
import sys
import types
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

from gcache.core.records import Record
from gcache.errors import SerializationError

Parts: TypeAlias = tuple[Any, ...]
"""Arguments, then perhaps state, list items and dict items, as `__reduce__` has them after its callable."""


class Recipe(Record):
    take: Callable[[Any], Parts]
    """An instance -> its parts."""

    make: Callable[..., Any]
    """The arguments among the parts, hostile ones too -> an instance. It neither acts nor loops on them."""


# The pickler writes instances of these without asking anybody.
_BUILT_IN = frozenset(
    [type(None), bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset]
)

_MACHINERY = frozenset(["builtins", "types", "typing", "collections.abc", "_io", "_thread"])

_PATHS: tuple[type, ...] = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
)

_ADDRESSES: tuple[type, ...] = (
    ipaddress.IPv4Address,
    ipaddress.IPv4Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Address,
    ipaddress.IPv6Network,
    ipaddress.IPv6Interface,
)

_zone_key = re.compile(r"[\w+-]+(?:/[\w+-]+)*", re.ASCII).fullmatch


def _reduced(value: Any) -> Parts:
    _, *parts = value.__reduce_ex__(5)
    return tuple(parts)


def _attributes(*names: str) -> Callable[[Any], Parts]:
    def take(value: Any) -> Parts:
        return (tuple(getattr(value, name) for name in names),)

    return take


def _decimal(text: str) -> Decimal:
    if type(text) is not str:
        raise TypeError("A Decimal is made of a str.")
    return Decimal(text)


def _fraction(numerator: int, denominator: int) -> Fraction:
    if not (type(numerator) is type(denominator) is int):
        raise TypeError("A Fraction is made of two ints.")
    return Fraction(numerator, denominator)


def _uuid(number: int, safety: str) -> UUID:
    if type(number) is not int:
        raise TypeError("A UUID is made of an int.")
    return UUID(int=number, is_safe=SafeUUID[safety])


def _zone(key: str) -> ZoneInfo:
    # A key is a path below the system's zones, and then below the package tzdata; this one stays there.
    if not _zone_key(key):
        raise ValueError("This is no time zone's key.")
    return ZoneInfo(key)


def _take_zone(zone: ZoneInfo) -> Parts:
    if zone.key is None or not _zone_key(zone.key):  # pyright: ignore[reportUnnecessaryComparison]
        raise SerializationError(f"{zone!r} has no key to be found by: use one that ZoneInfo(key) returns.")
    return ((zone.key,),)


def _take_uuid(value: UUID) -> Parts:
    return ((value.int, value.is_safe.name),)


def _safety(name: str) -> SafeUUID:
    return SafeUUID[name]


def _ordered_dict() -> OrderedDict[Any, Any]:
    return OrderedDict()


def _counter() -> Counter[Any]:
    return Counter()


def _take_counter(value: Counter[Any]) -> Parts:
    return (), None, None, iter(value.items())


def _deque(size: int | None) -> deque[Any]:
    return deque(maxlen=size)


def _take_deque(value: deque[Any]) -> Parts:
    return (value.maxlen,), None, iter(value)


def _namespace() -> types.SimpleNamespace:
    return types.SimpleNamespace()


def _take_chain_map(value: ChainMap[Any, Any]) -> Parts:
    return (tuple(value.maps),)


PLAIN: dict[type, Recipe] = {
    complex: Recipe(_attributes("real", "imag"), complex),
    range: Recipe(_attributes("start", "stop", "step"), range),
    slice: Recipe(_attributes("start", "stop", "step"), slice),
    date: Recipe(_reduced, date),
    datetime: Recipe(_reduced, datetime),
    time: Recipe(_reduced, time),
    timedelta: Recipe(_reduced, timedelta),
    timezone: Recipe(_reduced, timezone),
    ZoneInfo: Recipe(_take_zone, _zone),
    Decimal: Recipe(_reduced, _decimal),
    Fraction: Recipe(_attributes("numerator", "denominator"), _fraction),
    UUID: Recipe(_take_uuid, _uuid),
    SafeUUID: Recipe(_attributes("name"), _safety),
    OrderedDict: Recipe(_reduced, _ordered_dict),
    Counter: Recipe(_take_counter, _counter),
    deque: Recipe(_take_deque, _deque),
    ChainMap: Recipe(_take_chain_map, ChainMap),
    types.SimpleNamespace: Recipe(_reduced, _namespace),
    **{cls: Recipe(_reduced, cls) for cls in _PATHS},
    **{cls: Recipe(_reduced, cls) for cls in _ADDRESSES},
}
"""The classes whose instances are plain data by a recipe. A `defaultdict` takes one that knows factories."""

FACTORIES: dict[str, type] = {cls.__name__: cls for cls in (*_BUILT_IN, *PLAIN, defaultdict)}
"""What a `defaultdict` may make its values with, by name."""


def is_plain(cls: type) -> bool:
    """Tell whether instances of `cls` itself, not of its subclasses, are stored without being trusted."""
    return cls in _BUILT_IN or cls in PLAIN or cls is defaultdict


def is_trustable(cls: type) -> bool:
    """Tell whether instances of `cls` can be data at all: those of `type` or of `FunctionType` are code."""
    return type not in cls.__mro__ and (cls.__module__ not in _MACHINERY or BaseException in cls.__mro__)


def is_standard(cls: type) -> bool:
    """Tell whether `cls` belongs to the standard library."""
    return cls.__module__.partition(".")[0] in sys.stdlib_module_names


def full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
