"""Functions of many ids whose calls pass the authority and nothing else: what is special is still noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from gcache import GCacheKeyConfig
from gcache.core import epochs
from gcache.core.envelope import open_sealed, seal
from gcache.core.events import Hit, Miss, Serialization
from gcache.serializers import PickleSerializer
from tests.core.layers import SyncLayer
from tests.core.many import Rows, Users, many
from tests.core.stage import Clock, Recorded, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

_IDENTITY = PickleSerializer().identity


@pytest.fixture
def remote(clock: Clock) -> SyncLayer:
    return SyncLayer("remote", clock)


@pytest.fixture
def gcache(make_gcache: Callable[..., GCache], remote: SyncLayer) -> GCache:
    return make_gcache(layers=[remote])


def change(remote: SyncLayer, users: Users, user_id: int, data: Any) -> None:
    """Have the layer hold `data`, or what it makes of what is there, for one of the ids."""
    [key] = users.keys([user_id])
    name = users.gcache._engine.keys.build(key)
    stored, until = remote.stored[name]
    remote.stored[name] = data(stored, name) if callable(data) else data, until


def with_last_byte(stored: bytes, name: str) -> bytes:
    return stored[:-1] + bytes([stored[-1] ^ 1])


def of_another_epoch(stored: bytes, name: str) -> bytes:
    return seal(open_sealed(stored, name, _IDENTITY)._replace(epoch=epochs.plant()), name, _IDENTITY)


def of_another_serializer(stored: bytes, name: str) -> bytes:
    return seal(open_sealed(stored, name, _IDENTITY), name, "json:1")


def unloadable(stored: bytes, name: str) -> bytes:
    return seal(open_sealed(stored, name, _IDENTITY)._replace(payload=b"\x80\x05K"), name, _IDENTITY)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (with_last_byte, "corrupt"),
        (b"", "corrupt"),
        ("no bytes", "corrupt"),
        (of_another_epoch, "invalidated"),
        (of_another_serializer, "other_serializer"),
        (unloadable, "unloadable"),
    ],
)
def test_damaged(
    gcache: GCache, remote: SyncLayer, side: Any, recorded: Recorded, data: Any, reason: str
) -> None:
    """One entry that is no good is loaded anew and counted with its reason, the others are hits."""
    rows = Rows()
    users = many(side, gcache, rows, track_for_invalidation=True)
    with gcache.enable():
        users([1, 2, 3])
        recorded.forget()
        change(remote, users, 2, data)

        assert {1: "1.0", 2: "2.1", 3: "3.0"} == users([1, 2, 3])
    assert [Miss("GetUsers", "user_id", "remote", reason)] == recorded.of(Miss)
    assert [Hit("GetUsers", "user_id", "remote", 2)] == recorded.of(Hit)


def test_held(gcache: GCache, side: Any, recorded: Recorded) -> None:
    """What is held elsewhere or here is loaded by each call and counted so, and the others are hits."""
    rows = Rows()
    users = many(side, gcache, rows, track_for_invalidation=True)
    with gcache.enable():
        users([1, 2])
        side.do(gcache, "invalidate", "user_id", 2, 5_000)
        recorded.forget()
        users([1, 2])
        gcache._engine.chain.routes._generations.holds = {}  # as in another process
        users([1, 2, 3])

    assert [[1, 2], [2], [2, 3]] == rows.asked
    assert [("held", 1), ("held", 1), ("absent", 1)] == [
        (miss.reason, miss.calls) for miss in recorded.of(Miss)
    ]
    assert 2 == sum(hit.calls for hit in recorded.of(Hit))


def test_hold_that_the_authority_lost(gcache: GCache, remote: SyncLayer, side: Any) -> None:
    """A hold of this process stands here whatever the authority knows of it."""
    rows = Rows()
    users = many(side, gcache, rows, track_for_invalidation=True)
    with gcache.enable():
        side.do(gcache, "invalidate", "user_id", 1, 5_000)
        remote.stored.clear()
        users([1])

    assert [] == remote.entries()


def test_epoch_that_stands(gcache: GCache, remote: SyncLayer, side: Any) -> None:
    """Where an epoch stands none is planted, and the entry gets that one."""
    rows = Rows()
    users = many(side, gcache, rows, track_for_invalidation=True)
    with gcache.enable():
        users([1])
        remote.stored = {key: kept for key, kept in remote.stored.items() if key.endswith("#epoch")}
        users([1])

        assert {1: "1.1"} == users([1])
    assert 1 == len(remote.asked("add"))


def test_hold_as_epoch(gcache: GCache, remote: SyncLayer, side: Any) -> None:
    """An entry that claims to belong to a hold is no hit, though the very hold stands."""
    hold = epochs.encoded({"abc": 2e9})[:16].ljust(16, b"0")
    rows = Rows()
    users = many(side, gcache, rows, track_for_invalidation=True)
    with gcache.enable():
        users([1])
        change(
            remote,
            users,
            1,
            lambda stored, name: seal(
                open_sealed(stored, name, _IDENTITY)._replace(epoch=hold), name, _IDENTITY
            ),
        )
        entity = gcache._engine.keys.epoch("user_id", 1)
        remote.stored[entity] = hold, remote.stored[entity][1]
        users([1])

    assert [[1], [1]] == rows.asked


def test_pending(gcache: GCache, remote: SyncLayer, side: Any, recorded: Recorded) -> None:
    """What the authority is still to hear of is neither read nor stored, the rest is."""
    rows = Rows()
    users = many(side, gcache, rows, track_for_invalidation=True)
    pending = gcache._engine.removal.pending
    with gcache.enable():
        users([1, 2])
        recorded.forget()
        pending._thread = object()  # type: ignore[assignment]  # nobody tells it meanwhile
        pending.add(gcache._engine.keys.epoch("user_id", 2), 0.0)
        users([1, 2])
        users([1, 2])
        pending._thread = None
        pending.debts.clear()

    assert [[1, 2], [2], [2]] == rows.asked
    assert {"pending"} == {miss.reason for miss in recorded.of(Miss)}


def test_kept_beyond_its_life(make_gcache: Callable[..., GCache], remote: SyncLayer, side: Any) -> None:
    """An entry that is kept to be served stale is a hit for as long as it lives, and then none."""
    config = evolve(GCacheKeyConfig.enabled(60), stale_if_error_sec=600)
    gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: config)
    rows = Rows()
    users = many(side, gcache, rows)
    with gcache.enable():
        users([1])

        assert {1: "1.0"} == users([1])
        remote.clock.advance(61)
        assert {1: "1.1"} == users([1])


def test_exception(make_gcache: Callable[..., GCache], remote: SyncLayer, side: Any) -> None:
    """An exception that a `cached` function has stored is no value."""
    config = evolve(GCacheKeyConfig.enabled(60), exception_ttl_sec=30)
    gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: config)
    get_user = side.cached(gcache, Source(LookupError()), use_case="GetUsers", cache_exceptions=[LookupError])
    with gcache.enable():
        with pytest.raises(LookupError):
            get_user(1)

        assert {1: "1.0"} == many(side, gcache, Rows())([1])


def test_figures(gcache: GCache, side: Any, recorded: Recorded, tracked: bool) -> None:
    """Each value that is loaded or dumped is one figure."""
    users = many(side, gcache, Rows(), track_for_invalidation=tracked)
    with gcache.enable():
        users([1, 2])
        users([1, 2, 3])

    counts = {event.operation: len(event.seconds) for event in recorded.of(Serialization)}
    assert {"dump": 3, "load": 2} == counts
