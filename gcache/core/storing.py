"""Writing entries to the layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gcache.core.entries import Entry, Raised, barred, lifetime
from gcache.core.envelope import dates
from gcache.core.keeping import copy_of
from gcache.core.runtime import Operation
from gcache.core.staleness import ahead_sec
from gcache.errors import EntryTooLarge

if TYPE_CHECKING:
    from gcache.core.entries import Generation
    from gcache.core.policy import Policy, Step
    from gcache.core.runtime import Outcome, Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Call, Visit
    from gcache.core.wire import Wire


class Storing:
    """Writes, for as long as each layer keeps entries. No layer makes it raise."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._wire = wire
        self._troubles = around.troubles
        self._now = around.now
        self._chance = around.chance

    def entry(
        self, visit: Visit, value: Any, began: float, load_sec: float = 0.0, now: float | None = None
    ) -> Entry:
        """Return the entry of a load that began at `began` and has ended at `now` (Unix time)."""
        longest = max([step.ttl for step in visit.steps])
        expires = (self._now() if now is None else now) + longest * self._shortening(visit)
        load_sec = load_sec if visit.config.refresh_ahead else 0.0
        return Entry(value, began, expires, visit.epoch, visit.generation, load_sec)

    async def store(self, runtime: Runtime, visit: Visit, entry: Entry, steps: Sequence[Step]) -> list[Tier]:
        """Write to each layer of `steps`, farthest first, but for those that failed.

        Return the layers that cannot keep this entry, whatever state they are in.
        """
        refusing: list[Tier] = []
        if visit.unwritable:
            return refusing
        for step in reversed(steps):
            tier = step.tier
            life_sec = self.life_sec(visit, step, entry, self._now())
            if life_sec <= 0:
                continue
            outcome = await self._put(runtime, visit, tier, entry, life_sec)
            if outcome is None:
                refusing.append(tier)
            elif isinstance(outcome.error, EntryTooLarge):
                refusing.append(tier)
                self._troubles.too_large(visit.call.use_case, tier, outcome.error)
            elif outcome.error is not None:
                self._troubles.gave_up(visit, tier, outcome.error)
        return refusing

    def fill(
        self, call: Call, policy: Policy, stored: Sequence[Any], value: Any, generation: Generation
    ) -> None:
        """Put the value of a plain hit, which came as `stored`, into memory, if the policy says so."""
        step, use_case = policy.filled, call.use_case
        if step is None or not generation.alive:
            return
        tier = step.tier
        entry = Entry(value, *dates(stored[0]), stored[1] if use_case.tracked else None, generation)
        ttl = step.ttl * (1 - policy.config.ttl_jitter * self._chance())
        life_sec = lifetime(ttl, entry.expires, self._now())
        try:
            if life_sec > 0:
                tier.memory.put({call.name: entry}, life_sec)
        except EntryTooLarge as error:
            self._troubles.too_large(use_case, tier, error)
        except Exception as error:  # the layer's own
            self._troubles.layer_failed(tier.name, error, use_case.name, use_case.key_type)

    def life_sec(self, visit: Visit, step: Step, entry: Entry, now: float) -> float:
        """Return for how long a layer is to keep an entry from `now` on, 0 or less if it is not to."""
        if is_barred(visit, step.tier):
            return 0.0
        return lifetime(step.ttl * self._shortening(visit), entry.expires, now)

    async def forget(self, runtime: Runtime, visit: Visit, tiers: Sequence[Tier]) -> None:
        """Have layers that refused an entry not go on with an older one."""
        for tier in tiers:
            outcome = await tier.attempt(runtime, "delete", [visit.call.name])
            if outcome.error is not None:
                self._troubles.gave_up(visit, tier, outcome.error)

    async def _put(
        self, runtime: Runtime, visit: Visit, tier: Tier, entry: Entry, life_sec: float
    ) -> Outcome[Any] | None:
        """Write to one layer; None if the value is not for it."""
        if tier.in_process:
            return await self._put_alive(runtime, visit, tier, entry, life_sec)
        stale_sec = 0.0 if isinstance(entry.value, Raised) else visit.config.stale_sec
        data = self._wire.pack(visit.call, tier, entry, self._now() + life_sec, stale_sec)
        if data is None:
            return None
        return await tier.attempt(runtime, "put", {visit.call.name: data}, life_sec + stale_sec)

    async def _put_alive(
        self, runtime: Runtime, visit: Visit, tier: Tier, entry: Entry, life_sec: float
    ) -> Outcome[Any] | None:
        config, name = visit.config, visit.call.name
        if visit.call.use_case.rules.copies:
            try:
                entry = copy_of(entry)
            except Exception as error:
                self._troubles.refused(visit.call.use_case, tier, error)
                return None
        is_raised = isinstance(entry.value, Raised)
        if is_raised:
            entry = barred(entry)
        ahead = life_sec if is_raised else ahead_sec(entry.load_sec, config.refresh_ahead)
        if not ahead and not config.stale_sec:
            return await tier.attempt(runtime, "put", {name: entry}, life_sec)
        if (keep := tier.keep) is not None:
            stale_sec = 0.0 if is_raised else config.stale_sec
            operation = Operation(keep, inline=True)
            return await runtime.attempt(operation, name, entry, life_sec, ahead, stale_sec)
        if is_raised:
            return None
        return await tier.attempt(runtime, "put", {name: entry}, life_sec)

    def _shortening(self, visit: Visit) -> float:
        """Return what is left of the TTLs of this visit: chance makes them shorter, never longer."""
        if not visit.shortening:
            visit.shortening = 1 - visit.config.ttl_jitter * self._chance()
        return visit.shortening


def is_barred(visit: Visit, tier: Tier) -> bool:
    """Tell whether nothing of a visit may be written to a layer any more."""
    return visit.unwritable or not visit.generation.alive or tier in visit.failed
