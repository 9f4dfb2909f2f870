"""One load per key at a time across processes, where the authority lends out the right to load.

It saves work and nothing depends on it: whoever cannot get the lease, or has waited for as long as one lasts,
loads all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gcache.core.events import Lease
from gcache.core.records import Record

if TYPE_CHECKING:
    from gcache.core.entries import Entry
    from gcache.core.lookup import Lookup
    from gcache.core.runtime import Runtime
    from gcache.core.staleness import Stale
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.visit import Visit

_FIRST_PAUSE_SEC, _LONGEST_PAUSE_SEC, _GROWTH = 0.005, 0.1, 1.5
_TAKEN = b"l"


class Turn(Record):
    """What a caller that was to load has got: the lease `key` until `ends`, an answer, or nothing at all."""

    key: str = ""
    ends: float = 0.0
    entry: Entry | None = None
    stale: Stale | None = None


class Leases:
    """The leases that one instance asks for."""

    def __init__(self, around: Surroundings, lookup: Lookup) -> None:
        self._lookup = lookup
        self._troubles = around.troubles
        self._recorder = around.recorder
        self._clock = around.clock
        self._chance = around.chance

    async def turn(self, runtime: Runtime, visit: Visit) -> Turn:
        """Wait until the caller may load, or need not; at most for `lease_sec`."""
        tier, lease_sec = visit.steps[-1].tier, visit.config.lease_sec
        if not tier.is_authority or tier in visit.failed:
            return Turn()
        pause_sec, deadline = _FIRST_PAUSE_SEC, self._clock() + lease_sec
        while tier not in visit.failed and not visit.unwritable:
            turn = Turn(_key_of(visit), self._clock() + lease_sec)
            outcome = await tier.attempt(runtime, "add", turn.key, _TAKEN, lease_sec)
            if outcome.error is not None:
                self._troubles.gave_up(visit, tier, outcome.error)
                break
            if outcome.value:
                has_waited = pause_sec > _FIRST_PAUSE_SEC
                return await self._have(runtime, visit, tier, turn, has_waited)
            if (stale := visit.servable(visit.config.stale_sec)) is not None:
                return Turn(stale=stale)
            left_sec = deadline - self._clock()
            if left_sec <= 0:
                break
            await runtime.pause(min(left_sec, pause_sec * (0.5 + self._chance())))
            pause_sec = min(pause_sec * _GROWTH, _LONGEST_PAUSE_SEC)
            if (entry := await self._brought(runtime, visit, tier)) is not None:
                return Turn(entry=entry)
        self._tell(visit, tier, "lapsed")
        return Turn()

    async def _have(self, runtime: Runtime, visit: Visit, tier: Tier, turn: Turn, has_waited: bool) -> Turn:
        """Go on with a lease; whoever has waited for it looks first whether the entry came meanwhile."""
        try:
            entry = await self._brought(runtime, visit, tier) if has_waited else None
        except GeneratorExit:
            raise
        except BaseException:
            await self.release(runtime, visit, turn)
            raise
        if entry is None:
            self._tell(visit, tier, "held")
            return turn
        await self.release(runtime, visit, turn)
        return Turn(entry=entry)

    async def _brought(self, runtime: Runtime, visit: Visit, tier: Tier) -> Entry | None:
        """Return the entry that another process has stored meanwhile."""
        kept = await self._lookup.get(runtime, visit, tier)
        if kept is None or kept.left_sec <= 0:
            return None
        self._tell(visit, tier, "waited")
        return kept.entry

    async def release(self, runtime: Runtime, visit: Visit, turn: Turn) -> None:
        """Let others load, unless the lease has ended by itself and may be theirs by now."""
        if turn.key and self._clock() < turn.ends:
            tier = visit.steps[-1].tier
            outcome = await tier.attempt(runtime, "delete", [turn.key])
            if outcome.error is not None:
                self._troubles.gave_up(visit, tier, outcome.error)

    def _tell(self, visit: Visit, tier: Tier, result: Literal["held", "waited", "lapsed"]) -> None:
        use_case = visit.call.use_case
        self._recorder.record(Lease(use_case.name, use_case.key_type, tier.name, result))


def _key_of(visit: Visit) -> str:
    """Return where the lease stands: no entry's key has two hashes. Each epoch of an entity has its own."""
    epoch = "" if visit.epoch is None else f":{visit.epoch.hex()}"
    return f"{visit.call.name}#lease{epoch}"
