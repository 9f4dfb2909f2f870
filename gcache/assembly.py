"""The one place that knows core and the bundled parts, and puts together what a configuration asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gcache.backends.memory import MemoryLayer
from gcache.core.authority import Authority
from gcache.core.breaker import Breaker
from gcache.core.engine import Engine
from gcache.core.flights import Flights
from gcache.core.generations import Generations
from gcache.core.keys import UrnKeyBuilder
from gcache.core.notices import Notices
from gcache.core.protocols import CacheLayer, ScrapedSink
from gcache.core.recorder import Recorder
from gcache.core.removal import Removal
from gcache.core.runtime import Operation, ThreadRuntime, drive
from gcache.core.surroundings import Surroundings
from gcache.core.tiers import Tier, link
from gcache.core.troubles import Troubles
from gcache.errors import MissingExtra

if TYPE_CHECKING:
    from gcache.core.bus import Announcer
    from gcache.core.chain import Chain
    from gcache.core.config import GCacheConfig
    from gcache.core.listener import Listener
    from gcache.core.protocols import AsyncCacheLayer, InvalidationBus, MetricsSink, Serializer
    from gcache.core.wire import Wire


def assemble(config: GCacheConfig) -> Engine:
    """Return the engine of an instance.

    Raises GCacheConfigError for a layer or a bus that is none, and whatever a layer's factory raises. What
    was made of a text is closed then.
    """
    with ExitStack() as made:
        engine = _engine(config, link(_tiers(config, made)))
        made.pop_all()
    return engine


def _engine(config: GCacheConfig, tiers: Sequence[Tier]) -> Engine:
    around = _surroundings(config, tiers)
    for tier in tiers:
        tier.breaker = None if tier.in_process else _breaker(around, tier.name)
    keys, generations, flights = UrnKeyBuilder(config.urn_prefix), Generations(), Flights()
    bus = config.invalidation_bus
    announcer = None if bus is None else _announcer(bus, config.urn_prefix)
    authority = Authority(around, tiers[-1]) if tiers[-1].is_authority else None
    removal = Removal(around, tiers, authority, keys, flights, generations, announcer)
    listener = None if announcer is None else _listener(around, announcer, removal)

    def chain() -> Chain:
        from gcache.core.chain import Chain
        from gcache.core.policies import Policies
        from gcache.core.routes import Routes

        provider, refresh_sec = config.cache_config_provider, config.config_refresh_sec
        policies = Policies(around, tiers, provider, refresh_sec, is_bus_there=bus is not None)
        routes = Routes(around, keys, policies, generations, removal.pending)
        return Chain(around, tiers, keys, routes, _wire(around, tiers), flights, authority)

    serializers = _serializers(config.serializer)
    return Engine(around, tiers, keys, chain, removal, generations, serializers, listener)


# What not every instance needs is imported when one does.


def _wire(around: Surroundings, tiers: Sequence[Tier]) -> Wire:
    if all(tier.in_process for tier in tiers):
        return cast("Wire", None)  # nothing is packed, so nobody asks for it
    from gcache.core.wire import Wire

    return Wire(around)


def _announcer(bus: InvalidationBus, channel: str) -> Announcer:
    from gcache.core.bus import Announcer

    return Announcer(bus, channel)


def _listener(around: Surroundings, announcer: Announcer, removal: Removal) -> Listener:
    from gcache.core.listener import Listener

    return Listener(around, announcer, removal)


def _breaker(around: Surroundings, name: str) -> Breaker:
    opened, closed = around.troubles.layer_opened, around.troubles.layer_closed
    return Breaker(around.clock, around.chance, partial(opened, name), partial(closed, name))


def _chance() -> float:
    import random

    return random.random()


def _surroundings(config: GCacheConfig, tiers: Sequence[Tier]) -> Surroundings:
    sink = config.metrics or _default_sink()
    notices = Notices(time.monotonic)
    memory = [(tier.name, tier.memory) for tier in tiers if tier.in_process]
    recorder = Recorder(sink, notices, memory, time.monotonic)
    if isinstance(sink, ScrapedSink):
        sink.before_collect(recorder.deliver)
    enabled = ContextVar("gcache_enabled", default=False)
    troubles = Troubles(recorder, notices)
    return Surroundings(time.monotonic, time.time, recorder, notices, troubles, enabled, _chance)


def _tiers(config: GCacheConfig, made: ExitStack) -> list[Tier]:
    """Return the layers of the chain. What closes those that were made of a text is left with `made`."""
    if config.layers is not None:
        layers = [_layer(each, config, made) if isinstance(each, str) else each for each in config.layers]
        return [Tier(each.name, layer=each, timeout_sec=config.timeout_sec(each.name)) for each in layers]
    timeout_sec = config.timeout_sec(CacheLayer.REMOTE)
    tiers = [Tier(CacheLayer.LOCAL, layer=MemoryLayer[Any](max_entries=config.local_max_entries))]
    if config.redis_config is not None:
        from gcache.backends.redis import RedisLayer

        tiers.append(Tier(CacheLayer.REMOTE, layer=RedisLayer(config.redis_config), timeout_sec=timeout_sec))
    if (factory := config.redis_client_factory) is not None:
        from gcache.backends.redis import layer_of_factory

        tiers.append(Tier(CacheLayer.REMOTE, make=lambda: layer_of_factory(factory), timeout_sec=timeout_sec))
    return tiers


def _layer(text: str, config: GCacheConfig, made: ExitStack) -> CacheLayer[Any] | AsyncCacheLayer[Any]:
    from gcache.discovery import layer_from
    from gcache.urls import LayerURL

    url = LayerURL.parse(text)
    if url.scheme == "memory":
        url = url.default(max_entries=config.local_max_entries)
    layer = layer_from(url)
    made.callback(_close, layer)
    return layer


def _close(layer: Any) -> None:
    """Close a layer on whichever side it has, whatever comes of it."""
    closing = Operation(getattr(layer, "close", None), getattr(layer, "aclose", None))
    drive(ThreadRuntime().attempt(closing))


def _default_sink() -> MetricsSink:
    try:
        from gcache.instrumentation.prometheus import PrometheusSink
    except MissingExtra:
        from gcache.instrumentation.null import NullSink

        return NullSink()
    return PrometheusSink()


def _serializers(given: Serializer | None) -> Callable[[Callable[..., Any] | None], Serializer]:
    """Return what finds the serializer of a function that names none, or of an explicit key (None)."""

    def serializer_for(function: Callable[..., Any] | None) -> Serializer:
        if given is not None:
            return given
        from gcache.serializers import PickleSerializer
        from gcache.serializers.trust import classes_named_by

        return PickleSerializer(trusted=() if function is None else classes_named_by(function))

    return serializer_for
