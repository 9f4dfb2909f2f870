"""One way to call a layer, whichever side of it is tried: the blocking one, or the awaitable one on loops."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from gcache.conformance import _together

T = TypeVar("T")
Side: TypeAlias = Literal["sync", "async"]


class Loops:
    """An event loop for each thread that asks for one, to be used again and again by that thread."""

    def __init__(self) -> None:
        self._here = threading.local()

    def run(self, work: Awaitable[T]) -> T:
        """Await `work` on the loop of this thread. Raises TimeoutError when it does not end."""

        async def awaited() -> T:
            async with asyncio.timeout(2 * _together.PATIENCE_SEC):
                return await work

        return self._runner().run(awaited())

    def close(self) -> None:
        """End the loop of this thread, if it has one."""
        runner: asyncio.Runner | None = getattr(self._here, "runner", None)
        if runner is not None and self._here.process == os.getpid():
            runner.close()
        self._here.runner = None

    def _runner(self) -> asyncio.Runner:
        if getattr(self._here, "runner", None) is None or self._here.process != os.getpid():
            self._here.runner, self._here.process = asyncio.Runner(), os.getpid()
        runner: asyncio.Runner = self._here.runner
        return runner


class Layer:
    """A layer whose methods block, by whichever side it is tried on."""

    def __init__(self, layer: Any, side: Side, loops: Loops) -> None:
        self.raw = layer
        self.side: Side = side
        self._loops = loops

    def get(self, keys: Sequence[str]) -> Sequence[Any]:
        values: Sequence[Any] = self._do("get", keys)
        return values

    def one(self, key: str) -> Any:
        """Return what a `get` of this key alone gives."""
        values = self.get([key])
        assert 1 == len(values)
        return values[0]

    def put(self, items: Mapping[str, Any], ttl: float) -> None:
        self._do("put", items, ttl)

    def add(self, key: str, value: Any, ttl: float) -> bool:
        told: bool = self._do("add", key, value, ttl)
        return told

    def add_many(self, items: Mapping[str, Any], ttl: float) -> Sequence[bool]:
        told: Sequence[bool] = self._do("add_many", items, ttl)
        return told

    def delete(self, keys: Sequence[str]) -> int:
        removed: int = self._do("delete", keys)
        return removed

    def clear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        removed: int = self._do("clear", prefix, progress)
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        self._do("retire", key, holder, ttl)

    def close(self) -> None:
        self._do("close")

    def at_once(self, verb: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Do all of `calls` on one loop at once if the layer is awaited, else one after the other."""
        if self.side == "sync":
            return [self._do(verb, *args) for args in calls]

        async def together() -> list[Any]:
            return await asyncio.gather(*(getattr(self.raw, f"a{verb}")(*args) for args in calls))

        def work() -> list[Any]:
            try:
                return self._loops.run(together())
            finally:
                self._loops.close()

        worker = _together.Worker(_together.PATIENCE_SEC)  # a loop that is blocked cannot be told to stop
        try:
            return worker.do(work)
        finally:
            worker.end()

    def _do(self, verb: str, *args: Any) -> Any:
        if self.side == "sync":
            return getattr(self.raw, verb)(*args)
        return self._loops.run(getattr(self.raw, f"a{verb}")(*args))


class WatchedLayer(Layer):
    """The same in a thread of its own, so that a layer which hangs fails its test and does not hold it up."""

    def __init__(self, layer: Any, side: Side, loops: Loops, limit_sec: float) -> None:
        super().__init__(layer, side, loops)
        self._worker = _together.Worker(limit_sec)

    def close(self) -> None:
        try:
            super().close()
            self._worker.do(self._loops.close)
        finally:
            self._worker.end()

    def _do(self, verb: str, *args: Any) -> Any:
        return self._worker.do(lambda: Layer._do(self, verb, *args))
