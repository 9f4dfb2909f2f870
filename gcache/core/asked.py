"""What a caller of many ids asks for, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcache.core.runtime import Operation
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Call


class Asked:
    """What a caller asks for: a call for each entry, in their order, all but those that `values` has.

    `ids` are the ids as the caller wrote them, by the names of the calls, and `load` makes of a list of
    them the run of the source that brings their values. `values` take what the calls come to, by name.
    """

    __slots__ = ("calls", "ids", "is_counted", "load", "use_case", "values")

    def __init__(
        self,
        use_case: UseCase,
        calls: Sequence[Call],
        ids: Mapping[str, Any],
        load: Callable[[list[Any]], Operation[[], Any]],
        values: dict[str, Any],
    ) -> None:
        self.use_case = use_case
        self.calls = calls
        self.ids = ids
        self.load = load
        self.values = values
        self.is_counted = False
