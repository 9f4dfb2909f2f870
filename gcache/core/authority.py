"""Epochs in the authority: reading them, planting them before a load, and retiring them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gcache.core import epochs

if TYPE_CHECKING:
    from gcache.core.runtime import Outcome, Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Visit


class Authority:
    """The last layer of a chain, as the one that all processes agree on."""

    def __init__(self, around: Surroundings, tier: Tier) -> None:
        self.tier = tier
        self._now = around.now
        self._troubles = around.troubles
        self._longest_ttl = 0.0

    async def settle(self, runtime: Runtime, visit: Visit) -> None:
        """Make sure, before the load begins, which epoch the entry belongs to: plant one if none stands.

        What is foreign is retired first, as by an invalidation, which is right at any time.
        """
        if visit.unwritable:
            return
        self._longest_ttl = max(self._longest_ttl, visit.steps[-1].ttl + visit.config.stale_sec)
        if visit.epoch is None:
            await self._plant(runtime, visit)
        if epochs.standing(visit.epoch) in ("absent", "foreign"):
            await self._clear_away(runtime, visit)
        if epochs.standing(visit.epoch) != "epoch":
            visit.unwritable = True

    async def settle_all(self, runtime: Runtime, visits: Sequence[Visit]) -> None:
        """Do what `settle` does for visits of as many entities, all writable and of one policy, at once."""
        longest = max([visit.steps[-1].ttl for visit in visits]) + visits[0].config.stale_sec
        self._longest_ttl = max(self._longest_ttl, longest)
        absent = [visit for visit in visits if visit.epoch is None]
        if absent:
            await self._plant_all(runtime, absent)
        for visit in visits:
            stands = epochs.standing(visit.epoch)
            if stands in ("absent", "foreign"):
                await self._clear_away(runtime, visit)
                stands = epochs.standing(visit.epoch)
            if stands != "epoch":
                visit.unwritable = True

    def expect(self, visit: Visit) -> None:
        """Plant epochs that outlive the entries of `visit`, from now on."""
        longest = max((step.ttl for step in visit.steps), default=0.0)
        self._longest_ttl = max(self._longest_ttl, longest + visit.config.stale_sec)

    async def _plant(self, runtime: Runtime, visit: Visit) -> None:
        """Plant an epoch; if something stands there already, ask what."""
        planted = epochs.plant()
        lifetime_sec = epochs.epoch_lifetime(self._longest_ttl)
        outcome = await self.tier.attempt(runtime, "add", visit.epoch_key, planted, lifetime_sec)
        if outcome.error is not None:
            self._troubles.gave_up(visit, self.tier, outcome.error)
        elif outcome.value:
            visit.epoch = planted
        else:
            await self.ask(runtime, visit)

    async def _plant_all(self, runtime: Runtime, visits: Sequence[Visit]) -> None:
        """Plant an epoch for each; in one step if the layer has one."""
        if not self.tier.can("add_many"):
            await self._plant_each(runtime, visits)
            return
        planted = {visit.epoch_key: epochs.plant() for visit in visits}
        lifetime_sec = epochs.epoch_lifetime(self._longest_ttl)
        outcome = await self.tier.attempt(runtime, "add_many", planted, lifetime_sec)
        if outcome.error is not None:
            self._troubles.all_gave_up(visits, self.tier, outcome.error)
            return
        taken: list[Visit] = []
        for visit, is_ours in zip(visits, outcome.value, strict=True):
            if is_ours:
                visit.epoch = planted[visit.epoch_key]
            else:
                taken.append(visit)
        if taken:
            await self._ask_all(runtime, taken)

    async def _plant_each(self, runtime: Runtime, visits: Sequence[Visit]) -> None:
        """Plant one epoch after the other, and no more once the layer fails."""
        for place, visit in enumerate(visits):
            await self._plant(runtime, visit)
            if self.tier in visit.failed:
                for other in visits[place + 1 :]:
                    other.give_up(self.tier, visit.reason)
                return

    async def _ask_all(self, runtime: Runtime, visits: Sequence[Visit]) -> None:
        """Read which epochs stand."""
        outcome = await self.tier.get(runtime, [visit.epoch_key or "" for visit in visits])
        if outcome.error is not None:
            self._troubles.all_gave_up(visits, self.tier, outcome.error)
            return
        for visit, stored in zip(visits, outcome.value, strict=True):
            visit.epoch = stored

    async def _clear_away(self, runtime: Runtime, visit: Visit) -> None:
        """Retire what is no epoch and no hold, or cannot be read at all, and plant."""
        if visit.unwritable:
            return
        outcome = await self.retire(runtime, visit.epoch_key or "", epochs.ANYBODY, 0)
        if outcome.error is not None:
            self._troubles.gave_up(visit, self.tier, outcome.error)
        else:
            await self._plant(runtime, visit)

    async def ask(self, runtime: Runtime, visit: Visit) -> None:
        """Read which epoch stands."""
        outcome = await self.tier.get(runtime, [visit.epoch_key or ""])
        if outcome.error is not None:
            self._troubles.gave_up(visit, self.tier, outcome.error)
            return
        [visit.epoch] = outcome.value

    async def retire(
        self, runtime: Runtime, entity: str, holder: str, hold_sec: float, insists: bool = False
    ) -> Outcome[Any]:
        """Take the entity's epoch away, and have `holder` hold it for `hold_sec` seconds or no longer.

        It is one step if the layer has one. With `insists` a layer is told that is skipped otherwise.
        """
        if self.tier.can("retire", insists):
            return await self.tier.attempt(runtime, "retire", entity, holder, hold_sec, insists=insists)
        outcome = await self.tier.get(runtime, [entity], insists)
        if outcome.error is not None:
            return outcome
        held, life_sec = epochs.retired(outcome.value[0], holder, hold_sec, self._now())
        if held is None:
            return await self.tier.attempt(runtime, "delete", [entity])
        return await self.tier.attempt(runtime, "put", {entity: held}, life_sec, insists=insists)
