"""What the parts promise each other. Implementations need no base class: the right methods are enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from gcache.core.optional import BulkAdder as BulkAdder
from gcache.core.optional import EpochRetirer as EpochRetirer
from gcache.core.optional import OpenLayer as OpenLayer
from gcache.core.optional import Place as Place
from gcache.core.optional import ScrapedSink as ScrapedSink
from gcache.core.optional import StaleKeeper as StaleKeeper

if TYPE_CHECKING:
    from gcache.core.entries import Entry
    from gcache.core.events import Event
    from gcache.core.key_config import GCacheKeyConfig
    from gcache.core.keys import GCacheKey

Stored = TypeVar("Stored")

Progress: TypeAlias = Callable[[int], None]
"""Called now and then with the number of entries removed so far."""

ConfigProvider: TypeAlias = (
    "Callable[[GCacheKey], GCacheKeyConfig | None] | Callable[[GCacheKey], Awaitable[GCacheKeyConfig | None]]"
)
"""Asked what to do for a use case, with the key of the call that made core ask.

Called at most once every `config_refresh_sec` for each use case, from any thread or event loop. Return
None for "no configuration". What it raises is counted, and the last good answer stays in force.
"""


if TYPE_CHECKING:
    from abc import ABCMeta as _ProtocolMeta
else:
    _ProtocolMeta = type(Protocol)


class LayerNames(_ProtocolMeta):
    """Carries the names of the two reference layers, so that `CacheLayer.LOCAL` needs no second class."""

    LOCAL = "local"
    REMOTE = "remote"


class CacheLayer(Protocol[Stored], metaclass=LayerNames):
    """One tier of storage, called from any thread and blocking until it has an answer.

    A layer out of process stores `bytes` and gives back the same bytes; what they mean is not its
    business. Every method may raise anything when the layer is in trouble: core counts it and goes on
    without the layer. A layer must never answer "absent" when it could not look.
    """

    name: str
    """The layer's key in `ttl_sec` and `ramp`, and its label in metrics."""

    def get(self, keys: Sequence[str]) -> Sequence[Stored | None]:
        """Return what is stored under each of `keys`, in their order, None where nothing is."""
        ...

    def put(self, items: Mapping[str, Stored], ttl: float) -> None:
        """Store `items` for `ttl` seconds (above 0), replacing what was there and its remaining life.

        Raises EntryTooLarge, before anything is stored, for one that is larger than the layer keeps. Core
        does without the layer for that value, and for no other.
        """
        ...

    def add(self, key: str, value: Stored, ttl: float) -> bool:
        """Store `value` for `ttl` seconds only if nothing lives under `key`; tell whether it was stored.

        Of any number of callers at once, in any process, at most one is told True.
        """
        ...

    def delete(self, keys: Sequence[str]) -> int:
        """Forget `keys`; return how many of them were there."""
        ...

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        """Forget every key that begins with `prefix`, and no other; return how many there were.

        A layer that cannot know how many returns 0. Otherwise `progress` is called with the number removed so
        far, once for each batch.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files. Called once, and nothing after it."""
        ...


class AsyncCacheLayer(Protocol[Stored]):
    """A layer that is awaited; every method promises what its namesake in `CacheLayer` does.

    Called from any number of event loops, one after another or at once. A layer may offer both sides.
    """

    name: str

    async def aget(self, keys: Sequence[str]) -> Sequence[Stored | None]: ...

    async def aput(self, items: Mapping[str, Stored], ttl: float) -> None: ...

    async def aadd(self, key: str, value: Stored, ttl: float) -> bool: ...

    async def adelete(self, keys: Sequence[str]) -> int: ...

    async def aclear(self, prefix: str, progress: Progress | None = None) -> int: ...

    async def aclose(self) -> None: ...


class InProcessLayer(CacheLayer["Entry"], Protocol):
    """A layer that keeps live entries in this process and never waits, neither for I/O nor for others."""

    in_process: bool
    """True. Core reads it to know that values need no serializer here."""

    def find(self, key: str, now: float) -> Entry | None:
        """Return the entry under `key` unless its life was over at `now`, a reading of `time.monotonic`."""
        ...

    def __len__(self) -> int:
        """Return the number of entries held now."""
        ...


class Subscription(Protocol):
    """What is published on one channel of a bus, from the moment on at which this was made."""

    def receive(self, timeout_sec: float) -> bytes | None:
        """Return the next message, or None if none has come within `timeout_sec`.

        Raises anything as soon as a message may have been missed, and never connects anew in silence: core
        drops what it holds, and subscribes again.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. Called by the thread that receives."""
        ...


class InvalidationBus(Protocol):
    """Carries short messages to all processes that have subscribed to a channel.

    Core takes care of what the messages say, of listening in a thread of its own, and of silence: it sends
    itself a message when it has heard none for a while. A bus may have `apublish` and `aclose`, too, for
    those who call from event loops; without them `publish` runs in a thread.
    """

    def publish(self, channel: str, message: bytes) -> None:
        """Send `message` to all who have subscribed to `channel`, also in this process.

        Called from any thread. Raises anything if it may not have been sent: it will be sent again.
        """
        ...

    def subscribe(self, channel: str) -> Subscription:
        """Return once every message that is published from now on will be received.

        Called by one thread at a time, anew after each failure. Raises anything if it cannot.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Called once, after the last subscription was closed."""
        ...


class KeyBuilder(Protocol):
    """Turns structured keys into the strings that layers store entries under."""

    prefixes: tuple[str, ...]
    """Every string built here begins with one of these, and no string of anybody else does."""

    def build(self, key: GCacheKey) -> str:
        """Return the string of `key`: equal for equal keys, different for different ones.

        Raises UnrenderableArgument for a value that has no defined rendering.
        """
        ...

    def epoch(self, key_type: str, id: object) -> str:
        """Return the string of an entity's epoch.

        No key builds to it, and a Redis Cluster puts it into the slot of all tracked keys of the entity.
        """
        ...


class MetricsSink(Protocol):
    """Where events go to be counted."""

    def record(self, event: Event) -> None:
        """Take one event, quickly, from any thread. What it raises is logged once and goes no further.

        One event may speak of many calls, reads or entries: see `gcache.core.events`.
        """
        ...


class Serializer(Protocol):
    """Turns values into bytes and back, from any thread."""

    identity: str
    """A short ASCII name with a version. It travels with the bytes: others than these are not loaded."""

    def dump(self, value: Any) -> bytes:
        """Return bytes from which `load` makes an equal value of the same type.

        Raises SerializationError for a value that would not come back so.
        """
        ...

    def load(self, data: bytes) -> Any:
        """Return the value of `data`, which may be hostile: it must run nothing that it names.

        Raises anything when it cannot: the entry counts as unreadable and is written anew.
        """
        ...
