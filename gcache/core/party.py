"""The visits of one call for many ids, while there is nothing to say of any of them but its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gcache.core.asked import OneOfMany
from gcache.core.visit import Visit

if TYPE_CHECKING:
    from gcache.core.asked import Asked
    from gcache.core.entries import Generation
    from gcache.core.policy import Policy
    from gcache.core.tiers import Tier


class Party:
    """Visits that all pass one layer and no other, the authority. Most need not be made: they are hits.

    `entities` are those whose epochs are to be read as well, in the order of the `names`; none, or all.
    """

    __slots__ = ("_asked", "_generations", "_policy", "entities", "names", "tier", "use_case")

    def __init__(
        self,
        asked: Asked,
        policy: Policy,
        tier: Tier,
        names: list[str],
        entities: list[str],
        generations: Sequence[Generation],
    ) -> None:
        self.tier = tier
        self.names = names
        self.entities = entities
        self.use_case = asked.use_case
        self._asked = asked
        self._policy = policy
        self._generations = generations

    def visits(self, places: Iterable[int]) -> list[Visit]:
        """Return the visits of the names at `places`."""
        asked, names, entities, generations = self._asked, self.names, self.entities, self._generations
        steps, config = self._policy.all, self._policy.config
        return [
            Visit(
                OneOfMany(asked, names[at]),
                steps,
                entities[at] if entities else None,
                generations[at],
                config,
            )
            for at in places
        ]
