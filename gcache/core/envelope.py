"""Entries as bytes: versioned, bound to their key, and checked as a whole before anything is believed.

The layout, big-endian::

    2   b"gC"
    1   version
    1   length of the epoch
    1   length of the serializer's identity
    1   1 if the payload is an exception, 0 if it is a value
    4   CRC-32 of the key
    8   when the load began   (Unix time, float64)
    8   when the entry expires
    8   how long the load took   (seconds)
    8   how long the entry is kept after it expires
    8   BLAKE2b of the key and of everything but these eight bytes
    …   epoch, identity, payload
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, TypeAlias
from zlib import crc32

from gcache.core.records import Record

_MAGIC = b"gC"
_VERSION = 2
_HEAD = struct.Struct(">2sBBBBIdddd")
_CHECK_SIZE = 8
_HEAD_SIZE, _unpacked = _HEAD.size, _HEAD.unpack_from
_BODY = _HEAD_SIZE + _CHECK_SIZE
_SMALL = 2_000
_STALE = _HEAD_SIZE - 8
_DATES, _DATES_AT = struct.Struct(">dd"), struct.calcsize(">2sBBBBI")
_NO_STALE = bytes(8)

Flaw: TypeAlias = Literal["corrupt", "version", "other_key", "other_serializer"]


class Unreadable(Exception):
    """The bytes are no entry of this key. `flaw` is the reason that the miss is counted under."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw)
        self.flaw: Flaw = flaw


class Sealed(Record):
    """An entry whose value is still in its serializer's bytes.

    It is kept for `stale_sec` seconds after it expires; `load_sec` is how long its load took.
    """

    payload: bytes
    began: float
    expires: float
    epoch: bytes | None
    load_sec: float = 0.0
    stale_sec: float = 0.0
    is_exception: bool = False


_sealed = Sealed._make


def seal(sealed: Sealed, key: str, identity: str) -> bytes:
    """Return the bytes to store under `key`."""
    return sealing(identity)(key, *sealed)


def sealing(identity: str) -> Callable[[str, bytes, float, float, bytes | None, float, float, bool], bytes]:
    """Return what returns the bytes to store under a key, for what a Sealed consists of.

    To make one for each of many entries takes as long as to check it.
    """
    serializer = identity.encode()
    size, pack = len(serializer), _HEAD.pack

    def sealed(
        key: str,
        payload: bytes,
        began: float,
        expires: float,
        epoch: bytes | None,
        load_sec: float,
        stale_sec: float,
        kind: bool,
    ) -> bytes:
        name, epoch = key.encode(), epoch or b""
        head = pack(
            _MAGIC, _VERSION, len(epoch), size, kind, crc32(name), began, expires, load_sec, stale_sec
        )
        body = epoch + serializer + payload
        return head + _check(name, head, body, 0) + body

    return sealed


def open_sealed(data: bytes, key: str, identity: str) -> Sealed:
    """Return the entry that `seal` made for the same key and serializer. Raises Unreadable for all else."""
    if len(data) < _BODY or data[:2] != _MAGIC:
        raise Unreadable("corrupt")
    if data[2] != _VERSION:
        raise Unreadable("version")
    _, _, epoch_size, identity_size, kind, key_sum, began, expires, load_sec, stale_sec = _unpacked(data)
    if not _is_whole(data, key):
        raise Unreadable("corrupt" if key_sum == crc32(key.encode()) else "other_key")
    identity_at = _BODY + epoch_size
    payload_at = identity_at + identity_size
    if data[identity_at:payload_at] != identity.encode():
        raise Unreadable("other_serializer")
    epoch = data[_BODY:identity_at] or None
    return _sealed((data[payload_at:], began, expires, epoch, load_sec, stale_sec, kind == 1))


def plain_payload(data: bytes | None, key: str, identity: str, epoch: bytes | None) -> bytes | None:
    """Return the payload if `open_sealed` finds a value of this epoch that is not kept after it expires.

    None says that there is none, or something else.
    """
    if data is None:
        return None
    start, serializer, payload_at = _beginning(0 if epoch is None else len(epoch), identity)
    if (
        not data.startswith(start)
        or data[_STALE:_HEAD_SIZE] != _NO_STALE
        or data[_BODY:payload_at] != (serializer if epoch is None else epoch + serializer)
    ):
        return None
    if len(data) < _SMALL:  # what `_is_whole` does, without a call of it
        whole = key.encode() + data[:_HEAD_SIZE] + data[_BODY:]
        is_whole = blake2b(whole, digest_size=_CHECK_SIZE).digest() == data[_HEAD_SIZE:_BODY]
    else:
        is_whole = _is_whole(data, key)
    return data[payload_at:] if is_whole else None


def dates(data: bytes) -> tuple[float, float]:
    """Return when the load of an entry began and when it expires, of bytes that were found to be whole."""
    began, expires = _DATES.unpack_from(data, _DATES_AT)
    return began, expires


@lru_cache
def _beginning(epoch_size: int, identity: str) -> tuple[bytes, bytes, int]:
    """Return what a value begins with, its serializer's identity in bytes, and where the payload begins."""
    serializer = identity.encode()
    sizes = epoch_size, len(serializer)
    return _MAGIC + bytes([_VERSION, *sizes, 0]), serializer, _BODY + sum(sizes)


def _is_whole(data: bytes, key: str) -> bool:
    """Tell whether the check of an entry is that of its bytes and of `key`."""
    return _check(key.encode(), data[:_HEAD_SIZE], data, _BODY) == data[_HEAD_SIZE:_BODY]


def _check(name: bytes, head: bytes, data: bytes, start: int) -> bytes:
    """Return the check of a key, a head, and all of `data` from `start` on, copied only if it is small."""
    if len(data) < _SMALL:
        return blake2b(name + head + data[start:], digest_size=_CHECK_SIZE).digest()
    digest = blake2b(name + head, digest_size=_CHECK_SIZE)
    digest.update(memoryview(data)[start:])
    return digest.digest()
