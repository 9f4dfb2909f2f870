"""Lanes to a single server: short cuts for what is read and written.

More than half of what a `get` of redis-py costs is the way to the connection. So reads and writes use
connections of redis-py directly, kept here; everything else goes through the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis.exceptions

from gcache.backends._redis_batches import Batches
from gcache.backends._redis_lanes import AsyncLane, Lane
from gcache.backends._redis_packing import Packing, Writes, arrived, packing, write_packing


class DirectLane(Lane):
    """A lane for threads."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, pools=2)
        pool = client.connection_pool
        self._connect: Callable[[], Any] = lambda: pool.connection_class(**pool.connection_kwargs)
        self._packed, self._packed_writes = packing(client), write_packing(client)
        self._idle: list[Any] = []

    def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return self._replies(self._packed, keys, 1)[0]  # type: ignore[no-any-return]

    def write(self, writes: Writes) -> Sequence[Any]:
        return self._replies(self._packed_writes, writes, len(writes.items), writes.can_repeat)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()
        super().close()

    def _replies(self, packed: Packing, what: Any, count: int, can_repeat: bool = True) -> list[Any]:
        with self:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._ask(self._connect(), packed, what, count)
            try:
                return self._ask(connection, packed, what, count)
            except redis.exceptions.ConnectionError:  # the server has closed it while it lay here
                if not can_repeat:
                    raise
                return self._ask(self._connect(), packed, what, count)

    def _ask(self, connection: Any, packed: Packing, what: Any, count: int) -> list[Any]:
        try:
            connection.send_packed_command(packed(connection, what))
            replies = [connection.read_response()] if count == 1 else _read_all(connection, count)
        except redis.exceptions.ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return replies


class AsyncDirectLane(AsyncLane):
    """A lane for the tasks of one event loop."""

    def __init__(self, client: Any, is_ours: bool) -> None:
        super().__init__(client, is_ours, pools=2)
        pool = client.connection_pool
        self._connect: Callable[[], Any] = lambda: pool.connection_class(**pool.connection_kwargs)
        self._packed, self._packed_writes = packing(client), write_packing(client)
        self._idle: list[Any] = []
        self.read = Batches(self._read).read  # type: ignore[method-assign]

    async def write(self, writes: Writes) -> Sequence[Any]:
        return await self._replies(self._packed_writes, writes, len(writes.items), writes.can_repeat)

    async def _read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return (await self._replies(self._packed, keys, 1))[0]  # type: ignore[no-any-return]

    async def _replies(self, packed: Packing, what: Any, count: int, can_repeat: bool = True) -> list[Any]:
        async with self:
            try:
                connection = self._idle.pop()
            except IndexError:
                return await self._ask(self._connect(), packed, what, count)
            try:
                return await self._ask(connection, packed, what, count)
            except redis.exceptions.ConnectionError:  # the server has closed it while it lay here
                if not can_repeat:
                    raise
                return await self._ask(self._connect(), packed, what, count)

    async def _close(self) -> None:
        while self._idle:
            await self._idle.pop().disconnect()
        await super()._close()

    async def _ask(self, connection: Any, packed: Packing, what: Any, count: int) -> list[Any]:
        try:
            command = packed(connection, what)
            if packed is not self._packed or not _sent(connection, command):
                await connection.send_packed_command(command)
            replies = (
                [await connection.read_response()] if count == 1 else await _aread_all(connection, count)
            )
        except redis.exceptions.ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)
        return replies


def _sent(connection: Any, command: Iterable[bytes]) -> bool:
    """Send a read, which is small, and tell whether that could be done at once.

    redis-py makes a task for it, so that it takes no longer than it may; but so does the answer. A connection
    that is to be opened, or looked after before it is used, is left to it.
    """
    writer: Any = getattr(connection, "_writer", None)
    if writer is None or writer.is_closing() or connection.health_check_interval:
        return False
    writer.writelines(command)
    return True


def _read_all(connection: Any, count: int) -> list[Any]:
    """Return so many replies, all of them read. Raises the first error."""
    replies: list[Any] = []
    while len(replies) < count:
        try:
            replies.append(connection.read_response())
        except redis.exceptions.ResponseError as error:
            replies.append(error)
        replies += arrived(connection, count - len(replies))[0]
    return _without_errors(replies)


async def _aread_all(connection: Any, count: int) -> list[Any]:
    """Return so many replies, all of them read. Raises the first error."""
    replies: list[Any] = []
    while len(replies) < count:
        try:
            replies.append(await connection.read_response())
        except redis.exceptions.ResponseError as error:
            replies.append(error)
        more, telling = arrived(connection, count - len(replies))
        replies += more
        if telling is not None:
            await telling
    return _without_errors(replies)


def _without_errors(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
