"""A layer as the chain sees it: its operations bound to whichever sides the layer has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from gcache.core.runtime import Operation, Outcome
from gcache.errors import GCacheConfigError

if TYPE_CHECKING:
    from gcache.core.protocols import InProcessLayer
    from gcache.core.runtime import Runtime

Verb: TypeAlias = Literal["get", "put", "add", "delete", "clear", "close", "retire"]
_VERBS: tuple[Verb, ...] = ("get", "put", "add", "delete", "clear", "close", "retire")


class Tier:
    """One place in the chain.

    `make` stands for a layer that cannot be made before it is used: which sides a Redis client has is
    known when its factory has run, and the factory is not to run in the thread that configures.
    """

    def __init__(self, name: str, *, layer: Any = None, make: Callable[[], Any] | None = None) -> None:
        if not name or name == "*":
            raise GCacheConfigError(
                f"A layer cannot be named {name!r}: its name is its key in ttl_sec and ramp."
            )
        self.name = name
        self.is_authority = False
        self.in_process = bool(getattr(layer, "in_process", False))
        self._make = make
        self._lock = threading.Lock()
        self._layer = layer
        self._operations = {} if layer is None else _operations(name, layer, self.in_process)

    @property
    def memory(self) -> InProcessLayer:
        """The layer, when it is an in-process one."""
        return cast("InProcessLayer", self._layer)

    @property
    def is_made(self) -> bool:
        """Whether there is a layer behind this yet."""
        return bool(self._operations)

    def can(self, verb: Verb) -> bool:
        """Tell whether the layer has this operation; not if it cannot be made."""
        try:
            return verb in self._made()
        except Exception:  # whatever is attempted next meets the same and returns it
            return False

    def attempt(self, runtime: Runtime, verb: Verb, *args: Any) -> Coroutine[Any, Any, Outcome[Any]]:
        """Have the layer do something. Makes it if need be; what that raises is the outcome, too."""
        try:
            operation = (self._operations or self._made())[verb]
        except Exception as error:  # the layer could not be made
            return _failed(error)
        return runtime.attempt(operation, *args)

    async def get(self, runtime: Runtime, keys: Sequence[str]) -> Outcome[Sequence[Any]]:
        """Have the layer read `keys`. An answer that is not one value for each key is a failure, too."""
        outcome = await self.attempt(runtime, "get", keys)
        if outcome.error is None and not _answers(outcome.value, keys):
            return Outcome(error=TypeError(f"get() of {len(keys)} keys returned {outcome.value!r:.80}"))
        return outcome

    def after_fork(self) -> None:
        """Make the child's lock its own."""
        self._lock = threading.Lock()

    def _made(self) -> dict[Verb, Operation[..., Any]]:
        if not self._operations and self._make is not None:
            with self._lock:
                if not self._operations:
                    self._layer = self._make()
                    self._operations = _operations(self.name, self._layer, in_process=False)
        return self._operations


async def _failed(error: Exception) -> Outcome[Any]:
    return Outcome(error=error)


def _answers(values: Any, keys: Sequence[str]) -> bool:
    return hasattr(values, "__len__") and len(values) == len(keys)


def link(tiers: Sequence[Tier]) -> Sequence[Tier]:
    """Return `tiers` as a chain, whose last member out of process is what all processes agree on."""
    names = [tier.name for tier in tiers]
    if len(set(names)) < len(names):
        raise GCacheConfigError(f"The layers {names} share a name: give each its own.")
    tiers[-1].is_authority = not tiers[-1].in_process
    return tiers


def _operations(name: str, layer: Any, in_process: bool) -> dict[Verb, Operation[..., Any]]:
    operations: dict[Verb, Operation[..., Any]] = {}
    missing: list[str] = []
    for verb in _VERBS:
        blocking = getattr(layer, verb, None)
        awaitable = getattr(layer, f"a{verb}", None)
        if blocking is not None or awaitable is not None:
            operations[verb] = Operation(blocking, awaitable, inline=in_process)
        elif verb != "retire":
            missing.append(verb)
    if missing:
        raise GCacheConfigError(
            f"The layer {name!r} ({type(layer).__name__}) lacks {', '.join(missing)}: "
            "a layer has the methods of gcache.CacheLayer, or those of gcache.AsyncCacheLayer."
        )
    return operations
