"""The layer itself."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from gcache import EntryTooLarge, GCacheClosed, GCacheConfigError
from gcache.core.epochs import retired
from gcache_diskcache.bytes_disk import ForeignRow, encoded
from gcache_diskcache.folder import HOLD, ROW_BYTES, Folder

if TYPE_CHECKING:
    from gcache.core.protocols import Progress
    from gcache.urls import LayerURL

_SMALLEST = 2**21
_PAUSE_SEC = 0.001


class DiskLayer:
    """Keeps bytes in a folder, for the processes of one host: `DiskLayer("/var/cache/shop")`.

    The folder takes up to `size` bytes, and is made if it is missing; what was stored longest ago makes
    room. Other threads and processes are waited for up to `timeout_sec`. Operations raise TimeoutError,
    what sqlite3 raises, or ForeignRow, and GCacheClosed after `close`. Raises GCacheConfigError for a
    folder that cannot be written; the database in it is opened when it is first needed.
    """

    def __init__(self, path: str, name: str = "disk", size: int = 2**30, timeout_sec: float = 0.5) -> None:
        if size < _SMALLEST or not timeout_sec > 0:
            raise GCacheConfigError(
                f"size={size} and timeout_sec={timeout_sec}: give {_SMALLEST} bytes or more, seconds above 0."
            )
        self.name = name
        self._made_of = (_writable(path), name, size, timeout_sec)
        self._folder: Folder | None = Folder(self._made_of[0], size, timeout_sec)

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        folder = self._opened()
        with folder.transaction("DEFERRED"):
            return [cast("bytes | None", folder.get(key)) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        folder = self._opened()
        needed = sum(self._needed(folder, key, value) for key, value in items.items())
        with folder.transaction():
            folder.make_room(needed)
            for key, value in items.items():
                folder.set(key, value, expire=ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        folder = self._opened()
        needed = self._needed(folder, key, value)
        with folder.transaction():
            folder.make_room(needed)
            return bool(folder.add(key, value, expire=ttl))

    def delete(self, keys: Sequence[str]) -> int:
        folder = self._opened()
        with folder.transaction(synchronous="FULL"):
            return sum(folder.delete(key) for key in keys)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        folder, removed = self._opened(), 0
        beginning = encoded(prefix)
        start: bytes | None = beginning
        while start is not None:
            with folder.transaction(synchronous="FULL"):
                count, start = folder.remove_page(start, beginning + b"\xff")  # no character begins so high
            removed += count
            if progress is not None:
                progress(removed)
            time.sleep(_PAUSE_SEC)  # lets others in, who would starve
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        folder, stored = self._opened(), None
        with folder.transaction(synchronous="FULL"):
            with suppress(ForeignRow):
                stored = cast("bytes | None", folder.get(key))
            held, life_sec = retired(stored, holder, ttl, time.time())
            if held is None:
                folder.delete(key)
            else:
                folder.set(key, held, expire=life_sec, tag=HOLD)

    def close(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            with folder.lock:
                folder.disconnect()

    def __reduce__(self) -> tuple[Any, ...]:
        return DiskLayer, self._made_of

    def _opened(self) -> Folder:
        if self._folder is None:
            raise GCacheClosed(f"The layer {self.name!r} was closed: make another.")
        return self._folder

    def _needed(self, folder: Folder, key: str, value: bytes) -> int:
        needed = 2 * len(encoded(key)) + len(value) + ROW_BYTES
        if needed > folder.largest:
            raise EntryTooLarge(
                f"An entry of {len(value)} bytes is more than a sixteenth of the layer {self.name!r}: "
                "give the layer a larger size."
            )
        return needed


def from_url(url: LayerURL) -> DiskLayer:
    """Make the layer of `disk:///var/cache/shop?size=1GB&name=disk&timeout_sec=0.5`."""
    from gcache.urls import size

    url.only("path")
    return DiskLayer(url.path, **url.options(name=str, size=size, timeout_sec=float))


def _writable(path: str) -> str:
    """Return where `path` lies, as diskcache reads it, once that is a folder that can be written."""
    place = os.path.abspath(os.path.expandvars(os.path.expanduser(path)))
    try:
        os.makedirs(place, 0o700, exist_ok=True)
    except OSError as error:
        raise GCacheConfigError(f"The folder {place!r} cannot be made ({error}): name another.") from error
    if not path or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise GCacheConfigError(f"The folder {path!r} cannot be written: name one of this user's own.")
    return place
