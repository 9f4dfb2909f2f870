"""An entry, and what may be concluded from it. `now` is always an argument."""

from __future__ import annotations

from typing import Any


class Generation:
    """This process's view of an entity between two invalidations: what was filled under it dies with it."""

    __slots__ = ("__weakref__", "alive")

    def __init__(self) -> None:
        self.alive = True


class Entry:
    """A value, when its load began and when it expires (Unix time, seconds), and what it belongs to.

    `epoch` is the entity's epoch in the authority, None for an untracked use case. `generation` is
    that entity's in this process. `load_sec` is how long its load took, 0 if nobody asked. In-process layers
    hold live entries; others hold sealed ones.
    """

    __slots__ = ("began", "epoch", "expires", "generation", "load_sec", "value")

    def __init__(
        self,
        value: Any,
        began: float,
        expires: float,
        epoch: bytes | None,
        generation: Generation,
        load_sec: float = 0.0,
    ) -> None:
        self.value = value
        self.began = began
        self.expires = expires
        self.epoch = epoch
        self.generation = generation
        self.load_sec = load_sec


class Kept:
    """What a layer keeps, and how many seconds are left of its life: with 0 or less it is stale.

    `depth` is how many layers are nearer.
    """

    __slots__ = ("depth", "entry", "left_sec")

    def __init__(self, entry: Entry, left_sec: float) -> None:
        self.entry = entry
        self.left_sec = left_sec
        self.depth = 0


class Raised:
    """Stands in an entry for an exception that its load raised.

    In memory the entry's own generation is a dead one, so that the hot path, which returns what it finds,
    leaves it to the chain; `generation` is the entity's.
    """

    __slots__ = ("error", "generation")

    def __init__(self, error: Exception, generation: Generation | None = None) -> None:
        self.error = error
        self.generation = generation


_NEVER_ALIVE = Generation()
_NEVER_ALIVE.alive = False


def barred(entry: Entry) -> Entry:
    """Return an entry of an exception as it may lie in memory."""
    raised = Raised(entry.value.error, entry.generation)
    return Entry(raised, entry.began, entry.expires, entry.epoch, _NEVER_ALIVE, entry.load_sec)


def is_alive(entry: Entry) -> bool:
    """Tell whether an entry in memory was not invalidated."""
    if type(entry.value) is Raised:
        generation = entry.value.generation
        return generation is not None and generation.alive
    return entry.generation.alive


def lifetime(ttl: float, expires: float, now: float) -> float:
    """Return how long a copy may live that is kept `ttl` seconds, of an entry that ends at `expires`."""
    return min(ttl, expires - now)
