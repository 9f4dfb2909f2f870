"""One call on its way through the chain: where it goes, and what it has found out so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gcache.core.keys import GCacheKey
from gcache.core.runtime import Operation

if TYPE_CHECKING:
    from gcache.core.entries import Generation
    from gcache.core.policy import Step
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase


class Call:
    """What a caller asks for: the value of `key`, from the cache or by one run of `load`.

    `is_drawn` says that the hot path left it to the chain: a hit of the nearest layer is shadowed.
    """

    __slots__ = ("is_counted", "is_drawn", "key", "load", "name", "use_case")

    def __init__(
        self, use_case: UseCase, key: GCacheKey, name: str, load: Operation[[], Any], is_drawn: bool = False
    ) -> None:
        self.use_case = use_case
        self.key = key
        self.name = name
        self.load = load
        self.is_counted = False
        self.is_drawn = is_drawn


class Visit:
    """A call, the layers that it passes, and what they said.

    `epoch_key` is None for a call that no authority has a say in: an untracked one, or one that the
    authority is ramped down for. `unwritable` says that nothing may be stored: the authority could not
    be asked, or a hold stands.
    """

    __slots__ = (
        "call",
        "entity",
        "epoch",
        "epoch_key",
        "failed",
        "generation",
        "reason",
        "steps",
        "unwritable",
    )

    def __init__(
        self,
        call: Call,
        steps: Sequence[Step],
        entity: str | None,
        generation: Generation,
    ) -> None:
        self.call = call
        self.steps = steps
        self.entity = entity
        self.generation = generation
        self.epoch_key = entity if entity is not None and steps[-1].tier.is_authority else None
        self.epoch: bytes | None = None
        self.reason = "absent"
        self.failed: set[Tier] = set()
        self.unwritable = False

    def give_up(self, tier: Tier, reason: str = "error") -> None:
        """Leave a layer alone for the rest of the visit. Without the authority nothing tracked is stored."""
        self.failed.add(tier)
        self.reason = reason
        if self.epoch_key is not None and tier.is_authority:
            self.unwritable = True
