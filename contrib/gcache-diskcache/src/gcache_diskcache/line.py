"""One connection to the database, for one thread at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_AT_FORK_SEC = 5.0
_RETRY_SEC = 0.005

# The folder may be damaged or planted: SQLite is not to map it into memory, nor to trust its schema.
_PRAGMAS = (
    "auto_vacuum = FULL",
    "journal_mode = WAL",
    "mmap_size = 0",
    "cache_size = -8192",
    "trusted_schema = OFF",
    "cell_size_check = ON",
)


class Line:
    """A connection to the database that lies at a path now, even if another one lay there before."""

    def __init__(self, file: str, timeout_sec: float, journal_bytes: int) -> None:
        self.connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()
        self._file = file
        self._inode: tuple[int, int] | None = None
        self._timeout_sec = timeout_sec
        self._journal_bytes = journal_bytes
        _lines.add(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads from it. Raises TimeoutError if one of them has it for too long."""
        if not self.lock.acquire(timeout=self._timeout_sec):
            raise TimeoutError(f"Other threads have had {self._file} for {self._timeout_sec} s.")
        try:
            yield
        finally:
            self.lock.release()

    def is_current(self) -> bool:
        """Tell whether it is connected, and to the file that lies at the path."""
        return self.connection is not None and self._inode == _inode(self._file)

    def connect(self) -> sqlite3.Connection:
        """Connect anew, to a new file if there is none. Raises what sqlite3 raises."""
        self.disconnect()
        inode = _inode(self._file)
        connection = sqlite3.connect(
            self._file, timeout=self._timeout_sec, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in (
                *_PRAGMAS,
                f"journal_size_limit = {self._journal_bytes}",
                f"wal_autocheckpoint = {max(1, self._journal_bytes // 8192)}",
            ):
                self._set(connection, pragma)
        except BaseException:
            connection.close()
            raise
        self._inode = inode or _inode(self._file)
        self.connection = connection
        return connection

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def _set(self, connection: sqlite3.Connection, pragma: str) -> None:
        # SQLite does not wait by itself for those who turn on the journal at the same moment.
        deadline = time.monotonic() + self._timeout_sec
        while True:
            try:
                connection.execute(f"PRAGMA {pragma}").fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SEC)


def _inode(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


_lines: weakref.WeakSet[Line] = weakref.WeakSet()
_stopped: list[Line] = []


def _before_fork() -> None:
    """Close all connections, since SQLite's do not survive a fork; each opens again when it is needed."""
    for line in list(_lines):
        if line.lock.acquire(timeout=_PATIENCE_AT_FORK_SEC):
            _stopped.append(line)
            line.disconnect()


def _after_fork() -> None:
    while _stopped:
        _stopped.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
