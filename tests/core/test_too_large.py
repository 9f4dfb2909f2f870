"""Entries that a layer has no room for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from gcache import EntryTooLarge
from gcache.core.missing import MISSING
from tests.core.layers import AsyncLayer, SyncLayer
from tests.core.stage import Clock, Recorded, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

LARGE = "x" * 2_000
LIMIT_BYTES = 1_000


class SmallLayer(SyncLayer):
    """A layer that blocks, and keeps no entry over a thousand bytes."""

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        _refuse(items)
        super().put(items, ttl)


class SmallAsyncLayer(AsyncLayer):
    """A layer that is awaited, and keeps no entry over a thousand bytes."""

    async def aput(self, items: Mapping[str, bytes], ttl: float) -> None:
        _refuse(items)
        await super().aput(items, ttl)


def _refuse(items: Mapping[str, bytes]) -> None:
    longest = max(map(len, items.values()))
    if longest > LIMIT_BYTES:
        raise EntryTooLarge(f"The entry has {longest} bytes of at most {LIMIT_BYTES}.")


@pytest.fixture(params=[SmallLayer, SmallAsyncLayer], ids=lambda kind: kind.__name__)
def small(request: pytest.FixtureRequest, clock: Clock) -> Any:
    return request.param("small", clock)


def test_other_layers_keep_what_one_refuses(
    make_gcache: Callable[..., GCache],
    side: Any,
    small: Any,
    remote: Any,
    recorded: Recorded,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is counted each time as that layer's error, and logged once with what to do."""
    gcache = make_gcache(layers=[small, remote])
    get_user = side.cached(gcache, Source(LARGE, LARGE, "little"))

    with caplog.at_level(logging.WARNING, "gcache"), gcache.enable():
        answers = [get_user(1), get_user(1), get_user(2), get_user(3)]

    assert [LARGE, LARGE, LARGE, "little"] == answers
    assert [gcache._engine.keys.build(get_user.key(3))] == small.entries()
    assert 3 == len(remote.entries())
    assert [("small", "EntryTooLarge", False)] * 3 == recorded.errors
    [record] = caplog.records
    assert "'GetUser' is too large for layer 'small'" in record.getMessage()
    assert "raise the layer's limit" in record.getMessage()
    assert f"of at most {LIMIT_BYTES}" in record.getMessage()


def test_a_call_goes_on_with_the_layer(
    make_gcache: Callable[..., GCache], side: Any, small: Any, local: Any, recorded: Recorded
) -> None:
    """A refusal is no trouble of the layer: it is asked again, and the miss is one for absence."""
    gcache = make_gcache(layers=[small])
    get_user = side.cached(gcache, Source(LARGE, LARGE))

    with gcache.enable():
        get_user(1), get_user(1)

    assert {"absent"} == {reason for reason, _ in recorded.calls}
    assert 2 == len(small.asked("get"))


def test_an_authority_that_refuses_stays_exact(
    make_gcache: Callable[..., GCache], side: Any, small: Any, local: Any
) -> None:
    """A tracked value is kept in memory under its epoch, and ends with it."""
    gcache = make_gcache(layers=[local, small])
    get_user = side.cached(gcache, Source(LARGE, "new"), track_for_invalidation=True)

    with gcache.enable():
        assert [LARGE, LARGE] == [get_user(1), get_user(1)]
        side.do(gcache, "invalidate", "user_id", 1)
        assert "new" == get_user(1)


@pytest.mark.parametrize("tracked", [False, True], ids=["untracked", "tracked"])
def test_what_a_large_value_replaces_is_gone(
    make_gcache: Callable[..., GCache], side: Any, small: Any, recorded: Recorded, tracked: bool
) -> None:
    """A refresh that a layer refuses leaves no older value behind in it."""
    gcache = make_gcache(layers=[small])
    get_user = side.cached(gcache, Source("old", LARGE, "new"), track_for_invalidation=tracked)

    with gcache.enable():
        get_user(1)
        assert LARGE == get_user.refresh(1)
        assert MISSING is get_user.peek(1)
        assert "new" == get_user(1)
    assert [("small", "EntryTooLarge", False)] == recorded.errors


def test_what_an_explicit_put_replaces_is_gone(
    make_gcache: Callable[..., GCache], side: Any, small: Any, remote: Any, recorded: Recorded
) -> None:
    """The same goes for `put`, and the layers behind keep the value."""
    gcache = make_gcache(layers=[small, remote])
    key = side.cached(gcache, Source()).key(1)

    with gcache.enable():
        side.do(gcache, "put", key, "old")
        side.do(gcache, "put", key, LARGE)
        assert LARGE == side.get(gcache, key, Source())

    assert [] == small.entries()
    assert 1 == len(remote.entries())
    assert [("small", "EntryTooLarge", False)] * 2 == recorded.errors


def test_an_unserializable_value_leaves_no_older_one_behind(
    make_gcache: Callable[..., GCache], side: Any, remote: Any, recorded: Recorded
) -> None:
    """What its serializer refuses replaces what was there as well."""
    gcache = make_gcache(layers=[remote])
    get_user = side.cached(gcache, Source("old", lambda: None))

    with gcache.enable():
        get_user(1)
        get_user.refresh(1)

        assert MISSING is get_user.peek(1)
    assert [("remote", "UntrustedType", False)] == recorded.errors


def test_a_layer_that_cannot_forget_what_it_refuses_is_counted(
    make_gcache: Callable[..., GCache], side: Any, small: Any, recorded: Recorded
) -> None:
    """The caller gets its value all the same."""
    gcache = make_gcache(layers=[small])
    get_user = side.cached(gcache, Source("old", LARGE))
    small.failing = {"delete"}

    with gcache.enable():
        get_user(1)
        assert LARGE == get_user.refresh(1)

    assert [("small", "EntryTooLarge", False), ("small", "LayerDown", False)] == recorded.errors
