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
from hashlib import blake2b
from typing import Literal, TypeAlias
from zlib import crc32

from gcache.core.records import Record

_MAGIC = b"gC"
_VERSION = 2
_HEAD = struct.Struct(">2sBBBBIdddd")
_CHECK_SIZE = 8
_BODY = _HEAD.size + _CHECK_SIZE
_SMALL = 2_000

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


def seal(sealed: Sealed, key: str, identity: str) -> bytes:
    """Return the bytes to store under `key`."""
    name = key.encode()
    epoch = sealed.epoch or b""
    serializer = identity.encode()
    head = _HEAD.pack(
        _MAGIC,
        _VERSION,
        len(epoch),
        len(serializer),
        sealed.is_exception,
        crc32(name),
        sealed.began,
        sealed.expires,
        sealed.load_sec,
        sealed.stale_sec,
    )
    body = epoch + serializer + sealed.payload
    return b"".join((head, _check(name, head, body, 0), body))


def open_sealed(data: bytes, key: str, identity: str) -> Sealed:
    """Return the entry that `seal` made for the same key and serializer. Raises Unreadable for all else."""
    if len(data) < _BODY or data[:2] != _MAGIC:
        raise Unreadable("corrupt")
    if data[2] != _VERSION:
        raise Unreadable("version")
    head = _HEAD.unpack_from(data)
    _, _, epoch_size, identity_size, kind, key_sum, began, expires, load_sec, stale_sec = head
    name = key.encode()
    if _check(name, data[: _HEAD.size], data, _BODY) != data[_HEAD.size : _BODY]:
        raise Unreadable("corrupt" if key_sum == crc32(name) else "other_key")
    identity_at = _BODY + epoch_size
    payload_at = identity_at + identity_size
    if data[identity_at:payload_at] != identity.encode():
        raise Unreadable("other_serializer")
    epoch = data[_BODY:identity_at] or None
    return Sealed(data[payload_at:], began, expires, epoch, load_sec, stale_sec, kind == 1)


def _check(name: bytes, head: bytes, data: bytes, start: int) -> bytes:
    """Return the check of a key, a head, and all of `data` from `start` on, copied only if it is small."""
    if len(data) < _SMALL:
        return blake2b(name + head + data[start:], digest_size=_CHECK_SIZE).digest()
    digest = blake2b(name + head, digest_size=_CHECK_SIZE)
    digest.update(memoryview(data)[start:])
    return digest.digest()
