"""Shadow reads: some hits also run their source, beside the caller, and are compared with what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar
from weakref import WeakSet

from gcache.core import epochs
from gcache.core.context import Switch
from gcache.core.events import Shadow
from gcache.core.keeping import Saying
from gcache.core.visit import Visit

if TYPE_CHECKING:
    from gcache.core.authority import Authority
    from gcache.core.entries import Entry
    from gcache.core.policy import Step
    from gcache.core.runtime import Runtime
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier

P = ParamSpec("P")
Found = TypeVar("Found")

MOST_UNDER_WAY = 8


class _Sample:
    """One hit that is compared with its source."""

    __slots__ = ("__weakref__", "age_sec", "entry", "tier", "visit")

    def __init__(self, visit: Visit, tier: Tier, entry: Entry, age_sec: float) -> None:
        self.visit = visit
        self.tier = tier
        self.entry = entry
        self.age_sec = age_sec


class Shadows:
    """The shadow reads of one instance: a few at a time, and none that waits for its turn."""

    def __init__(self, around: Surroundings, authority: Authority | None) -> None:
        self._authority = authority
        self._enabled = around.enabled
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._now = around.now
        # Weak, since a coroutine that is dropped before it has begun cannot take its sample out itself.
        self._under_way: WeakSet[_Sample] = WeakSet()

    def consider(self, runtime: Runtime, visit: Visit, step: Step, entry: Entry) -> None:
        """Shadow a hit if it is among those that the policy asks for and there is room for one more."""
        was_drawn = visit.call.is_drawn and step is visit.steps[0]
        if not was_drawn and (step.shadow <= 0 or not is_drawn(step.shadow, _random()())):
            return
        visit.call.key  # noqa: B018  # made now, as the source may change the arguments
        sample = _Sample(visit, step.tier, entry, max(0.0, self._now() - entry.began))
        self._under_way.add(sample)
        if len(self._under_way) > MOST_UNDER_WAY:
            self._under_way.discard(sample)
        else:
            runtime.spawn(self._shadow(runtime, sample))

    def after_fork(self) -> None:
        """Forget what only the parent's threads and tasks can finish."""
        self._under_way = WeakSet()

    async def _shadow(self, runtime: Runtime, sample: _Sample) -> None:
        try:
            with (
                Switch(self._enabled, False),
                Saying(),
            ):  # so that what the source calls asks its source as well
                result = await self._compare(runtime, sample)
            if result != "mismatch" or await self._still_counts(runtime, sample):
                self._tell(sample, result)
        finally:
            self._under_way.discard(sample)

    async def _compare(self, runtime: Runtime, sample: _Sample) -> Literal["match", "mismatch", "error"]:
        call = sample.visit.call
        try:
            loaded = (await runtime.attempt(call.load)).unwrap()
            return "match" if call.use_case.shadow_equal(sample.entry.value, loaded) else "mismatch"
        except (Exception, SystemExit):  # there is no caller here whom a source could end
            return "error"

    async def _still_counts(self, runtime: Runtime, sample: _Sample) -> bool:
        """Tell whether the entity has not been invalidated since the hit."""
        visit, entry = sample.visit, sample.entry
        if self._authority is not None and visit.epoch_key is not None and sample.tier.is_authority:
            again = visit.again()
            await self._authority.ask(runtime, again)
            if not epochs.lives(entry.epoch, again.epoch):
                return False
        return entry.generation.alive

    def _tell(self, sample: _Sample, result: Literal["match", "mismatch", "error"]) -> None:
        use_case, key = sample.visit.call.use_case, sample.visit.call.key
        self._recorder.record(
            Shadow(use_case.name, use_case.key_type, sample.tier.name, result, sample.age_sec)
        )
        if result == "mismatch":
            self._troubles.mismatched(use_case, f"{key.key_type}:{key.id}", sample.age_sec)


def is_drawn(percent: float, point: float) -> bool:
    """Tell whether a hit is among `percent` of all, when chance has put it at `point`, 0 to below 1."""
    return point * 100 < percent


def sampling(find: Callable[P, Found | None], percent: float) -> Callable[P, Found | None]:
    """Return a `find`, or a `lookup`, that keeps `percent` of what is found to itself."""
    if percent <= 0:
        return find
    random = _random()

    def find_unless_drawn(*args: P.args, **kwargs: P.kwargs) -> Found | None:
        found = find(*args, **kwargs)
        return None if found is None or is_drawn(percent, random()) else found

    return find_unless_drawn


def _random() -> Callable[[], float]:
    import random

    return random.random
