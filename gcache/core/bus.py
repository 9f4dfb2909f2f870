"""What processes tell each other about invalidations: which entity, and who says so. Never a value."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from gcache.core.records import Record
from gcache.core.runtime import Operation, Outcome, is_awaited
from gcache.errors import GCacheConfigError

if TYPE_CHECKING:
    from gcache.core.protocols import InvalidationBus, Subscription
    from gcache.core.runtime import Runtime

Verb: TypeAlias = Literal["invalidate", "flush", "ping"]
_VERBS = frozenset(get_args(Verb))
_EXAMPLE = "gcache.RedisBus(RedisConfig(...))"


class Message(Record):
    """`sender` said that `entity` was invalidated, that all was flushed, or nothing but that it is there."""

    verb: Verb
    sender: str
    entity: str = ""

    def encoded(self) -> bytes:
        """Return the message as it travels."""
        return f"{self.verb} {self.sender} {self.entity}".encode("utf-8", "surrogatepass")


def decoded(data: bytes) -> Message | None:
    """Return the message in `data`; None if it is none that this version knows."""
    try:
        verb, sender, entity = data.decode("utf-8", "surrogatepass").split(" ", 2)
    except (AttributeError, ValueError):
        return None
    return Message(cast("Verb", verb), sender, entity) if verb in _VERBS else None


class Announcer:
    """Says over a bus what was invalidated in this process, under a name that no other process has."""

    def __init__(self, bus: InvalidationBus, channel: str) -> None:
        """Raises GCacheConfigError if `bus` is none."""
        self.sender = os.urandom(8).hex()
        self.channel = channel
        self._bus = bus
        self._publish = _operation(bus, "publish")
        self._close = _operation(bus, "close")
        if not hasattr(bus, "subscribe"):
            raise _lacks(bus, "subscribe")

    def subscribe(self) -> Subscription:
        return self._bus.subscribe(self.channel)

    def invalidated(self, runtime: Runtime, entity: str) -> Coroutine[Any, Any, Outcome[None]]:
        return self._say(runtime, Message("invalidate", self.sender, entity))

    def flushed(self, runtime: Runtime) -> Coroutine[Any, Any, Outcome[None]]:
        return self._say(runtime, Message("flush", self.sender))

    def ping(self, runtime: Runtime) -> Coroutine[Any, Any, Outcome[None]]:
        return self._say(runtime, Message("ping", self.sender))

    def close(self, runtime: Runtime) -> Coroutine[Any, Any, Outcome[None]]:
        return runtime.attempt(self._close)

    def after_fork(self) -> None:
        """Take a name of the child's own, or it would ignore its parent."""
        self.sender = os.urandom(8).hex()

    def _say(self, runtime: Runtime, message: Message) -> Coroutine[Any, Any, Outcome[None]]:
        return runtime.attempt(self._publish, self.channel, message.encoded())


def _operation(bus: InvalidationBus, verb: str) -> Operation[..., None]:
    blocking, awaitable = getattr(bus, verb, None), getattr(bus, f"a{verb}", None)
    if isinstance(bus, type):
        raise GCacheConfigError(
            f"The invalidation_bus is the class {bus.__name__}: make one, as in {_EXAMPLE}."
        )
    if blocking is None and awaitable is None:
        raise _lacks(bus, verb)
    if is_awaited(blocking):
        raise GCacheConfigError(f"{verb} of the invalidation_bus is async: call it a{verb}.")
    return Operation(blocking, awaitable)


def _lacks(bus: object, verb: str) -> GCacheConfigError:
    return GCacheConfigError(
        f"The invalidation_bus ({type(bus).__name__}) lacks {verb}: a bus has the methods of "
        f"gcache.InvalidationBus, as {_EXAMPLE} has."
    )
