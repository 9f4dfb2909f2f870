"""Making the layers forget: one entry, one entity, or everything.

Here silence would leave an old value standing, so what failed is returned, to be raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from gcache.core.epochs import ANYBODY
from gcache.core.events import Invalidation
from gcache.core.pending import Debt, Pending
from gcache.core.runtime import ThreadRuntime, drive
from gcache.core.troubles import BUS

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.bus import Announcer
    from gcache.core.flights import Flights
    from gcache.core.generations import Generations
    from gcache.core.protocols import KeyBuilder, Progress
    from gcache.core.runtime import Outcome, Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier, Verb

Failures: TypeAlias = list[tuple[str, Exception]]
"""The names of the layers that could not be told, and why."""


class Removal:
    """Deletes, invalidates, flushes and closes."""

    def __init__(
        self,
        around: Surroundings,
        tiers: Sequence[Tier],
        authority: Authority | None,
        keys: KeyBuilder,
        flights: Flights,
        generations: Generations,
        announcer: Announcer | None,
    ) -> None:
        self._tiers = tiers
        self._authority = authority
        self._keys = keys
        self._flights = flights
        self._generations = generations
        self._announcer = announcer
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._clock = around.clock
        self.pending = Pending(self._tell_again, around.recorder.record, around.clock)

    async def delete(self, runtime: Runtime, name: str) -> Failures:
        """Make every layer forget one entry; return the layers that could not be told, and why."""
        self._flights.forget(name)
        return await self._tell_all(runtime, "delete", [name])

    async def invalidate(
        self, runtime: Runtime, key_type: str, id: object, hold_sec: float = 0, holder: str = ANYBODY
    ) -> tuple[Failures, bool]:
        """End every entry of an entity, and have `holder` hold it for `hold_sec` or no longer.

        Return what failed, and whether it will be tried again until it is done.
        """
        entity = self._keys.epoch(key_type, id)
        owed_sec, number = self.pending.hold_sec(entity), self.pending.last_number
        if holder == ANYBODY:
            hold_sec = max(hold_sec, owed_sec)
        failures = await self._retire_or_owe(runtime, entity, holder, hold_sec)
        will_be_done = False
        if failures:
            is_bus_alone = all(name == BUS for name, _ in failures)
            will_be_done = self.pending.add(entity, self._clock() + hold_sec, holder, is_bus_alone)
            self._report(failures, key_type)
        elif holder == ANYBODY or not owed_sec:
            self.pending.done(entity, number, frozenset({holder}))
        self._recorder.record(Invalidation(key_type, self._tiers[-1].name))
        return failures, will_be_done

    async def hold(self, runtime: Runtime, entity: str, holder: str, hold_sec: float) -> Failures:
        """Have `holder` hold `entity`, at least in this process, for `hold_sec` or no longer.

        Return what failed.
        """
        failures = await self._retire_or_owe(runtime, entity, holder, hold_sec)
        self._report(failures)
        return failures

    async def flush(self, runtime: Runtime, progress: Progress | None) -> Failures:
        """Make every layer forget everything under this prefix; return what failed."""
        self._flights.forget_all()
        failures: Failures = []
        removed = 0

        def report(count: int) -> None:
            if progress is not None:
                progress(removed + count)

        try:
            for tier in reversed(self._tiers):
                for prefix in self._keys.prefixes:
                    outcome = await tier.attempt(runtime, "clear", prefix, report)
                    if outcome.error is not None:
                        failures.append((tier.name, outcome.error))
                        self._troubles.layer_failed(tier.name, outcome.error)
                        break
                    removed += outcome.value
                    report(0)
            if self._announcer is not None:
                unheard = _unheard(await self._announcer.flushed(runtime))
                self._report(unheard)
                failures += unheard
        finally:
            self._generations.kill_all()
        return failures

    def forget(self, entity: str) -> None:
        """End an entity's entries in this process: another one has invalidated it."""
        self._generations.kill(entity, self._clock())

    def drop(self) -> None:
        """Forget all that this process's memory holds."""
        self._generations.kill_all()
        for tier in self._tiers:
            if tier.in_process:
                for prefix in self._keys.prefixes:
                    tier.memory.clear(prefix)

    async def close(self, runtime: Runtime) -> Failures:
        """Close the layers that were ever used, and the bus; return what failed."""
        failures = await self._tell_all(runtime, "close")
        if self._announcer is not None:
            failures += _unheard(await self._announcer.close(runtime))
        return failures

    def after_fork(self) -> None:
        """Leave to the parent what it has to tell, and its flights."""
        self.pending.after_fork()
        self._flights.after_fork()

    def _tell_again(self, entity: str, debt: Debt, hold_sec: float) -> bool:
        runtime = ThreadRuntime()
        if debt.is_bus_alone and self._announcer is not None:
            return drive(self._announcer.invalidated(runtime, entity)).error is None
        holds = [*((holder, 0.0) for holder in debt.holders), (ANYBODY, hold_sec)]
        return not any(drive(self._retire(runtime, entity, *hold, insists=True)) for hold in holds)

    async def _retire_or_owe(self, runtime: Runtime, entity: str, holder: str, hold_sec: float) -> Failures:
        """Do what `_retire` does. Should the caller be cancelled in it, all of it is owed."""
        try:
            return await self._retire(runtime, entity, holder, hold_sec)
        except BaseException:
            if self._authority is not None or self._announcer is not None:
                self.pending.add(entity, self._clock() + (hold_sec if holder == ANYBODY else 0), holder)
            raise

    async def _retire(
        self, runtime: Runtime, entity: str, holder: str, hold_sec: float, insists: bool = False
    ) -> Failures:
        """Take an entity's epoch away, here and in the authority, and tell the bus; return what failed.

        This process's entries die twice: first, so that what is under way here is not written after the
        authority was told; and last, for what was read from it meanwhile. The bus comes after the authority:
        whoever hears of it and reads again must not find what was there before.
        """
        failures: Failures = []
        self._generations.kill(entity, self._clock(), hold_sec, holder)
        try:
            if self._authority is not None:
                outcome = await self._authority.retire(runtime, entity, holder, hold_sec, insists)
                if outcome.error is not None:
                    failures.append((self._authority.tier.name, outcome.error))
            if self._announcer is not None:
                failures += _unheard(await self._announcer.invalidated(runtime, entity))
        finally:
            self._generations.kill(entity, self._clock(), hold_sec, holder)
        return failures

    def _report(self, failures: Failures, key_type: str = "") -> None:
        for name, error in failures:
            if name == BUS:
                self._troubles.bus_failed(error, key_type)
            else:
                self._troubles.layer_failed(name, error, key_type=key_type)

    async def _tell_all(self, runtime: Runtime, verb: Verb, *args: Any) -> Failures:
        failures: Failures = []
        for tier in reversed(self._tiers):
            if verb == "close" and not tier.is_made:
                continue
            outcome = await tier.attempt(runtime, verb, *args)
            if outcome.error is not None:
                failures.append((tier.name, outcome.error))
                self._troubles.layer_failed(tier.name, outcome.error)
        return failures


def _unheard(outcome: Outcome[None]) -> Failures:
    return [] if outcome.error is None else [(BUS, outcome.error)]
