"""What goes into a row of the folder's database, and what is let out of one."""

from __future__ import annotations

from typing import Any, NoReturn

from diskcache import UNKNOWN, Disk
from diskcache.core import MODE_RAW

from gcache import GCacheError


class ForeignRow(GCacheError):
    """A row in the folder is none that this layer writes: somebody else has written there."""


class BytesDisk(Disk):  # type: ignore[misc]  # diskcache has no types
    """Keeps keys and values as bytes within the database, and touches neither pickles nor other files."""

    def __init__(self, directory: str, **_from_the_folder: object) -> None:
        super().__init__(directory)

    def put(self, key: str) -> Any:
        return encoded(key), True

    def get(self, key: object, raw: object) -> NoReturn:
        raise ForeignRow("This layer reads no keys from its folder.")

    def store(self, value: bytes, read: bool, key: object = UNKNOWN) -> Any:
        if type(value) is not bytes:
            raise TypeError(f"A layer on disk stores bytes, and was given {type(value).__name__}.")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: object, filename: object, value: Any, read: bool) -> bytes:
        if mode != MODE_RAW or filename is not None or type(value) is not bytes:
            raise ForeignRow(
                "An entry in the folder of this layer is of a kind that it never writes, and was not read: "
                "find out who else may write there."
            )
        return value

    def remove(self, file_path: object) -> None:
        """Leave files alone: this layer writes none, so the row that names one is not to be trusted."""


def encoded(key: str) -> bytes:
    """Return the bytes of any `key`, also of one with lone surrogates: they begin as its prefixes' do."""
    return key.encode(errors="surrogatepass")
