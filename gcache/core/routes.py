"""Which way a call goes: the layers that it passes, and whether what it brings may be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from gcache.core.keys import UrnKeyBuilder
from gcache.core.party import Party
from gcache.core.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcache.core.asked import Asked
    from gcache.core.entries import Generation
    from gcache.core.generations import Generations
    from gcache.core.pending import Pending
    from gcache.core.policies import Policies
    from gcache.core.policy import Policy, Step
    from gcache.core.protocols import KeyBuilder
    from gcache.core.runtime import Operation, Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.visit import Call

    Short: TypeAlias = tuple[Operation[[Sequence[str]], Sequence[Any]], int, str | None, Generation]


class Routes:
    """The ways through the chain, as the policies in force and this process's invalidations have them."""

    def __init__(
        self,
        around: Surroundings,
        keys: KeyBuilder,
        policies: Policies,
        generations: Generations,
        pending: Pending,
    ) -> None:
        self.policies = policies
        self._keys = keys
        self._epoch_beside: Callable[[str], str] | None
        self._epoch_beside = keys.epoch_beside if type(keys) is UrnKeyBuilder else None
        self._generations = generations
        self._pending = pending
        self._has_authority = policies.has_authority
        self._clock = around.clock

    async def of(self, runtime: Runtime, call: Call) -> Visit | str:
        """Return a visit, or the reason why the call goes straight to the source.

        The generation is taken before anything is looked at, see Generations.
        """
        policy = await self.policies.of(runtime, call.use_case, call.key)
        return self.under(policy, call)

    def under(self, policy: Policy | None, call: Call) -> Visit | str:
        """Do what `of` does, where the policy is known."""
        use_case = call.use_case
        if policy is None:
            return "missing_config"
        entity = self._entity_of(call) if use_case.tracked else None
        steps = policy.all
        if policy.is_partial or use_case.is_shut:
            steps = self._steps(policy, call, entity)
        if not steps:
            return "cut_off" if use_case.is_shut else "ramped_down"
        visit = Visit(call, steps, entity, self._generations.of(entity), policy.config)
        if entity is not None:
            visit.unvouched = visit.epoch_key is None and self._has_authority
            if self._pending.debts and entity in self._pending:
                visit.unwritable, visit.reason = True, "pending"
            elif self._generations.holds and self._generations.held(entity, self._clock()):
                visit.unwritable, visit.reason = True, "held"
        return visit

    def short(self, call: Call, policy: Policy) -> Short | None:
        """Return how the only layer out of process reads, if a hit there needs nothing else.

        With it come the turn of its breaker, the entity, and its generation, which is taken first, as in
        `under`. None leaves the call to that, which says what the matter is.
        """
        tier = policy.short
        if tier is None or (getting := tier.getting) is None:
            return None
        use_case, breaker, turn = call.use_case, tier.breaker, 0
        if policy.filled is not None and (
            use_case.is_shut or use_case.rules.copies or use_case.rules.exceptions
        ):
            return None  # memory is not to be filled, or has what the hot path leaves to the chain
        if breaker is not None:
            if breaker.is_marked:
                return None
            turn = breaker.turn
        if not use_case.tracked:
            return getting, turn, None, self._generations.of(None)
        entity = self._entity_of(call) if self._epoch_beside is None else self._epoch_beside(call.name)
        generation = self._generations.of(entity)
        if self._pending.debts or self._generations.holds:
            return None
        return getting, turn, entity, generation

    def party(self, policy: Policy | None, asked: Asked) -> Party | None:
        """Return what `under` would for all of many calls, if all go the same way and it is a short one.

        Their generations are taken before anybody asks who is held, as everywhere.
        """
        tier = None if policy is None else policy.short
        if policy is None or tier is None or policy.filled is not None:
            return None
        names = list(asked.ids)
        if not asked.use_case.tracked:
            return Party(asked, policy, tier, names, [], [self._generations.of(None)] * len(names))
        if self._epoch_beside is None:
            return None
        entities = [self._epoch_beside(name) for name in names]
        generations = self._generations.of_all(entities)
        if self._pending.debts or self._generations.holds:
            return None
        return Party(asked, policy, tier, names, entities, generations)

    def _entity_of(self, call: Call) -> str:
        """Return the string of the epoch that a tracked call's entries go by."""
        if self._epoch_beside is not None:
            return self._epoch_beside(call.name)
        return self._keys.epoch(call.key.key_type, call.key.id)

    def _steps(self, policy: Policy, call: Call, entity: str | None) -> tuple[Step, ...]:
        steps = policy.all
        if policy.is_partial:
            steps = policy.steps(call.use_case.name, entity or f"{call.key.key_type}:{call.key.id}")
        if call.use_case.is_shut:
            return tuple(step for step in steps if not step.tier.in_process)
        return steps
