"""SimRuntime: the third runtime of the chain, which suspends wherever another actor could come in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from gcache.core.runtime import Operation, Outcome, unwrapped

if TYPE_CHECKING:
    from gcache.core.flights import Flight

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


class Moment:
    """Something that happens at once: `act` runs, and the actor goes on in the same step.

    While `ready` says no it cannot happen; an actor is not kept waiting for ever by it, see Actor.
    """

    __slots__ = ("act", "label", "ready")

    def __init__(
        self, label: str, act: Callable[[], object], ready: Callable[[], bool] | None = None
    ) -> None:
        self.label = label
        self.act = act
        self.ready = ready


class Remote:
    """An operation elsewhere, which is two steps: it takes effect there, and its reply arrives here.

    `is_write` says that it may change something, so that it matters whether it failed before or after.
    """

    __slots__ = ("act", "is_write", "label", "outcome")

    def __init__(self, label: str, act: Callable[[], Any], is_write: bool) -> None:
        self.label = label
        self.act = act
        self.is_write = is_write
        self.outcome: Outcome[Any] | None = None

    def take_effect(self) -> None:
        """Do it, and keep the outcome until the reply arrives."""
        try:
            self.outcome = Outcome(self.act())
        except Exception as error:  # the actor will see it
            self.outcome = Outcome(error=error)


class Landing:
    """The end of somebody else's flight."""

    __slots__ = ("flight", "label")

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        self.label = "waits for a flight"


class Pause(Moment):
    """Time that an actor lets pass in its own process."""

    __slots__ = ("sec",)

    def __init__(self, sec: float) -> None:
        super().__init__("pauses", lambda: None)
        self.sec = sec


class Load:
    """A load that is under way. The step in which it returns is the one in which it reads the source."""

    __slots__ = ("act", "label")

    def __init__(self, act: Callable[[], Any]) -> None:
        self.label = "load"
        self.act = act


Point: TypeAlias = Moment | Remote | Landing | Load


class Suspension:
    """Hands a point to the scheduler, and gives back what the scheduler sends."""

    __slots__ = ("_point",)

    def __init__(self, point: Point) -> None:
        self._point = point

    def __await__(self) -> Generator[Point, Any, Any]:
        return (yield self._point)


class SourceLoad(Operation[[], Any]):
    """A load, which begins at one moment and reads the source at a later one."""

    __slots__ = ("begins",)

    def __init__(self, begins: Callable[[], object], reads: Callable[[], Any]) -> None:
        super().__init__(reads)
        self.begins = begins


class SimRuntime:
    """Suspends at every operation out of process, at every load, and where a flight is waited for.

    Operations of the in-process layer happen inside the step of the actor, as on an event loop.
    """

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._spawn = spawn

    async def attempt(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        if operation.blocking is None:
            raise TypeError("The simulation knows blocking operations only.")
        act = partial(operation.blocking, *args, **kwargs)
        if isinstance(operation, SourceLoad):
            await Suspension(Moment("load begins", operation.begins))
            outcome: Outcome[R] = await Suspension(Load(act))
            return outcome
        if operation.inline:
            try:
                return Outcome(act())
            except Exception as error:  # as the other runtimes do
                return Outcome(error=error)
        verb = operation.blocking.__name__
        point = Remote(f"{verb} {_shown(*args)}", act, is_write=verb != "get")
        answer: Outcome[R] = await Suspension(point)
        return answer

    def begin(self, operation: Operation[[A], R], what: A) -> Awaitable[R]:
        return unwrapped(self.attempt(operation, what))

    async def landed(self, flight: Flight, limit_sec: float) -> bool:
        await Suspension(Landing(flight))
        return True

    async def pause(self, sec: float) -> None:
        await Suspension(Pause(sec))

    def spawn(self, work: Coroutine[Any, Any, None], after: Callable[[], object] | None = None) -> None:
        self._spawn(_to_its_end(work, after))


async def _to_its_end(work: Coroutine[Any, Any, None], after: Callable[[], object] | None) -> None:
    try:
        await work
    finally:
        if after is not None:
            after()


def _shown(*args: object) -> str:
    """Return arguments as a trace shows them: keys by their ends, epochs as they are, entries not at all."""
    if not args or callable(args[0]):
        return ""
    first, *others = args
    if isinstance(first, str):
        shown = first.rpartition("#")[2] or first
    else:
        shown = " and ".join(key.rpartition("#")[2] for key in first)  # type: ignore[attr-defined]
    values = [*(first.values() if isinstance(first, dict) else ()), *others]
    small = [value.decode().rstrip() for value in values if isinstance(value, bytes) and len(value) < 24]
    return " ".join([shown, *small])
