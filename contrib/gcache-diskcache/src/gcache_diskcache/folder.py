"""diskcache's cache, held to two connections, to its own settings, and to a size."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any, TypeAlias, cast

from diskcache import DEFAULT_SETTINGS, ENOVAL, Cache
from diskcache.core import DBNAME

from gcache_diskcache.bytes_disk import BytesDisk
from gcache_diskcache.line import Line

Row: TypeAlias = tuple[Any, ...]

HOLD = "hold"
"""The tag of what is never evicted."""

ROW_BYTES = 256
"""What an entry takes beside its value and its key, which is there twice: a guess."""

# Room is made here, so diskcache is to cull nothing. Its policy is there for the index on `store_time`.
_SETTINGS = DEFAULT_SETTINGS | {"cull_limit": 0, "eviction_policy": "least-recently-stored"}

_PAGE = 200
_PAGE_BYTES = 2**20
_LENGTH = f"2 * length(key) + ifnull(length(value), 0) + {ROW_BYTES}"
_EXPIRED = f"SELECT rowid, {_LENGTH} FROM Cache WHERE expire_time < ? ORDER BY expire_time LIMIT {_PAGE}"
_OLDEST = f"SELECT rowid, {_LENGTH} FROM Cache WHERE tag IS NOT '{HOLD}' ORDER BY store_time LIMIT {_PAGE}"
_BETWEEN = (
    f"SELECT rowid, {_LENGTH}, key, expire_time IS NULL OR expire_time > ? FROM Cache"
    f" WHERE key >= ? AND key < ? AND raw = 1 ORDER BY key LIMIT {_PAGE}"
)


class Folder(Cache):  # type: ignore[misc]  # diskcache has no types
    """`diskcache.Cache` over one connection that reads and one that writes.

    Its operations work within `reading` and `writing` alone. Nothing is opened before that.
    """

    def __init__(self, path: str, size: int, timeout_sec: float) -> None:
        journal = min(2**24, size // 8)
        file = os.path.join(path, DBNAME)
        self.largest = size // 16
        self._path = path
        self._limit = size - journal - self.largest  # the journal outgrows its bounds by one put
        self._reader = Line(file, timeout_sec, journal)
        self._writer = Line(file, timeout_sec, journal)
        self._writing: int | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Have the folder as it is now. Raises TimeoutError, or what sqlite3 raises."""
        with self._reader.held():
            if not self._reader.is_current():
                with self.writing():
                    pass  # makes what is missing
                self._reader.connect()
            with self._transaction("DEFERRED"):
                yield

    @contextmanager
    def writing(self, durable: bool = False) -> Iterator[None]:
        """Have the folder to oneself, and change all or nothing. Raises as `reading` does.

        What is `durable` has reached the disk when it is done: no loss of power undoes it.
        """
        with self._writer.held():
            self._writing = get_ident()
            try:
                if not self._writer.is_current():
                    self._prepare()
                self._sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                with self._transaction("IMMEDIATE"):
                    yield
            finally:
                self._writing = None

    def find(self, key: str) -> bytes | None:
        """Return what lives under `key`."""
        return cast("bytes | None", self.get(key))

    def make_room(self, needed: int) -> None:
        """Cull what has expired, then evict what was stored longest ago, until `needed` bytes more fit.

        It removes little more than `needed` at a time, so that nobody waits for a big folder to shrink.
        """
        left = needed + _PAGE_BYTES
        self._delete(_first(self._sql(_EXPIRED, (time.time(),)).fetchall(), left))
        while left > 0 and (short := self._used() + needed - self._limit) > 0:
            oldest = _first(self._sql(_OLDEST).fetchall(), min(short, left))
            if not oldest:
                return
            self._delete(oldest)
            left -= sum(length for _, length in oldest)

    def remove_page(self, start: bytes, end: bytes) -> tuple[int, bytes | None]:
        """Remove a page of the keys from `start` on and before `end`.

        Returns how many of them lived, and where the next page begins: None after the last.
        """
        page = _first(self._sql(_BETWEEN, (time.time(), start, end)).fetchall(), _PAGE_BYTES)
        self._delete(page)
        return sum(is_alive for *_, is_alive in page), page[-1][2] + b"\0" if page else None

    def disconnect(self) -> None:
        """Close the connections. They open again when they are needed."""
        for line in (self._reader, self._writer):
            with line.held():
                line.disconnect()

    def _prepare(self) -> None:
        """Connect to a database with diskcache's tables, made if they are missing."""
        os.makedirs(self._path, 0o700, exist_ok=True)
        self._writer.connect()
        try:
            with self._transaction("IMMEDIATE"):
                super().__init__(self._path, 0, BytesDisk, **_SETTINGS)
        except BaseException:
            self._writer.disconnect()
            raise

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        connection = self._con
        connection.execute(f"BEGIN {kind}")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.rollback()

    def _delete(self, rows: list[Row]) -> None:
        if rows:
            numbers = ",".join(str(row[0]) for row in rows)
            self._sql(f"DELETE FROM Cache WHERE rowid IN ({numbers})")

    def _used(self) -> int:
        [[pages]] = self._sql("PRAGMA page_count")
        [[free]] = self._sql("PRAGMA freelist_count")
        [[page_bytes]] = self._sql("PRAGMA page_size")
        return int((pages - free) * page_bytes)

    # What diskcache does in its own way, and calls from its operations, is replaced below.

    @property
    def _con(self) -> sqlite3.Connection:
        line = self._writer if self._writing == get_ident() else self._reader
        if line.connection is None:
            raise RuntimeError("A folder is used within reading() and writing() alone.")
        return line.connection

    @property
    def _sql_retry(self) -> Callable[..., sqlite3.Cursor]:
        return self._con.execute

    @contextmanager
    def _transact(self, retry: bool = False, filename: str | None = None) -> Iterator[Any]:
        yield self._con.execute, self._disk.remove

    def reset(self, key: str, value: Any = ENOVAL, update: bool = True) -> Any:
        """Take a setting from here, whatever the folder says."""
        if key in _SETTINGS:
            setattr(self, key, _SETTINGS[key])

    def close(self) -> None:
        """Do nothing. It is called at the end of the preparations, and the connections are to stay."""


def _first(rows: list[Row], up_to_bytes: int) -> list[Row]:
    """Return the beginning of `rows`, whose second column is a length, that makes up `up_to_bytes`."""
    total = 0
    for number, (_, length, *_) in enumerate(rows):
        if total >= up_to_bytes:
            return rows[:number]
        total += length
    return rows
