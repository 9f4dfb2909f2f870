"""Asking the layers for many entries at once, and writing many to them: one step of a layer for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gcache.core.entries import Raised
from gcache.core.runtime import Outcome
from gcache.core.storing import is_barred
from gcache.errors import EntryTooLarge, LayerSkipped

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.entries import Entry, Kept
    from gcache.core.lookup import Lookup
    from gcache.core.party import Party
    from gcache.core.policy import Step
    from gcache.core.runtime import Runtime
    from gcache.core.storing import Storing
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Visit
    from gcache.core.wire import Wire


class Bulk:
    """Reads and writes for visits of one use case, each of another entry. No layer makes it raise."""

    def __init__(
        self,
        around: Surroundings,
        tiers: Sequence[Tier],
        lookup: Lookup,
        storing: Storing,
        wire: Wire,
        authority: Authority | None,
    ) -> None:
        self.near = [tier for tier in tiers if tier.in_process]
        self.far = [tier for tier in tiers if not tier.in_process]
        self._tiers = tiers
        self._lookup = lookup
        self._storing = storing
        self._wire = wire
        self._authority = authority
        self._troubles = around.troubles
        self._clock = around.clock
        self._now = around.now

    async def look(self, runtime: Runtime, visits: Sequence[Visit]) -> dict[Visit, Kept]:
        """Return what the nearest layers have that is still alive. An exception that is kept is no value."""
        found: dict[Visit, Kept] = {}
        for tier in self._tiers:
            passing = _Passing(tier)
            asking = [
                visit
                for visit in visits
                if visit not in found and not visit.unwritable and passing.step(visit.steps) is not None
            ]
            if not asking:
                continue
            if tier.in_process:
                answers: Sequence[Kept | None] = [self._lookup.find(visit, tier) for visit in asking]
            else:
                answers = await self._get(runtime, asking, tier)
            found |= {
                visit: kept
                for visit, kept in zip(asking, answers, strict=False)
                if kept is not None and self._counts(visit, kept, tier, passing.depth(visit.steps))
            }
        return found

    async def peruse(self, runtime: Runtime, party: Party, values: dict[str, Any]) -> list[Visit]:
        """Put into `values` what the layer of a party has; return the visits that it has nothing for."""
        names, tier = party.names, party.tier
        outcome = await self._ask(runtime, tier, party.use_case, names + party.entities)
        if outcome.error is not None:
            visits = party.visits(range(len(names)))
            self._troubles.all_gave_up(visits, tier, outcome.error)
            return visits
        stored = dict(zip(names, outcome.value, strict=False))
        epochs: Sequence[bytes | None] = outcome.value[len(names) :]
        self._wire.plain_all(party.use_case, tier, stored, epochs, values)
        left = [place for place, name in enumerate(names) if name not in values]
        missing: list[Visit] = []
        for place, visit in zip(left, party.visits(left), strict=True):
            data = outcome.value[place]
            if epochs or data is not None:
                kept = self._lookup.heard(visit, tier, data, epochs[place] if epochs else None)
                if kept is not None and self._counts(visit, kept, tier, 0):
                    values[visit.call.name] = kept.entry.value
                    continue
            missing.append(visit)
        return missing

    async def fill(self, runtime: Runtime, found: Mapping[Visit, Kept]) -> None:
        """Have nearer layers keep what farther ones had."""
        entries: dict[Tier, dict[Visit, Entry]] = {}
        for visit, kept in found.items():
            if kept.depth:
                entries.setdefault(visit.steps[kept.depth].tier, {})[visit] = kept.entry
        for tier, brought in entries.items():
            nearer = self._tiers[: self._tiers.index(tier)]
            await self.store(runtime, brought, self._now(), nearer, is_fill=True)

    async def settle(self, runtime: Runtime, visits: Sequence[Visit]) -> None:
        """Know, before a load begins, which epochs its entries belong to."""
        tracked = [visit for visit in visits if visit.epoch_key is not None and not visit.unwritable]
        if tracked and self._authority is not None:
            await self._authority.settle_all(runtime, tracked)

    async def store(
        self,
        runtime: Runtime,
        entries: Mapping[Visit, Entry],
        now: float,
        tiers: Sequence[Tier],
        is_fill: bool = False,
    ) -> None:
        """Write to the layers of `tiers`, farthest first.

        Entries that end at the same time go together. In layers out of process, what is filled in ends up to
        a second early, so that there are not as many times as entries.
        """
        for tier in reversed(tiers):
            for life_sec, together in self._by_life(entries, tier, now, is_fill).items():
                if life_sec > 0:
                    await self._put(runtime, tier, together, life_sec)

    def _by_life(
        self, entries: Mapping[Visit, Entry], tier: Tier, now: float, is_fill: bool
    ) -> dict[float, dict[Visit, Entry]]:
        """Return what to write to a layer, by how long that is to keep it. Most end as those before."""
        by_life: dict[float, dict[Visit, Entry]] = {}
        together: dict[Visit, Entry] = {}
        passing, ends = _Passing(tier), (0.0, 0.0, 0.0)
        step, steps = None, None
        for visit, entry in entries.items():
            if visit.steps is not steps:
                steps, step = visit.steps, passing.step(visit.steps)
            if step is None or is_barred(visit, tier):
                continue
            if ends != (step.ttl, entry.expires, visit.shortening) or not visit.shortening:
                life_sec = self._storing.life_sec(visit, step, entry, now)
                if is_fill and not tier.in_process and life_sec > 1:
                    life_sec = float(math.floor(life_sec))
                together = by_life.setdefault(life_sec, {})
                ends = (step.ttl, entry.expires, visit.shortening)
            together[visit] = entry
        return by_life

    async def _ask(
        self, runtime: Runtime, tier: Tier, use_case: UseCase, keys: list[str]
    ) -> Outcome[Sequence[Any]]:
        started = self._clock()
        outcome = await tier.get(runtime, keys)
        if not isinstance(outcome.error, LayerSkipped):
            use_case.tally(tier.name).reads.append(self._clock() - started)
        return outcome

    async def _get(self, runtime: Runtime, visits: Sequence[Visit], tier: Tier) -> Sequence[Kept | None]:
        """Read one layer out of process: the entries, and the epochs of those whose entities are tracked."""
        names = [visit.call.name for visit in visits]
        entities = [visit.epoch_key for visit in visits if visit.epoch_key is not None]
        outcome = await self._ask(runtime, tier, visits[0].call.use_case, names + entities)
        if outcome.error is not None:
            self._troubles.all_gave_up(visits, tier, outcome.error)
            return []
        heard, epochs = self._lookup.heard, iter(outcome.value[len(names) :])
        answers: list[Kept | None] = []
        for visit, stored in zip(visits, outcome.value, strict=False):
            if visit.epoch_key is not None:
                answers.append(heard(visit, tier, stored, next(epochs)))
            elif stored is not None:
                answers.append(heard(visit, tier, stored))
            else:
                visit.reason = "absent"
                answers.append(None)
        return answers

    async def _put(
        self, runtime: Runtime, tier: Tier, entries: Mapping[Visit, Entry], life_sec: float
    ) -> None:
        outcome = await self._put_together(runtime, tier, entries, life_sec)
        if outcome is None or isinstance(outcome.error, EntryTooLarge):
            for visit, entry in entries.items():
                if tier not in visit.failed:
                    steps = [step for step in visit.steps if step.tier is tier]
                    await self._storing.store(runtime, visit, entry, steps)
        elif outcome.error is not None:
            self._troubles.all_gave_up(list(entries), tier, outcome.error)

    async def _put_together(
        self, runtime: Runtime, tier: Tier, entries: Mapping[Visit, Entry], life_sec: float
    ) -> Outcome[None] | None:
        """Write to one layer in one step; None if what it is to do differs from entry to entry."""
        first = next(iter(entries))
        config, use_case = first.config, first.call.use_case
        named = {visit.call.name: entry for visit, entry in entries.items()}
        if tier.in_process:
            if use_case.rules.copies or config.stale_sec or config.refresh_ahead:
                return None
            return await tier.attempt(runtime, "put", named, life_sec)
        items = self._wire.pack_all(use_case, tier, named, self._now() + life_sec, config.stale_sec)
        if not items:
            return Outcome(None)
        return await tier.attempt(runtime, "put", items, life_sec + config.stale_sec)

    def _counts(self, visit: Visit, kept: Kept, tier: Tier, depth: int) -> bool:
        """Tell whether what a layer keeps answers a visit; leave with the visit what is over."""
        if isinstance(kept.entry.value, Raised) or not self._lookup.lives(visit, tier, kept):
            return False
        kept.depth = depth
        return True


class _Passing:
    """Where a layer stands among those that visits pass. Most visits of a call pass the same ones."""

    __slots__ = ("_depth", "_step", "_steps", "_tier")

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._steps: Sequence[Step] | None = None
        self._step: Step | None = None
        self._depth = 0

    def step(self, steps: Sequence[Step]) -> Step | None:
        """Return the step for this layer, None if it is not passed."""
        if steps is not self._steps:
            self._steps, self._step = steps, None
            for depth, step in enumerate(steps):
                if step.tier is self._tier:
                    self._step, self._depth = step, depth
        return self._step

    def depth(self, steps: Sequence[Step]) -> int:
        """Return how many layers are nearer than this one."""
        self.step(steps)
        return self._depth
