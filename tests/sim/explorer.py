"""Goes through every interleaving of a scenario, and says how many there were.

Depth first and without snapshots: each schedule is played from the start. Three things are left out, none
of which can hide a violation:

- *Sleep sets* (Godefroid). Two steps commute if neither writes what the other reads or writes; what a step
  reads and writes is taken down while it runs. Once step `a` was tried in a state, schedules in which `a`
  comes only after steps that commute with it lead where one that begins with `a` has led.
- *Steps that concern nobody else*. The reply to an actor that is alone in its process, with no environment
  left that can touch it, commutes with everything that can ever come before it, so it comes at once.
- *States that were seen*. Two schedules that lead to the same state (see `state`) have the same futures. A
  state is passed over if it was explored before with no more asleep than now. The same is true of states
  in the middle of exploration, as no step leads back: every one brings somebody further.

The verdict on a read depends on what it knew at its start and on which invalidations had begun when its
value's load did. Both are part of the state and of what steps read and write, so equivalent schedules are
equally right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sim.actor import Choice
from tests.sim.actors import last_read
from tests.sim.state import state_of
from tests.sim.trace import narrated
from tests.sim.world import World, named_epochs

if TYPE_CHECKING:
    from tests.sim.world import Footprint

Sleep = dict[Choice, "Footprint"]
END = Choice("all", "rest")


class Violated(AssertionError):
    """A schedule that breaks a property. Its text is the schedule."""


class Report:
    """How many schedules were played to their end, and how many were cut off: others cover them."""

    def __init__(self) -> None:
        self.schedules = 0
        self.asleep = 0
        self.merged = 0
        self.steps = 0

    def __str__(self) -> str:
        return (
            f"{self.schedules:,} schedules explored, {self.asleep + self.merged:,} pruned "
            f"({self.asleep:,} asleep, {self.merged:,} in a state seen before), {self.steps:,} steps"
        )


class _Node:
    """A state on the way, the steps to take from it, and those that need not be."""

    __slots__ = ("sleep", "taken", "todo")

    def __init__(self, todo: list[Choice], sleep: Sleep) -> None:
        self.todo = todo
        self.taken = todo[0]
        self.sleep = sleep


class Explorer:
    """Explores the worlds that `build` makes, which must be equal.

    `ends` are the states in which schedules ended. Without `prunes` nothing is left out, which only the
    smallest scenarios allow.
    """

    def __init__(self, build: Callable[[], World], prunes: bool = True) -> None:
        self.report = Report()
        self.ends: set[bytes] = set()
        self._build = build
        self._prunes = prunes
        self._path: list[_Node] = []
        self._seen: dict[bytes, list[frozenset[Choice]]] = {}
        self._world = build()

    def explore(self) -> Report:
        """Play all schedules. Raises Violated."""
        with named_epochs(lambda: self._world):
            while True:
                self._play()
                if not self._turn_back():
                    return self.report

    def _play(self) -> None:
        """Replay the path, take its last step for the first time, and go on to the end."""
        self._world = world = self._build()
        for node in self._path[:-1]:
            world.take(node.taken)
        sleep: Sleep = {}
        if self._path:
            sleep = self._advance(self._path[-1])
        while not world.violation and (following := self._next_node(sleep)) is not None:
            self._path.append(following)
            sleep = self._advance(following)
        if world.violation:
            raise Violated(narrated(world.violation, world.trace))
        world.close()

    def _advance(self, node: _Node) -> Sleep:
        """Take the node's step, which sleeps for the next one; return what sleeps after it."""
        self.report.steps += 1
        taken = node.taken
        if taken == END:
            self._finish()
            return {}
        footprint = self._world.take(taken)
        if not self._prunes:
            return {}
        sleep = {other: touched for other, touched in node.sleep.items() if _commute(touched, footprint)}
        node.sleep[taken] = footprint
        return sleep

    def _next_node(self, sleep: Sleep) -> _Node | None:
        """Return the state that is reached now, unless it is the end or needs no exploring."""
        world = self._world
        if self._path and self._path[-1].taken == END:
            return None
        todo = world.choices()
        if world.is_over():
            todo.append(END)
        if not todo:
            world.fail("alive: nothing can happen any more, but not all have finished")
            return None
        if not self._prunes:
            return _Node(todo, {})
        alone = [choice for choice in todo if world.is_alone(choice)]
        todo = [choice for choice in alone[:1] or todo if choice not in sleep]
        if not todo:
            self.report.asleep += 1
            return None
        if todo != [END] and self._was_seen(frozenset(sleep)):
            self.report.merged += 1
            return None
        return _Node(todo, sleep)

    def _was_seen(self, asleep: frozenset[Choice]) -> bool:
        before = self._seen.setdefault(state_of(self._world), [])
        if any(less <= asleep for less in before):
            return True
        before.append(asleep)
        return False

    def _turn_back(self) -> bool:
        """Go back to the last state with a step still to take; tell whether there is one."""
        while self._path:
            node = self._path[-1]
            node.todo = node.todo[1:]
            if node.todo:
                node.taken = node.todo[0]
                return True
            self._path.pop()
        return False

    def _finish(self) -> None:
        """Look at what is left behind, and read once more in every process."""
        world = self._world
        self.ends.add(state_of(world))
        self.report.schedules += 1
        world.finish(last_read)


def _commute(one: Footprint, other: Footprint) -> bool:
    small, large = (one, other) if len(one) < len(other) else (other, one)
    return not any(thing in large and (writes or large[thing]) for thing, writes in small.items())
