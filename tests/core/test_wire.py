"""What layers out of process give back: bytes, which need not be what was stored."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    JsonSerializer,
    PickleSerializer,
)
from gcache.core.envelope import Sealed, seal
from tests.core.stage import Recorded, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

ENTITY = "user_id", 1


class TestUnreadable:
    @pytest.mark.parametrize(
        ("reason", "damage"),
        [
            ("corrupt", lambda data, name: b""),
            ("corrupt", lambda data, name: data[:-1]),
            ("corrupt", lambda data, name: "text"),
            ("corrupt", lambda data, name: 7),
            ("version", lambda data, name: data[:2] + b"\x63" + data[3:]),
            ("other_key", lambda data, name: seal(Sealed(b"1", 0.0, 9e9, None), name + "x", "json:1")),
            ("other_serializer", lambda data, name: seal(Sealed(b"1", 0.0, 9e9, None), name, "pickle:1")),
            ("unloadable", lambda data, name: seal(Sealed(b"{", 0.0, 9e9, None), name, "json:1")),
        ],
        ids=[
            "empty",
            "truncated",
            "text",
            "number",
            "version",
            "other key",
            "other serializer",
            "unloadable",
        ],
    )
    def test_reason(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        remote: Any,
        recorded: Recorded,
        reason: str,
        damage: Callable[[bytes, str], Any],
    ) -> None:
        """An entry that cannot be read is a miss with its reason, and is written anew."""
        gcache = make_gcache(layers=[remote], serializer=JsonSerializer())
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            name = gcache._engine.keys.build(get_user.key(1))
            get_user(1)
            data, deadline = remote.stored[name]
            remote.stored[name] = damage(data, name), deadline

            assert [2, 2] == [get_user(1), get_user(1)]
        assert [("absent", 1), (reason, 1), ("remote", 1)] == recorded.calls
        assert ([("remote", "JSONDecodeError", False)] if reason == "unloadable" else []) == [
            (layer, "JSONDecodeError", fallback) for layer, _, fallback in recorded.errors
        ]

    @pytest.mark.parametrize("epoch", [None, b"foreign"], ids=["no epoch", "foreign epoch"])
    def test_no_epoch_of_ours(
        self, make_gcache: Callable[..., GCache], side: Any, remote: Any, recorded: Recorded, epoch: Any
    ) -> None:
        """An entry counts for nothing beside an epoch that nobody planted, even if it carries the same."""
        gcache = make_gcache(layers=[remote], serializer=JsonSerializer())
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        key = get_user.key(1)
        name, beside = gcache._engine.keys.build(key), gcache._engine.keys.epoch(key.key_type, key.id)
        remote.stored[name] = seal(Sealed(b"0", 0.0, 9e9, epoch), name, "json:1"), 9e9
        if epoch is not None:
            remote.stored[beside] = epoch, 9e9

        with gcache.enable():
            assert 1 == get_user(1)
        assert [("invalidated", 1)] == recorded.calls

    def test_untrusted(
        self, make_gcache: Callable[..., GCache], side: Any, remote: Any, recorded: Recorded
    ) -> None:
        """A class that is not trusted is named as the reason, and is not made."""
        gcache = make_gcache(layers=[remote], serializer=PickleSerializer())
        get_user = side.cached(gcache, Source())
        key = gcache._engine.keys.build(get_user.key(1))
        remote.stored[key] = seal(Sealed(pickle.dumps(os.system, 5), 0.0, 9e9, None), key, "pickle:1"), 9e9

        with gcache.enable():
            assert 1 == get_user(1)
        assert [("untrusted", 1)] == recorded.calls

    def test_refused_value(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        remote: Any,
        recorded: Recorded,
        caplog: Any,
    ) -> None:
        """A value that its serializer refuses is served and kept in memory, and logged once."""
        value = object()
        gcache = make_gcache(layers=[local, remote], serializer=JsonSerializer())
        get_user = side.cached(gcache, Source(value, value))

        with gcache.enable():
            assert [value, value] == [get_user(1), get_user(1)]
            get_user(2)

        assert {} == remote.stored
        assert [("remote", "SerializationError", False)] * 2 == recorded.errors
        assert 1 == len(caplog.records)
