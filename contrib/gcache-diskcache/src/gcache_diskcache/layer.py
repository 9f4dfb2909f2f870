"""The layer itself."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gcache import EntryTooLarge, GCacheClosed, GCacheConfigError
from gcache.core.epochs import retired
from gcache_diskcache.bytes_disk import ForeignRow
from gcache_diskcache.folder import HOLD, ROW_BYTES, Folder

if TYPE_CHECKING:
    from gcache.core.protocols import Progress
    from gcache.urls import LayerURL

_SMALLEST = 2**20
_PAUSE_SEC = 0.001


class DiskLayer:
    """Keeps bytes in a folder, for the processes of one host: `DiskLayer("/var/cache/shop")`.

    The folder holds up to `size` bytes, and is made if it is missing; what was stored longest ago makes
    room. Others are waited for up to `timeout_sec` twice: other threads first, then other processes.
    Operations raise TimeoutError, what sqlite3 raises, or ForeignRow. Raises GCacheConfigError for a folder
    that cannot be written; the database is opened when it is first needed.
    """

    def __init__(self, path: str, name: str = "disk", size: int = 2**30, timeout_sec: float = 0.5) -> None:
        if size < _SMALLEST:
            raise GCacheConfigError(f"size is {size} bytes: give {_SMALLEST} (1 MiB) or more.")
        if not timeout_sec > 0:
            raise GCacheConfigError(f"timeout_sec is {timeout_sec}: give seconds above 0.")
        self.name = name
        self.path = _folder(path)
        self._size = size
        self._timeout_sec = timeout_sec
        self._open: Folder | None = Folder(self.path, size, timeout_sec)

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        folder = self._folder
        with folder.reading():
            return [folder.find(key) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        """Store all of `items` or, if they are many MB, each of them or not."""
        folder = self._folder
        needed = {key: self._needed(key, value) for key, value in items.items()}
        at_once = [items] if sum(needed.values()) <= folder.largest else [{key: items[key]} for key in items]
        for some in at_once:
            with folder.writing():
                folder.make_room(sum(needed[key] for key in some))
                for key, value in some.items():
                    folder.set(key, value, expire=ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        needed = self._needed(key, value)
        folder = self._folder
        with folder.writing():
            folder.make_room(needed)
            return bool(folder.add(key, value, expire=ttl))

    def delete(self, keys: Sequence[str]) -> int:
        folder = self._folder
        with folder.writing(durable=True):
            return sum(folder.delete(key) for key in keys)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        folder = self._folder
        removed = 0
        beginning = prefix.encode(errors="surrogatepass")
        start: bytes | None = beginning
        end = beginning + b"\xff"  # no character's bytes begin so high
        while start is not None:
            with folder.writing(durable=True):
                count, start = folder.remove_page(start, end)
            removed += count
            if progress is not None:
                progress(removed)
            time.sleep(_PAUSE_SEC)  # lets others in, who could starve
        return removed

    def retire(self, key: str, holder: str, ttl: float) -> None:
        folder = self._folder
        with folder.writing(durable=True):
            stored = None
            with suppress(ForeignRow):
                stored = folder.find(key)
            held, life_sec = retired(stored, holder, ttl, time.time())
            if held is None:
                folder.delete(key)
            else:
                folder.set(key, held, expire=life_sec, tag=HOLD)

    def close(self) -> None:
        folder, self._open = self._open, None
        if folder is not None:
            folder.disconnect()

    def __reduce__(self) -> tuple[Any, ...]:
        return DiskLayer, (self.path, self.name, self._size, self._timeout_sec)

    @property
    def _folder(self) -> Folder:
        if self._open is None:
            raise GCacheClosed(f"The layer {self.name!r} was closed: make another.")
        return self._open

    def _needed(self, key: str, value: bytes) -> int:
        needed = 2 * len(key.encode(errors="surrogatepass")) + len(value) + ROW_BYTES
        if needed > self._folder.largest:
            raise EntryTooLarge(
                f"An entry of {len(value)} bytes is too large for the layer {self.name!r}, which takes a "
                f"sixteenth of its size of {self._size} bytes: give it a larger one."
            )
        return needed


def from_url(url: LayerURL) -> DiskLayer:
    """Make the layer of `disk:///var/cache/shop?size=1GB&name=disk&timeout_sec=0.5`."""
    from gcache.urls import size

    if url.hosts:
        raise GCacheConfigError("A disk:// URL has no host: write three slashes, disk:///var/cache/shop.")
    url.only("path")
    if not url.path.strip("/"):
        raise GCacheConfigError("A disk:// URL names no folder: write disk:///var/cache/shop.")
    return DiskLayer(url.path, **url.options(name=str, size=size, timeout_sec=float))


def _folder(path: str) -> str:
    """Return where `path` lies, as diskcache reads it, once that is a folder that can be written."""
    place = os.path.abspath(os.path.expandvars(os.path.expanduser(path)))
    try:
        os.makedirs(place, 0o700, exist_ok=True)
    except OSError as error:
        raise GCacheConfigError(f"The folder {place!r} cannot be made ({error}): name another.") from error
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise GCacheConfigError(f"The folder {place!r} cannot be written: make it this user's own.")
    return place
