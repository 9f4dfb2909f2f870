"""The layer."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gcache import EntryTooLarge, GCacheClosed, GCacheConfigError
from gcache.core import epochs
from gcache_diskcache._folder import Folder, ForeignRow

if TYPE_CHECKING:
    from gcache.core.protocols import Progress
    from gcache.urls import LayerURL

_SMALLEST = 2**20

# Nobody is within SQLite while this process forks: what its threads had locked would stay locked in a child.
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class DiskLayer:
    """Keeps bytes in the folder `path`, for the processes of one host: `DiskLayer("/var/cache/shop")`.

    The database in it grows to `size` bytes; what was stored longest ago makes room, and what has expired
    goes first. An entry may have a sixteenth of that. Others are waited for up to `timeout_sec`: the threads
    of this process, then the other processes.

    Raises GCacheConfigError for a folder that cannot be used. Operations raise TimeoutError, what diskcache
    and sqlite3 raise, or ForeignRow.
    """

    def __init__(self, path: str, name: str = "disk", size: int = 2**30, timeout_sec: float = 0.5) -> None:
        if size < _SMALLEST or not timeout_sec > 0:
            raise GCacheConfigError(
                f"size is {size!r} and timeout_sec {timeout_sec!r}: give at least {_SMALLEST} bytes, and "
                "more than 0 seconds."
            )
        self.name = name
        self.path = os.path.abspath(path)
        self.size = size
        self.timeout_sec = timeout_sec
        self._is_closed = False
        self._process = os.getpid()
        try:
            os.makedirs(self.path, 0o700, exist_ok=True)
            self._folder = Folder(self.path, size - size // 8, timeout_sec)
        except (OSError, sqlite3.Error) as error:
            raise GCacheConfigError(
                f"The folder {self.path!r} cannot be used ({error}): name one that this user may write to."
            ) from error

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        with self._held() as folder:
            return [folder.get(key) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        self._check_sizes(items)
        with self._held() as folder, folder.transact():
            for key, value in items.items():
                folder.set(key, value, expire=ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        self._check_sizes({key: value})
        with self._held() as folder:
            return bool(folder.add(key, value, expire=ttl))

    def delete(self, keys: Sequence[str]) -> int:
        with self._held() as folder, folder.durably(), folder.transact():
            return sum(folder.delete(key) for key in keys)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        removed = count = -1
        while count:
            with self._held() as folder, folder.durably():
                count = folder.remove_page(prefix)
            removed = max(removed, 0) + count
            if progress is not None:
                progress(removed)
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        with self._held() as folder, folder.durably(), folder.transact():
            stored = None
            with suppress(ForeignRow):
                stored = folder.get(key)
            hold, life_sec = epochs.retired(stored, holder, ttl, time.time())
            if hold is None:
                folder.delete(key)
            else:
                folder.hold(key, hold, life_sec)

    def close(self) -> None:
        with self._held() as folder:
            self._is_closed = True
            folder.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return DiskLayer, (self.path, self.name, self.size, self.timeout_sec)

    @contextmanager
    def _held(self) -> Generator[Folder]:
        """Have the folder to oneself, in this process."""
        if not _lock.acquire(timeout=self.timeout_sec):
            raise TimeoutError(f"Other threads have had their layers on disk for {self.timeout_sec} s.")
        try:
            if self._process != os.getpid():
                self._process = os.getpid()
                self._folder.after_fork()
            if self._is_closed:
                raise GCacheClosed(f"The layer {self.name!r} was closed: make another.")
            yield self._folder
        finally:
            _lock.release()

    def _check_sizes(self, items: Mapping[str, bytes]) -> None:
        for key, value in items.items():
            if len(value) > self.size // 16:
                raise EntryTooLarge(
                    f"{key!r:.100} has {len(value)} bytes, and the layer {self.name!r} takes a sixteenth of "
                    f"its size of {self.size}: give it a larger size."
                )


def from_url(url: LayerURL) -> DiskLayer:
    """Return the layer of `disk:///var/cache/shop?size=1GB&timeout_sec=0.5&name=disk`."""
    from gcache.urls import seconds, size

    url.only("path")
    url.need("path", "disk:///var/cache/shop")
    return DiskLayer(url.path, **url.options(name=str, size=size, timeout_sec=seconds))
