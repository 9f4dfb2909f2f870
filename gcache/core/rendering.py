"""Values as text that tells any two of them apart: the arguments in a key."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gcache.errors import UnrenderableArgument

if TYPE_CHECKING:
    import datetime

UNSAFE = re.compile("[%?#&={}\\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = re.compile(r"[^\W\d][^'(),:\[\]]*")
MEMORY = 4_096
SHORT = 100  # so what is remembered takes a few MB at most
WORDS = frozenset({"None", "True", "False", "nan", "inf"})


def escape(text: str) -> str:
    """Percent-encode what would end a component of a key, white space and control characters."""
    return text if text.isalnum() else UNSAFE.sub(_percent, text)


def render_id(value: object) -> str:
    """Return an entity's id as text: its `str()`, escaped. Raises UnrenderableArgument."""
    if type(value) is str:
        return ESCAPED.get(value) or (ESCAPED[value] if UNSAFE.search(value) else value)
    kind = type(value)
    if kind is int or (kind not in _CONTAINERS and _renderer_of(kind) is not None):
        try:
            return escape(str(value))
        except ValueError as error:
            raise _too_long(error) from None
    raise UnrenderableArgument(
        f"An id of type {_name(kind)} has no defined text: take a string or a number out of it, "
        'for a cached function with id_arg=("argument", lambda value: ...).'
    )


def seek_id(value: object) -> str:
    """Return what `render_id` does, sooner, or else a text that is in no key's string: to look keys up with.

    That may be an id left as it is though a letter in it is escaped in keys. There are as many of these in a
    key's string as its form takes, so with one in the id there is one too many, or in the wrong place. Not so
    with "%", which escaped ones begin with, and "=", as another key may have arguments.
    """
    if type(value) is str:
        text = ESCAPED.get(value)
        if text is not None:
            return text
        if not ("%" in value or "=" in value or " " in value or "&" in value or "#" in value):
            return value
    return render_id(value)


def render(value: object) -> str:
    """Return an argument as text, different for different values. Raises UnrenderableArgument."""
    if type(value) is str and value.isidentifier() and value not in WORDS:
        return value
    try:
        return escape(_render(value))
    except UnrenderableArgument:
        raise
    except RecursionError:
        raise UnrenderableArgument(
            "A value that contains itself, or is nested very deeply, has no defined text: give its "
            "argument an adapter with arg_adapters={...}."
        ) from None
    except ValueError as error:
        raise _too_long(error) from None


class Remembered(dict[str, str]):
    """What strings were made into before. There is room for MEMORY short ones, then for others."""

    def __init__(self, make: Callable[[str], str]) -> None:
        self._make = make

    def __missing__(self, text: str) -> str:
        made = self._make(text)
        if len(text) <= SHORT:
            if len(self) >= MEMORY:
                self.clear()
            self[text] = made
        return made


ESCAPED = Remembered(escape)
"""`render_id` of strings that it changes."""
RENDERED = Remembered(render)
"""`render` of strings."""


def _render(value: object) -> str:
    renderer = _renderer_of(type(value))
    if renderer is None:
        raise UnrenderableArgument(
            f"A value of type {_name(type(value))} has no defined text in a key: give its argument an "
            "adapter with arg_adapters={...}, or leave it out of the key with ignore_args=[...]."
        )
    return renderer(value)


def _too_long(error: ValueError) -> UnrenderableArgument:
    return UnrenderableArgument(f"A number is too long to be written out ({error}): give it an adapter.")


def _renderer_of(kind: type) -> Callable[[Any], str] | None:
    exact = _PLAIN_TYPES.get(kind) or _CONTAINERS.get(kind)
    if exact is not None:
        return exact
    if issubclass(kind, enum.Enum):
        return _enum
    for base in kind.__mro__[:-1]:
        inherited = _SCALARS.get(_name(base))
        if inherited is not None:
            return inherited
    return None


def _quote(text: str) -> str:
    if _PLAIN.fullmatch(text) and text not in WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"


@functools.cache
def _percent_of(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def _percent(match: re.Match[str]) -> str:
    return _percent_of(match[0])


def _name(cls: type) -> str:
    module = "pathlib" if cls.__module__ == "pathlib._local" else cls.__module__  # as 3.13 calls it
    return f"{module}.{cls.__qualname__}"


def _tag(cls: type) -> str:
    return cls.__name__ if _name(cls) in _SCALARS else _name(cls)


def _tagged(value: object) -> str:
    return f"{_tag(type(value))}({_quote(str(value))})"


def _derived(value: object, text: str) -> str:
    return f"{_name(type(value))}({text})"


def _enum(value: enum.Enum) -> str:
    name: str = value.name or repr(value.value)  # unnamed bits of a flag have no name
    return f"{_name(type(value))}({_quote(name)})"


def _moment(value: datetime.datetime | datetime.time) -> str:
    zone = "" if value.tzinfo is None else f",{_zone(value.tzinfo)}"
    return f"{_tag(type(value))}({_quote(value.isoformat())},{value.fold}{zone})"


def _zone(zone: datetime.tzinfo) -> str:
    import datetime

    no_text = object.__repr__, datetime.tzinfo.__repr__
    if type(zone).__str__ is object.__str__ and type(zone).__repr__ in no_text:
        raise UnrenderableArgument(
            f"A time zone of type {_name(type(zone))} has no defined text: use zoneinfo.ZoneInfo."
        )
    return _quote(str(zone))


def _span(value: datetime.timedelta) -> str:
    return f"timedelta({value.days},{value.seconds},{value.microseconds})"


def _series(opening: str, closing: str) -> Callable[[Any], str]:
    return lambda values: opening + ",".join(map(_render, values)) + closing


def _unordered(opening: str) -> Callable[[Any], str]:
    return lambda values: opening + ",".join(sorted(map(_render, values))) + ")"


def _mapping(value: dict[object, object]) -> str:
    return "dict(" + ",".join(sorted(f"{_render(k)}:{_render(v)}" for k, v in value.items())) + ")"


_PLAIN_TYPES: dict[type, Callable[[Any], str]] = {
    str: _quote,
    int: int.__repr__,
    float: float.__repr__,
    bool: repr,
    type(None): repr,
}
_CONTAINERS: dict[type, Callable[[Any], str]] = {
    list: _series("[", "]"),
    tuple: _series("(", ")"),
    set: _unordered("set("),
    frozenset: _unordered("frozenset("),
    dict: _mapping,
}
# By name, so that no module is imported for the sake of a type that nobody passes.
_SCALARS: dict[str, Callable[[Any], str]] = {
    "builtins.str": lambda value: _derived(value, _quote(str.__str__(value))),
    "builtins.int": lambda value: _derived(value, int.__repr__(value)),
    "builtins.float": lambda value: _derived(value, float.__repr__(value)),
    "builtins.complex": _tagged,
    "builtins.bytes": lambda value: f"bytes({value.hex()})",
    "decimal.Decimal": _tagged,
    "fractions.Fraction": _tagged,
    "uuid.UUID": _tagged,
    "datetime.datetime": _moment,
    "datetime.time": _moment,
    "datetime.date": _tagged,
    "datetime.timedelta": _span,
    "ipaddress.IPv4Address": _tagged,
    "ipaddress.IPv6Address": _tagged,
    "ipaddress.IPv4Network": _tagged,
    "ipaddress.IPv6Network": _tagged,
    "pathlib.PurePath": _tagged,
}
