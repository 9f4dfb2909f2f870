"""A correct layer of bytes for the suite to pass, made to be broken in one place at a time.

A server keeps the entries, in a thread of the test's process, and answers lines of JSON with lines of JSON.
Its clients are the layers: `LineLayer` blocks, `AwaitedLayer` is awaited, `TwoSidedLayer` is both.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gcache.conformance import Clock, RealClock
from gcache.core import epochs
from gcache.errors import EntryTooLarge

MAX_KEY_BYTES = 6000
MAX_VALUE_BYTES = 20_000


class Store:
    """Values (as text, a letter for each byte) and the ends of their lives, oldest first, within bounds."""

    max_entries = 400
    max_bytes = 500_000

    def __init__(self) -> None:
        self.clock: Clock = RealClock()
        self.entries: dict[str, tuple[str, float]] = {}
        self._bytes = 0

    def get(self, keys: Sequence[str]) -> list[str | None]:
        return [self._find(key) for key in keys]

    def put(self, items: Mapping[str, str], ttl: float) -> None:
        for key, value in items.items():
            self._remove(key)
            self.entries[key] = value, self.clock.monotonic() + ttl
            self._bytes += len(value)
        self._make_room()

    def add(self, key: str, value: str, ttl: float) -> bool:
        is_free = self._find(key) is None
        if is_free:
            self.put({key: value}, ttl)
        return is_free

    def add_many(self, items: Mapping[str, str], ttl: float) -> list[bool]:
        return [self.add(key, value, ttl) for key, value in items.items()]

    def delete(self, keys: Sequence[str]) -> int:
        there = sum(self._find(key) is not None for key in set(keys))
        for key in keys:
            self._remove(key)
        return there

    def clear(self, prefix: str) -> int:
        return self.delete([key for key in self.entries if key.startswith(prefix)])

    def retire(self, key: str, holder: str, ttl: float) -> None:
        stored = self._find(key)
        left, life = epochs.retired(stored and stored.encode("latin-1"), holder, ttl, self.clock.time())
        if left is None:
            self._remove(key)
        else:
            self.put({key: left.decode("latin-1")}, life)

    def time(self) -> float:
        return self.clock.time()

    def _find(self, key: str) -> str | None:
        value, end = self.entries.get(key, (None, 0.0))
        return value if end > self.clock.monotonic() else None

    def _remove(self, key: str) -> None:
        value, _ = self.entries.pop(key, ("", 0.0))
        self._bytes -= len(value)

    def _make_room(self) -> None:
        while len(self.entries) > self.max_entries or self._bytes > self.max_bytes:
            self._remove(next(key for key, (value, _) in self.entries.items() if self.may_go(value)))

    def may_go(self, value: str) -> bool:
        return not epochs.decoded(value.encode("latin-1"))


class LineServer(socketserver.ThreadingTCPServer):
    """Does for each line what it says, `["get", [["a", "b"]]]`, and answers with what that gave."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self, store: Store) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store
        self.lock = threading.Lock()
        self.host, self.port = self.socket.getsockname()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(socketserver.StreamRequestHandler):
    server: LineServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            for line in self.rfile:
                verb, args = json.loads(line)
                with self.server.lock:
                    gave = getattr(self.server.store, verb)(*args)
                self.wfile.write(json.dumps([gave]).encode() + b"\n")
        except OSError:
            return


class Connection:
    """One line to the server."""

    def __init__(self, host: str, port: int, timeout_sec: float | None) -> None:
        self.socket = socket.create_connection((host, port), timeout_sec)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read_on()

    def read_on(self) -> None:
        """Begin to read anew, with what comes next."""
        self._answers = self.socket.makefile("rb")

    def ask(self, verb: str, args: Sequence[Any]) -> Any:
        self.socket.sendall(json.dumps([verb, args]).encode() + b"\n")
        return self.understood(self._answers.readline())

    def understood(self, line: bytes) -> Any:
        [gave] = json.loads(line)
        return gave

    def close(self) -> None:
        self._answers.close()
        self.socket.close()


class LineLayer:
    """A layer over a LineServer. Connections wait, by process, for their next use."""

    name = "reference"
    connection: Callable[[str, int, float | None], Connection] = Connection

    def __init__(self, host: str, port: int, timeout_sec: float | None = 20.0) -> None:
        self._at = host, port, timeout_sec
        self._idle: dict[int, list[Connection]] = {}
        self._is_closed = False

    def __reduce__(self) -> Any:
        return type(self), self._at

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [None if value is None else value.encode("latin-1") for value in self.ask("get", list(keys))]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        self.ask("put", {_checked(key): _text(value) for key, value in items.items()}, ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        told: bool = self.ask("add", _checked(key), _text(value), ttl)
        return told

    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        told: list[bool] = self.ask(
            "add_many", {_checked(key): _text(value) for key, value in items.items()}, ttl
        )
        return told

    def delete(self, keys: Sequence[str]) -> int:
        removed: int = self.ask("delete", list(keys))
        return removed

    def clear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        removed: int = self.ask("clear", prefix)
        if progress is not None:
            progress(removed)
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        self.ask("retire", key, holder, ttl)

    def close(self) -> None:
        self._is_closed = True
        for connection in self.idle():
            connection.close()

    def ask(self, verb: str, *args: Any) -> Any:
        if self._is_closed:
            raise RuntimeError("this layer was closed")
        connection = self.take()
        try:
            answer = connection.ask(verb, args)
        except BaseException:
            connection.close()
            raise
        self.idle().append(connection)
        return answer

    def take(self) -> Connection:
        try:
            return self.idle().pop()
        except IndexError:
            return self.connection(*self._at)

    def idle(self) -> list[Connection]:
        return self._idle.setdefault(os.getpid(), [])


class AwaitedLayer:
    """The same for those who await: what blocks runs in threads of the loop."""

    name = "reference"
    blocking: type[LineLayer] = LineLayer

    def __init__(self, *at: Any) -> None:
        self._layer = self.blocking(*at)

    def __reduce__(self) -> Any:
        return type(self), self._layer.__reduce__()[1]

    async def run(self, verb: str, *args: Any) -> Any:
        return await asyncio.to_thread(getattr(self._layer, verb), *args)

    async def aget(self, keys: Sequence[str]) -> Any:
        return await self.run("get", keys)

    async def aput(self, items: Mapping[str, bytes], ttl: float) -> None:
        await self.run("put", items, ttl)

    async def aadd(self, key: str, value: bytes, ttl: float) -> Any:
        return await self.run("add", key, value, ttl)

    async def aadd_many(self, items: Mapping[str, bytes], ttl: float) -> Any:
        return await self.run("add_many", items, ttl)

    async def adelete(self, keys: Sequence[str]) -> Any:
        return await self.run("delete", keys)

    async def aclear(self, prefix: str, progress: Callable[[int], None] | None = None) -> Any:
        return await self.run("clear", prefix, progress)

    async def aretire(self, key: str, holder: str, ttl: float) -> None:
        await self.run("retire", key, holder, ttl)

    async def aclose(self) -> None:
        await self.run("close")


class TwoSidedLayer(LineLayer, AwaitedLayer):
    """Both sides of one layer."""

    def __init__(self, *at: Any) -> None:
        LineLayer.__init__(self, *at)
        self._layer = self

    def __reduce__(self) -> Any:
        return type(self), self._at


def _checked(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"a key has more than {MAX_KEY_BYTES} bytes")
    return key


def _text(value: bytes) -> str:
    if len(value) > MAX_VALUE_BYTES:
        raise EntryTooLarge(f"a value has more than {MAX_VALUE_BYTES} bytes")
    return value.decode("latin-1")
