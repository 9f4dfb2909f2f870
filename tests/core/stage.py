"""What the tests of core are played on: a clock moved by hand, a sink that remembers, two sides to call."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gcache.conformance.waiting import wait_until
from gcache.core.events import Disabled, Error, Hit, Load, Miss
from gcache.core.threads import helpers

if TYPE_CHECKING:
    from gcache import GCache
    from gcache.core.events import Event

PATIENCE_SEC = 10.0
"""How long a test waits for what must happen before it fails."""


class Clock:
    """Stands for the module `time`: it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Chance:
    """Stands for chance: it always puts things at the same point, 0 unless told."""

    point = 0.0

    def __call__(self) -> float:
        return self.point


class Recorded:
    """A sink that remembers, and asks for the sums that are due before it tells."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._callbacks: list[Callable[[], object]] = []

    def record(self, event: Event) -> None:
        self._events.append(event)

    def before_collect(self, callback: Callable[[], object]) -> None:
        self._callbacks.append(callback)

    @property
    def events(self) -> list[Event]:
        for callback in self._callbacks:
            callback()
        return list(self._events)

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def calls(self) -> list[tuple[str, int]]:
        """What became of each call: the layer that answered it, or why none did, and how often in a row."""
        return [
            (event.layer if isinstance(event, Hit) else event.reason, getattr(event, "calls", 1))
            for event in self.of(Hit, Miss, Disabled)
        ]

    @property
    def loads(self) -> int:
        return len(self.of(Load))

    @property
    def errors(self) -> list[tuple[str, str, bool]]:
        return [(event.layer, event.error, event.in_fallback) for event in self.of(Error)]

    def after(self, answer: Any) -> Any:
        """Take the sums that are due, so that they come before those of the next call; return `answer`."""
        self.events
        return answer

    def forget(self) -> None:
        self.events
        self._events.clear()


class Source:
    """A source of truth: it counts its loads, and answers with the count unless told what to answer."""

    def __init__(self, *answers: Any) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self.loads = 0
        self.before: Callable[[], object] = lambda: None

    def __call__(self) -> Any:
        self.loads += 1
        answer = next(self._answers, self.loads)
        self.before()
        if isinstance(answer, BaseException):
            raise answer
        return answer


class SyncSide:
    """Calls everything from a thread."""

    prefix = ""

    def cached(self, gcache: GCache, source: Source, **options: Any) -> Any:
        """Return `source` behind the cache, as a function of a user and a page."""

        @gcache.cached(**{"key_type": "user_id", "id_arg": "user_id", "use_case": "GetUser"} | options)
        def get_user(user_id: Any, page: Any = 1) -> Any:
            return source()

        return get_user

    def do(self, target: Any, verb: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(target, verb)(*args, **kwargs)

    def get(self, gcache: GCache, key: Any, source: Source) -> Any:
        return gcache.get(key, source)

    def settle(self, gcache: GCache) -> None:
        """Wait until what runs beside the calls has come to its end."""
        wait_until(
            lambda: (
                len(helpers.idle)
                == sum(getattr(t, "_target", None) == helpers._help for t in threading.enumerate())
            ),
            sentence="all helpers are idle",
        )

    def close(self) -> None:
        pass


class AsyncSide:
    """Calls everything from one event loop, and returns when it is done."""

    prefix = "a"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def cached(self, gcache: GCache, source: Source, **options: Any) -> Any:
        @gcache.cached(**{"key_type": "user_id", "id_arg": "user_id", "use_case": "GetUser"} | options)
        async def get_user(user_id: Any, page: Any = 1) -> Any:
            await asyncio.sleep(0)
            return source()

        return _Awaited(self, get_user)

    def do(self, target: Any, verb: str, *args: Any, **kwargs: Any) -> Any:
        if isinstance(target, _Awaited):
            return getattr(target, verb)(*args, **kwargs)
        return self.run(getattr(target, f"a{verb}")(*args, **kwargs))

    def get(self, gcache: GCache, key: Any, source: Source) -> Any:
        async def load() -> Any:
            return source()

        return self.run(gcache.aget(key, load))

    def run(self, work: Any) -> Any:
        async def awaited() -> Any:
            return await work

        return self._runner.run(awaited(), context=contextvars.copy_context())

    def settle(self, gcache: GCache) -> None:
        async def rest() -> None:
            while gcache._engine.loops._tasks:
                await asyncio.sleep(0)

        SyncSide().settle(gcache)
        self.run(rest())

    def close(self) -> None:
        self._runner.close()


class _Awaited:
    """An async cached function, called as if it were a sync one."""

    def __init__(self, side: AsyncSide, function: Any) -> None:
        self._side = side
        self._function = function
        self.key = function.key

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._side.run(self._function(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self._side.run(getattr(self._function, f"a{name}")(*args, **kwargs))


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what `work(0)`, `work(1)`, ... give in `count` threads that start at the same moment."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait(PATIENCE_SEC)
        try:
            results[number] = work(number)
        except BaseException as error:  # it is what came of it
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SEC)
    assert [] == [thread for thread in threads if thread.is_alive()]
    return results


@contextmanager
def in_background(work: Callable[[], Any]) -> Iterator[Callable[[], Any]]:
    """Run `work` in a thread, in the caller's context; what is yielded waits for it and returns its value."""
    results: list[Any] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            results.append(context.run(work))
        except BaseException as error:  # raised where it is waited for
            errors.append(error)

    def value() -> Any:
        thread.join(PATIENCE_SEC)
        assert not thread.is_alive()
        if errors:
            raise errors[0]
        return results[0]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield value
    thread.join(PATIENCE_SEC)


def waiting(gcache: GCache) -> int:
    """How many wait for flights of others now."""
    under_way = tuple(gcache._engine.chain.flights.under_way.values())
    return sum(len(flight._wakers) for flights in under_way for flight in tuple(flights.values()))
