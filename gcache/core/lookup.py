"""Asking the layers for an entry, nearest first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gcache.core import epochs
from gcache.core.entries import Kept, is_alive
from gcache.core.keeping import outcome_of
from gcache.core.staleness import Stale
from gcache.errors import LayerSkipped

if TYPE_CHECKING:
    from gcache.core.entries import Entry
    from gcache.core.policy import Policy
    from gcache.core.runtime import Outcome, Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Call, Visit
    from gcache.core.wire import Wire


class Lookup:
    """Reads layers. None of them makes it raise: what they say is noted in the visit."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._wire = wire
        self._troubles = around.troubles
        self._clock = around.clock
        self._now = around.now

    async def look(self, runtime: Runtime, visit: Visit, depth: int = 0) -> Kept | None:
        """Return what the nearest layer has that is still alive, leaving out the first `depth`.

        What is kept beyond its life is left with the visit.
        """
        if visit.unwritable:
            return None
        for at, step in enumerate(visit.steps):
            if at < depth:
                continue
            tier = step.tier
            kept = self.find(visit, tier) if tier.in_process else await self.get(runtime, visit, tier)
            if kept is not None and self.lives(visit, tier, kept):
                kept.depth = at
                return kept
        return None

    def near(self, call: Call, policy: Policy | None) -> Outcome[Any] | None:
        """Return a hit as the hot path does, which may not have looked; None for all else."""
        use_case = call.use_case
        if policy is None or not policy.nearest_is_open or policy.open_shadow or use_case.is_shut:
            return None
        try:
            entry = policy.all[0].tier.memory.find(call.name, self._clock())
            if entry is None or not entry.generation.alive:
                return None
            outcome = outcome_of(entry, use_case.rules.copies)
        except Exception:  # who looks again meets the same, and says whose fault it is
            return None
        use_case.hits += 1.0
        return outcome

    def find(self, visit: Visit, tier: Tier) -> Kept | None:
        """Look into one layer of this process."""
        now = self._clock()
        try:
            if (find_kept := tier.find_kept) is not None:
                kept = find_kept(visit.call.name, now)
            else:
                entry = tier.memory.find(visit.call.name, now)
                kept = None if entry is None else Kept(entry, math.inf)
        except Exception as error:
            self._troubles.gave_up(visit, tier, error)
            return None
        return kept if kept is not None and is_alive(kept.entry) else None

    async def get(self, runtime: Runtime, visit: Visit, tier: Tier) -> Kept | None:
        """Read one layer out of process: the entry, and with it the epoch if the entity is tracked."""
        began = self._clock()
        outcome = await tier.get(runtime, visit.keys)
        return self._note(visit, tier, outcome, self._clock() - began)

    def ended(self, visit: Visit, tier: Tier, turn: int, began: float, outcome: Outcome[Any]) -> Kept | None:
        """Return what a read brought that nobody has looked at yet, if it is an entry that lives."""
        seconds = self._clock() - began
        kept = self._note(visit, tier, tier.ended("get", (visit.keys,), turn, seconds, outcome), seconds)
        return kept if kept is not None and self.lives(visit, tier, kept) else None

    def _note(self, visit: Visit, tier: Tier, outcome: Outcome[Any], seconds: float) -> Kept | None:
        """Take note of a read that took `seconds`, and return the entry if it counts."""
        error = outcome.error
        if not isinstance(error, LayerSkipped):
            visit.call.use_case.tally(tier.name).reads.append(seconds)
        if error is not None:
            self._troubles.gave_up(visit, tier, error)
            return None
        return self.heard(visit, tier, *outcome.value)

    def heard(
        self, visit: Visit, tier: Tier, stored: bytes | None, epoch: bytes | None = None
    ) -> Kept | None:
        """Take note of what a layer out of process holds, and return the entry if it counts."""
        if visit.epoch_key is not None:
            visit.epoch = epoch
            if epochs.standing(visit.epoch) == "hold":
                visit.reason, visit.unwritable = "held", True
                return None
        if stored is None:
            visit.reason = "absent"
            return None
        read = self._wire.unpack(visit.call, tier, stored, visit.generation)
        if isinstance(read, str):
            visit.reason = read
            return None
        entry, stale_sec = read
        if visit.epoch_key is not None and not epochs.lives(entry.epoch, visit.epoch):
            visit.reason = "invalidated"
            return None
        return Kept(entry, self._left_sec(visit, entry, stale_sec))

    def lives(self, visit: Visit, tier: Tier, kept: Kept) -> bool:
        """Tell whether an entry's life is not over. If it is, it is left with the visit."""
        if kept.left_sec > 0:
            return True
        visit.reason = "expired"
        visit.keep(Stale(kept.entry, -kept.left_sec, tier.name))
        return False

    def _left_sec(self, visit: Visit, entry: Entry, stale_sec: float) -> float:
        """Return what is left of an entry's life by this host's clock, where anybody asked for more.

        Otherwise the layer has seen to it that what is over is not there, whatever this clock says.
        """
        if stale_sec > 0 or visit.config.refresh_ahead:
            return entry.expires - self._now()
        return math.inf
