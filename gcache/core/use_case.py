"""What core remembers of one use case between its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcache.core.config import GCacheKeyConfig
    from gcache.core.policy import Policy
    from gcache.core.protocols import Serializer

NEVER = float("-inf")


class UseCase:
    """One cached function, or one scenario of explicit keys.

    `hits` counts answers of the in-process layer on the hot path, `bypassed` calls while caching was
    off. Both only grow, and are floats because adding to one is cheaper than making the next int.
    `open_until` is the time (monotonic) until which the hot path may answer. While it `is_shut` no call
    may use the memory layer.
    """

    __slots__ = (
        "bypassed",
        "bypassed_delivered",
        "default_config",
        "hits",
        "hits_delivered",
        "is_shut",
        "key_type",
        "memory_name",
        "name",
        "open_until",
        "policy",
        "policy_due",
        "serializer",
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
    ) -> None:
        self.name = name
        self.key_type = key_type
        self.tracked = tracked
        self.serializer = serializer
        self.default_config = default_config
        self.memory_name = memory_name
        self.hits = self.hits_delivered = 0.0
        self.bypassed = self.bypassed_delivered = 0.0
        self.policy: Policy | None = None
        self.policy_due = NEVER
        self.open_until = NEVER
        self.is_shut = False

    def adopt(self, policy: Policy | None, due: float) -> None:
        """Go by `policy` until `due`."""
        self.policy = policy
        self.policy_due = due
        self.open_until = due if policy is not None and policy.nearest_is_open else NEVER
        if self.is_shut:
            self.open_until = NEVER

    def shut(self) -> None:
        """Keep the memory layer from answering, whatever is adopted from now on."""
        self.is_shut = True
        self.open_until = NEVER

    def reopen(self) -> None:
        """Let the memory layer answer again, as far as the policy in force lets it."""
        self.is_shut = False
        self.adopt(self.policy, self.policy_due)
