"""diskcache, held to bytes, to one connection, and to settings that are not read from its folder.

By itself diskcache unpickles what a row says is a pickle, reads and removes the files that rows name, and
takes settings from the database, so whoever can write to the folder can run code.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from diskcache import DEFAULT_SETTINGS, ENOVAL, UNKNOWN, Cache, Disk
from diskcache.core import DBNAME, METADATA, MODE_RAW

from gcache import GCacheError

_SETTINGS = DEFAULT_SETTINGS | {"eviction_policy": "least-recently-stored", "sqlite_mmap_size": 0}
_PRAGMAS = ("synchronous = NORMAL", "trusted_schema = OFF", "cell_size_check = ON")
_RETRY_SEC = 0.005
_PROTECT = "UPDATE Cache SET store_time = expire_time WHERE key = ? AND raw = 1"
_PAGE = 1000
_CLEAR = (
    "DELETE FROM Cache WHERE rowid IN (SELECT rowid FROM Cache WHERE raw = 1 AND key >= ? AND key < ? "
    f"AND expire_time > ? LIMIT {_PAGE})"
)


class ForeignRow(GCacheError):
    """A row in the folder is of a kind that this layer never writes: somebody else writes there."""


class BytesDisk(Disk):  # type: ignore[misc]  # diskcache has no types
    """Keeps keys and values as bytes within the database, and touches neither pickles nor other files."""

    def put(self, key: str) -> tuple[bytes, bool]:
        return key.encode(errors="surrogatepass"), True

    def get(self, key: object, raw: object) -> NoReturn:
        raise ForeignRow("This layer reads no keys from its folder.")

    def store(self, value: bytes, read: bool, key: object = UNKNOWN) -> tuple[int, int, None, bytes]:
        if type(value) is not bytes:
            raise TypeError(f"A layer on disk stores bytes, and was given {type(value).__name__}.")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> bytes:
        if mode != MODE_RAW or filename is not None or type(value) is not bytes:
            raise ForeignRow(
                "A row in this layer's folder is of a kind that the layer never writes, and was not read: "
                "find out who else can write there."
            )
        return value

    def remove(self, file_path: object) -> None:
        """Leave files alone: this layer makes none, so a row that names one is not to be trusted."""


class Folder(Cache):  # type: ignore[misc]  # diskcache has no types
    """`diskcache.Cache` for one thread at a time, which waits for other processes for `wait_sec`."""

    def __init__(self, path: str, size: int, wait_sec: float) -> None:
        self._wait_sec = wait_sec
        self._shared: sqlite3.Connection | None = None
        super().__init__(path, wait_sec, BytesDisk, **_SETTINGS | {"size_limit": size})

    @contextmanager
    def durably(self) -> Generator[None]:
        """Have what is changed in the block on the disk when it ends, so that no loss of power undoes it."""
        self._con.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._con.execute("PRAGMA synchronous = NORMAL")

    def hold(self, key: str, hold: bytes, life_sec: float) -> None:
        """Store what is not to be evicted before its end: as if it had been stored only then."""
        self.set(key, hold, expire=life_sec)
        self._con.execute(_PROTECT, (self._disk.put(key)[0],))

    def remove_page(self, prefix: str) -> int:
        """Remove up to a thousand keys that begin with `prefix`; return how many."""
        start, _ = self._disk.put(prefix)
        # No byte of UTF-8 is as high as the one that ends the range.
        return int(self._con.execute(_CLEAR, (start, start + b"\xff", time.time())).rowcount)

    def reset(self, key: str, value: Any = ENOVAL, update: bool = True) -> Any:
        """Set one of diskcache's own settings; the database may name others."""
        return super().reset(key, value, update) if key in _SETTINGS or key in METADATA else None

    def after_fork(self) -> None:
        """Leave the connection to the parent: SQLite forbids a child to use it, and to close it."""
        self._parents, self._shared, self._txn_id = self._shared, None, None

    def close(self) -> None:
        connection, self._shared = self._shared, None
        if connection is not None:
            connection.close()

    # diskcache has a connection for each thread, and nobody to close it when the thread ends.
    @property
    def _con(self) -> sqlite3.Connection:
        if self._shared is None:
            file = os.path.join(self._directory, DBNAME)
            self._shared = sqlite3.connect(
                file, timeout=self._wait_sec, isolation_level=None, check_same_thread=False
            )
            for pragma in _PRAGMAS:
                self._shared.execute(f"PRAGMA {pragma}")
        return self._shared

    # diskcache tries each statement for a minute.
    @property
    def _sql_retry(self) -> Callable[..., sqlite3.Cursor]:
        deadline = time.monotonic() + self._wait_sec

        def execute(*statement: Any) -> sqlite3.Cursor:
            while True:
                try:
                    return self._con.execute(*statement)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(_RETRY_SEC)

        return execute
