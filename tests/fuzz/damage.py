"""Ways in which an entry can come back damaged, and what each may be called.

Each takes a source of chance, the specimen that is damaged and another one.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from gcache.core.envelope import open_sealed, seal
from tests.fuzz.specimens import Specimen

BEGAN_AT, HEAD_SIZE = 9, 33
CHANGED = frozenset({"corrupt", "version", "other_key"})


class Kind(NamedTuple):
    """A way to damage an entry, and the reasons that its miss may have."""

    damage: Callable[[Random, Specimen, Specimen], Any]
    reasons: frozenset[str] = CHANGED
    is_for_tracked: bool = False


def truncated(chance: Random, one: Specimen, _: Specimen) -> bytes:
    return one.data[: chance.randrange(len(one.data))]


def bits_flipped(chance: Random, one: Specimen, _: Specimen) -> bytes:
    bits = int.from_bytes(one.data, "big")
    count = min(8 * len(one.data), chance.choice((1, 1, 1, 2, 3, 8, 64)))
    for place in chance.sample(range(8 * len(one.data)), count):
        bits ^= 1 << place
    return bits.to_bytes(len(one.data), "big")


def bytes_replaced(chance: Random, one: Specimen, _: Specimen) -> bytes:
    start, end = _range(chance, one)
    return one.data[:start] + chance.randbytes(end - start) + one.data[end:]


def range_zeroed(chance: Random, one: Specimen, _: Specimen) -> bytes:
    start, end = _range(chance, one)
    return one.data[:start] + bytes(end - start) + one.data[end:]


def range_missing(chance: Random, one: Specimen, _: Specimen) -> bytes:
    start, end = _range(chance, one)
    return one.data[:start] + one.data[end:]


def range_repeated(chance: Random, one: Specimen, _: Specimen) -> bytes:
    start, end = _range(chance, one)
    return one.data[:end] + one.data[start:]


def halves_swapped(chance: Random, one: Specimen, _: Specimen) -> bytes:
    middle = chance.choice((len(one.data) // 2, HEAD_SIZE, chance.randrange(1, len(one.data))))
    return one.data[middle:] + one.data[:middle]


def appended(chance: Random, one: Specimen, other: Specimen) -> bytes:
    return one.data + chance.choice((b"\0", one.data, other.data, chance.randbytes(chance.randint(1, 40))))


def prepended(chance: Random, one: Specimen, other: Specimen) -> bytes:
    return chance.choice((b"\0", other.data, chance.randbytes(chance.randint(1, 40)))) + one.data


def spliced(chance: Random, one: Specimen, other: Specimen) -> bytes:
    """The beginning of one and the end of another, joined at the same place or at two."""
    place = chance.randrange(1, len(one.data))
    place_there = place if chance.random() < 0.5 else chance.randrange(len(other.data))
    return one.data[:place] + other.data[place_there:]


def older_and_newer(chance: Random, one: Specimen, _: Specimen) -> bytes:
    """Two writes of one key, half of each, which differ in their times and their epochs."""
    sealed = open_sealed(one.data, one.name, one.identity)
    epoch = None if sealed.epoch is None else b"e" + chance.randbytes(15)
    newer = seal(sealed._replace(began=sealed.began + 1, epoch=epoch), one.name, one.identity)
    place = chance.randrange(BEGAN_AT + 9, HEAD_SIZE)  # with less of the older one it would be the newer one
    return one.data[:place] + newer[place:]


def other_entry(chance: Random, one: Specimen, other: Specimen) -> bytes:
    """A whole entry, which belongs to another key."""
    return other.data


def other_version(chance: Random, one: Specimen, _: Specimen) -> bytes:
    return one.data[:2] + bytes([chance.choice((0, *range(2, 256)))]) + one.data[3:]


def other_serializer(chance: Random, one: Specimen, _: Specimen) -> bytes:
    """The same payload, sealed as it should be, by somebody who serializes otherwise."""
    identity = chance.choice(("", "json:2", one.identity[:-1], one.identity + "0", "pickle-any:1x"))
    return seal(open_sealed(one.data, one.name, one.identity), one.name, identity)


def other_epoch(chance: Random, one: Specimen, _: Specimen) -> bytes:
    """A whole entry of this key, loaded under another epoch, or under none that can stand."""
    sealed = open_sealed(one.data, one.name, one.identity)
    epoch = chance.choice((None, b"e" + chance.randbytes(15), b"h:9999999999999;", b"e"))
    return seal(sealed._replace(epoch=epoch), one.name, one.identity)


def strange_payload(chance: Random, one: Specimen, _: Specimen) -> bytes:
    """A whole entry of this key, whose payload means nothing, or what nobody trusts."""
    sealed = open_sealed(one.data, one.name, one.identity)
    payloads = [b"", b"\0", b"{", b"\x80\x05"]
    if one.identity != "pickle-any:1":
        payloads.append(pickle.dumps(os.getpid, 5))
    return seal(sealed._replace(payload=chance.choice(payloads)), one.name, one.identity)


def random_bytes(chance: Random, one: Specimen, _: Specimen) -> bytes:
    start = chance.choice((b"", b"gC", b"gC\x01", one.data[:9], one.data[:25], one.data[:HEAD_SIZE]))
    return start + chance.randbytes(chance.randrange(len(one.data)))


def no_bytes(chance: Random, one: Specimen, _: Specimen) -> Any:
    """What no client of a store should give back."""
    return chance.choice((one.data.decode("latin-1"), 7, 0.5, [], list(one.data), {}, True, object()))


def _range(chance: Random, one: Specimen) -> tuple[int, int]:
    start = chance.randrange(len(one.data))
    return start, min(len(one.data), start + chance.choice((1, 2, 8, 64, 1000)))


KINDS = {
    "truncated": Kind(truncated, frozenset({"corrupt"})),
    "bits flipped": Kind(bits_flipped),
    "bytes replaced": Kind(bytes_replaced),
    "range zeroed": Kind(range_zeroed),
    "range missing": Kind(range_missing),
    "range repeated": Kind(range_repeated),
    "halves swapped": Kind(halves_swapped),
    "appended": Kind(appended, frozenset({"corrupt"})),
    "prepended": Kind(prepended),
    "spliced": Kind(spliced),
    "older and newer": Kind(older_and_newer, frozenset({"corrupt"})),
    "other entry": Kind(other_entry, frozenset({"other_key"})),
    "other version": Kind(other_version, frozenset({"version"})),
    "other serializer": Kind(other_serializer, frozenset({"other_serializer"})),
    "other epoch": Kind(other_epoch, frozenset({"invalidated"}), is_for_tracked=True),
    "strange payload": Kind(strange_payload, frozenset({"unloadable", "untrusted"})),
    "random bytes": Kind(random_bytes),
    "no bytes": Kind(no_bytes, frozenset({"corrupt"})),
}
