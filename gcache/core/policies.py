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
from gcache.core.runtime import Operation, Outcome, ThreadRuntime, is_awaited, is_cancellation
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
_BRISK_SEC = 0.01
_PAUSE_SEC = 0.01
_PROMPT_SEC = 0.1
_UNKNOWN_SEC = 0.01
_LATEST = 1 / 8
_MOST_UNANSWERED = 2


class Policies:
    """The policies in force.

    A policy that is due is asked for beside the call that notices, which still goes by the old one.
    After ten times the refresh interval without a call the old one is too old: the call waits. One who asks
    beside the calls goes on with whatever else is due, and looks again a little later when that was much;
    there are more, up to 32, while these would take too long. A provider that blocks is asked in threads.
    While two questions about one use case have no answer there is no third, so that one that never gets any
    does not take all who ask. Where loops end before there is an answer, as with one for each call, every
    other call that is due waits for it.
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
        self._ask_sec = _UNKNOWN_SEC
        self._threads = ThreadRuntime()
        self._make_own()

    async def of(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> Policy | None:
        """Return what to do for `use_case` now; None means that nobody has said anything."""
        now = self._clock()
        if now < use_case.policy_due:
            return use_case.policy
        idle_sec = _IDLE_REFRESHES * self._refresh_sec
        if now < use_case.policy_due + idle_sec and not self._is_left(use_case):
            use_case.adopt(use_case.policy, now + self._refresh_sec)
            self._refresh_beside(runtime, use_case, key)
        else:
            await self._refresh_for_all(runtime, use_case, key)
        return use_case.policy

    async def _refresh_for_all(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        """Ask once for all the calls that wait for an answer.

        A provider that calls the very function that it is asked about gets it uncached.
        """
        ticket = self._flights.enter(str(id(use_case)))  # its name may be that of one of many ids, too
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
            with self._lock:
                self._due.pop(use_case, None)
            flight.land(Outcome(None))
        finally:
            ticket.retire(flight)

    def after_fork(self) -> None:
        """Forget the questions that only the parent's threads wait for."""
        self._flights.after_fork()
        self._make_own()

    def _make_own(self) -> None:
        self._lock = threading.RLock()  # a task that nobody ends is ended by a finalizer, anywhere
        self._due: OrderedDict[UseCase, GCacheKey] = OrderedDict()
        self._askers: dict[object, float] = {}
        self._asking: dict[UseCase, int] = {}

    def _refresh_beside(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        """Have a policy asked for by one who asks for others as well, or by a new one if they are slow."""
        with self._lock:
            if self._asking.get(use_case, 0) >= _MOST_UNANSWERED:
                return
            self._due[use_case] = key
            lately = self._clock() - _BRISK_SEC
            brisk = sum(asked > lately for asked in self._askers.values())
            if len(self._askers) >= MOST_ASKERS or len(self._due) * self._ask_sec < brisk * _PROMPT_SEC:
                return
            asker = object()
            self._askers[asker] = self._clock()
        if self._provider is not None and self._provider.awaitable is None:
            runtime = self._threads
        runtime.spawn(self._ask(runtime, asker), partial(self._leave, asker))

    async def _ask(self, runtime: Runtime, asker: object) -> None:
        answers = 0
        while True:
            due = self._next_due(asker, answers > 1)
            if due is not None:
                await self._refresh_due(runtime, *due)
                answers += 1
            elif answers > 1:
                answers = 0
                await runtime.pause(_PAUSE_SEC)
            else:
                return

    async def _refresh_due(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        try:
            await self._refresh(runtime, use_case, key)
        except BaseException as error:
            if is_cancellation(error):
                with self._lock:
                    self._due.setdefault(use_case, key)
            raise
        finally:
            with self._lock:
                left = self._asking.pop(use_case, 1) - 1
                if left:
                    self._asking[use_case] = left

    def _is_left(self, use_case: UseCase) -> bool:
        """Tell whether those who were to ask for a policy are gone, as tasks are when their loop ends."""
        return not self._askers and use_case in self._due

    def _next_due(self, asker: object, stays: bool) -> tuple[UseCase, GCacheKey] | None:
        """Return what to ask for next. An asker leaves if there is nothing, or `stays` to look once more."""
        with self._lock:
            if self._due:
                self._askers[asker] = self._clock()
                use_case, key = self._due.popitem(last=False)
                self._asking[use_case] = self._asking.get(use_case, 0) + 1
                return use_case, key
            if stays:
                self._askers[asker] = self._clock() + _PAUSE_SEC
            else:  # in one step with having looked: whoever is due now is asked for by another
                self._askers.pop(asker, None)
            return None

    def _leave(self, asker: object) -> None:
        with self._lock:
            self._askers.pop(asker, None)

    async def _refresh(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        config: Any = None
        if self._provider is not None:
            began = self._clock()
            outcome = await runtime.attempt(self._provider, key)
            self._ask_sec += (self._clock() - began - self._ask_sec) * _LATEST
            config, error = outcome.value, outcome.error
            if error is None and config is not None and not isinstance(config, GCacheKeyConfig):
                error = TypeError(f"it returned {type(config).__name__}, not a GCacheKeyConfig or None")
            if error is not None:
                self._troubles.provider_failed(use_case, error)
                if use_case.policy_due != NEVER:
                    use_case.adopt(use_case.policy, self._next())
                    return
                config = None
        use_case.adopt(self._policy(use_case, config or use_case.default_config), self._next())

    def _policy(self, use_case: UseCase, config: GCacheKeyConfig | None) -> Policy | None:
        """Return what `config` means for `use_case`: the policy in force, if that means the same."""
        if config is None:
            return None
        policy = use_case.policy
        if policy is None or not policy.says(config):
            policy = Policy(config, self._tiers, use_case.tracked)
        if use_case.tracked and policy.keeps_copies and not self._is_bus_there:
            self._troubles.kept_out_of_reach(use_case)
        return policy

    def _next(self) -> float:
        return self._clock() + self._refresh_sec
