"""The layer."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gcache import EntryTooLarge, GCacheClosed, GCacheConfigError
from gcache.core import epochs
from gcache_diskcache._folder import ROW_BYTES, Folder
from gcache_diskcache._rows import ForeignRow

if TYPE_CHECKING:
    from gcache.core.protocols import Progress
    from gcache.urls import LayerURL

_SMALLEST = 2**21
_PAUSE_SEC = 0.001


class DiskLayer:
    """Keeps bytes in the folder `path`, for the processes of one host: `DiskLayer("/var/cache/shop")`.

    The folder grows to `size` bytes; what was stored longest ago makes room, and what has expired goes
    first. An entry may have a sixteenth of that. Other threads and processes are waited for up to
    `timeout_sec`.

    Raises GCacheConfigError for a folder that cannot be used. Operations raise TimeoutError, what sqlite3
    raises, or ForeignRow.
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
        self._folder: Folder | None = Folder(self.path, size, timeout_sec)
        try:
            with self._folder.transaction():
                pass
        except (OSError, sqlite3.Error) as error:
            raise GCacheConfigError(
                f"The folder {self.path!r} cannot be used ({error}): name one that this user may write to."
            ) from error

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        folder = self._opened()
        with folder.transaction("DEFERRED"):
            return [folder.get(key) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        folder = self._opened()
        needed = self._needed(items, folder.largest)
        with folder.transaction():
            folder.make_room(needed)
            for key, value in items.items():
                folder.set(key, value, expire=ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        folder = self._opened()
        needed = self._needed({key: value}, folder.largest)
        with folder.transaction():
            folder.make_room(needed)
            return bool(folder.add(key, value, expire=ttl))

    def delete(self, keys: Sequence[str]) -> int:
        folder = self._opened()
        with folder.transaction(synchronous="FULL"):
            return sum(folder.delete(key) for key in keys)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        folder, removed = self._opened(), 0
        first = prefix.encode(errors="surrogatepass")
        start: bytes | None = first
        while start is not None:
            with folder.transaction(synchronous="FULL"):
                count, start = folder.remove_page(start, first + b"\xff")  # no byte of UTF-8 is as high
            removed += count
            if progress is not None:
                progress(removed)
            time.sleep(_PAUSE_SEC)  # lets others in, who would starve
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        folder, stored = self._opened(), None
        with folder.transaction(synchronous="FULL"):
            with suppress(ForeignRow):
                stored = folder.get(key)
            hold, life_sec = epochs.retired(stored, holder, ttl, time.time())
            if hold is None:
                folder.delete(key)
            else:
                folder.set(key, hold, expire=life_sec, tag="hold")

    def close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.end()

    def __reduce__(self) -> tuple[Any, ...]:
        return DiskLayer, (self.path, self.name, self.size, self.timeout_sec)

    def _opened(self) -> Folder:
        if self._folder is None:
            raise GCacheClosed(f"The layer {self.name!r} was closed: make another.")
        return self._folder

    def _needed(self, items: Mapping[str, bytes], largest: int) -> int:
        for key, value in items.items():
            if len(value) > largest:
                raise EntryTooLarge(
                    f"{key!r:.100} has {len(value)} bytes, and the layer {self.name!r} takes a sixteenth of "
                    f"its size of {self.size}: give it a larger size."
                )
        return sum(2 * len(key) + len(value) + ROW_BYTES for key, value in items.items())


def from_url(url: LayerURL) -> DiskLayer:
    """Return the layer of `disk:///var/cache/shop?size=1GB&timeout_sec=0.5&name=disk`."""
    from gcache.urls import seconds, size

    url.only("path")
    url.need("path", "disk:///var/cache/shop")
    return DiskLayer(url.path, **url.options(name=str, size=size, timeout_sec=seconds))
