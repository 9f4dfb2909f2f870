"""Bytes that somebody else has written, or damaged, are data or an error, and never more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gcache.conformance._dictionary import DictionaryLayer
from gcache.conformance._together import Child
from gcache.conformance.serializers import hostile
from gcache.conformance.serializers.serializer import SerializerPart
from gcache.core.config import GCacheConfig
from gcache.core.envelope import Sealed, seal
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey, UrnKeyBuilder
from gcache.instrumentation.null import NullSink
from gcache.toolkit import GCache

_PREFIX = "urn:conformance:hostile"
_ROOM_BYTES = 1 << 30


class HostileBytes(SerializerPart, topic="hostile bytes"):
    """Each test runs in a process of its own, which has to come to its end by itself.

    How much memory hostile bytes can claim is not tried: where strangers can write, sign what is stored.
    """

    def test_truncated(self, serializer: Any, dumps: list[bytes]) -> None:
        """Its own bytes, cut off at any place, give a value or raise an Exception.

        Connections break off, and disks get full.
        """
        assert [] == _harm_of(serializer, (data for own in dumps for data in hostile.truncated(own)))

    def test_flipped_bits(self, serializer: Any, dumps: list[bytes]) -> None:
        """Its own bytes, with any one bit turned over, give a value or raise an Exception.

        Core's checksum finds accidents. Whoever writes an entry on purpose writes a checksum as well.
        """
        assert [] == _harm_of(serializer, (data for own in dumps for data in hostile.flipped(own)))

    def test_noise(self, serializer: Any, dumps: list[bytes]) -> None:
        """No bytes at all, and random ones, also after the beginning of its own, give a value or raise.

        What lies in a layer was not always written by this program.
        """
        assert [] == _harm_of(serializer, (data for own in dumps for data in hostile.noise(own)))

    def test_foreign_bytes(self, serializer: Any, promised: Sequence[Any]) -> None:
        """What pickle, json, marshal and repr make of its values gives a value or raises an Exception.

        Another version of the application may have used another serializer under the same name.
        """
        assert [] == _harm_of(serializer, hostile.foreign(promised))

    def test_nothing_is_run(self, serializer: Any, dumps: list[bytes], tmp_path: Path) -> None:
        """Nothing that bytes name is called: no pickle, program, code or document leaves a trace.

        Whoever can write to a layer would run what they like in every process that reads from it.
        """
        made = (data for own in dumps[:3] for data in hostile.payloads(tmp_path, own))
        harm = _harm_of(serializer, made)

        assert [] == harm
        assert [] == os.listdir(tmp_path)

    def test_hostile_entry(self, serializer: Any, promised: Sequence[Any], tmp_path: Path) -> None:
        """Through a GCache, a hostile payload in a sound envelope does nothing: the source answers.

        The envelope tells damage from values, and cannot tell an enemy from a friend.
        """
        own = serializer.dump(promised[0])

        def work() -> int:
            return _served_instead(serializer, hostile.payloads(tmp_path, own))

        served = Child(work).result()

        assert [] == os.listdir(tmp_path)
        assert 0 < served


def _harm_of(serializer: Any, hostile: Iterable[bytes]) -> list[str]:
    """Return what was raised that is no Exception, by which bytes; those that end a process fail the test."""
    return list(Child(lambda: list(_raised(serializer, hostile))).result())


def _raised(serializer: Any, hostile: Iterable[bytes]) -> Iterator[str]:
    _claim_little_memory()
    for data in hostile:
        try:
            serializer.load(data)
        except Exception:
            continue
        except BaseException as error:
            yield f"{type(error).__name__} by {data!r:.200}"


def _claim_little_memory() -> None:
    """Have Python raise MemoryError before the machine is out of memory."""
    if sys.platform == "linux":
        import resource

        with suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            room = pages * resource.getpagesize() + _ROOM_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (room, room))


def _served_instead(serializer: Any, payloads: Iterable[bytes]) -> int:
    """Return for how many of `payloads`, when a GCache finds them in its layer, it goes to the source."""
    builder, stored, keys = UrnKeyBuilder(_PREFIX), dict[str, bytes](), list[GCacheKey]()
    for number, payload in enumerate(payloads):
        keys.append(GCacheKey("value", number, "Value"))
        name = builder.build(keys[-1])
        stored[name] = seal(Sealed(payload, 0.0, 4e9, b""), name, serializer.identity)
    config = GCacheConfig(
        layers=[DictionaryLayer(stored)],
        urn_prefix=_PREFIX,
        serializer=serializer,
        metrics=NullSink(),
        cache_config_provider=lambda _: GCacheKeyConfig.enabled(600),
    )
    truth = object()
    with GCache(config) as gcache, gcache.enable():
        return sum(gcache.get(key, lambda: truth) is truth for key in keys)
