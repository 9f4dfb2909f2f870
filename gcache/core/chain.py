"""Reading through the layers and writing to them: written once, for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gcache.core import epochs
from gcache.core.entries import Entry, lifetime
from gcache.core.events import Disabled, Error, Hit, Load, Miss
from gcache.core.flights import Leading
from gcache.core.runtime import Outcome
from gcache.core.shadows import Shadows
from gcache.errors import EntryTooLarge, LayerSkipped

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.flights import Flight, Flights, Ticket
    from gcache.core.policy import Step
    from gcache.core.protocols import KeyBuilder
    from gcache.core.removal import Removal
    from gcache.core.routes import Routes
    from gcache.core.runtime import Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Call, Visit
    from gcache.core.wire import Wire

FLIGHT_LIMIT_SEC = 30.0


class Chain:
    """The layers, nearest first, and the rules by which a call passes them.

    Methods that take a runtime are coroutines that await nothing else, and none raises because of a layer.
    """

    def __init__(
        self,
        around: Surroundings,
        tiers: Sequence[Tier],
        keys: KeyBuilder,
        routes: Routes,
        wire: Wire,
        flights: Flights,
        authority: Authority | None,
        removal: Removal,
    ) -> None:
        self.tiers = tiers
        self.keys = keys
        self.routes = routes
        self.flights = flights
        self.removal = removal
        self.shadows = Shadows(around, authority)
        self._wire = wire
        self._authority = authority
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._clock = around.clock
        self._now = around.now

    async def read(self, runtime: Runtime, call: Call) -> Outcome[Any]:
        """Return the value of the call from the nearest layer that has it, else from the source."""
        try:
            return await self._read(runtime, call)
        except Exception as error:  # a part of somebody's own broke its promise: the source still answers
            self._troubles.broken(call.use_case, error)
            self._count(call, Disabled(call.use_case.name, call.use_case.key_type, "broken"))
            return await self._load(runtime, call)

    async def peek(self, runtime: Runtime, call: Call) -> Entry | None:
        """Return what the layers hold, without counting the call and without asking the source."""
        try:
            visit = await self.routes.of(runtime, call)
            return None if isinstance(visit, str) else await self._look(runtime, visit, counted=False)
        except Exception as error:  # as in read
            self._troubles.broken(call.use_case, error)
            return None

    async def refresh(self, runtime: Runtime, call: Call) -> Outcome[Any]:
        """Run the call's load, whatever the layers hold, and store what it gives."""
        visit = await self._approach(runtime, call)
        began = self._now()
        outcome = await self._load(runtime, call)
        if visit is not None and outcome.error is None:
            await self._replace(runtime, visit, outcome.value, began)
        return outcome

    async def put(self, runtime: Runtime, call: Call, value: Any) -> None:
        """Store `value`, which its caller vouches for as of now."""
        visit = await self._approach(runtime, call)
        if visit is not None:
            await self._replace(runtime, visit, value, self._now())

    def after_fork(self) -> None:
        """Forget what only the parent's threads can finish."""
        self.flights.after_fork()
        self.shadows.after_fork()
        self.removal.pending.after_fork()
        self.routes.policies.after_fork()
        for tier in self.tiers:
            tier.after_fork()

    async def _read(self, runtime: Runtime, call: Call) -> Outcome[Any]:
        visit = await self._set_out(runtime, call)
        if visit is None:
            return await self._load(runtime, call)
        ticket = self.flights.enter(call.name)
        try:
            found = await self._look(runtime, visit)
            if found is not None:
                return Outcome(found.value)
            use_case, last = call.use_case, visit.steps[-1].tier
            self._count(call, Miss(use_case.name, use_case.key_type, last.name, visit.reason))
            await self._settle(runtime, visit)
            if visit.unwritable:
                return await self._load(runtime, call)
            return await self._share(runtime, visit, ticket)
        finally:
            ticket.hand_in()

    async def _approach(self, runtime: Runtime, call: Call) -> Visit | None:
        """Get ready to write without having looked: know the epoch before the value is made."""
        try:
            visit = await self.routes.of(runtime, call)
        except Exception as error:  # as in read
            self._troubles.broken(call.use_case, error)
            return None
        if isinstance(visit, str):
            return None
        if self._authority is not None and visit.epoch_key is not None:
            await self._authority.ask(runtime, visit)
        await self._settle(runtime, visit)
        return visit

    async def _replace(self, runtime: Runtime, visit: Visit, value: Any, began: float) -> None:
        self.flights.forget(visit.call.name)
        if _is_used_up(value):
            self._troubles.used_up(visit.call.use_case, value)
            return
        refusing = await self._store(runtime, visit, self._entry(visit, value, began), visit.steps)
        for tier in refusing:  # what is there is older than what was refused
            outcome = await tier.attempt(runtime, "delete", [visit.call.name])
            if outcome.error is not None:
                self._troubles.gave_up(visit, tier, outcome.error)

    async def _set_out(self, runtime: Runtime, call: Call) -> Visit | None:
        """Find out where the call goes, and count it if it goes straight to the source."""
        visit = await self.routes.of(runtime, call)
        if isinstance(visit, str):
            self._count(call, Disabled(call.use_case.name, call.use_case.key_type, visit))
            return None
        return visit

    async def _look(self, runtime: Runtime, visit: Visit, counted: bool = True) -> Entry | None:
        """Ask the layers, nearest first; what one has is filled in to those before it."""
        if visit.unwritable:
            return None
        for depth, step in enumerate(visit.steps):
            tier = step.tier
            entry = self._find(visit, tier) if tier.in_process else await self._get(runtime, visit, tier)
            if entry is not None:
                if counted:
                    use_case = visit.call.use_case
                    self._count(visit.call, Hit(use_case.name, use_case.key_type, tier.name))
                    self.shadows.consider(runtime, visit, step, entry)
                if depth:
                    await self._store(runtime, visit, entry, visit.steps[:depth])
                return entry
        return None

    def _find(self, visit: Visit, tier: Tier) -> Entry | None:
        try:
            entry = tier.memory.find(visit.call.name, self._clock())
        except Exception as error:
            self._troubles.gave_up(visit, tier, error)
            return None
        return entry if entry is not None and entry.generation.alive else None

    async def _get(self, runtime: Runtime, visit: Visit, tier: Tier) -> Entry | None:
        """Read one layer out of process: the entry, and with it the epoch if the entity is tracked."""
        call = visit.call
        keys = [call.name] if visit.epoch_key is None else [call.name, visit.epoch_key]
        started = self._clock()
        outcome = await tier.get(runtime, keys)
        if not isinstance(outcome.error, LayerSkipped):
            self._wire.timed_get(call.use_case, tier, self._clock() - started)
        if outcome.error is not None:
            self._troubles.gave_up(visit, tier, outcome.error)
            return None
        stored, *others = outcome.value
        if others:
            [visit.epoch] = others
            if epochs.standing(visit.epoch) == "hold":
                visit.reason, visit.unwritable = "held", True
                return None
        if stored is None:
            visit.reason = "absent"
            return None
        entry = self._wire.unpack(call, tier, stored, visit.generation)
        if isinstance(entry, Entry) and (not others or epochs.lives(entry.epoch, visit.epoch)):
            return entry
        visit.reason = "invalidated" if isinstance(entry, Entry) else entry
        return None

    async def _settle(self, runtime: Runtime, visit: Visit) -> None:
        """Know, before the load begins, which epoch its entry belongs to."""
        if self._authority is not None and visit.epoch_key is not None:
            await self._authority.settle(runtime, visit)

    async def _share(self, runtime: Runtime, visit: Visit, ticket: Ticket) -> Outcome[Any]:
        """Load, or wait for somebody who does."""
        while True:
            flight, is_mine = ticket.board((visit.epoch, visit.generation))
            if is_mine:
                return await self._fly(runtime, visit, ticket, flight)
            try:
                await runtime.landed(flight, FLIGHT_LIMIT_SEC)
            finally:
                ticket.leave_flight(flight)
            if flight.outcome is not None:
                return flight.outcome
            if not flight.is_over:
                return await self._load(runtime, visit.call)

    async def _fly(self, runtime: Runtime, visit: Visit, ticket: Ticket, flight: Flight) -> Outcome[Any]:
        """Load for all who wait, and let them go before the slower layers are written."""
        try:
            began = self._now()
            with Leading(flight):
                outcome = await self._load(runtime, visit.call)
            if outcome.error is None and _is_used_up(outcome.value):
                self._troubles.used_up(visit.call.use_case, outcome.value)
                return outcome
            if outcome.error is not None or flight.is_void:
                flight.land(outcome)
                return outcome
            entry = self._entry(visit, outcome.value, began)
            near = [step for step in visit.steps if step.tier.in_process]
            await self._store(runtime, visit, entry, near)
            flight.land(outcome)
            await self._store(runtime, visit, entry, [step for step in visit.steps if step not in near])
            return outcome
        finally:
            ticket.retire(flight)

    async def _load(self, runtime: Runtime, call: Call) -> Outcome[Any]:
        started = self._clock()
        outcome = await runtime.attempt(call.load)
        use_case = call.use_case
        self._recorder.record(Load(use_case.name, use_case.key_type, self._clock() - started))
        if outcome.error is not None:
            name = type(outcome.error).__name__
            self._recorder.record(Error(use_case.name, use_case.key_type, "", name, True))
        return outcome

    def _entry(self, visit: Visit, value: Any, began: float) -> Entry:
        expires = self._now() + max(step.ttl for step in visit.steps)
        return Entry(value, began, expires, visit.epoch, visit.generation)

    async def _store(self, runtime: Runtime, visit: Visit, entry: Entry, steps: Sequence[Step]) -> list[Tier]:
        """Write to each layer of `steps` for as long as it keeps entries, but for those that failed.

        Return the layers that cannot keep this entry, whatever state they are in.
        """
        refusing: list[Tier] = []
        if visit.unwritable:
            return refusing
        name = visit.call.name
        for tier, ttl, _ in reversed(steps):
            if tier in visit.failed or not visit.generation.alive:
                continue
            life = lifetime(ttl, entry.expires, self._now())
            if life <= 0:
                continue
            stored = (
                entry if tier.in_process else self._wire.pack(visit.call, tier, entry, self._now() + life)
            )
            if stored is None:
                refusing.append(tier)
                continue
            outcome = await tier.attempt(runtime, "put", {name: stored}, life)
            if isinstance(outcome.error, EntryTooLarge):
                refusing.append(tier)
                self._troubles.too_large(visit.call.use_case, tier, outcome.error)
            elif outcome.error is not None:
                self._troubles.gave_up(visit, tier, outcome.error)
        return refusing

    def _count(self, call: Call, event: Hit | Miss | Disabled) -> None:
        """Record what became of a call, once."""
        if not call.is_counted:
            call.is_counted = True
            self._recorder.record(event)


def _is_used_up(value: object) -> bool:
    """Tell whether `value` can be had once only: a coroutine, an iterator."""
    return hasattr(value, "__await__") or hasattr(value, "__next__")
