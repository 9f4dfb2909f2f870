"""Read-through caching with structured keys, exact invalidation, run-time ramps and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcache.backends.memory import MemoryLayer
from gcache.core.config import GCacheConfig, GCacheKeyConfig, RedisConfig
from gcache.core.decorator import AsyncCachedFunction, CachedFunction
from gcache.core.keys import GCacheKey
from gcache.core.missing import MISSING
from gcache.core.protocols import (
    AsyncCacheLayer,
    CacheLayer,
    ConfigProvider,
    KeyBuilder,
    MetricsSink,
    Serializer,
)
from gcache.errors import (
    DecorationError,
    GCacheAlreadyInstantiated,
    GCacheClosed,
    GCacheConfigError,
    GCacheError,
    InvalidationPending,
    InvalidKey,
    LayerUnavailable,
    MissingExtra,
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
    from gcache.serializers import ANY, JsonSerializer, PickleSerializer

__all__ = [
    "ANY",
    "MISSING",
    "AsyncCacheLayer",
    "AsyncCachedFunction",
    "CacheLayer",
    "CachedFunction",
    "ConfigProvider",
    "DecorationError",
    "GCache",
    "GCacheAlreadyInstantiated",
    "GCacheClosed",
    "GCacheConfig",
    "GCacheConfigError",
    "GCacheError",
    "GCacheKey",
    "GCacheKeyConfig",
    "InvalidKey",
    "InvalidationPending",
    "JsonSerializer",
    "KeyBuilder",
    "LayerUnavailable",
    "MemoryLayer",
    "MetricsSink",
    "MissingExtra",
    "PickleSerializer",
    "RedisConfig",
    "RedisConfigConflict",
    "SerializationError",
    "Serializer",
    "UnknownArgument",
    "UnrenderableArgument",
    "UntrackedUseCase",
    "UntrustedType",
    "UseCaseReserved",
    "UseCaseTaken",
]


def __getattr__(name: str) -> Any:
    """Import the serializers when they are asked for: what they need takes as long as all the rest."""
    if name in ("ANY", "JsonSerializer", "PickleSerializer"):
        from gcache import serializers

        return getattr(serializers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
