"""What a caller of many ids asks for, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gcache.core.visit import Call

if TYPE_CHECKING:
    from gcache.core.keys import GCacheKey
    from gcache.core.runtime import Operation
    from gcache.core.use_case import UseCase


class Asked:
    """What a caller asks for: the entries of `ids`, all but those that `values` has.

    `ids` are the ids as the caller wrote them, by the names of their entries, in their order. `key_of` makes
    the key of one, and `load` makes of a list of them the run of the source that brings their values.
    `values` take what they come to, by name.
    """

    __slots__ = ("ids", "is_counted", "key_of", "load", "use_case", "values")

    def __init__(
        self,
        use_case: UseCase,
        ids: Mapping[str, Any],
        key_of: Callable[[Any], GCacheKey],
        load: Callable[[list[Any]], Operation[[], Any]],
        values: dict[str, Any],
    ) -> None:
        self.use_case = use_case
        self.ids = ids
        self.key_of = key_of
        self.load = load
        self.values = values
        self.is_counted = False

    def call(self, name: str) -> Call:
        """Return the call for one of the entries."""
        return OneOfMany(self, name)


class OneOfMany(Call):
    """What is asked for of one id. It has no load of its own, and makes its key when that is asked for."""

    def __init__(self, asked: Asked, name: str) -> None:
        self.use_case = asked.use_case
        self.name = name
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        if name == "key":
            self.key = self._asked.key_of(self._asked.ids[self.name])
            return self.key
        raise AttributeError(name)
