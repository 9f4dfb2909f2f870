"""Opening the part that is tried, as often as a test asks for it, and closing what was opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pytest

from gcache.conformance import _together
from gcache.conformance._sides import Loops, Side


class _Closed(Protocol):
    def close(self) -> None: ...


Part = TypeVar("Part", bound=_Closed)


class Opened(Generic[Part]):
    """The parts of one test. A subclass says what they are called, what they have, and how they are tried."""

    noun: ClassVar[str]
    protocol: ClassVar[str]
    verbs: ClassVar[Sequence[str]]
    """The methods that have an awaitable twin with `a` in front."""
    other_verbs: ClassVar[Sequence[str]] = ()

    def __init__(self, make: Callable[[], Any], side: Side) -> None:
        self.side: Side = side
        self.loops = Loops()
        self._make = make
        self._opened: list[Part] = []

    def tried(self, raw: Any) -> Part:
        """Return `raw` as tests call it."""
        raise NotImplementedError

    def make(self) -> Any:
        """Return a new part, which is its caller's to close."""
        fixture = f"make_{self.noun}"
        if not callable(self._make):
            pytest.fail(
                f"{fixture} gave a {type(self._make).__name__} instead of a function that opens one, as in "
                "`return lambda: Mine(...)`: the suite opens several over one storage or line.",
                pytrace=False,
            )
        raw = self._make()
        mark = "a" if self.side == "async" else ""
        wanted = (*(f"{mark}{verb}" for verb in self.verbs), *self.other_verbs)
        if lacking := [verb for verb in wanted if not hasattr(raw, verb)]:
            pytest.fail(
                f"{fixture}() returned a {type(raw).__name__}, which lacks {', '.join(lacking)}: on each of "
                f"the suite's `sides` it has the methods of gcache.{self.protocol}, with an a where awaited.",
                pytrace=False,
            )
        return raw

    def open(self) -> Part:
        """Return a new part, which is closed when the test ends."""
        part = self.tried(self.make())
        self._opened.append(part)
        return part

    def close(self, part: Part) -> None:
        """Close a part before the test ends."""
        self._opened.remove(part)
        part.close()

    def in_threads(self, count: int, work: Callable[[int], Any]) -> list[Any]:
        """Return what `work(0)`, `work(1)`, ... give in threads that start together, each with its loop."""

        def work_and_leave(number: int) -> Any:
            try:
                return work(number)
            finally:
                self.loops.close()

        return _together.in_threads(count, work_and_leave)

    def close_all(self) -> None:
        """Close what is still open."""
        try:
            for part in tuple(self._opened):
                self.close(part)
        finally:
            self.loops.close()
