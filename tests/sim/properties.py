"""What must hold in every schedule, and the history that it is judged by.

1. *Exact*: no read that starts after an invalidation has returned yields a value whose load began before
   that invalidation started. The one exception is the contract's: without a bus, the memory layer of
   another process may answer until its TTL ends.
2. *Held*: while a hold stands nothing replaces it in the authority but a longer one, no call that started
   under it writes an entry, and a read that started after it was announced is served by its own load.
3. *Alive*: nobody waits for ever, nobody gets an exception but the source's own, and no part of the
   chain breaks and is covered up for.
4. *Tidy*: when all are done, no flight is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcache.core.epochs import standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.store import Touch


class Reading:
    """What one call can know when it starts: which invalidations have ended, and until when it is held.

    `announced_until` is that of the invalidations that have returned, `announced_here_until` that of those
    in its own process, `held_until` that of whatever stands in the authority.
    """

    __slots__ = ("actor", "announced_here_until", "announced_until", "ended", "held_until", "process")

    def __init__(self, actor: str, process: str) -> None:
        self.actor = actor
        self.process = process
        self.ended: frozenset[tuple[str, str]] = frozenset()
        self.announced_until = self.announced_here_until = self.held_until = 0.0


class History:
    """What the invalidations, the loads and the holds were. `fail` takes the sentence about a violation.

    An invalidation is named by itself and its process. A value is named by its load, `<actor>.<number>`.
    Steps touch here only what the checks put in order: the end of an invalidation against the start of a
    read, the start of an invalidation against the start of a load, and the hold.
    """

    def __init__(self, touch: Touch, fail: Callable[[str], None]) -> None:
        self.begun: frozenset[str] = frozenset()
        self.ended: frozenset[tuple[str, str]] = frozenset()
        self.loads: dict[str, frozenset[str]] = {}
        self.vouched: dict[str, str] = {}
        self.readings: dict[str, Reading] = {}
        self.held_until = 0.0
        self.announced: dict[str, float] = {}
        self.is_hold_lost = False
        self.actor = ""
        self._touch = touch
        self._fail = fail

    def invalidation_begins(self, name: str) -> None:
        self._touch("begun", True)
        self.begun |= {name}

    def invalidation_ends(self, name: str, process: str, held_until: float) -> None:
        self._touch("ended", True)
        self.ended |= {(name, process)}
        self.announced[process] = max(self.announced.get(process, 0.0), held_until)

    def load_begins(self, value: str) -> None:
        """Remember which invalidations had started when the load of `value` began."""
        self._touch("begun", False)
        self.loads[value] = self.begun

    def epoch_is_asked_for(self) -> None:
        """Let a value that the acting call vouches for be as current as the epoch."""
        if self.actor in self.vouched:
            self.load_begins(self.vouched[self.actor])

    def call_starts(self, process: str) -> Reading:
        """Remember what the acting call can know."""
        self._touch("ended", False)
        self._touch("hold", False)
        reading = Reading(self.actor, process)
        reading.ended = self.ended
        reading.announced_until = max(self.announced.values(), default=0.0)
        reading.announced_here_until = self.announced.get(process, 0.0)
        reading.held_until = self.held_until
        self.readings[self.actor] = reading
        return reading

    def hold_is_set(self, until: float) -> None:
        self._touch("hold", True)
        self.held_until = max(self.held_until, until)

    def hold_is_lost(self) -> None:
        """Somebody who may do so took the hold away: nothing more is asked of holds in this schedule."""
        self._touch("hold", True)
        self._touch("lost", True)
        self.is_hold_lost = True

    def entry_is_written(self, now: float) -> None:
        """Check property 2 for an entry that the acting call writes to the authority."""
        self._touch("lost", False)
        reading = self.readings.get(self.actor)
        if reading is not None and reading.held_until > now and not self.is_hold_lost:
            self._fail(f"held: {self.actor} started under a hold that stands, and writes an entry")

    def check_hold(self, stored: bytes | None, deadline: float, now: float) -> None:
        """Check property 2 for what stands under the epoch's key in the authority."""
        if self.held_until > now and not self.is_hold_lost:
            if standing(stored) != "hold":
                self._fail(f"held: until second {self.held_until:g} a hold must stand, but {stored!r} does")
            elif deadline < self.held_until:
                self._fail(f"held: the hold ends at {deadline:g}, {self.held_until - deadline:g} s early")

    def check_value(self, reading: Reading, value: str, from_memory: bool, now: float) -> None:
        """Check properties 1 and 2 for what a read yields. `now` is the authority's."""
        self._touch("lost", False)
        actor = reading.actor
        binding = {name for name, process in reading.ended if not from_memory or process == reading.process}
        if late := binding - self.loads[value]:
            names = ", ".join(sorted(late))
            self._fail(f"exact: {actor} yields {value!r}, whose load began before {names}")
        until = reading.announced_here_until if from_memory else reading.announced_until
        if until > now and not self.is_hold_lost and not value.startswith(f"{actor}."):
            self._fail(f"held: {actor} started under a hold that stands, and yields {value!r}")
