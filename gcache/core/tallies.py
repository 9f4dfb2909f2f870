"""What comes up on every hit: noted with one step each, and handed to the sink in sums.

Nothing here takes a lock. An addition to an attribute, and an append, each happen at once under the
interpreter's lock, and only one thread at a time takes sums.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from gcache.core.events import Get, Hit, Serialization, Size

if TYPE_CHECKING:
    from gcache.core.events import Event

Figure = TypeVar("Figure", int, float)

MOST_FIGURES = 250_000  # of a kind; while a sink does not come back the oldest go


class Tally:
    """What one layer did for one use case: hits, how many seconds each read, dump and load took, and sizes.

    `hits` only grows, and is a float because adding to one is cheaper than making the next int.
    """

    __slots__ = ("delivered", "dumps", "hits", "loads", "reads", "sizes")

    def __init__(self) -> None:
        self.hits = self.delivered = 0.0
        self.reads: deque[float] = deque(maxlen=MOST_FIGURES)
        self.dumps: deque[float] = deque(maxlen=MOST_FIGURES)
        self.loads: deque[float] = deque(maxlen=MOST_FIGURES)
        self.sizes: deque[int] = deque(maxlen=MOST_FIGURES)

    def take(self, use_case: str, key_type: str, layer: str) -> Iterator[Event]:
        """Yield what came up since the last time."""
        if reads := _taken(self.reads):
            yield Get(use_case, key_type, layer, reads)
        if dumps := _taken(self.dumps):
            yield Serialization(use_case, key_type, layer, "dump", dumps)
        if loads := _taken(self.loads):
            yield Serialization(use_case, key_type, layer, "load", loads)
        if sizes := _taken(self.sizes):
            yield Size(use_case, key_type, layer, sizes)
        hits = self.hits
        if new := hits - self.delivered:
            self.delivered = hits
            yield Hit(use_case, key_type, layer, int(new))


def _taken(figures: deque[Figure]) -> tuple[Figure, ...]:
    """Take out what is there now; what is added meanwhile stays for the next time."""
    return tuple([figures.popleft() for _ in range(len(figures))])
