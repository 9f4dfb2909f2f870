"""diskcache over one connection, with settings that are not read from its folder, and a size that holds."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from diskcache import DEFAULT_SETTINGS, ENOVAL, Cache
from diskcache.core import DBNAME

from gcache_diskcache._rows import BytesDisk

ROW_BYTES = 256
"""What an entry takes beside its value and its key, which is there twice: a guess."""

# Room is made here, so diskcache is to cull nothing. Its policy brings the index on `store_time`.
_SETTINGS = DEFAULT_SETTINGS | {"cull_limit": 0, "eviction_policy": "least-recently-stored"}
# The folder may be damaged or planted: SQLite is not to map it into memory, nor to trust its schema.
_PRAGMAS = (
    "auto_vacuum=FULL journal_mode=WAL mmap_size=0 cache_size=-8192 trusted_schema=OFF cell_size_check=ON"
)
_RETRY_SEC = 0.001
_STEP_BYTES = 2**20
_COLUMNS = f"rowid, 2 * length(key) + ifnull(length(value), 0) + {ROW_BYTES}"
_EXPIRED = f"SELECT {_COLUMNS} FROM Cache WHERE expire_time < ? ORDER BY expire_time LIMIT 200"
_OLDEST = f"SELECT {_COLUMNS} FROM Cache WHERE tag IS NULL ORDER BY store_time LIMIT 200"
_BETWEEN = (
    f"SELECT {_COLUMNS}, key, expire_time IS NULL OR expire_time > ? FROM Cache"
    " WHERE raw = 1 AND key >= ? AND key < ? ORDER BY key LIMIT 200"
)


class Folder(Cache):  # type: ignore[misc]  # diskcache has no types
    """`diskcache.Cache`, whose operations work within `transaction` alone. Nothing is opened before that.

    What is stored with a tag is never evicted.
    """

    _con: Any = None  # where diskcache's operations look for the connection

    def __init__(self, path: str, size: int, wait_sec: float) -> None:
        self.largest = size // 16
        self._journal = min(2**24, size // 8)
        self._limit = size - self._journal - self.largest  # by one put the journal outgrows its bounds
        self._path, self._file = path, os.path.join(path, DBNAME)
        self._wait_sec = wait_sec
        self._inode: tuple[int, int] | None = None

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE", synchronous: str = "NORMAL") -> Generator[None]:
        """Have the folder as it is at one moment and, with IMMEDIATE, change all or nothing.

        What is changed with `synchronous` FULL is on the disk at the end, so that no loss of power undoes
        it. Raises TimeoutError if others are in the way for `wait_sec`, or what sqlite3 raises.
        """
        deadline = time.monotonic() + self._wait_sec
        while not self._began(kind, synchronous, deadline):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"Others have had {self._file} for {self._wait_sec} s.")
            time.sleep(_RETRY_SEC)
        try:
            yield
            self._sql("COMMIT")
        finally:
            try:
                if self._con.in_transaction:
                    self._con.rollback()
            finally:
                _lock.release()

    def make_room(self, needed: int) -> None:
        """Cull what has expired, then evict what was stored longest ago, until `needed` bytes more fit.

        It removes little more than `needed` at a time, so that nobody waits for a big folder to shrink.
        """
        left = needed + _STEP_BYTES
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
        page = _first(self._sql(_BETWEEN, (time.time(), start, end)).fetchall(), _STEP_BYTES)
        self._delete(page)
        return sum(is_alive for *_, is_alive in page), page[-1][2] + b"\0" if page else None

    def end(self) -> None:
        """Close the connection once nobody is at it."""
        with _lock:
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection, which opens again when it is needed. Called with the lock."""
        connection, self._con = self._con, None
        if connection is not None:
            connection.close()

    def _began(self, kind: str, synchronous: str, deadline: float) -> bool:
        """Take the lock, and begin a transaction; tell whether nobody was in the way."""
        if not _lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            self._connect()
            self._sql(f"PRAGMA synchronous = {synchronous}")
            self._sql(f"BEGIN {kind}")
        except BaseException as error:
            _lock.release()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise
        return True

    def _connect(self) -> None:
        """Connect to the database that lies in the folder now, be it another than before or none yet."""
        inode = self._inode_now()
        if self._con is not None and inode == self._inode:
            return
        self.disconnect()
        os.makedirs(self._path, 0o700, exist_ok=True)
        # SQLite would wait in ever longer steps, and starve beside those who write much.
        self._con = sqlite3.connect(self._file, timeout=0, isolation_level=None, check_same_thread=False)
        _folders.add(self)
        try:
            journal = f"journal_size_limit={self._journal} wal_autocheckpoint={self._journal // 8192}"
            for pragma in f"{_PRAGMAS} {journal}".split():
                self._sql(f"PRAGMA {pragma}")
            self._sql("BEGIN IMMEDIATE")
            super().__init__(self._path, 0, BytesDisk, **_SETTINGS)
            self._sql("COMMIT")
            self._inode = inode or self._inode_now()
        except BaseException:
            self.disconnect()
            raise

    def _inode_now(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _used(self) -> int:
        names = "page_count", "freelist_count", "page_size"
        pages, free, page_bytes = (self._sql(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((pages - free) * page_bytes)

    def _delete(self, rows: list[Any]) -> None:
        if rows:
            self._sql(f"DELETE FROM Cache WHERE rowid IN ({','.join(str(row[0]) for row in rows)})")

    @contextmanager
    def _transact(self, retry: bool = False, filename: str | None = None) -> Generator[Any]:
        yield self._sql, self._disk.remove  # diskcache's operations are within `transaction` already

    def reset(self, key: str, value: Any = ENOVAL, update: bool = True) -> Any:
        """Take a setting from here, whatever the folder says."""
        if key in _SETTINGS:
            setattr(self, key, _SETTINGS[key])


def _first(rows: list[Any], up_to_bytes: int) -> list[Any]:
    """Return the beginning of `rows`, whose second column is a length, that makes up `up_to_bytes`."""
    before = accumulate((row[1] for row in rows), initial=0)
    return [row for row, total in zip(rows, before, strict=False) if total < up_to_bytes]


# One lock for all folders: while this process forks nobody is to be within SQLite.
_lock = threading.Lock()
_folders: weakref.WeakSet[Folder] = weakref.WeakSet()


def _before_fork() -> None:
    """Close all connections: neither they survive a fork, nor what SQLite knows of locks on their files."""
    _lock.acquire()
    for folder in list(_folders):
        folder.disconnect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)
