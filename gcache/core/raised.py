"""Exceptions made again: of their class, arguments and attributes, without running any of their code."""

from __future__ import annotations

from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from gcache.errors import SerializationError

if TYPE_CHECKING:
    from gcache.core.protocols import Serializer


def dumped(error: Exception, serializer: Serializer, classes: tuple[type[Exception], ...]) -> bytes:
    """Return bytes that `loaded` makes an exception of which is like `error`. Raises SerializationError."""
    data = serializer.dump([_name(type(error)), list(error.args), _attributes(error)])
    twin = loaded(data, serializer, classes)
    if not _are_alike(twin, error):
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


def once_more(error: Exception) -> Exception:
    """Return an exception like `error`, without the traceback and the notes of who has raised it before.

    One that cannot be made again is returned as it is, without its traceback.
    """
    try:
        twin = type(error).__new__(type(error), *error.args)
        twin.args = error.args
        vars(twin).update(_attributes(error))
        if _are_alike(twin, error):
            return twin
    except Exception:
        pass
    return error.with_traceback(None)


def _attributes(error: Exception) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if name != "__notes__"}


def _are_alike(twin: Exception, error: Exception) -> bool:
    """Tell whether two exceptions are the same but for where they were raised, as far as pickling knows."""
    return (
        type(twin) is type(error)
        and str(twin) == str(error)
        and (twin.args, _attributes(twin), _slots(twin)) == (error.args, _attributes(error), _slots(error))
    )


def _slots(error: Exception) -> list[Any]:
    """Return what an exception knows besides: in slots of its class, or of the interpreter's own."""
    names = [
        name
        for cls in type(error).__mro__
        for name, member in vars(cls).items()
        if isinstance(member, MemberDescriptorType)
    ]
    return [getattr(error, name, None) for name in names]


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
