"""GCache: what an application makes one of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from gcache import instances
from gcache.core.checks import number
from gcache.core.config import GCacheConfig
from gcache.core.context import Switch
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey
from gcache.core.protocols import Progress, Serializer
from gcache.core.runtime import Operation
from gcache.errors import GCacheConfigError

if TYPE_CHECKING:
    from gcache.core.calls import IdArg
    from gcache.core.decorated import Decorator, ManyDecorator
    from gcache.core.invalidating import Invalidating
    from gcache.core.visit import Call

T = TypeVar("T")


class GCache:
    """A cache for the functions of an application. Made once; `close` it, or use it as a context manager.

    Raises GCacheAlreadyInstantiated while another instance lives on the same `urn_prefix`, GCacheConfigError
    for what is no GCacheConfig or cannot be made of it.
    """

    def __init__(self, config: GCacheConfig) -> None:
        from gcache.assembly import assemble

        given: Any = config
        if not isinstance(given, GCacheConfig):
            raise GCacheConfigError(
                f"A GCache is made of a GCacheConfig, not of a {type(given).__name__}: "
                "write GCache(GCacheConfig(...))."
            )
        self._prefix = config.urn_prefix
        instances.claim(self._prefix, self)
        try:
            self._engine = assemble(config)
        except BaseException:
            instances.release(self._prefix, self)
            raise
        instances.attend(self._engine)

    def cached(
        self,
        key_type: str,
        id_arg: IdArg,
        use_case: str | None = None,
        arg_adapters: Mapping[str, Callable[[Any], Any]] | None = None,
        ignore_args: Iterable[str] = (),
        track_for_invalidation: bool = False,
        default_config: GCacheKeyConfig | None = None,
        serializer: Serializer | None = None,
        shadow_equal: Callable[[Any, Any], bool] | None = None,
        cache_exceptions: Iterable[type[Exception]] = (),
        cache_if: Callable[[Any], bool] | None = None,
        isolate: Literal["copy"] | None = None,
    ) -> Decorator:
        """Put a function behind the cache.

        `id_arg` names the argument that identifies the entity, or is a pair of its name and a function
        that takes the id out of it. All other arguments tell entries of one entity apart, as they are or
        as `arg_adapters` makes them, but for `ignore_args`, `self` and `cls`. `use_case` defaults to the
        module's and the function's name. `default_config` holds where the provider says nothing. It goes
        above `@classmethod` and `@staticmethod`: since Python 3.13 `@classmethod` binds only the call.

        `shadow_equal` is called with a cached value and a loaded one and tells whether shadow reads (see
        `GCacheKeyConfig.shadow`) take them for equal; without it `==` does.

        Exceptions of the classes `cache_exceptions` are cached, too, for `GCacheKeyConfig.exception_ttl_sec`,
        and raised again. `cache_if` is called with each loaded value and tells whether it may be cached.
        With `isolate="copy"` nobody shares what memory keeps: everybody gets a deep copy.

        Raises DecorationError or InvalidKey where the function or a name will not do.
        """
        from gcache.core.decorating import decorator_for
        from gcache.core.rules import rules_of

        decorator: Decorator = decorator_for(
            self._engine,
            (id_arg, arg_adapters or {}, ignore_args),
            use_case,
            key_type,
            track_for_invalidation,
            serializer,
            default_config,
            rules_of(cache_exceptions, cache_if, isolate),
            shadow_equal,
        )
        return decorator

    def cached_many(
        self,
        key_type: str,
        ids_arg: IdArg,
        use_case: str | None = None,
        arg_adapters: Mapping[str, Callable[[Any], Any]] | None = None,
        ignore_args: Iterable[str] = (),
        track_for_invalidation: bool = False,
        default_config: GCacheKeyConfig | None = None,
        serializer: Serializer | None = None,
        cache_if: Callable[[Any], bool] | None = None,
        isolate: Literal["copy"] | None = None,
    ) -> ManyDecorator:
        """Put a function of many ids, which returns a mapping from ids to values, behind the cache.

        `ids_arg` names the argument that holds the ids, any iterable of hashable values, or is a pair of its
        name and a function that takes the id out of one of them. The source gets a list of those that no
        layer has, in the order asked and each once, and is not called if there are none. The call returns a
        dict in the order asked; ids that the source leaves out are left out, and nothing is stored for them.

        Each value is an entry of its own, under the key of a `cached` function of the same use case that has
        the id alone in place of the ids. One such function may have the same `use_case` in this instance, if
        key type, tracking, the names of the other arguments and `isolate` agree. All other options are those
        of `cached`; `cache_if` is called with each value.

        Raises DecorationError or InvalidKey where the function or a name will not do. The call raises
        NoMapping if the source returns anything else.
        """
        from gcache.core.decorating import decorator_for
        from gcache.core.rules import rules_of

        decorator: ManyDecorator = decorator_for(
            self._engine,
            (ids_arg, arg_adapters or {}, ignore_args),
            use_case,
            key_type,
            track_for_invalidation,
            serializer,
            default_config,
            rules_of((), cache_if, isolate),
            is_bulk=True,
        )
        return decorator

    def enable(self, on: bool = True) -> Switch:
        """Enable caching, or disable it, for a `with` block or for the calls of a decorated function."""
        return Switch(self._engine.enabled, on)

    def get(self, key: GCacheKey, load: Callable[[], T]) -> T:
        """Return what is cached under `key`, else what `load` returns, which is cached then."""
        call = self._call_or_none(key, Operation(load))
        value: T = load() if call is None else self._engine.read(call).unwrap()
        return value

    async def aget(self, key: GCacheKey, load: Callable[[], Awaitable[T]]) -> T:
        """Return what is cached under `key`, else what `load` gives, which is cached then."""
        call = self._call_or_none(key, Operation(awaitable=load))
        value: T = (await load()) if call is None else (await self._engine.aread(call)).unwrap()
        return value

    def put(self, key: GCacheKey, value: object) -> None:
        """Store `value` under `key`, for which the caller vouches. Does nothing where caching is off.

        A value that was read before an invalidation in another process, and is put after it, is stored
        all the same: nobody can tell. `refresh` on a function, which loads under an epoch, is exact.
        """
        call = self._call_or_none(key)
        if call is not None:
            self._engine.put(call, value)

    async def aput(self, key: GCacheKey, value: object) -> None:
        """Do what `put` does, awaited."""
        call = self._call_or_none(key)
        if call is not None:
            await self._engine.aput(call, value)

    def delete(self, key: GCacheKey) -> None:
        """Forget this one entry in every layer. Raises LayerUnavailable, UnrenderableArgument."""
        self._engine.delete(self._engine.keys.build(key))

    async def adelete(self, key: GCacheKey) -> None:
        """Forget this one entry in every layer. Raises LayerUnavailable, UnrenderableArgument."""
        await self._engine.adelete(self._engine.keys.build(key))

    def invalidate(self, key_type: str, id: object, fallback_buffer_ms: float = 0) -> None:
        """End all entries of an entity, whatever their use case and arguments, in every process.

        Once this has returned no read that starts later gets a value whose load began before, in any
        process on the same authority. For `fallback_buffer_ms` milliseconds from now reads go to the
        source and nothing is cached.

        Raises InvalidationPending if the authority could not be told: this process's own entries have
        ended all the same, and it is told again and again, in the background, until it has heard.
        """
        self._engine.invalidate(key_type, id, _buffer_sec(fallback_buffer_ms))

    async def ainvalidate(self, key_type: str, id: object, fallback_buffer_ms: float = 0) -> None:
        """Do what `invalidate` does, awaited."""
        await self._engine.ainvalidate(key_type, id, _buffer_sec(fallback_buffer_ms))

    def invalidating(self, key_type: str, id: object, hold_sec: float = 30) -> Invalidating:
        """Return a block, for `with` or `async with`, in which an entity is written, and invalidated after.

        While the block runs, however long, reads of the entity go to the source and nothing of it is cached,
        in any process on the same authority. Its end invalidates, also when it raises. If the process dies
        in it, or cannot reach the authority any more, the others are held up for `hold_sec` seconds more
        at most. An authority that cannot be reached does not keep the block from running: the end raises
        InvalidationPending then, as `invalidate` does, or adds a note to what the block raises.
        """
        from gcache.core.invalidating import Invalidating

        return Invalidating(self._engine, key_type, id, _hold_sec(hold_sec))

    def flushall(self, progress: Progress | None = None) -> None:
        """Remove everything that was written under this `urn_prefix`, and nothing else, from every layer.

        Buffers that other processes have set end with it. `progress` is called now and then with the
        number of entries removed so far. Raises LayerUnavailable if a layer could not be told.
        """
        self._engine.flush(progress)

    async def aflushall(self, progress: Progress | None = None) -> None:
        """Do what `flushall` does, awaited."""
        await self._engine.aflush(progress)

    def close(self) -> None:
        """Let go of connections and of the prefix. Cached functions go on, straight to their sources."""
        self._engine.close()
        instances.release(self._prefix, self)

    async def aclose(self) -> None:
        """Do what `close` does, awaited, on the loop that used the instance."""
        await self._engine.aclose()
        instances.release(self._prefix, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _call_or_none(self, key: GCacheKey, load: Operation[[], Any] | None = None) -> Call | None:
        from gcache.core.visit import Call

        use_case = self._engine.use_case_of(key)
        if self._engine.is_off(use_case):
            return None
        try:
            return Call(use_case, key, self._engine.keys.build(key), load or Operation())
        except Exception as error:  # what the key is for can be done all the same
            self._engine.troubles.unkeyable(use_case, error)
            return None


_LONGEST_SEC = 365 * 86_400.0
_SHORTEST_HOLD_SEC = 0.1


def _buffer_sec(fallback_buffer_ms: float) -> float:
    if not 0 <= number("fallback_buffer_ms", fallback_buffer_ms) <= _LONGEST_SEC * 1000:
        raise GCacheConfigError(
            f"fallback_buffer_ms is {fallback_buffer_ms!r}: give milliseconds, from 0 to a year."
        )
    return fallback_buffer_ms / 1000


def _hold_sec(hold_sec: float) -> float:
    if not _SHORTEST_HOLD_SEC <= number("hold_sec", hold_sec) <= _LONGEST_SEC:
        raise GCacheConfigError(
            f"hold_sec is {hold_sec!r}: give seconds, from {_SHORTEST_HOLD_SEC} to a year."
        )
    return hold_sec
