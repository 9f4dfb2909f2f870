"""A layer as the chain sees it: its operations bound to whichever sides the layer has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, cast

from gcache.core.limits import Limit
from gcache.core.runtime import Operation, Outcome
from gcache.errors import EntryTooLarge, GCacheConfigError, LayerSkipped

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from gcache.core.breaker import Breaker, Probe
    from gcache.core.entries import Entry, Kept
    from gcache.core.protocols import InProcessLayer
    from gcache.core.runtime import Runtime

    Verb: TypeAlias = Literal["get", "put", "add", "delete", "clear", "close", "retire", "add_many"]

_VERBS: tuple[Verb, ...] = ("get", "put", "add", "delete", "clear", "close", "retire", "add_many")
_SKIPPED = frozenset({"get", "put", "add", "retire", "add_many"})
_OPTIONAL = frozenset({"retire", "add_many"})
_ANSWERED_BY_KEY = frozenset({"get", "add_many"})


class Tier:
    """One place in the chain.

    `make` stands for a layer that cannot be made before it is used: which sides a Redis client has is
    known when its factory has run, and the factory is not to run in the thread that configures.

    With a `breaker` a layer that keeps failing is skipped: what is asked of it fails at once. With
    `timeout_sec` an operation that takes longer fails then.
    """

    def __init__(
        self,
        name: str,
        *,
        layer: Any = None,
        make: Callable[[], Any] | None = None,
        timeout_sec: float | None = None,
    ) -> None:
        if not name or name == "*":
            raise GCacheConfigError(
                f"A layer cannot be named {name!r}: its name is its key in ttl_sec and ramp."
            )
        self.name = name
        self.is_authority = False
        self.breaker: Breaker | None = None
        self.in_process = bool(getattr(layer, "in_process", False))
        self._make = make
        self._limit = None if timeout_sec is None or self.in_process else Limit(timeout_sec)
        self._lock = threading.Lock()
        self._layer = layer
        self.find_kept: Callable[[str, float], Kept | None] | None = getattr(layer, "find_kept", None)
        self.keep: Callable[[str, Entry, float, float, float], None] | None = getattr(layer, "keep", None)
        self.getting: Operation[[Sequence[str]], Sequence[Any]] | None = None
        """How a sound layer reads, once there is one: what it raises, and its answer, are for `ended`."""
        self._operations = {} if layer is None else self._operations_of(layer)

    @property
    def memory(self) -> InProcessLayer:
        """The layer, when it is an in-process one."""
        return cast("InProcessLayer", self._layer)

    @property
    def is_made(self) -> bool:
        """Whether there is a layer behind this yet."""
        return bool(self._operations)

    def can(self, verb: Verb, insists: bool = False) -> bool:
        """Tell whether the layer has this operation; not if it cannot be made, or is not to be made now."""
        if self.breaker is not None and self.breaker.is_open and not insists:
            return verb in self._operations
        try:
            return verb in self._made()
        except Exception:  # whatever is attempted next meets the same and returns it
            return False

    def attempt(
        self, runtime: Runtime, verb: Verb, *args: Any, insists: bool = False
    ) -> Coroutine[Any, Any, Outcome[Any]]:
        """Have the layer do something. Makes it if need be; what that raises is the outcome, too.

        While the breaker is open the outcome is LayerSkipped, unless the caller `insists` or asks for what
        silence would leave undone: to delete, clear or close.
        """
        if self.in_process or verb == "close":
            return self._do(runtime, verb, args)
        return self._watched(runtime, verb, args, insists)

    def get(
        self, runtime: Runtime, keys: Sequence[str], insists: bool = False
    ) -> Coroutine[Any, Any, Outcome[Sequence[Any]]]:
        """Have the layer read `keys`. An answer that is not one value for each key is a failure, too."""
        return self._watched(runtime, "get", (keys,), insists)

    def ended(
        self, verb: Verb, args: tuple[Any, ...], turn: int, cost_sec: float, outcome: Outcome[Any]
    ) -> Outcome[Any]:
        """Tell the breaker how an operation ended that began in its `turn`, and return what came of it."""
        outcome = _checked(verb, args, outcome)
        breaker = self.breaker
        if breaker is None:
            return outcome
        if outcome.error is None:
            if breaker.is_marked:
                breaker.succeeded(turn)
        elif not isinstance(outcome.error, EntryTooLarge):  # which says nothing of the layer
            breaker.failed(turn, cost_sec, outcome.error)
        return outcome

    def after_fork(self) -> None:
        """Make the child's locks its own, and forget what only the parent's threads can finish."""
        self._lock = threading.Lock()
        if self.breaker is not None:
            self.breaker.after_fork()
        if self._limit is not None:
            self._limit.after_fork()

    def _do(self, runtime: Runtime, verb: Verb, args: tuple[Any, ...]) -> Coroutine[Any, Any, Outcome[Any]]:
        try:
            operation = (self._operations or self._made())[verb]
        except Exception as error:  # the layer could not be made
            return _failed(error)
        return runtime.attempt(operation, *args)

    async def _watched(
        self, runtime: Runtime, verb: Verb, args: tuple[Any, ...], insists: bool
    ) -> Outcome[Any]:
        """Do it under the eyes of the breaker, unless that is open."""
        breaker = self.breaker
        if breaker is None:
            return _checked(verb, args, await self._do(runtime, verb, args))
        if breaker.is_open and not insists and verb in _SKIPPED:
            return await self._skipped(runtime, breaker, verb, args)
        turn, began = breaker.turn, breaker.clock()
        outcome = await self._do(runtime, verb, args)
        return self.ended(verb, args, turn, breaker.clock() - began, outcome)

    async def _skipped(
        self, runtime: Runtime, breaker: Breaker, verb: Verb, args: tuple[Any, ...]
    ) -> Outcome[Any]:
        if verb == "get" and (probe := breaker.probe()) is not None:
            if probe.is_in_person:
                return await self._probe(runtime, breaker, probe, args)
            runtime.spawn(self._probe_beside(runtime, breaker, probe, args))
        return Outcome(error=LayerSkipped(f"The layer {self.name!r} keeps failing: {breaker.trouble}"))

    async def _probe_beside(
        self, runtime: Runtime, breaker: Breaker, probe: Probe, args: tuple[Any, ...]
    ) -> None:
        """Read what a caller would have read, for nobody."""
        await self._probe(runtime, breaker, probe, args)

    async def _probe(
        self, runtime: Runtime, breaker: Breaker, probe: Probe, args: tuple[Any, ...]
    ) -> Outcome[Any]:
        try:
            outcome = _checked("get", args, await self._do(runtime, "get", args))
        except BaseException:
            breaker.abandoned(probe)
            raise
        breaker.probed(probe, outcome.error)
        return outcome

    def _made(self) -> dict[Verb, Operation[..., Any]]:
        if not self._operations and self._make is not None:
            with self._lock:
                if not self._operations:
                    self._layer = self._make()
                    self._operations = self._operations_of(self._layer)
        return self._operations

    def _operations_of(self, layer: Any) -> dict[Verb, Operation[..., Any]]:
        operations: dict[Verb, Operation[..., Any]] = {}
        missing: list[str] = []
        for verb in _VERBS:
            blocking: Any = getattr(layer, verb, None)
            awaitable: Any = getattr(layer, f"a{verb}", None)
            limit = None if verb == "clear" else self._limit
            awaitable = _in_fewer_steps(awaitable)
            if blocking is not None or awaitable is not None:
                operations[verb] = Operation(blocking, awaitable, self.in_process, limit)
            elif verb not in _OPTIONAL:
                missing.append(verb)
        if missing:
            raise GCacheConfigError(
                f"The layer {self.name!r} ({type(layer).__name__}) lacks {', '.join(missing)}: "
                "a layer has the methods of gcache.CacheLayer, or those of gcache.AsyncCacheLayer."
            )
        self.getting = operations["get"]
        return operations


def _in_fewer_steps(awaitable: Any) -> Any:
    """Return what does the same as a layer's method, if it says that there is something.

    A wrapper made with `functools.wraps` says what it has copied, and is to be called.
    """
    if isinstance(awaitable, MethodType) and not hasattr(awaitable, "__wrapped__"):
        begins = getattr(awaitable, "begins", None)
        return awaitable if begins is None else begins(awaitable.__self__)
    return awaitable


async def _failed(error: Exception) -> Outcome[Any]:
    return Outcome(error=error)


def _checked(verb: Verb, args: tuple[Any, ...], outcome: Outcome[Any]) -> Outcome[Any]:
    """Return what came of an operation. An answer without a value for each key is a failure, too."""
    if verb not in _ANSWERED_BY_KEY or outcome.error is not None:
        return outcome
    keys, values = args[0], outcome.value
    if hasattr(values, "__len__") and len(values) == len(keys):
        return outcome
    return Outcome(error=TypeError(f"{verb}() of {len(keys)} keys returned {values!r:.80}"))


def link(tiers: Sequence[Tier]) -> Sequence[Tier]:
    """Return `tiers` as a chain, whose last member out of process is what all processes agree on."""
    names = [tier.name for tier in tiers]
    if len(set(names)) < len(names):
        raise GCacheConfigError(f"The layers {names} share a name: give each its own.")
    tiers[-1].is_authority = not tiers[-1].in_process
    return tiers
