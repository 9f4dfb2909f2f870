"""Whether what came back is what was handed over."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

_ATOMS = (type(None), bool, int, float, complex, str, bytes, type, enum.Enum)


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values, and all parts of built-in containers in them, are equal and of one type."""
    kind = cast("type[object]", type(one))
    if kind is not type(other):
        return False
    if isinstance(one, list | tuple):
        ours, theirs = cast("list[Any]", one), cast("list[Any]", other)
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(one, dict):
        mine, yours = cast("Mapping[Any, Any]", one), cast("Mapping[Any, Any]", other)
        return _typed(mine) == _typed(yours) and all(alike(mine[key], yours[key]) for key in mine)
    if isinstance(one, set | frozenset):
        return _typed(cast("set[Any]", one)) == _typed(cast("set[Any]", other))
    if isinstance(one, float):
        return repr(one) == repr(other)
    return bool(one == other)


def _typed(parts: Iterable[Any]) -> set[tuple[Any, Any]]:
    return {(type(part), part) for part in parts}


def parts_that_change(value: Any) -> Iterator[Any]:
    """Yield what can be changed in `value`: containers, and objects whose attributes can be set."""
    pending, met = [value], set[int]()
    while pending:
        part = pending.pop()
        if isinstance(part, _ATOMS) or id(part) in met:
            continue
        met.add(id(part))
        pending.extend(_parts(part))
        if isinstance(part, list | dict | set | bytearray) or _is_open(part):
            yield cast("Any", part)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for pair in cast("Mapping[Any, Any]", value).items():
            yield from pair
    elif isinstance(value, list | tuple | set | frozenset):
        yield from cast("list[Any]", value)
    attributes: dict[str, Any] = getattr(cast("Any", value), "__dict__", {})
    yield from attributes.values()


def _is_open(value: Any) -> bool:
    kind = type(cast("object", value))
    setter: object = kind.__setattr__
    return hasattr(value, "__dict__") and setter is object.__setattr__
