"""What decorated functions look like to a type checker. Nothing is made of these at run time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from gcache.core.keys import GCacheKey
    from gcache.core.missing import Missing

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
M = TypeVar("M", bound=Mapping[Any, Any])
M_co = TypeVar("M_co", bound=Mapping[Any, Any], covariant=True)


class CachedFunction(Protocol[P, R_co]):
    """A sync function behind the cache. Its methods take the function's own arguments."""

    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CachedFunction[P, R_co]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> CachedFunction[Q, R_co]: ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> GCacheKey:
        """Return the key of this call. Raises UnrenderableArgument when it is used to reach a layer."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Invalidate the entity that this call is about.

        Raises UntrackedUseCase, and what `GCache.invalidate` raises.
        """
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the source whatever is cached, store what it returns and return it."""
        ...

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Literal[Missing.MISSING]:
        """Return what is cached for this call, or MISSING. The source is not asked, nothing is counted."""
        ...


class AsyncCachedFunction(Protocol[P, R_co]):
    """An async function behind the cache. Its methods take the function's own arguments."""

    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> AsyncCachedFunction[P, R_co]: ...

    @overload
    def __get__(
        self: AsyncCachedFunction[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> AsyncCachedFunction[Q, R_co]: ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> GCacheKey:
        """Return the key of this call. Raises UnrenderableArgument when it is used to reach a layer."""
        ...

    async def ainvalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Invalidate the entity that this call is about.

        Raises UntrackedUseCase, and what `GCache.invalidate` raises.
        """
        ...

    async def arefresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the source whatever is cached, store what it returns and return it."""
        ...

    async def apeek(self, *args: P.args, **kwargs: P.kwargs) -> R_co | Literal[Missing.MISSING]:
        """Return what is cached for this call, or MISSING. The source is not asked, nothing is counted."""
        ...


class Decorator(Protocol):
    """What `cached(...)` returns: to be put on a sync or an async function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncCachedFunction[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R]) -> CachedFunction[P, R]: ...


class CachedManyFunction(Protocol[P, M_co]):
    """A sync function of many ids behind the cache. Its methods take the function's own arguments."""

    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> M_co: ...

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CachedManyFunction[P, M_co]: ...

    @overload
    def __get__(
        self: CachedManyFunction[Concatenate[Any, Q], M_co], instance: object, owner: type | None = None
    ) -> CachedManyFunction[Q, M_co]: ...

    def keys(self, *args: P.args, **kwargs: P.kwargs) -> list[GCacheKey]:
        """Return the keys of this call, one for each id as it was written."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Invalidate each entity that this call is about, one after the other.

        Raises UntrackedUseCase, and what `GCache.invalidate` raises, once all have been tried.
        """
        ...


class AsyncCachedManyFunction(Protocol[P, M_co]):
    """An async function of many ids behind the cache. Its methods take the function's own arguments."""

    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, M_co]: ...

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> AsyncCachedManyFunction[P, M_co]: ...

    @overload
    def __get__(
        self: AsyncCachedManyFunction[Concatenate[Any, Q], M_co], instance: object, owner: type | None = None
    ) -> AsyncCachedManyFunction[Q, M_co]: ...

    def keys(self, *args: P.args, **kwargs: P.kwargs) -> list[GCacheKey]:
        """Return the keys of this call, one for each id as it was written."""
        ...

    async def ainvalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Invalidate each entity that this call is about, one after the other.

        Raises UntrackedUseCase, and what `GCache.invalidate` raises, once all have been tried.
        """
        ...


class ManyDecorator(Protocol):
    """What `cached_many(...)` returns: to be put on a sync or an async function that returns a mapping."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, M]]) -> AsyncCachedManyFunction[P, M]: ...

    @overload
    def __call__(self, function: Callable[P, M]) -> CachedManyFunction[P, M]: ...
