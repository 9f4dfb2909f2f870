"""Loads beside the callers: of what is about to end, and of what has ended and is served all the same."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gcache.core.staleness import is_due
from gcache.core.visit import Call

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.entries import Kept
    from gcache.core.flights import Flights
    from gcache.core.loading import Loading
    from gcache.core.lookup import Lookup
    from gcache.core.routes import Routes
    from gcache.core.runtime import Runtime
    from gcache.core.storing import Storing
    from gcache.core.surroundings import Surroundings
    from gcache.core.visit import Visit

MOST_UNDER_WAY = 32


class Renewing:
    """The renewals of one instance: one of each key, a few at a time, and none that waits for its turn."""

    def __init__(
        self,
        around: Surroundings,
        routes: Routes,
        lookup: Lookup,
        storing: Storing,
        loading: Loading,
        flights: Flights,
        authority: Authority | None,
    ) -> None:
        self._routes = routes
        self._lookup = lookup
        self._storing = storing
        self._loading = loading
        self._flights = flights
        self._authority = authority
        self._troubles = around.troubles
        self._chance = around.chance
        self._under_way: set[str] = set()

    def consider(self, runtime: Runtime, visit: Visit, found: Kept) -> None:
        """Renew an entry ahead of its end, if chance will have it now."""
        if self._is_due(visit, found):
            self.begin(runtime, visit, found.depth + 1)

    def begin(self, runtime: Runtime, visit: Visit, depth: int = 0) -> None:
        """Renew an entry beside its caller, from a layer beyond the first `depth` or by a load."""
        name = visit.call.name
        if name in self._under_way or len(self._under_way) >= MOST_UNDER_WAY:
            return
        if self._loading.throttle.waits(name):
            return
        self._under_way.add(name)
        runtime.spawn(self._renew(runtime, visit, depth), partial(self._under_way.discard, name))

    def after_fork(self) -> None:
        """Forget what only the parent's threads and tasks can finish."""
        self._under_way = set()

    def _is_due(self, visit: Visit, found: Kept) -> bool:
        load_sec, beta = found.entry.load_sec, visit.config.refresh_ahead
        return is_due(found.left_sec, load_sec, beta, 1 - self._chance())

    async def _renew(self, runtime: Runtime, visit: Visit, depth: int) -> None:
        asked = visit.call
        call = Call(asked.use_case, asked.key, asked.name, asked.load)
        call.is_counted = True
        try:
            again = await self._routes.of(runtime, call)
            if not isinstance(again, str):
                await self._bring(runtime, again, depth)
        except Exception as error:  # nobody is here who could be hurt
            self._troubles.broken(call.use_case, error)

    async def _bring(self, runtime: Runtime, visit: Visit, depth: int) -> None:
        """Take a younger entry from a farther layer, else load one."""
        ticket = self._flights.enter(visit.call.name)
        try:
            found = await self._lookup.look(runtime, visit, depth)
            if found is not None and not self._is_due(visit, found):
                await self._storing.store(runtime, visit, found.entry, visit.steps[: found.depth])
                return
            if self._authority is not None and visit.epoch_key is not None and visit.epoch is None:
                await self._authority.ask(runtime, visit)
            await self._loading.settle(runtime, visit)
            if visit.unwritable:
                return
            flight, is_mine = ticket.board((visit.epoch, visit.generation))
            if is_mine:
                outcome = await self._loading.fly(runtime, visit, ticket, flight)
                rules = visit.call.use_case.rules
                if outcome.error is not None and not isinstance(outcome.error, rules.exceptions):
                    self._loading.failed(visit, outcome.error)
            else:
                ticket.leave_flight(flight)
        finally:
            ticket.hand_in()
