"""A bus whose messages lie in the mail of each process until the schedule lets them arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gcache.core.protocols import Subscription
    from tests.sim.properties import History
    from tests.sim.store import Touch


class Letter(NamedTuple):
    """A message under way, and the invalidation that it is about."""

    data: bytes
    about: str


class Line:
    """The way to one process: it holds the mail, unless it is cut."""

    def __init__(self, name: str, touch: Touch) -> None:
        self.is_up = True
        self.mail: list[Letter] = []
        self.thing = f"line to {name}"
        self._touch = touch

    def bring(self, letter: Letter) -> None:
        """Take a message up, or lose it."""
        self._touch(self.thing, True)
        if self.is_up:
            self.mail.append(letter)

    def take(self) -> Letter:
        self._touch(self.thing, True)
        return self.mail.pop(0)

    def cut(self) -> None:
        """Lose what is under way, and what will be."""
        self._touch(self.thing, True)
        self.is_up, self.mail = False, []

    def mend(self) -> None:
        self._touch(self.thing, True)
        self.is_up = True


class SimBus:
    """The bus as the process `name` has it."""

    def __init__(self, name: str, lines: dict[str, Line], history: History) -> None:
        self._name = name
        self._lines = lines
        self._history = history

    def publish(self, channel: str, message: bytes) -> None:
        letter = Letter(message, self._history.is_said())
        for name, line in self._lines.items():
            if name != self._name:
                line.bring(letter)

    def subscribe(self, channel: str) -> Subscription:
        raise NotImplementedError("In the simulation messages arrive by steps of their own.")

    def close(self) -> None:
        """Nothing is open."""
