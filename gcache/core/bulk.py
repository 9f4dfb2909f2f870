"""Asking the layers for many entries at once, and writing many to them: one step of a layer for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gcache.core.entries import Raised
from gcache.core.records import Record
from gcache.core.runtime import Outcome
from gcache.core.staleness import Stale
from gcache.errors import EntryTooLarge, LayerSkipped

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.entries import Entry, Kept
    from gcache.core.lookup import Lookup
    from gcache.core.policy import Step
    from gcache.core.runtime import Runtime
    from gcache.core.storing import Storing
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Visit
    from gcache.core.wire import Wire


class Write(Record):
    """An entry, and the layers that are to keep it."""

    visit: Visit
    entry: Entry
    steps: Sequence[Step]


class _Put(Record):
    visit: Visit
    entry: Entry
    step: Step


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
                if visit not in found and not visit.unwritable and passing.depth(visit.steps) is not None
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
                if kept is not None and _counts(visit, kept, tier, passing.depth(visit.steps) or 0)
            }
        return found

    async def fill(self, runtime: Runtime, found: Mapping[Visit, Kept]) -> None:
        """Have nearer layers keep what farther ones had."""
        writes = [
            Write(visit, kept.entry, visit.steps[: kept.depth]) for visit, kept in found.items() if kept.depth
        ]
        if writes:
            await self.store(runtime, writes, self._now(), self._tiers, is_fill=True)

    async def settle(self, runtime: Runtime, visits: Sequence[Visit]) -> None:
        """Know, before a load begins, which epochs its entries belong to."""
        tracked = [visit for visit in visits if visit.epoch_key is not None and not visit.unwritable]
        if tracked and self._authority is not None:
            await self._authority.settle_all(runtime, tracked)

    async def store(
        self,
        runtime: Runtime,
        writes: Sequence[Write],
        now: float,
        tiers: Sequence[Tier],
        is_fill: bool = False,
    ) -> None:
        """Write to the layers of `tiers`, farthest first.

        Entries that end at the same time go together. In layers out of process, what is filled in ends up to
        a second early, so that there are not as many times as entries.
        """
        for tier in reversed(tiers):
            by_life: dict[float, list[_Put]] = {}
            passing = _Passing(tier)
            for visit, entry, steps in writes:
                depth = passing.depth(steps)
                if depth is None:
                    continue
                life_sec = self._storing.life_sec(visit, steps[depth], entry, now)
                if is_fill and not tier.in_process and life_sec > 1:
                    life_sec = float(math.floor(life_sec))
                if life_sec > 0:
                    by_life.setdefault(life_sec, []).append(_Put(visit, entry, steps[depth]))
            for life_sec, puts in by_life.items():
                await self._put(
                    runtime, tier, [put for put in puts if tier not in put.visit.failed], life_sec
                )

    async def _get(self, runtime: Runtime, visits: Sequence[Visit], tier: Tier) -> Sequence[Kept | None]:
        """Read one layer out of process: the entries, and the epochs of those whose entities are tracked."""
        names = [visit.call.name for visit in visits]
        entities = [visit.epoch_key for visit in visits if visit.epoch_key is not None]
        started = self._clock()
        outcome = await tier.get(runtime, names + entities)
        if not isinstance(outcome.error, LayerSkipped):
            visits[0].call.use_case.tally(tier.name).reads.append(self._clock() - started)
        if outcome.error is not None:
            self._troubles.all_gave_up(visits, tier, outcome.error)
            return []
        heard, epochs = self._lookup.heard, iter(outcome.value[len(names) :])
        return [
            heard(visit, tier, stored, None if visit.epoch_key is None else next(epochs))
            for visit, stored in zip(visits, outcome.value, strict=False)
        ]

    async def _put(self, runtime: Runtime, tier: Tier, puts: Sequence[_Put], life_sec: float) -> None:
        if not puts:
            return
        outcome = await self._put_together(runtime, tier, puts, life_sec)
        if outcome is None or isinstance(outcome.error, EntryTooLarge):
            for visit, entry, step in puts:
                if tier not in visit.failed:
                    await self._storing.store(runtime, visit, entry, [step])
        elif outcome.error is not None:
            self._troubles.all_gave_up([put.visit for put in puts], tier, outcome.error)

    async def _put_together(
        self, runtime: Runtime, tier: Tier, puts: Sequence[_Put], life_sec: float
    ) -> Outcome[None] | None:
        """Write to one layer in one step; None if what it is to do differs from entry to entry."""
        visit = puts[0].visit
        config, copies = visit.config, visit.call.use_case.rules.copies
        if tier.in_process:
            if copies or config.stale_sec or config.refresh_ahead:
                return None
            return await tier.attempt(
                runtime, "put", {put.visit.call.name: put.entry for put in puts}, life_sec
            )
        ends = self._now() + life_sec
        items: dict[str, bytes] = {}
        for put in puts:
            data = self._wire.pack(put.visit.call, tier, put.entry, ends, config.stale_sec)
            if data is not None:
                items[put.visit.call.name] = data
        if not items:
            return Outcome(None)
        return await tier.attempt(runtime, "put", items, life_sec + config.stale_sec)


def _counts(visit: Visit, kept: Kept, tier: Tier, depth: int) -> bool:
    """Tell whether what a layer keeps answers a visit; leave with the visit what is over."""
    if isinstance(kept.entry.value, Raised):
        return False
    if kept.left_sec > 0:
        kept.depth = depth
        return True
    visit.reason = "expired"
    visit.keep(Stale(kept.entry, -kept.left_sec, tier.name))
    return False


class _Passing:
    """Where a layer stands among those that visits pass. Most visits of a call pass the same ones."""

    __slots__ = ("_depth", "_steps", "_tier")

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._steps: Sequence[Step] | None = None
        self._depth: int | None = None

    def depth(self, steps: Sequence[Step]) -> int | None:
        """Return how many layers are nearer than this one, None if it is not passed."""
        if steps is not self._steps:
            self._steps = steps
            places = [place for place, step in enumerate(steps) if step.tier is self._tier]
            self._depth = places[0] if places else None
        return self._depth
