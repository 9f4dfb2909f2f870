"""What an application decides for one use case, and may decide otherwise at any time."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from attrs import field, fields, frozen

from gcache.core.checks import EVERY_LAYER, alike, by_layer, hashed, number, said_of, shown
from gcache.errors import GCacheConfigError

_LONGEST_SEC = 86_400.0


def _seconds(ttl_sec: Mapping[str, float]) -> Mapping[str, float]:
    checked = by_layer("ttl_sec", ttl_sec, "{CacheLayer.LOCAL: 5}, or use GCacheKeyConfig.enabled(5)")
    for layer, ttl in checked.items():
        if number(f"ttl_sec of layer {layer!r}", ttl) < 0:
            raise GCacheConfigError(
                f"ttl_sec of layer {layer!r} is {ttl!r}: give seconds from 0, which keeps the layer out."
            )
    return checked


def _percentages(what: str, crowd: str, percentages: Mapping[str, float]) -> Mapping[str, float]:
    checked = by_layer(what, percentages, "{CacheLayer.LOCAL: 100}")
    for layer, percent in checked.items():
        if not 0 <= number(f"{what} of layer {layer!r}", percent) <= 100:
            raise GCacheConfigError(
                f"{what} of layer {layer!r} is {percent!r}: give the percentage of {crowd}, 0 to 100."
            )
    return checked


def _ramp(ramp: Mapping[str, float]) -> Mapping[str, float]:
    return _percentages("ramp", "entities", ramp)


def _shadow(shadow: Mapping[str, float]) -> Mapping[str, float]:
    return _percentages("shadow", "hits", shadow)


def _from_0(_: object, attribute: Any, value: Any) -> None:
    if number(attribute.name, value) < 0:
        raise GCacheConfigError(f"{attribute.name} is {value!r}: give a number from 0, which turns it off.")


def _limit(_: object, attribute: Any, value: Any) -> None:
    if value is not None and not 0 < number(attribute.name, value) <= _LONGEST_SEC:
        raise GCacheConfigError(
            f"{attribute.name} is {value!r}: give seconds above 0, up to a day, or leave it out."
        )


def _fraction(_: object, attribute: Any, value: Any) -> None:
    if not 0 <= number(attribute.name, value) < 1:
        raise GCacheConfigError(
            f"{attribute.name} is {value!r}: give the part of a TTL that chance may take away, "
            "from 0 to below 1."
        )


@frozen
class GCacheKeyConfig:
    """What to do for one use case. Raises GCacheConfigError.

    `ttl_sec` says for how many seconds a layer keeps an entry, `ramp` for what percentage of the
    entities it is used at all. Both are keyed by layer name; a layer that is not named stays out, unless
    "*" speaks for all that are not. A name that the chain does not have is passed over, so that one
    provider can serve applications with and without Redis. So that entries made together do not end
    together, each lives shorter by chance, by up to `ttl_jitter` of its TTL; it never lives longer.

    `shadow` says for what percentage of a layer's hits the source is run as well, beside the caller, to
    compare what it returns with what was cached. It gets the very arguments of the call once more, in a
    thread of its own if it is sync, in a task of its own if it is async, with caching off: name only use
    cases whose source allows that.

    An entry whose TTL is over can be served all the same, unless its entity was invalidated:

    - `stale_if_error_sec`: for so long after its end, if the load fails or takes too long. The next load of
      that entry is tried `retry_load_sec` later.
    - `stale_while_revalidate_sec`: for so long after its end, at once, while one load beside the caller
      renews it.

    `refresh_ahead` renews an entry beside a caller before it ends, the likelier the nearer its end is and the
    longer its load took (XFetch, whose beta this is: 1 is a good value, more is earlier, 0 is off).

    `load_timeout_sec` is how long a caller waits for a load, after which it gets something stale, else
    LoadTimeout; `soft_load_timeout_sec` is how long if there is something stale to be had. What is late still
    fills the cache. With either, a sync source runs in a thread of its own.

    With `lease_sec` one process at a time loads an entry; the others wait for it, but no longer than this, or
    are served what is stale. It is a lock of the last layer's, for efficiency alone.

    `exception_ttl_sec` is how long exceptions are kept that the function names in `cache_exceptions`.
    """

    ttl_sec: Mapping[str, float] = field(factory=dict[str, float], converter=_seconds)
    ramp: Mapping[str, float] = field(factory=dict[str, float], converter=_ramp)
    shadow: Mapping[str, float] = field(factory=dict[str, float], converter=_shadow)
    ttl_jitter: float = field(default=0.1, validator=_fraction, kw_only=True)
    stale_if_error_sec: float = field(default=0, validator=_from_0, kw_only=True)
    retry_load_sec: float = field(default=1, validator=_from_0, kw_only=True)
    stale_while_revalidate_sec: float = field(default=0, validator=_from_0, kw_only=True)
    refresh_ahead: float = field(default=0, validator=_from_0, kw_only=True)
    soft_load_timeout_sec: float | None = field(default=None, validator=_limit, kw_only=True)
    load_timeout_sec: float | None = field(default=None, validator=_limit, kw_only=True)
    lease_sec: float = field(default=0, validator=_from_0, kw_only=True)
    exception_ttl_sec: float = field(default=10, validator=_from_0, kw_only=True)

    __repr__, __eq__, __hash__ = shown, alike, hashed

    def __attrs_post_init__(self) -> None:
        for layer, percent in self.ramp.items():
            if percent > 0 and self.ttl(layer) is None:
                raise GCacheConfigError(
                    f"ramp of layer {layer!r} is {percent!r}, but ttl_sec does not name it: say how long to "
                    'cache there, or name the same layers in both. "*" is one of its own.'
                )
        if self.soft_load_timeout_sec is not None and not self.stale_if_error_sec:
            raise GCacheConfigError(
                "soft_load_timeout_sec is given without stale_if_error_sec, so there is nothing to serve "
                "when it is over: say how old that may be, or use load_timeout_sec."
            )
        hard_sec = self.load_timeout_sec
        if hard_sec is not None and (self.soft_load_timeout_sec or 0) > hard_sec:
            raise GCacheConfigError(
                f"soft_load_timeout_sec is {self.soft_load_timeout_sec!r}, and load_timeout_sec only "
                f"{hard_sec!r}: make the soft one shorter, or leave it out."
            )

    @classmethod
    def enabled(cls, ttl_sec: float) -> GCacheKeyConfig:
        """Return a configuration that caches all entities for `ttl_sec` seconds in every layer."""
        return cls(ttl_sec={EVERY_LAYER: ttl_sec}, ramp={EVERY_LAYER: 100})

    def ttl(self, layer: str) -> float | None:
        """Return for how many seconds `layer` keeps an entry, None if nothing is said."""
        return said_of(layer, self.ttl_sec)

    def percentage(self, layer: str) -> float:
        """Return the percentage of entities that `layer` is used for."""
        return said_of(layer, self.ramp) or 0

    def shadow_percentage(self, layer: str) -> float:
        """Return the percentage of the hits of `layer` that are compared with the source."""
        return said_of(layer, self.shadow) or 0

    @property
    def stale_sec(self) -> float:
        """For how many seconds after its end an entry is of use to anybody."""
        return max(self.stale_if_error_sec, self.stale_while_revalidate_sec)


def contents(config: GCacheKeyConfig) -> tuple[object, ...]:
    """Return what `config` says now, all of it, as a copy that can be compared."""
    ttl_sec, ramp, shadow, *others = _values(config)
    return dict(ttl_sec), dict(ramp), dict(shadow), *others


_values: attrgetter[tuple[Any, ...]] = attrgetter(*(each.name for each in fields(GCacheKeyConfig)))
