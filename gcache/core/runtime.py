"""Where work happens. Of core, only this, the loop in `background` and `limits` block, or know asyncio.

The chain is written once, as coroutines that await nothing but a runtime. Under `LoopRuntime` they
suspend like any others. Under `ThreadRuntime` they never do, so one `send` runs them to the end.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast

from gcache.core.background import background_loop
from gcache.core.limits import Limit
from gcache.core.threads import helpers

if TYPE_CHECKING:
    import asyncio

    from gcache.core.flights import Flight

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Operation(Generic[P, R]):
    """One thing to do, with a blocking side, an awaitable one, or both.

    `inline` says that the blocking side never waits, so that it may run on an event loop. With `limit` it is
    done without after a while: what blocks runs in a thread of the limit's, what is awaited is cancelled.
    """

    __slots__ = ("awaitable", "blocking", "inline", "limit")

    def __init__(
        self,
        blocking: Callable[P, R] | None = None,
        awaitable: Callable[P, Awaitable[R]] | None = None,
        inline: bool = False,
        limit: Limit | None = None,
    ) -> None:
        self.blocking = blocking
        self.awaitable = awaitable
        self.inline = inline
        self.limit = limit


def is_awaited(function: object) -> bool:
    """Tell whether `function` is an async function, or an object that is called as one."""
    import inspect

    while isinstance(function, partial):
        function = function.func
    called_as = inspect.getattr_static(type(function), "__call__", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called_as)


def is_cancellation(error: BaseException) -> bool:
    """Tell whether `error` ends the one who runs, and says nothing of what was run."""
    import asyncio

    return isinstance(error, GeneratorExit | asyncio.CancelledError)


class Outcome(Generic[R]):
    """What came of an operation: a value, or the exception that it raised.

    Exceptions travel as values through the chain, because a coroutine cannot let a StopIteration pass.
    """

    __slots__ = ("error", "value")

    def __init__(self, value: R | None = None, error: Exception | None = None) -> None:
        self.value: R = value  # type: ignore[assignment]  # whoever looks asks for the error first
        self.error = error

    def unwrap(self) -> R:
        """Return the value, or raise the exception as itself."""
        if self.error is not None:
            raise self.error
        return self.value


class Runtime(Protocol):
    """What the chain may wait for."""

    def attempt(
        self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Outcome[R]]:
        """Do it, on whichever side fits the caller. Only what ends the caller itself is raised."""
        ...

    def begin(self, operation: Operation[[A], R], what: A) -> Awaitable[R]:
        """Begin to do it: do what `attempt` does in fewer steps. What it raises is raised, now or later."""
        ...

    async def landed(self, flight: Flight, limit_sec: float) -> bool:
        """Wait until `flight` is over, or for `limit_sec`. False says that it cannot be waited for here."""
        ...

    async def pause(self, sec: float) -> None:
        """Let time pass."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], after: Callable[[], object] | None = None) -> None:
        """Run `work` beside the caller, who does not wait for it, in a copy of the caller's context.

        `after` is called once that is over, however it ends, also if it cannot begin.
        """
        ...


