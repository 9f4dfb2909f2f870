"""Asking the config provider, remembering its answer, and going by the last good one when it fails."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gcache.core.flights import Flights, Leading
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.policy import Policy
from gcache.core.runtime import Operation, Outcome, is_awaited
from gcache.core.use_case import NEVER

if TYPE_CHECKING:
    from gcache.core.flights import Flight, Ticket
    from gcache.core.keys import GCacheKey
    from gcache.core.protocols import ConfigProvider
    from gcache.core.runtime import Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase

_IDLE_REFRESHES = 10
_PATIENCE_SEC = 5.0
MOST_ASKERS = 32
_DUE_EACH = 8
_BRISK_SEC = 0.01


class Policies:
    """The policies in force.

    A policy that is due is asked for beside the call that notices, which still goes by the old one.
    After ten times the refresh interval without a call the old one is too old: the call waits. One who asks
    beside the calls goes on with whatever else is due; there are more, up to 32, while that is too slow.
    """

    def __init__(
        self,
        around: Surroundings,
        tiers: Sequence[Tier],
        provider: ConfigProvider | None,
        refresh_sec: float,
        is_bus_there: bool = False,
    ) -> None:
        self._provider: Operation[[Any], Any] | None = None
        if provider is not None:
            call: Any = provider
            self._provider = Operation(awaitable=call) if is_awaited(call) else Operation(call)
        self._refresh_sec = refresh_sec
        self._tiers = tiers
        self.has_authority = tiers[-1].is_authority
        self._clock = around.clock
        self._troubles = around.troubles
        self._is_bus_there = is_bus_there
        self._flights = Flights()
        self._make_own()

    async def of(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> Policy | None:
        """Return what to do for `use_case` now; None means that nobody has said anything."""
        now = self._clock()
        if now < use_case.policy_due:
            return use_case.policy
        if self._refresh_sec and now < use_case.policy_due + _IDLE_REFRESHES * self._refresh_sec:
            use_case.adopt(use_case.policy, now + self._refresh_sec)
            self._refresh_beside(runtime, use_case, key)
        else:
            await self._refresh_for_all(runtime, use_case, key)
        return use_case.policy

    async def _refresh_for_all(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        """Ask once for all the calls that wait for an answer.

        A provider that calls the very function that it is asked about gets it uncached.
        """
        ticket = self._flights.enter(f"{use_case.name} {use_case.key_type} {use_case.tracked}")
        try:
            while self._clock() >= use_case.policy_due:
                flight, is_mine = ticket.board(None)
                if flight.is_circular:
                    return
                if is_mine:
                    await self._answer(runtime, use_case, key, flight, ticket)
                    return
                try:
                    await runtime.landed(flight, _PATIENCE_SEC)
                finally:
                    ticket.leave_flight(flight)
                if flight.outcome is not None or not flight.is_over:
                    return
        finally:
            ticket.hand_in()

    async def _answer(
        self, runtime: Runtime, use_case: UseCase, key: GCacheKey, flight: Flight, ticket: Ticket
    ) -> None:
        try:
            with Leading(flight):
                await self._refresh(runtime, use_case, key)
            flight.land(Outcome(None))
        finally:
            ticket.retire(flight)

    def after_fork(self) -> None:
        """Forget the questions that only the parent's threads wait for."""
        self._flights.after_fork()
        self._make_own()

    def _make_own(self) -> None:
        self._lock = threading.Lock()
        self._due: OrderedDict[UseCase, GCacheKey] = OrderedDict()
        self._askers: dict[object, float] = {}

    def _refresh_beside(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        """Have a policy asked for by one who asks for others as well, or by a new one if they are slow."""
        with self._lock:
            self._due[use_case] = key
            lately = self._clock() - _BRISK_SEC
            brisk = sum(asked > lately for asked in self._askers.values())
            if len(self._askers) >= MOST_ASKERS or len(self._due) <= brisk * _DUE_EACH:
                return
            asker = object()
            self._askers[asker] = self._clock()
        runtime.spawn(self._ask(runtime, asker), partial(self._leave, asker))

    async def _ask(self, runtime: Runtime, asker: object) -> None:
        while (due := self._next_due(asker)) is not None:
            await self._refresh(runtime, *due)

    def _next_due(self, asker: object) -> tuple[UseCase, GCacheKey] | None:
        with self._lock:
            if not self._due:
                self._askers.pop(asker, None)  # in one step: whoever is due now is asked for by another
                return None
            self._askers[asker] = self._clock()
            return self._due.popitem(last=False)

    def _leave(self, asker: object) -> None:
        with self._lock:
            self._askers.pop(asker, None)

    async def _refresh(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        config: Any = None
        if self._provider is not None:
            outcome = await runtime.attempt(self._provider, key)
            config, error = outcome.value, outcome.error
            if error is None and config is not None and not isinstance(config, GCacheKeyConfig):
                error = TypeError(f"it returned {type(config).__name__}, not a GCacheKeyConfig or None")
            if error is not None:
                self._troubles.provider_failed(use_case, error)
                if use_case.policy_due != NEVER:
                    use_case.adopt(use_case.policy, self._next())
                    return
                config = None
        config = config or use_case.default_config
        policy = None if config is None else Policy(config, self._tiers, use_case.tracked)
        if use_case.tracked and policy is not None and policy.keeps_copies and not self._is_bus_there:
            self._troubles.kept_out_of_reach(use_case)
        use_case.adopt(policy, self._next())

    def _next(self) -> float:
        return self._clock() + self._refresh_sec
