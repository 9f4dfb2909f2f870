"""One call on its way through the chain: where it goes, and what it has found out so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gcache.core import epochs
from gcache.core.entries import Raised
from gcache.core.keys import GCacheKey
from gcache.core.runtime import Operation
from gcache.core.staleness import Stale

if TYPE_CHECKING:
    from gcache.core.entries import Generation
    from gcache.core.key_config import GCacheKeyConfig
    from gcache.core.policy import Step
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase


class Call:
    """What a caller asks for: the value of `key`, from the cache or by one run of `load`.

    `is_drawn` says that the hot path left it to the chain: a hit of the nearest layer is shadowed.
    """

    is_counted = False
    is_drawn = False

    def __init__(self, use_case: UseCase, key: GCacheKey, name: str, load: Operation[[], Any]) -> None:
        self.use_case = use_case
        self.key = key
        self.name = name
        self.load = load


class FunctionCall(Call):
    """A call of a cached function. Its key and its load are made when asked for: no hit needs them."""

    def __init__(
        self,
        use_case: UseCase,
        name: str,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.use_case = use_case
        self.name = name
        self._function = function
        self._args = args
        self._kwargs = kwargs

    def __getattr__(self, name: str) -> Any:
        """Make what is not there yet."""
        if name == "key":
            self.key = self._function.key(*self._args, **self._kwargs)
            return self.key
        if name == "load":
            self.load = self._function.load(self._args, self._kwargs)
            return self.load
        raise AttributeError(name)


class Function(Protocol):
    """A function that is called through the cache."""

    def key(self, *args: Any, **kwargs: Any) -> GCacheKey:
        """Return the key of this call. Raises what an adapter of its arguments raises."""
        ...

    def load(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation[[], Any]:
        """Return the run of the source for this call."""
        ...


class Visit:
    """A call, the layers that it passes, and what they said.

    `epoch_key` is None for a call that no authority has a say in: an untracked one, or one that the
    authority is ramped down for, which is `unvouched`. `unwritable` says that nothing may be stored: the
    authority could not be asked, or a hold stands. `kept` is what a layer keeps of an entry beyond its life.
    `shortening` is what chance leaves of the TTLs. Few visits find out anything but what stands here.
    """

    epoch: bytes | None = None
    reason = "absent"
    failed: tuple[Tier, ...] = ()
    unwritable = False
    unvouched = False
    kept: Stale | None = None
    shortening = 0.0

    def __init__(
        self,
        call: Call,
        steps: tuple[Step, ...],
        entity: str | None,
        generation: Generation,
        config: GCacheKeyConfig,
    ) -> None:
        self.call = call
        self.config = config
        self.steps = steps
        self.entity = entity
        self.generation = generation
        self.epoch_key = entity if entity is not None and steps[-1].tier.is_authority else None

    @property
    def keys(self) -> tuple[str, ...]:
        """What a layer out of process is asked for: the entry, and with it the epoch if there is one."""
        return (self.call.name,) if self.epoch_key is None else (self.call.name, self.epoch_key)

    def again(self) -> Visit:
        """Return a visit of the same call that has found out nothing yet."""
        return Visit(self.call, self.steps, self.entity, self.generation, self.config)

    def keep(self, kept: Stale) -> None:
        """Take note of a value whose life is over, if it is the youngest so far."""
        if isinstance(kept.entry.value, Raised):
            return
        if self.kept is None or kept.entry.began > self.kept.entry.began:
            self.kept = kept

    def servable(self, window_sec: float) -> Stale | None:
        """Return what was found beyond its life, if that was over less than `window_sec` ago.

        What was invalidated is not served, nor what nobody can vouch for while the authority is away.
        """
        kept = self.kept
        if kept is None or kept.age_sec >= window_sec or not kept.entry.generation.alive:
            return None
        if self.unwritable or self.unvouched:
            return None
        if self.epoch_key is not None and not epochs.lives(kept.entry.epoch, self.epoch):
            return None
        return kept

    def give_up(self, tier: Tier, reason: str = "error") -> None:
        """Leave a layer alone for the rest of the visit. Without the authority nothing tracked is stored."""
        self.failed += (tier,)
        self.reason = reason
        if self.epoch_key is not None and tier.is_authority:
            self.unwritable = True
