"""Exceptions as bytes: their class by name, their arguments and attributes. Loading runs none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcache.errors import SerializationError

if TYPE_CHECKING:
    from gcache.core.protocols import Serializer


def dumped(error: Exception, serializer: Serializer, classes: tuple[type[Exception], ...]) -> bytes:
    """Return bytes that `loaded` makes an exception of which is like `error`. Raises SerializationError."""
    state = {name: value for name, value in vars(error).items() if name != "__notes__"}
    data = serializer.dump([_name(type(error)), list(error.args), state])
    twin = loaded(data, serializer, classes)
    if type(twin) is not type(error) or twin.args != error.args or str(twin) != str(error):
        raise SerializationError(
            f"{type(error).__name__} would not come back as it is: let it keep all it knows in its arguments "
            "and attributes."
        )
    return data


def loaded(data: bytes, serializer: Serializer, classes: tuple[type[Exception], ...]) -> Exception:
    """Return the exception in `data`, if it is of `classes` or of a class derived from one of them.

    No `__init__` runs. Raises anything for all else.
    """
    name, args, state = serializer.load(data)
    found = _found(name, classes)
    if found is None:
        raise SerializationError(f"{name!r} is none of the exceptions that this function lets be cached.")
    error = found.__new__(found, *args)
    error.args = tuple(args)
    vars(error).update(state)
    return error


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _found(name: str, classes: tuple[type[Exception], ...]) -> type[Exception] | None:
    ahead, seen = list(classes), set[type]()
    while ahead:
        cls = ahead.pop()
        if _name(cls) == name:
            return cls
        if cls not in seen:
            seen.add(cls)
            ahead.extend(cls.__subclasses__())
    return None
