"""From a use case's configuration to what a call does. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gcache.core.key_config import GCacheKeyConfig, contents
from gcache.core.records import Record

try:
    from _blake2 import blake2b  # what hashlib has, which brings OpenSSL for all the others
except ImportError:
    from hashlib import blake2b

if TYPE_CHECKING:
    from gcache.core.tiers import Tier


class Step(Record):
    """One layer that a call passes.

    It keeps the call's entry for `ttl` seconds, and `shadow` percent of its hits are shadowed.
    """

    tier: Tier
    ttl: float
    shadow: float


class Policy:
    """What the configuration says for one use case right now."""

    def __init__(self, config: GCacheKeyConfig, tiers: Sequence[Tier], tracked: bool) -> None:
        """Read `config` for a chain of `tiers`.

        A layer that is neither in process nor the authority would keep tracked entries past their
        invalidation, so tracked calls pass it by.
        """
        self.config = config
        self._said = contents(config)
        self._ramped = [
            (config.percentage(tier.name), Step(tier, ttl, config.shadow_percentage(tier.name)))
            for tier in tiers
            if (ttl := config.ttl(tier.name)) and config.percentage(tier.name) > 0
            if not tracked or tier.in_process or tier.is_authority
        ]
        self.all = tuple(step for _, step in self._ramped)
        self.is_partial = any(percent < 100 for percent, _ in self._ramped)
        self.nearest_is_open = bool(
            self._ramped
            and self._ramped[0][0] >= 100
            and self.all[0].tier is tiers[0]
            and tiers[0].in_process
        )
        """Whether every call may be answered by the in-process layer at the head of the chain."""
        self.open_shadow = self.all[0].shadow if self.nearest_is_open else 0.0
        """The percentage of that layer's hits that are shadowed."""
        self.short, self.filled = self._short()
        """The layer whose plain hits need nothing of the chain, and the one in memory that they fill."""
        self.keeps_copies = (
            len(self.all) > 1 and self.all[-1].tier.is_authority and self.all[0].tier.in_process
        )
        """Whether entries are kept in this process and in the authority, too."""

    def says(self, config: GCacheKeyConfig) -> bool:
        """Tell whether `config` says what this was made from, also if somebody has changed its mappings.

        One of a subclass may say something else each time that it is asked.
        """
        return type(config) is GCacheKeyConfig and self._said == contents(config)

    def _short(self) -> tuple[Tier | None, Step | None]:
        config, steps = self.config, self.all
        if self.is_partial or config.refresh_ahead or any(step.shadow for step in steps):
            return None, None
        if not steps or not steps[-1].tier.is_authority:
            return None, None
        if len(steps) == 1:
            return steps[0].tier, None
        if len(steps) == 2 and self.nearest_is_open and not config.stale_sec:
            return steps[1].tier, steps[0]
        return None, None

    def steps(self, use_case: str, entity: str) -> tuple[Step, ...]:
        """Return the layers for calls of `use_case` about `entity`, nearest first."""
        point = ramp_point(use_case, entity)
        return tuple(step for percent, step in self._ramped if point < percent)


def ramp_point(use_case: str, entity: str) -> float:
    """Return where an entity lies between 0 and 100: it is in when the ramp is above."""
    digest = blake2b(f"{use_case}\0{entity}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest()) * 100 / 2**64
