"""What invalidations do to functions of many ids, and how their epochs are planted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcache import UntrackedUseCase
from tests.core.layers import AsyncBulkLayer, AsyncLayer, BulkLayer, SyncLayer, plant_epoch
from tests.core.many import Rows, many
from tests.core.stage import Clock, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

KINDS = [SyncLayer, AsyncLayer, BulkLayer, AsyncBulkLayer]


class TestInvalidation:
    def test_each(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """An invalidated entity is loaded anew, and the others are not."""
        gcache = make_gcache(layers=layers)
        rows = Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2, 3])
            side.do(gcache, "invalidate", "user_id", 2)

            assert {1: "1.0", 2: "2.1", 3: "3.0"} == get_users([1, 2, 3])
        assert [[1, 2, 3], [2]] == rows.asked

    def test_together(self, gcache: GCache, side: Any) -> None:
        """`invalidate` of the function takes the call's arguments and ends the entries of all its ids."""
        rows = Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2, 3])
            get_users.invalidate([1, 3])
            get_users([1, 2, 3])

        assert [[1, 2, 3], [1, 3]] == rows.asked

    def test_untracked(self, gcache: GCache, side: Any) -> None:
        """A function that is not tracked cannot invalidate."""
        with pytest.raises(UntrackedUseCase):
            many(side, gcache, Rows()).invalidate([1])

    def test_during_the_load(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """What is invalidated while it is loaded is served, and not to anybody later."""
        gcache = make_gcache(layers=layers)
        rows = Rows()
        rows.before = lambda: gcache.invalidate("user_id", 2)
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2])
            rows.before = lambda: None
            get_users([1, 2])

        assert [[1, 2], [2]] == rows.asked

    def test_held(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """What is held is loaded by each call, and not stored; the rest is."""
        gcache = make_gcache(layers=layers)
        rows = Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            side.do(gcache, "invalidate", "user_id", 2, 5_000)
            get_users([1, 2])
            get_users([1, 2])

        assert [[1, 2], [2]] == rows.asked

    @pytest.mark.parametrize("kind", KINDS)
    def test_planted_elsewhere(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, kind: Any
    ) -> None:
        """An epoch that another process plants first is the one that the entry gets."""
        remote = kind("remote", clock)
        gcache = make_gcache(layers=[remote])
        entity = gcache._engine.keys.epoch("user_id", 2)

        epochs: list[bytes] = []

        def plant() -> None:
            remote.before = {}
            epochs.append(plant_epoch(remote, entity))

        remote.before = dict.fromkeys(("add", "add_many"), plant)
        rows = Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2, 3])
            get_users([3, 2, 1])

        assert [[1, 2, 3]] == rows.asked
        assert epochs == [remote.value(entity)]

    @pytest.mark.parametrize("kind", [BulkLayer, AsyncBulkLayer])
    def test_planted_at_once(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, kind: Any
    ) -> None:
        """A layer that can add many keys is asked to once, for the entities that have no epoch yet."""
        remote = kind("remote", clock)
        gcache = make_gcache(layers=[remote])
        get_users = many(side, gcache, Rows(), track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2])
            get_users([1, 2, 3, 4])

        assert [2, 2] == [len(keys) for keys in remote.asked("add_many")]

    @pytest.mark.parametrize("answer", [None, [True]])
    def test_not_planted(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, recorded: Recorded, answer: Any
    ) -> None:
        """If the epochs could not be planted, or the layer does not say which, nothing is stored."""
        remote: Any = BulkLayer("remote", clock)
        remote.add_many = lambda items, ttl: answer
        gcache = make_gcache(layers=[remote])
        with gcache.enable():
            assert {1: "1.0", 2: "2.0"} == many(side, gcache, Rows(), track_for_invalidation=True)([1, 2])

        assert ([], [("remote", "TypeError", False)]) == (remote.asked("put"), recorded.errors)

    def test_foreign_epoch(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """What is foreign under an epoch's key is retired, and an epoch planted."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        remote.stored[gcache._engine.keys.epoch("user_id", 2)] = b"?", clock.now + 99
        rows = Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2])
            get_users([1, 2])

        assert [[1, 2]] == rows.asked
