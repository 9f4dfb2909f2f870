"""What an application decides once, for an instance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from gcache.core.checks import alike, by_layer, hashed, is_count, number, said_of, shown
from gcache.core.keys import DEFAULT_PREFIX, check_prefix
from gcache.core.protocols import (
    AsyncCacheLayer,
    CacheLayer,
    ConfigProvider,
    InvalidationBus,
    MetricsSink,
    Serializer,
)
from gcache.errors import GCacheConfigError, RedisConfigConflict

if TYPE_CHECKING:
    from redis import Redis, RedisCluster
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio import RedisCluster as AsyncRedisCluster

    RedisClientFactory = Callable[[], Redis | RedisCluster | AsyncRedis | AsyncRedisCluster]


def _timeouts(timeout_sec: Mapping[str, float]) -> Mapping[str, float]:
    checked = by_layer("layer_timeout_sec", timeout_sec, '{"disk": 0.2}')
    for layer, timeout in checked.items():
        if number(f"layer_timeout_sec of layer {layer!r}", timeout) <= 0:
            raise GCacheConfigError(
                f"layer_timeout_sec of layer {layer!r} is {timeout!r}: give seconds above 0, or leave it out."
            )
    return checked


@frozen(kw_only=True)
class RedisConfig:
    """How to reach a Redis or Valkey server, or a Cluster through one of its nodes.

    `protocol` is "redis", or "rediss" for TLS. `redis_py_options` go to redis-py's clients as they are
    and win over the defaults here, which are 0.5 s to connect, 0.5 s for an answer and no retry.

    `invalidate_wait_replicas` is how many replicas have to acknowledge an invalidation, within 0.25 s, before
    it counts as done; with fewer it is pending. Clients of a `redis_client_factory` wait for none.
    """

    host: str = "localhost"
    port: int = 6379
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    protocol: str = "redis"
    cluster: bool = False
    invalidate_wait_replicas: int = 0
    redis_py_options: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)

    __repr__, __eq__, __hash__ = shown, alike, hashed

    def __attrs_post_init__(self) -> None:
        if self.protocol not in ("redis", "rediss"):
            raise GCacheConfigError(f"protocol is {self.protocol!r}: give 'redis', or 'rediss' for TLS.")
        if not is_count(self.invalidate_wait_replicas):
            raise GCacheConfigError(
                f"invalidate_wait_replicas is {self.invalidate_wait_replicas!r}: give a number of replicas, "
                "or 0 to wait for none."
            )
        if self.redis_py_options.get("decode_responses"):
            raise GCacheConfigError(
                "redis_py_options has decode_responses, but entries are bytes: leave it out."
            )


def _without_secrets(layers: Sequence[Any] | None) -> str:
    """Show layers, but no more of a text than its beginning, which is its scheme."""
    if layers is None:
        return "None"
    shown = (re.sub(r"(?s)[^\w+.-].*", "...", layer) if isinstance(layer, str) else layer for layer in layers)
    return repr(list(shown))


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _check_layers(layers: Sequence[object]) -> None:
    if not _is_list(layers):
        raise GCacheConfigError(
            f"layers is no list but a {type(layers).__name__}: name the layers one by one, as in "
            'layers=["memory", "redis://localhost"].'
        )
    if not layers:
        raise GCacheConfigError("layers is empty: name at least one, or leave it out.")
    for layer in layers:
        if not isinstance(layer, str) and (isinstance(layer, type) or not hasattr(layer, "name")):
            raise GCacheConfigError(
                f"layers has {_kind(layer)}, which is neither a layer, with a name and the methods of "
                'gcache.CacheLayer, nor the text of one, such as "memory".'
            )


@frozen(kw_only=True)
class GCacheConfig:
    """How an instance is put together.

    `cache_config_provider` is asked for each use case, at most every `config_refresh_sec` seconds (0:
    at every call). Without one, each function's `default_config` decides.

    `layers` is a chain of one's own, nearest first: layers, and texts such as "memory" or
    "redis://host:6379/2?name=far", which the instance makes layers of by what is installed. Without it the
    chain is the memory layer, followed by Redis if `redis_config` or `redis_client_factory` is given. The
    memory layer has room for `local_max_entries`, unless its text gives another `max_entries`.

    Make the clients of a `redis_client_factory` with `retry=Retry(NoBackoff(), 0)`: redis-py would send a
    command again whose answer was lost, and could so put back an epoch that an invalidation has just retired.

    `layer_timeout_sec` says for how many seconds an operation of a layer is waited for, by the layer's name,
    or "*" for all that are not named; after that it counts as failed. Memory has no limit, nor has `clear`,
    which takes as long as there is something to remove. A layer that is not named has only limits of its own.

    `invalidation_bus`, such as `RedisBus(RedisConfig(...))`, has invalidations and flushes reach the memory
    layers of other processes. Tracked use cases stay out of memory while it cannot be heard.

    `serializer` is for functions that name none; without it each gets a pickle serializer that trusts
    the classes of its return annotation. `metrics` defaults to Prometheus where that is installed.
    """

    cache_config_provider: ConfigProvider | None = None
    redis_config: RedisConfig | None = None
    redis_client_factory: RedisClientFactory | None = None
    layers: Sequence[str | CacheLayer[Any] | AsyncCacheLayer[Any]] | None = field(
        default=None, repr=_without_secrets
    )
    layer_timeout_sec: Mapping[str, float] = field(factory=dict[str, float], converter=_timeouts)
    invalidation_bus: InvalidationBus | None = None
    urn_prefix: str = field(default=DEFAULT_PREFIX, converter=check_prefix)
    config_refresh_sec: float = 1.0
    local_max_entries: int = 100_000
    serializer: Serializer | None = None
    metrics: MetricsSink | None = None

    __repr__, __eq__, __hash__ = shown, alike, hashed

    def timeout_sec(self, layer: str) -> float | None:
        """Return for how many seconds an operation of `layer` is waited for, None if nothing is said."""
        return said_of(layer, self.layer_timeout_sec)

    def __attrs_post_init__(self) -> None:
        ways = {
            "redis_config": self.redis_config,
            "redis_client_factory": self.redis_client_factory,
            "layers": self.layers,
        }
        given = [name for name, way in ways.items() if way is not None]
        if len(given) > 1:
            raise RedisConfigConflict(f"{' and '.join(given)} are given together: choose one of them.")
        if self.layers is not None:
            _check_layers(self.layers)
        if number("config_refresh_sec", self.config_refresh_sec) < 0:
            raise GCacheConfigError(
                f"config_refresh_sec is {self.config_refresh_sec!r}: give seconds from 0."
            )
        if self.local_max_entries < 1:
            raise GCacheConfigError(
                f"local_max_entries is {self.local_max_entries!r}: make room for 1 at least."
            )
