"""Instances of GCache over the layer of a suite, each standing for one process of an application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gcache import instances
from gcache.backends.memory import MemoryLayer
from gcache.conformance._sides import Loops, Side
from gcache.core.config import GCacheConfig
from gcache.core.key_config import GCacheKeyConfig
from gcache.instrumentation.null import NullSink
from gcache.toolkit import GCache

if TYPE_CHECKING:
    from gcache.conformance.layers.layer import Layers

KEY_TYPE = "entity"


class Source:
    """A table of numbers by id: what is true. `before_answer` runs in each load, once it knows its answer."""

    def __init__(self) -> None:
        self.truth: dict[int, int] = {}
        self.loads = 0
        self.before_answer: Callable[[], object] = lambda: None

    def __call__(self, id: int) -> int:
        self.loads += 1
        answer = self.truth.get(id, 0)
        self.before_answer()
        return answer


class Instance:
    """A GCache whose methods, and whose cached functions, block by whichever side is tried.

    Several of one prefix can live in this process.
    """

    def __init__(
        self, layers: Sequence[Any], prefix: str, side: Side, loops: Loops, bus: Any = None, sink: Any = None
    ) -> None:
        self._side = side
        self._loops = loops
        self._reads: dict[str, Callable[[int], Any]] = {}
        self._gcache = GCache(
            GCacheConfig(layers=layers, urn_prefix=prefix, invalidation_bus=bus, metrics=sink or NullSink())
        )
        instances.release(prefix, self._gcache)

    def cached(
        self, source: Callable[[int], Any], use_case: str = "Read", tracked: bool = True
    ) -> Callable[[int], Any]:
        """Return `source` behind the cache, with caching on, kept for ten minutes everywhere.

        Asked for the same use case again, this is the function that it was asked for first.
        """
        if use_case not in self._reads:
            self._reads[use_case] = self._decorated(source, use_case, tracked)
        return self._reads[use_case]

    def _decorated(self, source: Callable[[int], Any], use_case: str, tracked: bool) -> Callable[[int], Any]:
        decorate = self._gcache.cached(
            KEY_TYPE,
            "id",
            use_case,
            track_for_invalidation=tracked,
            default_config=GCacheKeyConfig.enabled(600),
        )
        if self._side == "sync":

            @decorate
            def read(id: int) -> Any:
                return source(id)

            return self._gcache.enable()(read)

        @decorate
        async def aread(id: int) -> Any:
            return source(id)

        enabled = self._gcache.enable()(aread)
        return lambda id: self._loops.run(enabled(id))

    def invalidate(self, id: int, fallback_buffer_ms: float = 0) -> None:
        self._do("invalidate", KEY_TYPE, id, fallback_buffer_ms)

    def flushall(self) -> None:
        self._do("flushall")

    def close(self) -> None:
        self._do("close")

    def leave_thread(self) -> None:
        """End what a thread has that was made for it."""
        self._loops.close()

    def _do(self, verb: str, *args: Any) -> None:
        if self._side == "sync":
            getattr(self._gcache, verb)(*args)
        else:
            self._loops.run(getattr(self._gcache, f"a{verb}")(*args))


class Instances:
    """The instances of one test: on a layer each if the layer is shared, else one that stands for all."""

    def __init__(self, layers: Layers, prefix: str, is_shared: bool) -> None:
        self.prefix = prefix.rstrip(":")
        self._layers = layers
        self._is_shared = is_shared
        self._made: list[Instance] = []

    def open(self, memory: bool = False, prefix: str | None = None) -> Instance:
        """Return an instance with the layer as its authority, and with a memory layer before it if asked."""
        if self._made and not self._is_shared and prefix is None:
            return self._made[0]
        chain: list[Any] = [MemoryLayer[Any](), self._layers.make()] if memory else [self._layers.make()]
        made = Instance(chain, prefix or self.prefix, self._layers.side, self._layers.loops)
        self._made.append(made)
        return made

    def close_all(self) -> None:
        for instance in self._made:
            instance.close()
