"""Reading many entries of one use case at once: what no layer has is loaded by one run of the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from gcache.core import loading as limits
from gcache.core.events import Disabled, Miss
from gcache.core.flights import Flight, Leading
from gcache.core.keeping import Loaded, is_used_up, is_worth, said_of, shared
from gcache.core.missing import MISSING
from gcache.core.records import Record
from gcache.core.runtime import Outcome
from gcache.core.visit import Call
from gcache.errors import NoMapping

if TYPE_CHECKING:
    from gcache.core.asked import Asked
    from gcache.core.authority import Authority
    from gcache.core.bulk import Bulk
    from gcache.core.entries import Entry, Kept
    from gcache.core.flights import Flights, Ticket
    from gcache.core.loading import Loading
    from gcache.core.routes import Routes
    from gcache.core.runtime import Runtime
    from gcache.core.storing import Storing
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Visit


class _Trip(Record):
    """A visit to load for, the interest in its key, and the flight that brings its value."""

    visit: Visit
    ticket: Ticket
    flight: Flight


class Many:
    """The bulk reads of one instance.

    Whoever is to load takes all flights that nobody flies yet, loads for them in one run, and waits for the
    flights of others after that. So nobody waits while others wait for it.
    """

    def __init__(
        self,
        around: Surroundings,
        routes: Routes,
        flights: Flights,
        loading: Loading,
        storing: Storing,
        bulk: Bulk,
        authority: Authority | None,
    ) -> None:
        self._routes = routes
        self._flights = flights
        self._loading = loading
        self._storing = storing
        self._bulk = bulk
        self._authority = authority
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._clock = around.clock
        self._now = around.now

    async def read(self, runtime: Runtime, asked: Asked) -> Outcome[None]:
        """Put into `asked.values` what the layers have or the source brings."""
        try:
            return Outcome(error=await self._read(runtime, asked))
        except Exception as error:  # a part of somebody's own broke its promise: the source still answers
            self._troubles.broken(asked.use_case, error)
            left = [call for call in asked.calls if call.name not in asked.values]
            if not asked.is_counted:
                self._disabled(asked, "broken", len(left))
            return Outcome(error=await self._lead(runtime, asked, [], left))

    async def _read(self, runtime: Runtime, asked: Asked) -> Exception | None:
        straight, visits = await self._visits(runtime, asked)
        entered = self._flights.enter_all([visit.call.name for visit in visits])
        tickets = dict(zip(visits, entered, strict=True))
        try:
            found = await self._bulk.look(runtime, visits)
            self._take_hits(asked, found)
            await self._bulk.fill(runtime, found)
            missing = [visit for visit in visits if visit not in found]
            self._count(asked, found, missing)
            await self._bulk.settle(runtime, missing)
            alone = straight + [visit.call for visit in missing if visit.unwritable]
            shared_out = {visit: tickets[visit] for visit in missing if not visit.unwritable}
            return await self._bring(runtime, asked, shared_out, alone)
        finally:
            self._flights.hand_in_all(entered)

    async def _visits(self, runtime: Runtime, asked: Asked) -> tuple[list[Call], list[Visit]]:
        """Return the calls that go straight to the source, and the visits of all others."""
        policy = await self._routes.policies.of(runtime, asked.use_case, asked.calls[0].key)
        straight: list[Call] = []
        visits: list[Visit] = []
        reasons: dict[str, int] = {}
        for call in asked.calls:
            visit = self._routes.under(policy, call)
            if isinstance(visit, str):
                reasons[visit] = reasons.get(visit, 0) + 1
                straight.append(call)
            else:
                visits.append(visit)
        for reason, count in reasons.items():
            self._disabled(asked, reason, count)
        return straight, visits

    def _take_hits(self, asked: Asked, found: Mapping[Visit, Kept]) -> None:
        values, copies = asked.values, asked.use_case.rules.copies
        for visit, kept in found.items():
            value = kept.entry.value
            values[visit.call.name] = deepcopy(value) if copies else value

    def _count(self, asked: Asked, found: Mapping[Visit, Kept], missing: Sequence[Visit]) -> None:
        use_case, asked.is_counted = asked.use_case, True
        hits = Counter([visit.steps[kept.depth].tier for visit, kept in found.items()])
        for tier, calls in hits.items():
            use_case.tally(tier.name).hits += calls
        misses = Counter([(visit.steps[-1].tier.name, visit.reason) for visit in missing])
        for (layer, reason), calls in misses.items():
            self._recorder.record(Miss(use_case.name, use_case.key_type, layer, reason, calls))

    async def _bring(
        self, runtime: Runtime, asked: Asked, to_share: dict[Visit, Ticket], alone: list[Call]
    ) -> Exception | None:
        """Load what nobody loads, and wait for the rest. Return what the source raised."""
        while to_share or alone:
            mine: list[_Trip] = []
            others: list[_Trip] = []
            try:
                for visit, ticket in to_share.items():
                    flight, is_mine = ticket.board((visit.epoch, visit.generation))
                    (mine if is_mine else others).append(_Trip(visit, ticket, flight))
                if mine or alone:
                    error = await self._lead(runtime, asked, mine, alone)
                    mine = []
                    if error is not None:
                        return error
                to_share, alone = {}, []
                error = await self._wait(runtime, asked, others, to_share, alone)
                if error is not None:
                    return error
            finally:
                for _, ticket, flight in mine:
                    ticket.retire(flight)
                for _, ticket, flight in others:
                    ticket.leave_flight(flight)
        return None

    async def _lead(
        self, runtime: Runtime, asked: Asked, mine: Sequence[_Trip], alone: Sequence[Call]
    ) -> Exception | None:
        """Load all at once. What is loaded `alone` is neither shared nor stored."""
        whole = Flight(None)
        ahead = {whole}
        for _, _, flight in mine:
            flight.waits_for, flight.is_bulk = ahead, True
        try:
            names = {trip.visit.call.name for trip in mine}.union(call.name for call in alone)
            began = self._now()
            with Leading(whole):
                loaded = await self._load(runtime, asked, [c for c in asked.calls if c.name in names])
            await self._arrive(runtime, asked, mine, loaded, began)
        finally:
            whole.land(None)
            self._flights.retire_all([(ticket, flight) for _, ticket, flight in mine])
        return loaded.outcome.error

    async def _load(self, runtime: Runtime, asked: Asked, calls: Sequence[Call]) -> Loaded:
        """Run the source for some of the calls, and take what it brings for them."""
        if not calls:
            return Loaded(Outcome(None), 0.0, None)
        use_case, ids = asked.use_case, [asked.ids[call.name] for call in calls]
        whole = Call(use_case, calls[0].key, calls[0].name, asked.load(ids))
        loaded = await self._loading.load(runtime, whole)
        if loaded.outcome.error is not None:
            return loaded
        brought = loaded.outcome.value
        if not _is_mapping(brought):
            return loaded._replace(outcome=Outcome(error=_no_mapping(use_case, brought)))
        for call, id_asked in zip(calls, ids, strict=True):
            value = brought.get(id_asked, MISSING)
            if value is not MISSING:
                asked.values[call.name] = value
        return loaded

    async def _arrive(
        self, runtime: Runtime, asked: Asked, mine: Sequence[_Trip], loaded: Loaded, began: float
    ) -> None:
        """Store what a load has brought, and let those go who wait for it, before the slower layers."""
        if loaded.outcome.error is not None:
            for trip in mine:
                trip.flight.land(Outcome(error=loaded.outcome.error))
            return
        writes, refused = self._writes(asked, mine, loaded, began)
        now, copies = self._now(), asked.use_case.rules.copies
        await self._bulk.store(runtime, writes, now, self._bulk.near)
        for visit, ticket, flight in mine:
            value = asked.values.get(visit.call.name, MISSING)
            if value is MISSING:  # who waits for it must not board it again while others are written
                flight.is_absent = True
                ticket.retire(flight)
            else:
                outcome = Outcome(value)
                flight.land(shared(outcome, copies) if copies else outcome)
        await self._bulk.store(runtime, writes, now, self._bulk.far)
        for visit, tiers in refused.items():
            await self._storing.forget(runtime, visit, tiers)

    def _writes(
        self, asked: Asked, mine: Sequence[_Trip], loaded: Loaded, began: float
    ) -> tuple[dict[Visit, Entry], dict[Visit, list[Tier]]]:
        """Return what to store, and the visits whose older entries are not to stay, either, and where."""
        entries: dict[Visit, Entry] = {}
        refused: dict[Visit, list[Tier]] = {}
        use_case, now, shortening = asked.use_case, self._now(), 0.0
        for visit, _, flight in mine:
            if flight.is_void:
                continue
            passed = visit.steps
            if loaded.said is not None:
                visit.steps = said_of(passed, loaded.said)
            value = asked.values.get(visit.call.name, MISSING)
            if value is MISSING or not is_worth(use_case, value, self._troubles) or not visit.steps:
                if visit.kept is not None:
                    refused[visit] = [step.tier for step in passed]
                continue
            if loaded.said is not None and self._authority is not None:
                self._authority.expect(visit)
            visit.shortening = shortening
            entries[visit] = self._storing.entry(visit, value, began, loaded.seconds, now)
            shortening = visit.shortening
        return entries, refused

    async def _wait(
        self,
        runtime: Runtime,
        asked: Asked,
        others: Sequence[_Trip],
        again: dict[Visit, Ticket],
        alone: list[Call],
    ) -> Exception | None:
        """Wait for what others load. Note whom to try again for, and what cannot be waited for."""
        copies = asked.use_case.rules.copies
        deadline = self._clock() + limits.FLIGHT_LIMIT_SEC
        for visit, ticket, flight in others:
            if not flight.is_over:
                await runtime.landed(flight, max(0.0, deadline - self._clock()))
            outcome = flight.outcome
            if outcome is not None and outcome.error is not None and flight.is_bulk:
                return outcome.error
            if outcome is not None and outcome.error is None and not is_used_up(outcome.value):
                asked.values[visit.call.name] = shared(outcome, copies).value
            elif outcome is not None or not flight.is_over:
                alone.append(visit.call)
            elif not flight.is_absent:
                again[visit] = ticket
        return None

    def _disabled(self, asked: Asked, reason: str, count: int) -> None:
        if count:
            self._recorder.record(Disabled(asked.use_case.name, asked.use_case.key_type, reason, count))


def _is_mapping(brought: object) -> bool:
    return isinstance(brought, Mapping)


def _no_mapping(use_case: UseCase, brought: object) -> NoMapping:
    return NoMapping(
        f"The source of use case {use_case.name!r} returned a {type(brought).__name__}: a function under "
        "cached_many returns a mapping from ids to values."
    )
