"""Running the source, once for all who ask at the same time, and for no longer than they can wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from gcache.core.events import Error, Load, Stale
from gcache.core.flights import NOBODY, Flight, Leading
from gcache.core.keeping import Loaded, Saying, is_used_up, outcome_of, shared, worth_keeping
from gcache.core.missing import MISSING
from gcache.core.runtime import Outcome, is_cancellation
from gcache.core.staleness import Throttle
from gcache.errors import LoadTimeout

if TYPE_CHECKING:
    from gcache.core import staleness
    from gcache.core.authority import Authority
    from gcache.core.flights import Flights, Ticket
    from gcache.core.leases import Leases
    from gcache.core.policy import Step
    from gcache.core.runtime import Runtime
    from gcache.core.storing import Storing
    from gcache.core.surroundings import Surroundings
    from gcache.core.visit import Call, Visit

FLIGHT_LIMIT_SEC = 30.0
MOST_LATE = 32
"""While so many loads of an instance are late, nothing is begun that its caller could not wait for."""


class Loading:
    """The loads of one instance."""

    def __init__(
        self,
        around: Surroundings,
        flights: Flights,
        storing: Storing,
        leases: Leases,
        authority: Authority | None,
    ) -> None:
        self.throttle = Throttle(around.clock)
        self._flights = flights
        self._storing = storing
        self._leases = leases
        self._authority = authority
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._clock = around.clock
        self._now = around.now
        self._late: set[Flight] = set()  # each leaves it when its load has ended

    async def load(self, runtime: Runtime, call: Call) -> Loaded:
        """Run the source, for one caller."""
        started = self._clock()
        with Saying() as saying:
            outcome = await runtime.attempt(call.load)
        seconds = self._clock() - started
        use_case = call.use_case
        self._recorder.record(Load(use_case.name, use_case.key_type, seconds))
        if outcome.error is not None:
            name = type(outcome.error).__name__
            self._recorder.record(Error(use_case.name, use_case.key_type, "", name, True))
        return Loaded(outcome, seconds, saying.said)

    async def settle(self, runtime: Runtime, visit: Visit) -> None:
        """Know, before a load begins, which epoch its entry belongs to."""
        if self._authority is not None and visit.epoch_key is not None:
            await self._authority.settle(runtime, visit)

    async def share(self, runtime: Runtime, visit: Visit, ticket: Ticket) -> Outcome[Any]:
        """Load, or wait for somebody who does."""
        while True:
            flight, is_mine = ticket.board((visit.epoch, visit.generation))
            if is_mine and (flight.is_circular or self._is_led_here(visit)):
                return self._rescued(visit, await self.fly(runtime, visit, ticket, flight))
            if is_mine and len(self._late) >= MOST_LATE:
                ticket.retire(flight)
                return self._turned_away(visit)
            try:
                if is_mine:
                    self._send_off(runtime, visit, flight)
                outcome = await self._wait(runtime, visit, flight, is_mine)
            finally:
                ticket.leave_flight(flight)
            if flight.is_late and self._clock() - flight.began > FLIGHT_LIMIT_SEC:
                flight.is_void = True  # what hangs for so long is not waited for any more
                ticket.retire(flight)
            if outcome is not None:
                return outcome

    async def alone(self, runtime: Runtime, visit: Visit) -> Outcome[Any]:
        """Load for one caller, of whose value nothing may be stored."""
        if self._is_led_here(visit):
            return (await self.load(runtime, visit.call)).outcome
        if len(self._late) >= MOST_LATE:
            return self._turned_away(visit)
        flight = Flight(None)
        self._send_off(runtime, visit, flight)
        outcome = await self._wait(runtime, visit, flight, True)
        return (await self.load(runtime, visit.call)).outcome if outcome is None else outcome

    async def fly(self, runtime: Runtime, visit: Visit, ticket: Ticket, flight: Flight) -> Outcome[Any]:
        """Load for all who wait, and let them go before the slower layers are written."""
        try:
            return await self._lead(runtime, visit, flight)
        finally:
            ticket.retire(flight)

    def failed_lately(self, visit: Visit) -> staleness.Stale | None:
        """Return what to serve without a load, because one failed a moment ago."""
        return self._rescue(visit) if self.throttle.waits(visit.call.name) else None

    def failed(self, visit: Visit, error: Exception) -> None:
        """Let the next load wait, since this one's error reaches nobody."""
        self.throttle.slow_down(visit.call.name, visit.config.retry_load_sec)
        self._troubles.load_failed(visit.call.use_case, error)

    def serve(
        self,
        visit: Visit,
        stale: staleness.Stale,
        reason: Literal["revalidating", "error", "slow", "leased"],
    ) -> Outcome[Any]:
        """Return what is stale for one caller, and say so."""
        use_case = visit.call.use_case
        self._recorder.record(Stale(use_case.name, use_case.key_type, stale.layer, reason))
        return outcome_of(stale.entry, use_case.rules.copies)

    def after_fork(self) -> None:
        """Forget the loads that only the parent's threads can finish."""
        self._late = set()

    async def _lead(self, runtime: Runtime, visit: Visit, flight: Flight) -> Outcome[Any]:
        flight.began = self._clock()
        if visit.config.lease_sec and not visit.unwritable:
            return await self._fly_in_turn(runtime, visit, flight)
        return await self._fly(runtime, visit, flight)

    async def _fly_in_turn(self, runtime: Runtime, visit: Visit, flight: Flight) -> Outcome[Any]:
        """Load while no other process does, or take what that one brings."""
        turn = await self._leases.turn(runtime, visit)
        if turn.entry is not None:
            await self._storing.store(runtime, visit, turn.entry, _near(visit))
            outcome = outcome_of(turn.entry)
            flight.land(outcome)
            return outcome
        if turn.stale is not None:
            outcome = self.serve(visit, turn.stale, "leased")
            flight.land(outcome)
            return outcome
        try:
            await self.settle(runtime, visit)
            outcome = await self._fly(runtime, visit, flight)
        except GeneratorExit:
            raise
        except BaseException:
            await self._leases.release(runtime, visit, turn)
            raise
        await self._leases.release(runtime, visit, turn)
        return outcome

    async def _fly(self, runtime: Runtime, visit: Visit, flight: Flight) -> Outcome[Any]:
        began, passed = self._now(), visit.steps  # the source may say that fewer layers keep what it returns
        with Leading(flight):
            loaded = await self.load(runtime, visit.call)
        landed = shared(loaded.outcome, visit.call.use_case.rules.copies)
        kept = MISSING if flight.is_void else worth_keeping(visit, loaded, self._troubles)
        if kept is MISSING:
            flight.land(landed)
            if loaded.outcome.error is None and visit.kept is not None and not flight.is_void:
                await self._storing.forget(runtime, visit, [step.tier for step in passed])
            return loaded.outcome
        if loaded.said is not None and self._authority is not None:
            self._authority.expect(visit)
        entry = self._storing.entry(visit, kept, began, loaded.seconds)
        near = _near(visit)
        await self._storing.store(runtime, visit, entry, near)
        flight.land(landed)
        await self._storing.store(runtime, visit, entry, [step for step in visit.steps if step not in near])
        return loaded.outcome

    def _is_led_here(self, visit: Visit) -> bool:
        """Tell whether a load is to run in its caller's thread or task, who waits for it to the end."""
        config = visit.config
        if config.load_timeout_sec is not None:
            return False
        if config.soft_load_timeout_sec is None:
            return True
        return len(self._late) >= MOST_LATE and self._rescue(visit) is None

    def _send_off(self, runtime: Runtime, visit: Visit, flight: Flight) -> None:
        """Have the flight flown beside its caller."""
        ticket = self._flights.enter(visit.call.name)

        def after() -> None:
            self._late.discard(flight)
            ticket.retire(flight)
            ticket.hand_in()

        flight.thread, flight.began = NOBODY, self._clock()
        runtime.spawn(self._fly_beside(runtime, visit, flight), after)

    async def _fly_beside(self, runtime: Runtime, visit: Visit, flight: Flight) -> None:
        flight.take_off()
        try:
            await self._lead(runtime, visit, flight)
        except BaseException as error:
            if is_cancellation(error):
                raise
            flight.land(Outcome(error=cast("Exception", error)))  # it is raised where it was called for

    async def _wait(
        self, runtime: Runtime, visit: Visit, flight: Flight, is_mine: bool
    ) -> Outcome[Any] | None:
        """Wait for a flight as long as the policy lets; None if it was given up."""
        config = visit.config
        hard_sec, left_sec = config.load_timeout_sec, config.load_timeout_sec or FLIGHT_LIMIT_SEC
        could_wait = True
        if config.soft_load_timeout_sec is not None and self._rescue(visit) is not None:
            soft_sec = 0 if flight.is_late else min(config.soft_load_timeout_sec, left_sec)
            could_wait = not soft_sec or await runtime.landed(flight, soft_sec)
            if could_wait and not flight.is_over and self._rescue(visit) is not None:
                return self._too_late(visit, flight)
            left_sec -= soft_sec
        if could_wait and not flight.is_over:
            could_wait = await runtime.landed(flight, left_sec)
        if flight.outcome is not None:
            if is_mine or not is_used_up(flight.outcome.value):
                return self._rescued(visit, shared(flight.outcome, visit.call.use_case.rules.copies))
        elif flight.is_over and not is_mine:
            return None
        elif could_wait and hard_sec is not None and not flight.is_over:
            return self._too_late(visit, flight)
        return (await self.load(runtime, visit.call)).outcome

    def _too_late(self, visit: Visit, flight: Flight) -> Outcome[Any]:
        """Do without a load that takes too long. It goes on, and what it brings is stored."""
        flight.is_late = True
        if not (flight.is_over or flight.is_bulk):  # a load of many keeps nobody but its caller
            self._late.add(flight)
        name, limit_sec = visit.call.use_case.name, visit.config.load_timeout_sec or 0
        return self._instead(
            visit, f"The source of use case {name!r} has not answered within {limit_sec:g} s."
        )

    def _turned_away(self, visit: Visit) -> Outcome[Any]:
        """Do without a load that nobody can wait for, since too many have not come back."""
        name = visit.call.use_case.name
        return self._instead(
            visit,
            f"The source of use case {name!r} is not asked, as {MOST_LATE} loads of this instance are late.",
        )

    def _instead(self, visit: Visit, why: str) -> Outcome[Any]:
        stale = self._rescue(visit)
        return Outcome(error=LoadTimeout(why)) if stale is None else self.serve(visit, stale, "slow")

    def _rescue(self, visit: Visit) -> staleness.Stale | None:
        """Return what may be served if a load does not bring anything in time."""
        return visit.servable(visit.config.stale_if_error_sec)

    def _rescued(self, visit: Visit, outcome: Outcome[Any]) -> Outcome[Any]:
        """Return what is stale in place of a failure, if there is something to be had."""
        error = outcome.error
        if not isinstance(error, Exception) or isinstance(error, visit.call.use_case.rules.exceptions):
            return outcome
        stale = self._rescue(visit)
        if stale is None:
            return outcome
        self.failed(visit, error)
        return self.serve(visit, stale, "error")


def _near(visit: Visit) -> list[Step]:
    return [step for step in visit.steps if step.tier.in_process]
