"""Whether caching is enabled here: off, until somebody says otherwise for a block or a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, ParamSpec, TypeVar, cast

from gcache.errors import DecorationError

P = ParamSpec("P")
R = TypeVar("R")


def is_generator(function: object) -> bool:
    """Tell whether calling `function` makes a generator, sync or async."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


class Switch:
    """Caching on or off for the length of a `with` block, or of the calls of a decorated function."""

    __slots__ = ("_on", "_tokens", "_variable")

    def __init__(self, variable: ContextVar[bool], on: bool) -> None:
        self._variable = variable
        self._on = on
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(self._variable.set(self._on))

    def __exit__(self, *_: object) -> None:
        token = self._tokens.pop()
        try:
            self._variable.reset(token)
        except ValueError:  # left in another context than entered, as test fixtures on event loops do
            self._variable.set(token.old_value is True)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function` with caching on or off while it runs, sync or async."""
        variable, on = self._variable, self._on
        if is_generator(function):
            raise DecorationError(
                f"{function.__qualname__} is a generator: its caller would run with caching switched between "
                "two values. Use `with gcache.enable():` inside it."
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Switch(variable, on):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", awaited)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            with Switch(variable, on):
                return function(*args, **kwargs)

        return called
