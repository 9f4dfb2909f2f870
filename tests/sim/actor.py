"""One actor, and the steps that it may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, NamedTuple

from tests.sim.runtime import Moment, Suspension


class LayerDown(Exception):
    """What a layer raises in the simulation, before or after the operation took effect."""


class SourceDown(Exception):
    """What the source raises in the simulation."""


class Choice(NamedTuple):
    """One step that may come next: who does it, and how."""

    actor: str
    how: str


class Actor:
    """A coroutine between two steps.

    One that `is_optional` belongs to the environment: the schedule may end before it has acted.
    """

    def __init__(self, name: str, process: str, is_optional: bool, body: Coroutine[Any, Any, None]) -> None:
        self.name = name
        self.process = process
        self.is_optional = is_optional
        self.body = body
        self.context = Context()
        self.is_done = False
        self.point: Any = self.context.run(body.send, None)

    def go_on(self, resume: Callable[[], Any]) -> None:
        """Run up to the next point, or to the end."""
        try:
            self.point = self.context.run(resume)
        except StopIteration:
            self.point, self.is_done = None, True


def moment(label: str, act: Callable[[], object], ready: Callable[[], bool] | None = None) -> Awaitable[Any]:
    """Let `act` happen in one step, and return what it gives."""
    return Suspension(Moment(label, act, ready))