class ThreadRuntime:
    """Everything happens in the caller's thread; only what has no blocking side goes to a loop of ours."""

    async def attempt(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        limit = operation.limit
        try:
            if operation.blocking is not None:
                if limit is not None:
                    return Outcome(limit.call(partial(operation.blocking, *args, **kwargs)))
                return Outcome(operation.blocking(*args, **kwargs))
            awaitable = partial(cast("Callable[P, Awaitable[R]]", operation.awaitable), *args, **kwargs)
            return Outcome(background_loop.run(awaitable, limit))
        except Exception as error:  # the chain decides what becomes of it
            return Outcome(error=error)

    def begin(self, operation: Operation[[A], R], what: A) -> Awaitable[R]:
        if operation.blocking is not None and operation.limit is None:
            return _called(operation.blocking, what)
        return unwrapped(self.attempt(operation, what))

    async def landed(self, flight: Flight, limit_sec: float) -> bool:
        if flight.thread == threading.get_ident():
            return False  # its leader is a task of the loop that this very thread would stop
        over = threading.Event()
        flight.when_over(over.set)
        over.wait(limit_sec)
        return True

    async def pause(self, sec: float) -> None:
        time.sleep(sec)  # noqa: ASYNC251

    def spawn(self, work: Coroutine[Any, Any, None], after: Callable[[], object] | None = None) -> None:
        context = contextvars.copy_context()

        def run() -> None:
            try:
                context.run(drive, work)
            finally:
                if after is not None:
                    after()

        try:
            helpers.hand(run)
        except RuntimeError:  # no thread to be had: the interpreter ends, or the machine is full
            work.close()
            if after is not None:
                after()


async def _called(blocking: Callable[[A], R], what: A) -> R:
    return blocking(what)


async def unwrapped(work: Coroutine[Any, Any, Outcome[T]]) -> T:
    """Return the value that comes of `work`, or raise the exception; a StopIteration as a RuntimeError."""
    return (await work).unwrap()


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that awaits nothing but a ThreadRuntime, in the caller's thread."""
    try:
        work.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    work.close()
    raise RuntimeError("The chain suspended under a runtime that cannot: it awaited something of its own.")


class LoopRuntime:
    """Everything happens on the caller's event loop; only what blocks goes to threads."""

    def __init__(self) -> None:
        self._blocking = Limit(float("inf"), "gcache-blocking")
        self._tasks: dict[asyncio.Task[None], Callable[[], object] | None] = {}

    async def attempt(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        try:
            if operation.limit is not None:
                return await self._within(operation.limit, operation, *args, **kwargs)
            if operation.awaitable is not None:
                return Outcome(await operation.awaitable(*args, **kwargs))
            blocking = cast("Callable[P, R]", operation.blocking)
            if operation.inline:
                return Outcome(blocking(*args, **kwargs))
            return await self._in_thread(partial(blocking, *args, **kwargs))
        except Exception as error:  # the chain decides what becomes of it
            return Outcome(error=error)

    def begin(self, operation: Operation[[A], R], what: A) -> Awaitable[R]:
        if operation.awaitable is not None and operation.limit is None:
            return operation.awaitable(what)
        return unwrapped(self.attempt(operation, what))

    async def landed(self, flight: Flight, limit_sec: float) -> bool:
        import asyncio

        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def wake() -> None:
            if not over.done():
                over.set_result(None)

        def wake_from_anywhere() -> None:
            with suppress(RuntimeError):  # the loop has ended, and the waiting with it
                loop.call_soon_threadsafe(wake)

        flight.when_over(wake_from_anywhere)
        await asyncio.wait([over], timeout=limit_sec)
        return True

    async def pause(self, sec: float) -> None:
        import asyncio

        await asyncio.sleep(sec)

    def spawn(self, work: Coroutine[Any, Any, None], after: Callable[[], object] | None = None) -> None:
        import asyncio

        self._forget_closed_loops()
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = after
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        after = self._tasks.pop(task, None)
        if after is not None:
            after()

    def _forget_closed_loops(self) -> None:
        """Let go of tasks whose loop was closed without their being cancelled: they never end."""
        for task in tuple(self._tasks):
            if task.get_loop().is_closed():
                self._end(task)

    async def _within(
        self, limit: Limit, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Outcome[R]:
        import asyncio

        scope = asyncio.timeout(limit.sec)
        try:
            async with scope:
                if operation.awaitable is not None:
                    return Outcome(await operation.awaitable(*args, **kwargs))
                blocking = cast("Callable[P, R]", operation.blocking)
                future = limit.begin(_outcome_of(partial(blocking, *args, **kwargs)))
                try:
                    return await asyncio.wrap_future(future)
                finally:
                    limit.leave(future)
        except TimeoutError:
            if scope.expired():
                raise limit.late() from None
            raise

    async def _in_thread(self, call: Callable[[], R]) -> Outcome[R]:
        import asyncio

        return await asyncio.wrap_future(self._blocking.begin(_outcome_of(call)))

    def after_fork(self) -> None:
        """Forget threads and tasks that only the parent has."""
        self._blocking.after_fork()
        self._tasks = {}


def _outcome_of(call: Callable[[], R]) -> Callable[[], Outcome[R]]:
    """Return a `call` that never raises. A future that is to raise a StopIteration never ends."""

    def outcome() -> Outcome[R]:
        try:
            return Outcome(call())
        except Exception as error:  # the chain decides what becomes of it
            return Outcome(error=error)

    return outcome
