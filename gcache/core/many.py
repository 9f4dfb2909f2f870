"""Reading many entries of one use case at once: what no layer has is loaded by one run of the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from gcache.core import loading as limits
from gcache.core.entries import Entry
from gcache.core.events import Disabled, Miss
from gcache.core.flights import Leading, waits_no_more
from gcache.core.joint import JointFlight, Tickets
from gcache.core.keeping import Loaded, is_used_up, is_worth, said_of, shared
from gcache.core.missing import MISSING
from gcache.core.runtime import Outcome
from gcache.errors import NoMapping

if TYPE_CHECKING:
    from gcache.core.asked import Asked
    from gcache.core.authority import Authority
    from gcache.core.bulk import Bulk
    from gcache.core.flights import Flight, Flights
    from gcache.core.joint import Brought
    from gcache.core.loading import Loading
    from gcache.core.party import Party
    from gcache.core.policy import Policy
    from gcache.core.routes import Routes
    from gcache.core.runtime import Runtime
    from gcache.core.storing import Storing
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Visit


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
            left = [name for name in asked.ids if name not in asked.values]
            if not asked.is_counted:
                self._disabled(asked, "broken", len(left))
            return Outcome(error=(await self._load(runtime, asked, left)).outcome.error)

    async def _read(self, runtime: Runtime, asked: Asked) -> Exception | None:
        first = asked.call(next(iter(asked.ids)))
        policy = await self._routes.policies.of(runtime, asked.use_case, first.key)
        party = self._routes.party(policy, asked)
        straight, visits = self._visits(policy, asked) if party is None else ([], [])
        names = [visit.call.name for visit in visits] if party is None else party.names
        tickets = Tickets(self._flights, names)
        try:
            missing = await self._look(runtime, asked, visits if party is None else party)
            await self._bulk.settle(runtime, missing)
            alone = straight + [visit.call.name for visit in missing if visit.unwritable]
            to_share = [visit for visit in missing if not visit.unwritable]
            return await self._bring(runtime, asked, tickets, to_share, alone)
        finally:
            tickets.hand_in()

    def _visits(self, policy: Policy | None, asked: Asked) -> tuple[list[str], list[Visit]]:
        """Return the names of what goes straight to the source, and the visits of all else."""
        straight: list[str] = []
        visits: list[Visit] = []
        reasons: dict[str, int] = {}
        for name in asked.ids:
            visit = self._routes.under(policy, asked.call(name))
            if isinstance(visit, str):
                reasons[visit] = reasons.get(visit, 0) + 1
                straight.append(name)
            else:
                visits.append(visit)
        for reason, count in reasons.items():
            self._disabled(asked, reason, count)
        return straight, visits

    async def _look(self, runtime: Runtime, asked: Asked, visits: Party | Sequence[Visit]) -> list[Visit]:
        """Take what the layers have, count it, and return the visits that they have nothing for."""
        use_case, values = asked.use_case, asked.values
        if not isinstance(visits, Sequence):
            missing = await self._bulk.peruse(runtime, visits, values)
            hits = {visits.tier: len(visits.names) - len(missing)}
        else:
            found = await self._bulk.look(runtime, visits)
            for visit, kept in found.items():
                value = kept.entry.value
                values[visit.call.name] = deepcopy(value) if use_case.rules.copies else value
            await self._bulk.fill(runtime, found)
            missing = [visit for visit in visits if visit not in found]
            hits = Counter([visit.steps[kept.depth].tier for visit, kept in found.items()])
        asked.is_counted = True
        for tier, calls in hits.items():
            use_case.tally(tier.name).hits += calls
        misses = Counter([(visit.steps[-1].tier.name, visit.reason) for visit in missing])
        for (layer, reason), calls in misses.items():
            self._recorder.record(Miss(use_case.name, use_case.key_type, layer, reason, calls))
        return missing

    async def _bring(
        self, runtime: Runtime, asked: Asked, tickets: Tickets, to_share: list[Visit], alone: list[str]
    ) -> Exception | None:
        """Load what nobody loads, and wait for the rest. Return what the source raised."""
        while to_share or alone:
            joint = JointFlight()
            others: list[tuple[Visit, Flight]] = []
            try:
                try:
                    mine = tickets.board(joint, to_share, others)
                    error = await self._lead(runtime, asked, tickets, joint, mine, alone)
                finally:
                    tickets.retire(joint)
                to_share, alone = [], []
                if error is None:
                    error = await self._wait(runtime, asked, others, to_share, alone)
                if error is not None:
                    return error
            finally:
                for _, flight in others:
                    waits_no_more(flight)
        return None

    async def _lead(
        self,
        runtime: Runtime,
        asked: Asked,
        tickets: Tickets,
        joint: JointFlight,
        mine: Sequence[Visit],
        alone: Sequence[str],
    ) -> Exception | None:
        """Load all at once. What is loaded `alone` is neither shared nor stored."""
        if not mine and not alone:
            return None
        names, began = [visit.call.name for visit in mine], self._now()
        if alone:
            wanted = {*names, *alone}
            names = [name for name in asked.ids if name in wanted]
        with Leading(joint):
            loaded = await self._load(runtime, asked, names)
        if (error := loaded.outcome.error) is not None:
            tickets.arrive(joint, lambda _: Outcome(error=error))
            return error
        await self._arrive(runtime, asked, tickets, joint, mine, loaded, began)
        return None

    async def _load(self, runtime: Runtime, asked: Asked, names: Sequence[str]) -> Loaded:
        """Run the source for some of the ids, and take what it brings for them."""
        if not names:
            return Loaded(Outcome(None), 0.0, None)
        ids = [asked.ids[name] for name in names]
        whole = asked.call(names[0])
        whole.load = asked.load(ids)
        loaded = await self._loading.load(runtime, whole)
        if loaded.outcome.error is not None:
            return loaded
        brought = loaded.outcome.value
        if not _is_mapping(brought):
            return loaded._replace(outcome=Outcome(error=_no_mapping(asked.use_case, brought)))
        for name, id_asked in zip(names, ids, strict=True):
            value = brought.get(id_asked, MISSING)
            if value is not MISSING:
                asked.values[name] = value
        return loaded

    async def _arrive(
        self,
        runtime: Runtime,
        asked: Asked,
        tickets: Tickets,
        joint: JointFlight,
        mine: Sequence[Visit],
        loaded: Loaded,
        began: float,
    ) -> None:
        """Store what a load has brought, and let those go who wait for it, before the slower layers."""
        entries, refused = self._entries(asked, joint, mine, loaded, began)
        now = self._now()
        await self._bulk.store(runtime, entries, now, self._bulk.near)
        absent = [visit.call.name for visit in mine if visit.call.name not in asked.values]
        tickets.arrive(joint, _brought(asked, mine), absent)
        await self._bulk.store(runtime, entries, now, self._bulk.far)
        for visit, tiers in refused.items():
            await self._storing.forget(runtime, visit, tiers)

    def _entries(
        self, asked: Asked, joint: JointFlight, mine: Sequence[Visit], loaded: Loaded, began: float
    ) -> tuple[dict[Visit, Entry], dict[Visit, list[Tier]]]:
        """Return what to store, and the visits whose older entries are not to stay, either, and where."""
        entries: dict[Visit, Entry] = {}
        refused: dict[Visit, list[Tier]] = {}
        use_case, now = asked.use_case, self._now()
        entry, steps, shortening = None, None, 0.0
        for visit in mine:
            name, passed = visit.call.name, visit.steps
            if joint.parts and joint.is_void_for(name):
                continue
            if loaded.said is not None:
                visit.steps = said_of(passed, loaded.said)
            value = asked.values.get(name, MISSING)
            if value is MISSING or not is_worth(use_case, value, self._troubles) or not visit.steps:
                if visit.kept is not None:
                    refused[visit] = [step.tier for step in passed]
                continue
            if loaded.said is not None and self._authority is not None:
                self._authority.expect(visit)
            visit.shortening = shortening
            if entry is None or visit.steps is not steps:
                entry = self._storing.entry(visit, value, began, loaded.seconds, now)
                steps, shortening = visit.steps, visit.shortening
            else:  # it ends when the one before does
                entry = Entry(value, began, entry.expires, visit.epoch, visit.generation, entry.load_sec)
            entries[visit] = entry
        return entries, refused

    async def _wait(
        self,
        runtime: Runtime,
        asked: Asked,
        others: Iterable[tuple[Visit, Flight]],
        again: list[Visit],
        alone: list[str],
    ) -> Exception | None:
        """Wait for what others load. Note whom to try again for, and what cannot be waited for."""
        copies = asked.use_case.rules.copies
        deadline = self._clock() + limits.FLIGHT_LIMIT_SEC
        for visit, flight in others:
            if not flight.is_over:
                await runtime.landed(flight, max(0.0, deadline - self._clock()))
            outcome = flight.outcome
            if outcome is not None and outcome.error is not None and flight.is_bulk:
                return outcome.error
            if outcome is not None and outcome.error is None and not is_used_up(outcome.value):
                asked.values[visit.call.name] = shared(outcome, copies).value
            elif outcome is not None or not flight.is_over:
                alone.append(visit.call.name)
            elif not flight.is_absent:
                again.append(visit)
        return None

    def _disabled(self, asked: Asked, reason: str, count: int) -> None:
        if count:
            self._recorder.record(Disabled(asked.use_case.name, asked.use_case.key_type, reason, count))


def _brought(asked: Asked, mine: Sequence[Visit]) -> Brought:
    """Return what tells those who wait of a load. Copies are made before the caller has the values."""
    values = asked.values
    if asked.use_case.rules.copies:
        names = [visit.call.name for visit in mine if visit.call.name in values]
        return {name: shared(Outcome(values[name]), True) for name in names}.get
    return lambda name: Outcome(values[name]) if name in values else None


def _is_mapping(brought: object) -> bool:
    return isinstance(brought, Mapping)


def _no_mapping(use_case: UseCase, brought: object) -> NoMapping:
    return NoMapping(
        f"The source of use case {use_case.name!r} returned a {type(brought).__name__}: a function under "
        "cached_many returns a mapping from ids to values."
    )
