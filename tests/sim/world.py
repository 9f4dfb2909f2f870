"""A world of actors in simulated processes over one authority, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from gcache.core import epochs
from gcache.core.runtime import Outcome
from tests.sim.actor import Actor, Choice, LayerDown, SourceDown
from tests.sim.bus import Line, SimBus
from tests.sim.process import CONFIG, EPOCH_KEY, Process
from tests.sim.properties import History
from tests.sim.runtime import Landing, Load, Moment, Pause, Point, Remote, SimRuntime
from tests.sim.store import ExactStore, PlainStore, Source
from tests.sim.trace import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH_SIZE = len(epochs.plant())

Footprint: TypeAlias = dict[object, bool]
"""What a step read (False) and wrote (True)."""


class World:
    """Everything that a scenario is made of.

    `faults` is the number of operations that may fail, or of waits that may last too long. A failed
    operation may have taken effect, and one that had not may still do so at any later time, as a command
    does that lies in a socket's buffer.
    """

    def __init__(
        self, memory: bool = False, retires: bool = True, faults: int = 0, bus: bool = False
    ) -> None:
        self.faults = faults
        self.has_breakers = False
        self.config = CONFIG
        self.chance = 0.0
        self.violation = ""
        self.footprint: Footprint = {}
        self.trace: list[tuple[str, str, str]] = []
        self._remark = ""
        self.history = History(self.touch, self.fail)
        self.store = (ExactStore if retires else PlainStore)(self.touch, self.history)
        self.source = Source()
        self.actors: dict[str, Actor] = {}
        self.processes: dict[str, Process] = {}
        self.strays: dict[str, Remote] = {}
        self.runtime = SimRuntime(self._spawn)
        self.lines: dict[str, Line] = {}
        self._has_memory = memory
        self._has_bus = bus
        self.counts: dict[str, int] = {}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        spawner = self.actors[self.history.actor]
        self.join(f"spawned {len(self.actors)}", spawner.process, work)

    def process(self, name: str) -> Process:
        """Return the process of this name, which begins to exist when it is first asked for."""
        if name not in self.processes:
            bus = SimBus(name, self.lines, self.history) if self._has_bus else None
            self.lines[name] = Line(name, self.touch)
            self.processes[name] = Process(
                name,
                self.store,
                self._has_memory,
                self.touch,
                self.fail,
                bus,
                self.has_breakers,
                self.config,
                self.chance,
            )
        return self.processes[name]

    def join(
        self, name: str, process: str, body: Coroutine[Any, Any, None], is_optional: bool = False
    ) -> None:
        """Add an actor."""
        self.actors[name] = Actor(name, process, is_optional, body)

    def touch(self, thing: object, is_write: bool) -> None:
        self.footprint[thing] = is_write or self.footprint.get(thing, False)

    def fail(self, sentence: str) -> None:
        self.violation = self.violation or sentence

    def remark(self, text: str) -> None:
        """Add something to the line of the trace for the step under way."""
        self._remark = text

    def serial(self, what: str) -> str:
        """Return a name that the acting actor gives once, whatever the others have done."""
        who = self.history.actor
        key = f"{who} {what}"
        self.counts[key] = self.counts.get(key, 0) + 1
        return f"{who}.{self.counts[key]}"

    def new_epoch(self) -> bytes:
        """Return an epoch that never was before, named for who plants it, and as long as others."""
        return f"e:{self.serial('epoch')}".ljust(EPOCH_SIZE).encode()

    def choices(self) -> list[Choice]:
        """Return the steps that may come next, those of the actor that acted last in front."""
        found = [Choice(actor.name, how) for actor in self.actors.values() for how in self._ways(actor)]
        found.extend(Choice(name, "takes effect late") for name in self.strays)
        found.sort(key=lambda choice: choice.actor != self.history.actor)
        return found

    def is_over(self) -> bool:
        """Tell whether everybody has finished, but for the environment."""
        return all(actor.is_done or actor.is_optional for actor in self.actors.values())

    def take(self, choice: Choice) -> Footprint:
        """Do one step and return what it touched."""
        self.history.actor = choice.actor
        self.footprint = {f"actor {choice.actor}": True}
        if choice.actor in self.strays:
            stray = self.strays.pop(choice.actor)
            stray.take_effect()
            self._note(choice, stray.label, stray.outcome)
        else:
            self._step(self.actors[choice.actor], choice)
        stored, deadline = self.store.data.get(EPOCH_KEY, (None, 0.0))
        self.history.check_hold(stored, deadline, self.store.now)
        return self.footprint

    def end_of(self, name: str, error: BaseException) -> None:
        """Raise `error` where the actor waits. What it had asked for may still happen, at any time."""
        actor = self.actors[name]
        self.touch(f"actor {name}", True)
        self._abandon(actor)
        self._resume(actor, lambda: actor.body.throw(error))

    def is_alone(self, choice: Choice) -> bool:
        """Tell whether a step concerns nobody else, now and for all schedules to come."""
        actor = self.actors.get(choice.actor)
        return (
            choice.how == "hears"
            and not self.faults
            and actor is not None
            and all(
                other is actor or other.is_done or (other.process != actor.process and not other.is_optional)
                for other in self.actors.values()
            )
        )

    def finish(self, last: Callable[[World, Process], Coroutine[Any, Any, None]]) -> None:
        """Check what is left when all are done, and let `last` run in every process by itself."""
        self.faults = 0
        for process in tuple(self.processes.values()):
            if process.chain.flights.travellers:
                self.fail(f"tidy: flights are left in {process.name}")
            self.join(name := f"last-in-{process.name}", process.name, last(self, process))
            actor = self.actors[name]
            while not actor.is_done and not self.violation:
                ways = self._ways_of_all(actor)
                if not ways:
                    self.fail(f"alive: {name} waits for ever")
                    break
                self.take(ways[0])

    def _ways_of_all(self, first: Actor) -> list[Choice]:
        """Return what may happen next by the chain itself, and `first` before all others."""
        others = [other for other in self.actors.values() if not (other.is_optional or other.is_done)]
        return [Choice(actor.name, way) for actor in (first, *others) for way in self._ways(actor)]

    def close(self) -> None:
        """Let go of coroutines that did not come to their end."""
        for actor in self.actors.values():
            actor.context.run(actor.body.close)

    def _ways(self, actor: Actor) -> Iterator[str]:
        point = actor.point
        if isinstance(point, Moment) and (point.ready is None or point.ready()):
            yield "does"
        elif isinstance(point, Landing):
            if point.flight.is_over:
                yield "wakes"
            elif self.faults:
                yield "gives up"
        elif isinstance(point, Load):
            yield "returns"
            if self.faults and self.source.may_fail:
                yield "fails"
        elif isinstance(point, Remote):
            yield "asks" if point.outcome is None else "hears"
            may_fail = point.is_write or point.outcome is None
            if self.faults and may_fail:
                yield "fails"

    def _step(self, actor: Actor, choice: Choice) -> None:
        point = actor.point
        if choice.how == "asks":
            point.take_effect()
            self._note(choice, point.label, point.outcome)
            return
        is_fault = choice.how in ("fails", "gives up")
        outcome = self._fault(actor) if is_fault else self._result(point)
        self._note(
            choice, point.label, outcome if isinstance(outcome, Outcome) and choice.how != "hears" else None
        )
        if isinstance(point, Pause):
            self.processes[actor.process].now += point.sec
            self.touch(f"clock of {actor.process}", True)
        if isinstance(point, Load | Landing):
            self.touch(f"flights of {actor.process}", True)
        self._resume(actor, lambda: actor.body.send(outcome))

    def _result(self, point: Point) -> Any:
        if isinstance(point, Moment):
            return point.act()
        if isinstance(point, Load):
            return Outcome(point.act())
        return point.outcome if isinstance(point, Remote) else None

    def _fault(self, actor: Actor) -> Outcome[Any]:
        self.touch("faults", True)
        self.faults -= 1
        self._abandon(actor)
        kind = SourceDown if isinstance(actor.point, Load) else LayerDown
        return Outcome(error=kind(actor.point.label))

    def _resume(self, actor: Actor, resume: Callable[[], Any]) -> None:
        self.touch(f"generations of {actor.process}", False)
        self.touch(f"clock of {actor.process}", False)
        self.touch(f"ears of {actor.process}", False)
        acting, self.history.actor = self.history.actor, actor.name
        try:
            actor.go_on(resume)
        except SourceDown:  # the one thing that a caller may be told
            actor.point, actor.is_done = None, True
        except Exception as error:
            actor.point, actor.is_done = None, True
            self.fail(f"alive: {actor.name} got {error!r}")
        finally:
            self.history.actor = acting

    def _abandon(self, actor: Actor) -> None:
        point = actor.point
        if isinstance(point, Remote) and point.outcome is None and point.is_write:
            self.strays[self._stray_name(actor)] = point

    def _stray_name(self, actor: Actor) -> str:
        self.counts[actor.name] = self.counts.get(actor.name, 0) + 1
        return f"{actor.name}, lost {self.counts[actor.name]}"

    def _note(self, choice: Choice, label: str, outcome: Outcome[Any] | None = None) -> None:
        result = "" if outcome is None else shown(outcome)
        self.trace.append((choice.actor, f"{choice.how}: {label}", f"{result} {self._remark}".strip()))
        self._remark = ""


@contextmanager
def named_epochs(world: Callable[[], World]) -> Iterator[None]:
    """Let epochs be named for who plants them, so that equal schedules are equal to the last byte."""
    random_one = epochs.plant
    epochs.plant = lambda: world().new_epoch()
    try:
        yield
    finally:
        epochs.plant = random_one
