"""What a decorator says about the values of its function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gcache.core.records import Record
from gcache.core.runtime import is_awaited
from gcache.errors import DecorationError


class Rules(Record):
    """What may be kept, and who gets it.

    Exceptions of `exceptions` are kept like values. Only values are kept of which `cache_if` is true. With
    `copies` everybody gets a copy of what this process keeps.
    """

    exceptions: tuple[type[Exception], ...] = ()
    cache_if: Callable[[Any], object] | None = None
    copies: bool = False


def rules_of(exceptions: Any, cache_if: Callable[[Any], object] | None, isolate: object) -> Rules:
    """Return what the arguments of a decorator say. Raises DecorationError."""
    given: Any = exceptions
    if isinstance(exceptions, type | str) or not isinstance(exceptions, Iterable):
        raise DecorationError(
            f"cache_exceptions is {exceptions!r}: give a tuple of exception classes, as in (NotFound,)."
        )
    classes = tuple(given)
    for cls in classes:
        if not isinstance(cls, type) or not issubclass(cls, Exception):
            raise DecorationError(f"cache_exceptions has {cls!r}: name classes derived from Exception.")
    if cache_if is not None and not callable(cache_if):
        raise DecorationError(f"cache_if is {cache_if!r}: give a function of the loaded value.")
    if cache_if is not None and is_awaited(cache_if):
        raise DecorationError(
            f"cache_if is {cache_if!r}, which is async: give a function that answers at once."
        )
    if isolate not in (None, "copy"):
        raise DecorationError(f'isolate is {isolate!r}: give "copy", or leave it out.')
    return Rules(classes, cache_if, isolate == "copy")
