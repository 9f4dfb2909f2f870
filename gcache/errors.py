"""Every exception that the toolkit raises.

::

    GCacheError
    ├── GCacheConfigError               (ValueError)    a configuration that cannot be meant
    │   ├── RedisConfigConflict                         more than one way to reach Redis
    │   └── GCacheAlreadyInstantiated                   the prefix belongs to a live instance
    ├── DecorationError                 (TypeError)     `@cached` on what cannot be cached
    │   ├── UnknownArgument                             the function has no argument of that name
    │   ├── UseCaseTaken                                another function has that use case
    │   └── UseCaseReserved                             the name is one that keys need for themselves
    ├── InvalidKey                      (ValueError)    a key whose parts cannot be told apart again
    │   └── UnrenderableArgument        (TypeError)     a value that has no defined place in a key
    ├── UntrackedUseCase                                `.invalidate()` without `track_for_invalidation`
    ├── SerializationError                              a value that its serializer would not give back
    │   └── UntrustedType                               a class that pickle was not told to trust
    ├── NoMapping                       (TypeError)     a source under `cached_many` returned no mapping
    ├── LoadTimeout                     (TimeoutError)  a source took longer than its callers may wait
    ├── EntryTooLarge                                   a layer keeps no entry of that size
    ├── LayerUnavailable                                a layer could not be told to forget
    │   ├── InvalidationPending                         it will be told as soon as that is possible
    │   ├── LayerSkipped                                it failed a few times in a row, and is not asked now
    │   └── NotReplicated                               too few replicas acknowledged what it was told
    ├── GCacheClosed                                    the instance was closed
    └── MissingExtra                    (ImportError)   an optional dependency is not installed

A call of a cached function raises none of these but LoadTimeout, and that only where `load_timeout_sec` is
configured, and one of many ids none but NoMapping: it raises what its source raises, or nothing.
"""

from __future__ import annotations


class GCacheError(Exception):
    """The root of the tree."""


class GCacheConfigError(GCacheError, ValueError):
    """A configuration that cannot be meant. Raised when it is built."""


class RedisConfigConflict(GCacheConfigError):
    """A configuration names more than one way to reach Redis."""


class GCacheAlreadyInstantiated(GCacheConfigError):
    """A live instance holds this `urn_prefix`, or one that contains it or lies inside it."""


class DecorationError(GCacheError, TypeError):
    """`@cached` stands on something that cannot be cached as asked. Raised at decoration."""


class UnknownArgument(DecorationError):
    """An id argument, an adapter or an ignored name is no argument of the function."""


class UseCaseTaken(DecorationError):
    """Another function is cached under this use case."""


class UseCaseReserved(DecorationError):
    """The use case is empty, or a name that keys need for themselves."""


class InvalidKey(GCacheError, ValueError):
    """A key whose parts could not be told apart again."""


class UnrenderableArgument(InvalidKey, TypeError):
    """A value has no defined rendering in a key: give its argument an adapter."""


class UntrackedUseCase(GCacheError):
    """`.invalidate()` was called on a function that is not tracked for invalidation."""


class SerializationError(GCacheError):
    """A value that its serializer would not give back as it is; nothing was stored."""


class UntrustedType(SerializationError):
    """A class that the pickle serializer was not told to trust."""


class LoadTimeout(GCacheError, TimeoutError):
    """A load took longer than `load_timeout_sec`, and there was nothing stale to be served. It goes on."""


class NoMapping(GCacheError, TypeError):
    """The source of a function under `cached_many` returned something else than a mapping."""


class EntryTooLarge(GCacheError):
    """An entry is larger than a layer keeps. Raised before anything is sent; the layer stays in use."""


class LayerUnavailable(GCacheError):
    """A layer could not be told to forget; what it still holds may be served to others."""


class InvalidationPending(LayerUnavailable):
    """The authority, or the bus, has not heard of an invalidation yet. It is told while the process lives."""


class LayerSkipped(LayerUnavailable):
    """A layer failed a few times in a row, and is not asked again before it has answered a probe.

    It is the cause of an InvalidationPending.
    """


class NotReplicated(LayerUnavailable):
    """Fewer replicas than `invalidate_wait_replicas` acknowledged an invalidation in time.

    It is the cause of an InvalidationPending.
    """


class GCacheClosed(GCacheError):
    """The instance was closed: it can serve its functions no more, nor invalidate."""


class MissingExtra(GCacheError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
