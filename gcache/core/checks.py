"""Whether what an application configures makes sense, and what to say if it does not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import attrs

from gcache.errors import GCacheConfigError

EVERY_LAYER = "*"
_LARGEST = sys.float_info.max


def number(what: str, value: Any) -> float:
    """Return `value` if it is a finite number. Raises GCacheConfigError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise GCacheConfigError(f"{what} is {value!r}: give a number.")
    return value


def is_count(value: object) -> bool:
    """Tell whether `value` is a whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def by_layer(what: str, value: Any, example: str) -> dict[str, Any]:
    """Return a copy of `value` if it says something for each layer. Raises GCacheConfigError."""
    if not isinstance(value, Mapping):
        raise GCacheConfigError(f"{what} is {value!r}: give a value for each layer, as in {example}.")
    return dict(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def said_of(layer: str, said: Mapping[str, float]) -> float | None:
    """Return what is said of `layer`, by its name or for every layer that is not named."""
    return said.get(layer, said.get(EVERY_LAYER))


# What attrs would compile for each of its classes, which takes so long that one for all is better.


def shown(self: Any) -> str:
    """Return the `repr` of an instance."""
    cls: Any = self.__class__
    fields = [each for each in attrs.fields(cls) if each.repr]
    texts = [(repr if each.repr is True else each.repr)(getattr(self, each.name)) for each in fields]
    named = ", ".join(f"{each.name}={text}" for each, text in zip(fields, texts, strict=True))
    return f"{cls.__qualname__}({named})"


def alike(self: Any, other: object) -> Any:
    """Tell whether two are equal: instances of one class, with equal fields."""
    fields = attrs.fields(self.__class__)
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(getattr(self, each.name) == getattr(other, each.name) for each in fields)


def hashed(self: Any) -> int:
    """Return the hash of an instance, if all its fields have one."""
    cls: Any = self.__class__
    return hash((cls, *[getattr(self, each.name) for each in attrs.fields(cls)]))
