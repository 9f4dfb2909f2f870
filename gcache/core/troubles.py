"""What goes wrong without a caller noticing: counted every time, logged once in a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gcache.core.events import Disabled, Error, Skipping
from gcache.core.notices import Notices, described
from gcache.errors import LayerSkipped

if TYPE_CHECKING:
    from gcache.core.recorder import Recorder
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Visit

_QUIET_SEC = 60.0
BUS = "invalidation bus"
"""What stands for the bus where failures name a layer."""


class Troubles:
    """The failures of one instance's parts."""

    def __init__(self, recorder: Recorder, notices: Notices) -> None:
        self._recorder = recorder
        self._notices = notices

    def layer_failed(self, name: str, error: Exception, use_case: str = "", key_type: str = "") -> None:
        """A layer did not do what it was asked. That one was not even asked is no news."""
        if isinstance(error, LayerSkipped):
            return
        self._recorder.record(Error(use_case, key_type, name, type(error).__name__, False))
        self._notices.warn(
            ("layer", name, type(error)),
            "Layer %r failed and is done without; calls go on to the next layer or the source: %s",
            name,
            described(error),
            again_after=_QUIET_SEC,
        )

    def gave_up(self, visit: Visit, tier: Tier, error: Exception) -> None:
        """A visit goes on without a layer that failed."""
        visit.give_up(tier, "skipped" if isinstance(error, LayerSkipped) else "error")
        self.layer_failed(tier.name, error, visit.call.use_case.name, visit.call.use_case.key_type)

    def all_gave_up(self, visits: Sequence[Visit], tier: Tier, error: Exception) -> None:
        """Visits that asked together go on without a layer that failed, once."""
        for visit in visits[1:]:
            visit.give_up(tier, "skipped" if isinstance(error, LayerSkipped) else "error")
        self.gave_up(visits[0], tier, error)

    def layer_opened(self, name: str, trouble: str) -> None:
        """A layer failed a few times in a row, and is not asked any more."""
        self._recorder.record(Skipping(name, 1))
        self._notices.warn(
            ("opened", name),
            "Layer %r keeps failing and is skipped until it answers: calls go on without it, and it is tried "
            "beside them, every few seconds at least. The last failure: %s",
            name,
            trouble,
            again_after=0,
        )

    def layer_closed(self, name: str, open_sec: float) -> None:
        """A layer answers again."""
        self._recorder.record(Skipping(name, 0))
        self._notices.warn(
            ("closed", name),
            "Layer %r answers again and is used again, after %.1f s without it.",
            name,
            open_sec,
            again_after=0,
        )

    def bus_failed(self, error: Exception, key_type: str = "") -> None:
        """The other processes could not be told of an invalidation."""
        self._recorder.record(Error("", key_type, BUS, type(error).__name__, False))
        self._notices.warn(
            (BUS, type(error)),
            "The invalidation bus failed, so other processes may keep in memory what they are to forget: %s",
            described(error),
            again_after=_QUIET_SEC,
        )

    def cut_off(self, error: BaseException) -> None:
        """This process cannot hear of invalidations in others."""
        self._recorder.record(Error("", "", BUS, type(error).__name__, False))
        self._notices.warn(
            "cut off",
            "Cut off from the invalidation bus; tracked use cases do without memory until it is heard: %s",
            described(error),
            again_after=_QUIET_SEC,
        )

    def never_told(self, entities: list[str]) -> None:
        """An instance closed before the authority could be told of these."""
        self._notices.warn(
            "never told",
            "%d invalidations never reached every other process, which may serve what they were to end: %s",
            len(entities),
            ", ".join(entities[:10]),
        )

    def unreadable(self, use_case: UseCase, tier: Tier, error: Exception) -> None:
        """A serializer could not load what a layer held. The entry is written anew: no news."""
        self._count(use_case, error, tier.name)

    def refused(self, use_case: UseCase, tier: Tier, error: Exception) -> None:
        """A serializer refused a value, which is served all the same."""
        self._count(use_case, error, tier.name)
        self._notices.warn(
            ("refused", use_case.name, str(error)),
            "A value of use case %r is not stored in layer %r: %s",
            use_case.name,
            tier.name,
            error,
        )

    def not_judged(self, use_case: UseCase, error: Exception) -> None:
        """A `cache_if` raised, so that its value is served and not stored."""
        self._count(use_case, error)
        self._notices.warn(
            ("not judged", use_case.name, type(error)),
            "A value of use case %r is not stored, because its cache_if failed: %s",
            use_case.name,
            described(error),
            again_after=_QUIET_SEC,
        )

    def load_failed(self, use_case: UseCase, error: Exception) -> None:
        """A load failed without its caller seeing it, who gets or got what was cached before."""
        self._notices.warn(
            ("load", use_case.name, type(error)),
            "Use case %r serves values whose time is over, because its source fails: %s",
            use_case.name,
            described(error),
            again_after=_QUIET_SEC,
        )

    def too_large(self, use_case: UseCase, tier: Tier, error: Exception) -> None:
        """A layer keeps no entry of that size. The value is served, and kept by others, all the same."""
        self._count(use_case, error, tier.name)
        self._notices.warn(
            ("too large", use_case.name, tier.name),
            "A value of use case %r is too large for layer %r, which does without it: raise the layer's "
            "limit, return less, or leave the layer out of the use case's ttl_sec. %s",
            use_case.name,
            tier.name,
            described(error),
        )

    def used_up(self, use_case: UseCase, value: object) -> None:
        """A value can be awaited, or run through, once only, and was not stored."""
        self._notices.warn(
            ("used up", use_case.name),
            "Use case %r is not cached, because it returns a %s, which serves one caller only: make its "
            "function async, or return a list.",
            use_case.name,
            type(value).__name__,
        )

    def unkeyable(self, use_case: UseCase, error: Exception) -> None:
        """No key could be built for a call, which ran uncached."""
        self._recorder.record(Disabled(use_case.name, use_case.key_type, "unkeyable"))
        self._count(use_case, error)
        self._notices.warn(
            ("unkeyable", use_case.name, type(error)),
            "Calls of use case %r run uncached, because no key can be built for them: %s",
            use_case.name,
            error,
        )

    def provider_failed(self, use_case: UseCase, error: Exception) -> None:
        """The config provider raised, or returned something else."""
        self._count(use_case, error)
        self._notices.warn(
            ("provider", use_case.name),
            "The config provider failed for use case %r, which goes on with the last good configuration, or "
            "else with its default_config: %s",
            use_case.name,
            described(error),
            again_after=_QUIET_SEC,
        )

    def kept_out_of_reach(self, use_case: UseCase) -> None:
        """A tracked use case is kept in memory, which invalidations in other processes do not reach."""
        self._notices.warn(
            ("out of reach", use_case.name),
            "Use case %r is tracked and kept in memory too: an invalidation elsewhere ends the copy only "
            "when its TTL does. If that is too long, give GCacheConfig an invalidation_bus, or leave the "
            "memory layer out of its ttl_sec.",
            use_case.name,
        )

    def mismatched(self, use_case: UseCase, entity: str, age_sec: float) -> None:
        """A source returned something else than what was cached. Neither value is anybody's business here."""
        self._notices.warn(
            ("mismatch", use_case.name),
            "A shadow read of use case %r did not match: the source returns something else for %r than what "
            "was loaded %.3f s before.",
            use_case.name,
            entity,
            age_sec,
            again_after=_QUIET_SEC,
        )

    def broken(self, use_case: UseCase, error: Exception) -> None:
        """A part of somebody's own raised where it must not, and the call went to its source."""
        self._count(use_case, error)
        self._notices.warn(
            ("broken", use_case.name, type(error)),
            "Use case %r is served by its source, because a part of the cache broke its promise: %s",
            use_case.name,
            described(error),
            again_after=_QUIET_SEC,
        )

    def _count(self, use_case: UseCase, error: Exception, layer: str = "") -> None:
        self._recorder.record(Error(use_case.name, use_case.key_type, layer, type(error).__name__, False))
