"""What this process knows of invalidations: the live generation of each entity, and the standing holds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from weakref import WeakValueDictionary

from gcache.core.entries import Generation
from gcache.core.epochs import ANYBODY, with_holder

_RECENT = 1_000  # making one and letting it go costs five times what finding one does


class Generations:
    """The generations of all entities that something in this process still refers to.

    A reader takes the generation first, then asks whether the entity is held, then looks anywhere.
    So whatever it fills afterwards dies with an invalidation that came in between.

    Under the lock objects are made, so a finalizer may run that reads or invalidates, and comes back here.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_making = False
        self._live: WeakValueDictionary[str, Generation] = WeakValueDictionary()
        self._recent: deque[Generation] = deque(maxlen=_RECENT)
        self.holds: dict[str, dict[str, float]] = {}
        self._untracked = Generation()

    def of(self, entity: str | None) -> Generation:
        """Return the live generation of an entity; that of all untracked entries for None."""
        if entity is None:
            return self._untracked
        generation = self._live.get(entity)  # one that is ended at this moment is as good as one ended after
        if generation is not None and generation.alive:
            return generation
        with self._lock:
            generation = self._live.get(entity)
            if generation is None or not generation.alive:
                generation = Generation()
                if self._is_making:  # a finalizer: what it fills is not to outlive what is made around it
                    generation.alive = False
                    return generation
                self._is_making = True
                try:
                    self._live[entity] = generation
                finally:
                    self._is_making = False
                self._recent.append(generation)
            return generation

    def of_all(self, entities: Sequence[str]) -> list[Generation]:
        """Return what `of` does, for each of many entities."""
        return [self.of(entity) for entity in entities]

    def held(self, entity: str, now: float) -> bool:
        """Tell whether a hold that was set in this process stands at `now` (monotonic, seconds)."""
        holds = self.holds.get(entity)
        return holds is not None and max(holds.values()) > now

    def kill(self, entity: str, now: float, hold_sec: float = 0, holder: str = ANYBODY) -> None:
        """End the entity's generation, and have `holder` hold it for `hold_sec` or no longer."""
        with self._lock:
            if hold_sec > 0 or entity in self.holds:
                self._hold(entity, with_holder(self.holds.get(entity, {}), holder, hold_sec, now), now)
            generation = self._live.get(entity)
            if generation is not None:
                generation.alive = False  # first: a signal handler may raise, and nobody else finds it then
                self._live.pop(entity, None)

    def kill_all(self) -> None:
        """End every generation, tracked or not. Holds stay."""
        with self._lock:
            for reference in self._live.valuerefs():  # a copy: readers, who need no lock, make it shrink
                if (generation := reference()) is not None:
                    generation.alive = False
            self._untracked.alive = False
            self._live.clear()
            self._untracked = Generation()

    def after_fork(self) -> None:
        """Make the child's lock its own, and leave to the parent the holds that only the parent ends."""
        self._lock = threading.RLock()
        self._is_making = False
        self.holds = {
            entity: {ANYBODY: holds[ANYBODY]} for entity, holds in self.holds.items() if ANYBODY in holds
        }

    def _hold(self, entity: str, holds: dict[str, float], now: float) -> None:
        """Let `holds` stand for the entity, and forget what has lapsed elsewhere."""
        kept = {name: others for name, others in self.holds.items() if max(others.values()) > now}
        kept.pop(entity, None)
        self.holds = kept | ({entity: holds} if holds else {})
