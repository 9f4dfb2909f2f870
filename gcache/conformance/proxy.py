"""A proxy that stands between a client and a server and misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gcache.conformance.ports import HOST, free_port

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 65_536
_PATIENCE_SEC = 5.0
# No reply of any protocol version starts with 0xff, and a line's end spares clients that read whole lines.
_NOISE = b"\xff" + random.Random(0).randbytes(64) + b"\r\n"


@dataclass(frozen=True)
class _Mode:
    listening: bool = True
    silent: bool = False
    delay_sec: float = 0.0
    cut_after: int | None = None
    answer: bytes | None = None

    @property
    def forwards(self) -> bool:
        return not self.silent and self.answer is None


class FaultProxy:
    """A TCP proxy on a loopback port, in a thread of its own.

    A mode holds from the next bytes on, for open connections as for new ones, until another replaces it. Each
    call returns once the mode is in force. Bytes swallowed in one mode are not made up for in the next.
    """

    host = HOST
    port: int

    def __init__(self, target_port: int, target_host: str = HOST) -> None:
        self.port = free_port()
        self.accepted = 0
        self._target = (target_host, target_port)
        self._mode = _Mode()
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()
        self.pass_through()

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def pass_through(self) -> None:
        """Forward everything, as at the start."""
        self._switch(_Mode())

    def delay(self, sec: float) -> None:
        """Hold each chunk of a reply back for `sec` seconds."""
        self._switch(_Mode(delay_sec=sec))

    def black_hole(self) -> None:
        """Accept and read, answer nothing."""
        self._switch(_Mode(silent=True))

    def refuse(self) -> None:
        """Close the listener and every open connection, as if nothing ran here."""
        self._switch(_Mode(listening=False))

    def cut_after(self, count: int) -> None:
        """Let `count` more bytes of replies through on each connection, then close it."""
        self._switch(_Mode(cut_after=count))

    def garbage(self, answer: bytes = _NOISE) -> None:
        """Answer whatever arrives with `answer`; the server sees none of it."""
        self._switch(_Mode(answer=answer))

    def drop_connections(self) -> None:
        """Close every open connection; the mode stays."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(_PATIENCE_SEC)

    def close(self) -> None:
        """Close everything and end the thread; harmless when done twice."""
        if self._thread.is_alive():
            self.refuse()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE_SEC)

    def _run(self) -> None:
        with self._runner:
            self._loop.run_forever()

    def _switch(self, mode: _Mode) -> None:
        asyncio.run_coroutine_threadsafe(self._apply(mode), self._loop).result(_PATIENCE_SEC)

    async def _apply(self, mode: _Mode) -> None:
        self._mode = mode
        if mode.listening and self._listener is None:
            self._listener = await asyncio.start_server(self._accept, HOST, self.port)
        elif not mode.listening and self._listener is not None:
            self._listener.close()
            self._listener = None
            await self._drop()

    async def _drop(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None:
            writer.transport.abort()
            return
        self.accepted += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_close, client)
            stack.enter_context(contextlib.suppress(OSError))
            server: asyncio.StreamWriter | None = None
            while chunk := await reader.read(_CHUNK):
                if self._mode.answer is not None:
                    client.write(self._mode.answer)
                elif self._mode.forwards:
                    if server is None:
                        replies, server = await asyncio.open_connection(*self._target)
                        stack.push_async_callback(_close, server)
                        pump = self._loop.create_task(self._pump_replies(replies, client))
                        stack.push_async_callback(_cancel, pump)
                    server.write(chunk)
                    await server.drain()

    async def _pump_replies(self, replies: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        counted_for, left = None, 0
        with contextlib.suppress(OSError):
            while chunk := await replies.read(_CHUNK):
                mode = self._mode
                await asyncio.sleep(mode.delay_sec)
                if mode.cut_after is not None:
                    left = left if mode is counted_for else mode.cut_after
                    chunk, left, counted_for = chunk[:left], left - len(chunk), mode
                if mode.forwards:
                    client.write(chunk)
                    await client.drain()
                if mode.cut_after is not None and left <= 0:
                    break
        client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
