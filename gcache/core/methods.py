"""Cached functions that stand in a class: what they give to an instance knows the instance."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

VERBS = ("invalidate", "refresh", "peek")
_ACTIONS = frozenset({"key", "keys", *VERBS, *(f"a{verb}" for verb in VERBS)})


class Method:
    """A cached function as a class holds it, bound when it is got from an instance, or from the class."""

    def __init__(self, wrapper: Any, on_class: bool = False) -> None:
        self._wrapper = wrapper
        self._on_class = on_class
        self.__wrapped__ = wrapper.__wrapped__
        self.__doc__ = wrapper.__doc__

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        receiver = owner if self._on_class else instance
        return self._wrapper if receiver is None else _Bound(self._wrapper, receiver)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapper, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrapper(*args, **kwargs)


class _Bound:  # a cached method of one instance, or of one class; its docstring is the method's
    __slots__ = ("__doc__", "__self__", "_wrapper")

    def __init__(self, wrapper: Any, receiver: object) -> None:
        self._wrapper = wrapper
        self.__self__ = receiver
        self.__doc__ = wrapper.__doc__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Bound):
            return NotImplemented
        return self._wrapper is other._wrapper and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((self._wrapper, id(self.__self__)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrapper(self.__self__, *args, **kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, str]]:
        return getattr, (self.__self__, self._wrapper.__name__)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._wrapper, name)
        return partial(attribute, self.__self__) if name in _ACTIONS else attribute

    @property
    def __signature__(self) -> inspect.Signature:
        whole = inspect.signature(self._wrapper)
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    def __repr__(self) -> str:
        return f"<cached {self._wrapper.__qualname__} of {self.__self__!r}>"


def rewrapped(
    function: staticmethod[..., Any] | classmethod[Any, ..., Any], decorate: Callable[[Any, bool], Any]
) -> Any:
    """Decorate what a static or class method wraps, and make it one again."""
    if isinstance(function, classmethod):
        return Method(decorate(function.__func__, True).__get__(None), on_class=True)
    return staticmethod(decorate(function.__func__, False))
