"""Read-through caching with structured keys, exact invalidation, run-time ramps and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcache.backends.memory import MemoryLayer
from gcache.core.config import GCacheConfig, RedisConfig
from gcache.core.decorator import AsyncCachedFunction, CachedFunction
from gcache.core.decorator_many import AsyncCachedManyFunction, CachedManyFunction
from gcache.core.keeping import keep_for
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey
from gcache.core.missing import MISSING
from gcache.core.protocols import (
    AsyncCacheLayer,
    CacheLayer,
    ConfigProvider,
    InvalidationBus,
    KeyBuilder,
    MetricsSink,
    Serializer,
    Subscription,
)
from gcache.errors import (
    DecorationError,
    EntryTooLarge,
    GCacheAlreadyInstantiated,
    GCacheClosed,
    GCacheConfigError,
    GCacheError,
    InvalidationPending,
    InvalidKey,
    LayerSkipped,
    LayerUnavailable,
    LoadTimeout,
    MissingExtra,
    NoMapping,
    NotReplicated,
    RedisConfigConflict,
    SerializationError,
    UnknownArgument,
    UnrenderableArgument,
    UntrackedUseCase,
    UntrustedType,
    UseCaseReserved,
    UseCaseTaken,
)
from gcache.toolkit import GCache

if TYPE_CHECKING:
    from gcache.backends.redis_bus import RedisBus
    from gcache.serializers import ANY, JsonSerializer, PickleSerializer

__all__ = [
    "ANY",
    "MISSING",
    "AsyncCacheLayer",
    "AsyncCachedFunction",
    "AsyncCachedManyFunction",
    "CacheLayer",
    "CachedFunction",
    "CachedManyFunction",
    "ConfigProvider",
    "DecorationError",
    "EntryTooLarge",
    "GCache",
    "GCacheAlreadyInstantiated",
    "GCacheClosed",
    "GCacheConfig",
    "GCacheConfigError",
    "GCacheError",
    "GCacheKey",
    "GCacheKeyConfig",
    "InvalidKey",
    "InvalidationBus",
    "InvalidationPending",
    "JsonSerializer",
    "KeyBuilder",
    "LayerSkipped",
    "LayerUnavailable",
    "LoadTimeout",
    "MemoryLayer",
    "MetricsSink",
    "MissingExtra",
    "NoMapping",
    "NotReplicated",
    "PickleSerializer",
    "RedisBus",
    "RedisConfig",
    "RedisConfigConflict",
    "SerializationError",
    "Serializer",
    "Subscription",
    "UnknownArgument",
    "UnrenderableArgument",
    "UntrackedUseCase",
    "UntrustedType",
    "UseCaseReserved",
    "UseCaseTaken",
    "keep_for",
]


def __getattr__(name: str) -> Any:
    """Import when it is asked for what brings redis, or what takes as long to import as all the rest."""
    if name == "RedisBus":
        from gcache.backends.redis_bus import RedisBus

        return RedisBus
    if name in ("ANY", "JsonSerializer", "PickleSerializer"):
        from gcache import serializers

        return getattr(serializers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
