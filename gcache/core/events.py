"""What happened, in the words that every sink understands. Durations are seconds, sizes bytes.

What happens often comes in sums. An event with `calls` speaks of so many calls; one with a tuple of
`seconds` or `sizes` speaks of as many reads, dumps, loads or entries as there are figures in it. So to count
events is to count too few: add up `calls`, and take every figure.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from gcache.core.records import Record


class Hit(Record):
    """`calls` calls of a use case were answered by `layer`."""

    use_case: str
    key_type: str
    layer: str
    calls: int = 1


class Miss(Record):
    """`calls` calls went on to the source. `layer` is the last one asked, `reason` is what it said."""

    use_case: str
    key_type: str
    layer: str
    reason: str
    calls: int = 1


class Disabled(Record):
    """`calls` calls went straight to the source, because nothing was to be cached."""

    use_case: str
    key_type: str
    reason: str
    calls: int = 1


class Error(Record):
    """Something failed. `error` is the exception's class name.

    `in_fallback` tells the source's own failure, which the caller sees, from one of the cache, which
    the caller does not. `layer` is empty when no layer took part.
    """

    use_case: str
    key_type: str
    layer: str
    error: str
    in_fallback: bool


class Invalidation(Record):
    """An entity of this key type was invalidated in `layer`."""

    key_type: str
    layer: str


class Get(Record):
    """Reads of `layer` took so many seconds each. They come in sums, as hits do."""

    use_case: str
    key_type: str
    layer: str
    seconds: tuple[float, ...]


class Load(Record):
    """A run of the source took `seconds`, whether it returned or raised."""

    use_case: str
    key_type: str
    seconds: float


class Serialization(Record):
    """Turning values into bytes, or back, took so many seconds each. They come in sums, as hits do."""

    use_case: str
    key_type: str
    layer: str
    operation: Literal["dump", "load"]
    seconds: tuple[float, ...]


class Size(Record):
    """Entries of so many bytes each were handed to `layer`. They come in sums, as hits do."""

    use_case: str
    key_type: str
    layer: str
    sizes: tuple[int, ...]


class Stale(Record):
    """A call was answered with an entry whose life was over, that `layer` had kept.

    "revalidating" says that it is renewed beside the caller, "error" that its load failed just now or a
    moment ago, "slow" that it took too long, "leased" that another process is at it.
    """

    use_case: str
    key_type: str
    layer: str
    reason: Literal["revalidating", "error", "slow", "leased"]


class Lease(Record):
    """A call that was to load asked for the lease of its key.

    "held": it got it. "waited": another process had it, and brought the entry. "lapsed": that process was not
    done in time, or `layer` could not be asked, and the call loads all the same.
    """

    use_case: str
    key_type: str
    layer: str
    result: Literal["held", "waited", "lapsed"]


class Entries(Record):
    """The in-process layer `layer` of this process holds `held` entries now."""

    layer: str
    held: int


class Skipping(Record):
    """`layer` failed a few times in a row and is not asked any more (1), or it answers again (0)."""

    layer: str
    skips: Literal[0, 1]


class Pending(Record):
    """`waiting` invalidations of this process have not reached the authority, or the bus, yet."""

    waiting: int


class Listening(Record):
    """On `channel`, this process hears of invalidations in others (1), or is cut off from the bus (0)."""

    channel: str
    hears: Literal[0, 1]


class Shadow(Record):
    """A hit of `layer` was compared with what its source returns now.

    "error" says that the source, or the comparison, raised. `age_sec` is how long before the hit the
    load of its entry had begun.
    """

    use_case: str
    key_type: str
    layer: str
    result: Literal["match", "mismatch", "error"]
    age_sec: float


Event: TypeAlias = (
    Hit
    | Miss
    | Disabled
    | Error
    | Invalidation
    | Get
    | Load
    | Serialization
    | Size
    | Stale
    | Lease
    | Entries
    | Skipping
    | Pending
    | Listening
    | Shadow
)
