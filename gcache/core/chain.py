"""Reading through the layers and writing to them: written once, for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gcache.core.bulk import Bulk
from gcache.core.events import Disabled, Miss
from gcache.core.keeping import Loaded, outcome_of, worth_keeping
from gcache.core.leases import Leases
from gcache.core.loading import Loading
from gcache.core.lookup import Lookup
from gcache.core.many import Many
from gcache.core.missing import MISSING
from gcache.core.renewing import Renewing
from gcache.core.runtime import Outcome
from gcache.core.shadows import Shadows
from gcache.core.storing import Storing
from gcache.core.visit import Visit

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.entries import Entry, Kept
    from gcache.core.flights import Flights, Ticket
    from gcache.core.policy import Policy
    from gcache.core.protocols import KeyBuilder
    from gcache.core.routes import Routes
    from gcache.core.runtime import Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Call
    from gcache.core.wire import Wire


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
    ) -> None:
        self.tiers = tiers
        self.keys = keys
        self.routes = routes
        self.flights = flights
        self.shadows = Shadows(around, authority)
        self._authority = authority
        self._wire = wire
        self._lookup = Lookup(around, wire)
        self._storing = Storing(around, wire)
        self._loading = Loading(around, flights, self._storing, Leases(around, self._lookup), authority)
        self._renewing = Renewing(
            around, routes, self._lookup, self._storing, self._loading, flights, authority
        )
        bulk = Bulk(around, tiers, self._lookup, self._storing, wire, authority)
        self.many = Many(around, routes, flights, self._loading, self._storing, bulk, authority)
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._now = around.now
        self._clock = around.clock

    async def read(self, runtime: Runtime, call: Call) -> Outcome[Any]:
        """Return the value of the call from the nearest layer that has it, else from the source."""
        use_case, began = call.use_case, self._clock()
        try:
            policy = use_case.policy
            if began >= use_case.policy_due:
                policy = await self.routes.policies.of(runtime, use_case, call.key)
                if (near := self._lookup.near(call, policy)) is not None:
                    return near
                began = self._clock()
            short = None if policy is None else self.routes.short(call, policy)
            if policy is None or short is None:
                return await self._read(runtime, call, policy)
            getting, turn, entity, generation = short
            tier, landing = policy.all[-1].tier, self.flights.next
            if policy.filled is not None and (near := self._lookup.near(call, policy)) is not None:
                return near  # the hot path does not look for explicit keys, nor by every name
            try:
                values = await runtime.begin(getting, (call.name,) if entity is None else (call.name, entity))
            except Exception as error:  # the layer's own
                outcome: Outcome[Any] = Outcome(error=error)
            else:
                value = self._wire.plain(call, tier, values, began)
                if value is not MISSING:
                    self._storing.fill(call, policy, values, value, generation)
                    return Outcome(value)
                outcome = Outcome(values)
            visit = Visit(call, policy.all, entity, generation, policy.config)
            ticket = self.flights.enter_late(call.name, landing)
            del landing  # or all that lands while this one loads is kept until it is done
            try:
                found = self._lookup.ended(visit, tier, turn, began, outcome)
                if found is not None:
                    found.depth = len(policy.all) - 1
                return await self._answer(runtime, visit, ticket, found)
            finally:
                ticket.hand_in()
        except Exception as error:  # a part of somebody's own broke its promise: the source still answers
            self._troubles.broken(use_case, error)
            return await self._bypass(runtime, call, "broken")

    async def _read(self, runtime: Runtime, call: Call, policy: Policy | None) -> Outcome[Any]:
        """Do what `read` does, whatever the policy, and whatever stands in the way."""
        visit = self.routes.under(policy, call)
        if isinstance(visit, str):
            return await self._bypass(runtime, call, visit)
        ticket = self.flights.enter(call.name)
        try:
            return await self._answer(runtime, visit, ticket, await self._lookup.look(runtime, visit))
        finally:
            ticket.hand_in()

    async def _answer(
        self, runtime: Runtime, visit: Visit, ticket: Ticket, found: Kept | None
    ) -> Outcome[Any]:
        """Return what was found, and store it in the layers that are nearer; else what a miss gives."""
        if found is None:
            return await self._miss(runtime, visit, ticket)
        outcome = self._hit(runtime, visit, found)
        if found.depth:
            await self._storing.store(runtime, visit, found.entry, visit.steps[: found.depth])
        return outcome

    async def peek(self, runtime: Runtime, call: Call) -> Entry | None:
        """Return what the layers hold, without counting the call and without asking the source."""
        try:
            visit = await self.routes.of(runtime, call)
            if isinstance(visit, str):
                return None
            found = await self._lookup.look(runtime, visit)
            if found is None:
                return None
            await self._storing.store(runtime, visit, found.entry, visit.steps[: found.depth])
            return found.entry
        except Exception as error:  # as in read
            self._troubles.broken(call.use_case, error)
            return None

    async def refresh(self, runtime: Runtime, call: Call) -> Outcome[Any]:
        """Run the call's load, whatever the layers hold, and store what it gives."""
        visit = await self._approach(runtime, call)
        began = self._now()
        loaded = await self._loading.load(runtime, call)
        if visit is not None:
            await self._replace(runtime, visit, loaded, began)
        return loaded.outcome

    async def put(self, runtime: Runtime, call: Call, value: Any) -> None:
        """Store `value`, which its caller vouches for as of now."""
        visit = await self._approach(runtime, call)
        if visit is not None:
            await self._replace(runtime, visit, Loaded(Outcome(value), 0.0, None), self._now())

    def after_fork(self) -> None:
        """Forget what only the parent's threads can finish."""
        self.shadows.after_fork()
        self._loading.after_fork()
        self._renewing.after_fork()
        self.routes.policies.after_fork()

    async def _bypass(self, runtime: Runtime, call: Call, reason: str) -> Outcome[Any]:
        """Go straight to the source."""
        self._count(call, Disabled(call.use_case.name, call.use_case.key_type, reason))
        return (await self._loading.load(runtime, call)).outcome

    async def _miss(self, runtime: Runtime, visit: Visit, ticket: Ticket) -> Outcome[Any]:
        """Return what is stale and may be served at once, else what a load gives, one's own or another's."""
        stale = self._at_once(runtime, visit)
        if stale is not None:
            return stale
        use_case, last = visit.call.use_case, visit.steps[-1].tier
        self._count(visit.call, Miss(use_case.name, use_case.key_type, last.name, visit.reason, 1))
        await self._loading.settle(runtime, visit)
        if visit.unwritable:
            return await self._loading.alone(runtime, visit)
        return await self._loading.share(runtime, visit, ticket)

    def _hit(self, runtime: Runtime, visit: Visit, found: Kept) -> Outcome[Any]:
        use_case, step = visit.call.use_case, visit.steps[found.depth]
        outcome = outcome_of(found.entry, use_case.rules.copies)
        _count_hit(visit.call, step.tier.name)
        if outcome.error is None:
            self.shadows.consider(runtime, visit, step, found.entry)
        if visit.config.refresh_ahead:
            self._renewing.consider(runtime, visit, found)
        return outcome

    def _at_once(self, runtime: Runtime, visit: Visit) -> Outcome[Any] | None:
        """Return what is stale and need not wait for a load: one is under way, or has just failed."""
        config = visit.config
        stale = visit.servable(config.stale_while_revalidate_sec)
        if stale is not None:
            self._renewing.begin(runtime, visit)
            outcome = self._loading.serve(visit, stale, "revalidating")
        elif (stale := self._loading.failed_lately(visit)) is not None:
            outcome = self._loading.serve(visit, stale, "error")
        else:
            return None
        _count_hit(visit.call, stale.layer)
        return outcome

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
        await self._loading.settle(runtime, visit)
        return visit

    async def _replace(self, runtime: Runtime, visit: Visit, loaded: Loaded, began: float) -> None:
        """Store the outcome of a load in every layer of the visit, or have those forget that keep it not."""
        tiers = [step.tier for step in visit.steps]
        self.flights.forget(visit.call.name)
        value = worth_keeping(visit, loaded, self._troubles)
        if value is not MISSING:
            entry = self._storing.entry(visit, value, began, loaded.seconds)
            refusing = await self._storing.store(runtime, visit, entry, visit.steps)
            kept = [step.tier for step in visit.steps if step.tier not in refusing]
            tiers = [tier for tier in tiers if tier not in kept]
        elif loaded.outcome.error is not None:
            return
        await self._storing.forget(runtime, visit, tiers)

    def _count(self, call: Call, event: Miss | Disabled) -> None:
        """Record what became of a call, once."""
        if not call.is_counted:
            call.is_counted = True
            self._recorder.record(event)


def _count_hit(call: Call, layer: str) -> None:
    """Note that a layer answered a call, once."""
    if not call.is_counted:
        call.is_counted = True
        call.use_case.tally(layer).hits += 1.0
