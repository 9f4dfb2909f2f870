"""What parts may offer besides, to be faster or to do more. Core looks for it, and does without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from gcache.core.entries import Entry, Generation, Kept


class Place(Protocol):
    """Where a layer keeps one entry, with what a hit needs of it. Read without a lock.

    So whoever replaces an entry puts another place there.
    """

    deadline: float
    """The reading of `time.monotonic` from which on `find` does not return the entry."""

    value: Any

    generation: Generation

    visited: bool
    """Set to True by whoever answers with the entry: the layer is not told of a hit otherwise."""


class OpenLayer(Protocol):
    """An in-process layer that lets cached functions look into its mapping, and so spare the call of `find`.

    Optional. Without it, and where copies of values are given out, `find` is called.
    """

    @property
    def lookup(self) -> Callable[[str], Place | None] | None:
        """What returns the place of a key, also one whose life is over; None to have `find` called.

        Read once for each function, when it is decorated: what it returned has to stay good.
        """
        ...


class StaleKeeper(Protocol):
    """An in-process layer that keeps entries beyond their lives, for use cases that ask for it.

    Optional. Without it, what has expired is not served from this layer, nothing is renewed ahead of its end,
    and exceptions are not kept.
    """

    def keep(self, key: str, entry: Entry, ttl: float, ahead_sec: float, stale_sec: float) -> None:
        """Do what `put` does for one entry, which lives for `ttl` seconds and is kept for `stale_sec` more.

        `find` does not return it in the last `ahead_sec` seconds of its life.
        """
        ...

    def find_kept(self, key: str, now: float) -> Kept | None:
        """Return the entry under `key` for as long as it is kept, with what is left of its life at `now`."""
        ...


class BulkAdder(Protocol):
    """A layer that can add many keys in one round trip, as the authority of `cached_many` should.

    Optional. Without it core adds one key after the other. `aadd_many` is the same for an `AsyncCacheLayer`.
    """

    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        """Do what `add` does for each of `items`, each by itself; return what it would, in their order.

        Called with one item or more. May raise anything, also when some were stored: core takes it that none
        were, and stores no entry under them.
        """
        ...


class EpochRetirer(Protocol):
    """A layer that can retire an epoch in one step, as the authority of many processes should.

    Optional. Without it core reads the key and then acts, which can cut a hold short that another
    process set in between. `aretire` is the same for an `AsyncCacheLayer`.
    """

    def retire(self, key: str, holder: str, ttl: float) -> None:
        """Make sure that no epoch stands under `key`, and that `holder` holds it for `ttl` seconds.

        A hold is stored as `h`, followed by `<holder>:<end>;` for each that holds, with its end in
        milliseconds of Unix time by the layer's own clock; the key lives until the last of them. What
        does not begin with `h` goes. Other holders stay until their ends, and a holder's own hold is
        never shortened but with `ttl` 0, which ends it. With `ttl` 0 the holder "", which is nobody,
        ends nothing. `gcache.core.epochs.retired` says the same in Python.
        """
        ...


@runtime_checkable
class ScrapedSink(Protocol):
    """A sink that is read at times of somebody else's choosing. Optional, beside `MetricsSink`."""

    def before_collect(self, callback: Callable[[], object]) -> None:
        """Call `callback` before each reading, so that sums which are due are in it."""
        ...
