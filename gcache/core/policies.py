"""Asking the config provider, remembering its answer, and going by the last good one when it fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gcache.core.config import GCacheKeyConfig
from gcache.core.flights import Flights, Leading
from gcache.core.policy import Policy
from gcache.core.runtime import Operation
from gcache.core.use_case import NEVER

if TYPE_CHECKING:
    from gcache.core.keys import GCacheKey
    from gcache.core.protocols import ConfigProvider
    from gcache.core.runtime import Runtime
    from gcache.core.tiers import Tier
    from gcache.core.troubles import Troubles
    from gcache.core.use_case import UseCase

_IDLE_REFRESHES = 10
_PATIENCE_SEC = 5.0


class Policies:
    """The policies in force.

    A policy that is due is asked for beside the call that notices, which still goes by the old one.
    After ten times the refresh interval without a call the old one is too old: the call waits.
    """

    def __init__(
        self,
        provider: ConfigProvider | None,
        refresh_sec: float,
        tiers: Sequence[Tier],
        clock: Callable[[], float],
        troubles: Troubles,
    ) -> None:
        self._provider = None if provider is None else _operation(provider)
        self._refresh_sec = refresh_sec
        self._tiers = tiers
        self._clock = clock
        self._troubles = troubles
        self._flights = Flights()

    async def of(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> Policy | None:
        """Return what to do for `use_case` now; None means that nobody has said anything."""
        now = self._clock()
        if now < use_case.policy_due:
            return use_case.policy
        if self._refresh_sec and now < use_case.policy_due + _IDLE_REFRESHES * self._refresh_sec:
            use_case.adopt(use_case.policy, now + self._refresh_sec)
            runtime.spawn(self._refresh(runtime, use_case, key))
        else:
            await self._refresh_for_all(runtime, use_case, key)
        return use_case.policy

    async def _refresh_for_all(self, runtime: Runtime, use_case: UseCase, key: GCacheKey) -> None:
        """Ask once for all the calls that wait for an answer."""
        ticket = self._flights.enter(use_case.name)
        flight, is_mine = ticket.board(None)
        try:
            if is_mine:
                with Leading(flight):
                    await self._refresh(runtime, use_case, key)
            else:
                await runtime.landed(flight, _PATIENCE_SEC)
                ticket.leave_flight(flight)
        finally:
            if is_mine:
                ticket.retire(flight)
            ticket.hand_in()

    def after_fork(self) -> None:
        """Forget the questions that only the parent's threads wait for."""
        self._flights.after_fork()

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
        use_case.adopt(policy, self._next())

    def _next(self) -> float:
        return self._clock() + self._refresh_sec


def _operation(provider: Any) -> Operation[[Any], GCacheKeyConfig | None]:
    call = provider if inspect.isroutine(provider) else type(provider).__call__
    if inspect.iscoroutinefunction(provider) or inspect.iscoroutinefunction(call):
        return Operation(awaitable=provider)
    return Operation(blocking=provider)
