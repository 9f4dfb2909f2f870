"""One event loop on a thread of its own, for sync callers of what can only be awaited."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from gcache.core.limits import Limit

R = TypeVar("R")


class BackgroundLoop:
    """The loop, which is started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, function: Callable[[], Awaitable[R]], limit: Limit | None = None) -> R:
        """Await `function()` on the loop and return what it gives, blocking until then.

        Raises TimeoutError if that takes longer than the limit; what was begun is cancelled.
        """
        import asyncio

        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "A sync cached function was called on the loop that its own layer or config provider needs: "
                "call an async one there."
            )

        async def awaited() -> R:
            return await function()

        future: Future[R] = asyncio.run_coroutine_threadsafe(awaited(), self._started(asyncio.new_event_loop))
        try:
            return future.result(None if limit is None else limit.sec)
        except TimeoutError:
            if limit is None or future.done():  # it is the function's own
                raise
            future.cancel()
            raise limit.late() from None
        except BaseException:
            future.cancel()
            raise

    def _started(self, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                loop = new_loop()
                thread = threading.Thread(
                    target=_keep_running, args=(loop,), name="gcache-background-loop", daemon=True
                )
                try:
                    thread.start()
                except BaseException:
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def after_fork(self) -> None:
        self.__init__()  # type: ignore[misc]  # the thread is the parent's; nothing here outlives it


def _keep_running(loop: asyncio.AbstractEventLoop) -> None:
    """Run `loop` on, whatever ends it: one task's SystemExit is not to strand the callers of others."""
    while not loop.is_closed():
        with suppress(BaseException):
            loop.run_forever()


background_loop = BackgroundLoop()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=background_loop.after_fork)
