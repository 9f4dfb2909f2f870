"""Read-through caching with structured keys, exact invalidation, run-time ramps and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcache.backends.memory import MemoryLayer
from gcache.core.config import GCacheConfig, RedisConfig
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
    from gcache.core.decorated import (
        AsyncCachedFunction,
        AsyncCachedManyFunction,
        CachedFunction,
        CachedManyFunction,
    )
    from gcache.core.keeping import keep_for
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


_LATE = {
    "ANY": "gcache.serializers",
    "AsyncCachedFunction": "gcache.core.decorated",
    "AsyncCachedManyFunction": "gcache.core.decorated",
    "CachedFunction": "gcache.core.decorated",
    "CachedManyFunction": "gcache.core.decorated",
    "JsonSerializer": "gcache.serializers",
    "PickleSerializer": "gcache.serializers",
    "RedisBus": "gcache.backends.redis_bus",
    "keep_for": "gcache.core.keeping",
}


def __getattr__(name: str) -> Any:
    """Import when it is asked for what brings redis, takes long, or is of use to few at run time."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    """Name what is imported late as well, for whoever completes names."""
    return sorted({*globals(), *_LATE})
