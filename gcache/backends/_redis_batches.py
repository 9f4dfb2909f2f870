"""Reads that many tasks of one event loop make at once, sent together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from weakref import ref

Values: TypeAlias = Sequence[bytes | None]
Waiting: TypeAlias = tuple[Sequence[str], asyncio.Future[Values]]

MOST_KEYS = 512


class Batches:
    """A way to a server for one loop: a read goes at once, and those that come meanwhile leave together.

    A lone caller pays for no more than a comparison. Of many callers, each waits for the read before its own
    and for its own. Those who wake up from one read have a step of the loop each to ask for the next, and
    leave together again. Whoever is cancelled takes nobody along.
    """

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Values]]) -> None:
        self._read = read
        self._is_busy = False
        self._loop: Callable[[], asyncio.AbstractEventLoop | None] = lambda: None
        self._waiting: list[Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self, keys: Sequence[str]) -> Awaitable[Values]:
        """Return what brings what is stored under each of `keys`, in their order."""
        if not self._is_busy:
            return self._read_alone(keys)
        future: asyncio.Future[Values] = asyncio.Future(loop=self._loop())
        self._waiting.append((keys, future))
        return future

    async def _read_alone(self, keys: Sequence[str]) -> Values:
        if self._is_busy:
            return await self.read(keys)
        self._is_busy = True
        if self._loop() is None:
            self._loop = ref(asyncio.get_running_loop())
        try:
            return await self._read(keys)
        finally:
            self._is_busy = bool(self._waiting)
            if self._is_busy:
                self._begin(self._waiting[0][1].get_loop())

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the next ones read, who wait by now or come before that begins."""
        task = loop.create_task(self._read_together())
        self._tasks.add(task)
        task.add_done_callback(self._go_on)

    def _go_on(self, task: asyncio.Task[None]) -> None:
        """Begin anew if somebody cancelled the reading, perhaps before it began."""
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._begin(task.get_loop())

    def _next(self) -> tuple[list[str], list[Waiting]]:
        """Take from those who wait as many as fit into one read, with what they ask for."""
        batch, self._waiting = self._waiting, []
        if all(future.done() for _, future in batch):  # cancelled, if there is anybody
            return [], []
        names = [name for keys, _ in batch for name in keys]
        if len(names) > MOST_KEYS:
            count = place = 0
            while count < MOST_KEYS:
                count += len(batch[place][0])
                place += 1
            self._waiting = batch[place:]
            del names[count:], batch[place:]
        return names, batch

    async def _read_together(self) -> None:
        """Read for those who wait, as long as there are any.

        Those who wake up may ask for more, in the one step of the loop that they have after each read, so
        that after that, too, nobody goes alone.
        """
        while True:
            names, batch = self._next()
            if not batch:
                self._is_busy = False
                return
            try:
                parts = _parts(await self._read(names), batch)
            except BaseException as error:
                is_ours = isinstance(error, Exception)
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error if is_ours else ConnectionError("The read was given up."))
                if not is_ours:
                    raise
            else:
                for (_, future), part in zip(batch, parts, strict=True):
                    if not future.done():
                        future.set_result(part)
            await asyncio.sleep(0)


def _parts(values: Values, batch: Sequence[Waiting]) -> list[Values]:
    """Return for each who waits what is theirs. Raises TypeError if the server's answer was no list."""
    parts: list[Values] = []
    end = 0
    for keys, _ in batch:
        begin, end = end, end + len(keys)
        parts.append(values[begin:end])
    return parts
