"""What must hold in every schedule, and the history that it is judged by.

1. *Exact*: no read that starts after an invalidation has returned yields a value whose load began before
   that invalidation started. The one exception is the contract's: the memory layer of another process
   may answer until its TTL ends, or with a bus until the message has arrived.
2. *Held*: until a holder's time is up, or it has begun to end its hold itself, it stands in the authority;
   no call that started under it writes an entry, and a read that started after it was announced is served
   by its own load.
3. *Alive*: nobody waits for ever, nobody gets an exception but the source's own, and no part of the
   chain breaks and is covered up for.
4. *Tidy*: when all are done, no flight is left.
5. *Deaf*: a process that knows that it is cut off from the bus answers nothing from memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcache.core.epochs import ANYBODY, standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.store import Touch


class Reading:
    """What one call can know when it starts: which invalidations have ended, and until when it is held.

    `announced` are the holds of what has returned, by process and holder, `holds` those in the authority,
    and until when they stand.
    """

    __slots__ = ("actor", "announced", "ended", "holds", "is_deaf", "process")

    def __init__(self, actor: str, process: str) -> None:
        self.actor = actor
        self.process = process
        self.is_deaf = False
        self.ended: frozenset[tuple[str, str]] = frozenset()
        self.announced: tuple[tuple[tuple[str, str], float], ...] = ()
        self.holds: tuple[tuple[str, float], ...] = ()


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
        self.holds: dict[str, float] = {}
        self.released: frozenset[str] = frozenset()
        self.announced: dict[tuple[str, str], float] = {}
        self.is_hold_lost = False
        self.actor = ""
        self.under_way: dict[str, str] = {}
        self.said: frozenset[str] = frozenset()
        self.arrived: frozenset[tuple[str, str]] = frozenset()
        self.deaf: frozenset[str] = frozenset()
        self._touch = touch
        self._fail = fail

    def invalidation_begins(self, name: str) -> None:
        self._touch("begun", True)
        self.begun |= {name}
        self.under_way[self.actor] = name

    def invalidation_ends(self, name: str, process: str, held_until: float = 0.0) -> None:
        self._touch("ended", True)
        self.ended |= {(name, process)} | {pair for pair in self.arrived if pair[0] == name}
        if held_until:
            self.hold_is_announced(process, ANYBODY, held_until)

    def is_said(self) -> str:
        """Remember that the acting call tells the others, and return of what."""
        self._touch("ended", True)
        name = self.under_way.get(self.actor, "")
        self.said |= {name}
        return name

    def arrives(self, process: str, names: frozenset[str]) -> None:
        """From now on these invalidations count in `process`, as soon as they have ended."""
        self._touch("ended", True)
        self.arrived |= {(name, process) for name in names}
        self.ended |= {(name, process) for name, _ in self.ended if name in names}

    def is_cut_off(self, process: str, is_deaf: bool) -> None:
        """Note whether `process` knows that it is cut off. What it has missed counts when it hears again."""
        self._touch("ended", True)
        if is_deaf:
            self.deaf |= {process}
        else:
            self.deaf -= {process}
            self.arrives(process, self.said)

    def hold_is_announced(self, process: str, holder: str, until: float) -> None:
        self._touch("ended", True)
        self.announced[process, holder] = max(self.announced.get((process, holder), 0.0), until)

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
        reading.announced = tuple(sorted(self.announced.items()))
        reading.holds = tuple(sorted(self.holds.items()))
        reading.is_deaf = process in self.deaf
        self.readings[self.actor] = reading
        return reading

    def holds_are_set(self, holds: dict[str, float]) -> None:
        self._touch("hold", True)
        for holder, until in holds.items():
            if holder not in self.released:
                self.holds[holder] = max(self.holds.get(holder, 0.0), until)

    def hold_is_released(self, holder: str) -> None:
        """A holder begins to end its hold: nothing more is asked of it."""
        self._touch("hold", True)
        self.released |= {holder}
        self.holds.pop(holder, None)

    def hold_is_lost(self) -> None:
        """Somebody who may do so took the hold away: nothing more is asked of holds in this schedule."""
        self._touch("hold", True)
        self._touch("lost", True)
        self.is_hold_lost = True

    def entry_is_written(self, now: float) -> None:
        """Check property 2 for an entry that the acting call writes to the authority."""
        self._touch("lost", False)
        reading = self.readings.get(self.actor)
        if reading is None or self.is_hold_lost:
            return
        if any(until > now and holder in self.holds for holder, until in reading.holds):
            self._fail(f"held: {self.actor} started under a hold that stands, and writes an entry")

    def check_hold(self, stored: bytes | None, deadline: float, now: float) -> None:
        """Check property 2 for what stands under the epoch's key in the authority."""
        until = max(self.holds.values(), default=0.0)
        if until > now and not self.is_hold_lost:
            if standing(stored) != "hold":
                self._fail(f"held: until second {until:g} a hold must stand, but {stored!r} does")
            elif deadline < until:
                self._fail(f"held: the hold ends at {deadline:g}, {until - deadline:g} s early")

    def check_value(self, reading: Reading, value: str, from_memory: bool, now: float) -> None:
        """Check properties 1 and 2 for what a read yields. `now` is the authority's."""
        self._touch("lost", False)
        self._touch("hold", False)
        actor = reading.actor
        if from_memory and reading.is_deaf:
            self._fail(f"deaf: {actor} is answered from memory, though its process cannot hear")
        binding = {name for name, process in reading.ended if not from_memory or process == reading.process}
        if late := binding - self.loads[value]:
            names = ", ".join(sorted(late))
            self._fail(f"exact: {actor} yields {value!r}, whose load began before {names}")
        is_held = any(
            until > now and holder not in self.released
            for (process, holder), until in reading.announced
            if not from_memory or process == reading.process
        )
        if is_held and not self.is_hold_lost and not value.startswith(f"{actor}."):
            self._fail(f"held: {actor} started under a hold that stands, and yields {value!r}")
