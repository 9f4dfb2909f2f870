"""Whether caching is enabled here: off, until somebody says otherwise for a block or a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast

from gcache.errors import DecorationError

P = ParamSpec("P")
R = TypeVar("R")


def is_generator(function: object) -> bool:
    """Tell whether calling `function` makes a generator, sync or async."""
    while isinstance(function, functools.partial):
        function = function.func
    return any(
        inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)
        for called in (function, inspect.getattr_static(type(function), "__call__", None))
    )


class Switch:
    """Caching on or off for the length of a `with` block, or of the calls of a decorated function.

    Blocks of generators may end in another order than they began, or in another context. So what holds
    after one is what the last of those that are still open says.
    """

    __slots__ = ("_on", "_variable")

    def __init__(self, variable: ContextVar[bool], on: bool) -> None:
        self._variable = variable
        self._on = on

    def __enter__(self) -> None:
        _open.set((*_open.get(), self))
        self._variable.set(self._on)

    def __exit__(self, *_: object) -> None:
        still_open = list(_open.get())
        for place in reversed(range(len(still_open))):
            if still_open[place] is self:
                del still_open[place]
                break
        _open.set(tuple(still_open))
        mine = [switch._on for switch in still_open if switch._variable is self._variable]
        self._variable.set(bool(mine) and mine[-1])

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function` with caching on or off while it runs, sync or async."""
        variable, on = self._variable, self._on
        if is_generator(function):
            raise DecorationError(
                f"{function.__qualname__} is a generator: its caller would run with caching switched between "
                "two values. Have it return a list."
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


_open: ContextVar[tuple[Switch, ...]] = ContextVar("gcache_open", default=())
