"""What core remembers of one use case between its calls."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gcache.core.events import Disabled, Hit
from gcache.core.rules import Rules
from gcache.core.tallies import Tally

if TYPE_CHECKING:
    from gcache.core.events import Event
    from gcache.core.key_config import GCacheKeyConfig
    from gcache.core.policy import Policy
    from gcache.core.protocols import Serializer

NEVER = float("-inf")
NO_RULES = Rules()


class _Hot:
    """What a hit in memory uses, together. Slots of one class are sorted by their names."""

    __slots__ = ("bypassed", "find", "hits", "open_until")


class UseCase(_Hot):
    """One cached function, or one scenario of explicit keys.

    `hits` counts answers of the in-process layer on the hot path, `bypassed` calls while caching was
    off. Both only grow, and are floats because adding to one is cheaper than making the next int.
    `tallies` are what came up beyond the hot path, by layer.
    `open_until` is the time (monotonic) until which the hot path may answer. While it `is_shut` no call
    may use the memory layer. `find` is what the hot path looks into memory with; `draw` is called with the
    percentage of hits that it is to leave to the chain, so that they are shadowed there. `shadow_equal`
    tells whether what was cached is as good as what the source returned. `rules` are what the decorator
    says about what may be kept.
    """

    __slots__ = (
        "bypassed_delivered",
        "default_config",
        "draw",
        "hits_delivered",
        "is_shut",
        "key_type",
        "memory_name",
        "name",
        "policy",
        "policy_due",
        "rules",
        "serializer",
        "shadow_equal",
        "tallies",
        "tracked",
    )

    def __init__(
        self,
        name: str,
        key_type: str,
        tracked: bool,
        serializer: Serializer,
        default_config: GCacheKeyConfig | None,
        memory_name: str,
        shadow_equal: Callable[[Any, Any], object] | None = None,
        rules: Rules = NO_RULES,
    ) -> None:
        self.name = name
        self.key_type = key_type
        self.tracked = tracked
        self.serializer = serializer
        self.default_config = default_config
        self.memory_name = memory_name
        self.rules = rules
        self.shadow_equal = operator.eq if shadow_equal is None else shadow_equal
        self.find: Callable[..., Any] = _find_nothing
        self.draw: Callable[[float], object] = _draw_nothing
        self.hits = self.hits_delivered = 0.0
        self.bypassed = self.bypassed_delivered = 0.0
        self.tallies: dict[str, Tally] = {}
        self.policy: Policy | None = None
        self.policy_due = NEVER
        self.open_until = NEVER
        self.is_shut = False

    def adopt(self, policy: Policy | None, due: float) -> None:
        """Go by `policy` until `due`."""
        if policy is not self.policy:
            self.draw(0 if policy is None else policy.open_shadow)
        self.policy = policy
        self.policy_due = due
        is_open = policy is not None and policy.nearest_is_open and not self.is_shut
        self.open_until = due if is_open else NEVER
        if self.is_shut:  # it was shut just now
            self.open_until = NEVER

    def tally(self, layer: str) -> Tally:
        """Return where to note what `layer` does for this use case."""
        return self.tallies.get(layer) or self.tallies.setdefault(layer, Tally())

    def sums(self) -> list[Event]:
        """Return what came up since the last time."""
        name, key_type = self.name, self.key_type
        events: list[Event] = []
        if self.tallies:
            for layer, tally in tuple(self.tallies.items()):
                if tally.reads or tally.hits != tally.delivered or tally.dumps or tally.loads or tally.sizes:
                    events.extend(tally.take(name, key_type, layer))
        hits, bypassed = self.hits, self.bypassed
        if new := hits - self.hits_delivered:
            self.hits_delivered = hits
            events.append(Hit(name, key_type, self.memory_name, int(new)))
        if new := bypassed - self.bypassed_delivered:
            self.bypassed_delivered = bypassed
            events.append(Disabled(name, key_type, "context", int(new)))
        return events

    def has_drawn(self, clock: Callable[[], float]) -> bool:
        """Tell whether a call that the hot path does not answer now may be a hit left to the chain."""
        return self.policy is not None and self.policy.open_shadow > 0 and clock() < self.open_until

    def shut(self) -> None:
        """Keep the memory layer from answering, whatever is adopted from now on."""
        self.is_shut = True
        self.open_until = NEVER

    def reopen(self) -> None:
        """Let the memory layer answer again, as far as the policy in force lets it."""
        self.is_shut = False
        self.adopt(self.policy, self.policy_due)


def _find_nothing(_key: str, _now: float = 0) -> None:
    """Stand for a memory layer where there is none."""


def _draw_nothing(percent: float) -> None:
    """Stand for the hot path of a use case that has none."""
