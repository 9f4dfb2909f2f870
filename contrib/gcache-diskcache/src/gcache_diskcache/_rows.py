"""What goes into a row of the folder's database, and what is let out of one.

By itself diskcache unpickles what a row says is a pickle, and reads and removes the files that rows name.
"""

from __future__ import annotations

from typing import Any, NoReturn

from diskcache import UNKNOWN, Disk
from diskcache.core import MODE_RAW

from gcache import GCacheError


class ForeignRow(GCacheError):
    """A row in the folder is of a kind that this layer never writes: somebody else writes there."""


class BytesDisk(Disk):  # type: ignore[misc]  # diskcache has no types
    """Keeps keys and values as bytes within the database, and touches neither pickles nor other files."""

    def __init__(self, directory: str, **_from_the_folder: object) -> None:
        super().__init__(directory)

    def put(self, key: str) -> tuple[bytes, bool]:
        return key.encode(errors="surrogatepass"), True

    def get(self, key: object, raw: object) -> NoReturn:
        raise ForeignRow("This layer reads no keys from its folder.")

    def store(self, value: bytes, read: bool, key: object = UNKNOWN) -> tuple[int, int, None, bytes]:
        if type(value) is not bytes:
            raise TypeError(f"A layer on disk stores bytes, and was given {type(value).__name__}.")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: object, filename: object, value: Any, read: bool) -> bytes:
        if mode != MODE_RAW or filename is not None or type(value) is not bytes:
            raise ForeignRow(
                "A row in this layer's folder is of a kind that the layer never writes, and was not read: "
                "find out who else can write there."
            )
        return value

    def remove(self, file_path: object) -> None:
        """Leave files alone: this layer makes none, so a row that names one is not to be trusted."""
