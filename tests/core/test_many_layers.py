"""Functions of many ids: how the layers are asked, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from gcache import (
    GCacheKeyConfig,
)
from gcache.core.events import Get, Hit, Miss
from tests.core.layers import BothSidedLayer, SyncLayer
from tests.core.many import Rows, many
from tests.core.stage import Clock, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


class TestLayers:
    def test_one_read(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, tracked: bool
    ) -> None:
        """A layer out of process is read once for all ids, and written once with all that was loaded."""
        remote = BothSidedLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        rows = Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=tracked)
        with gcache.enable():
            get_users([1, 2, 3])

        assert [3 + 3 * tracked] == [len(keys) for keys in remote.asked("get")]
        assert [3] == [len(items) for items in remote.asked("put")]

    def test_fill(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, local: Any) -> None:
        """What a farther layer has is kept by nearer ones, for no longer than it lives."""
        remote, disk = SyncLayer("remote", clock), SyncLayer("disk", clock)
        writer = make_gcache(layers=[remote], urn_prefix="urn:fill", as_other_process=True)
        gcache = make_gcache(layers=[local, disk, remote], urn_prefix="urn:fill", as_other_process=True)
        rows = Rows()
        with writer.enable(), gcache.enable():
            write = many(side, writer, rows)
            write([1, 2])
            clock.advance(5)
            write([3])
            clock.advance(20.5)
            many(side, gcache, rows)([1, 2, 3])

            assert [[34.0, 34.0], [39.0]] == [list(put.values()) for put in disk.asked("put")]
            assert [34.5, 34.5, 39.5] == [slot.deadline - clock.now for slot in local._slots.values()]

    def test_failing_layer(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, recorded: Recorded, tracked: bool
    ) -> None:
        """A layer that fails is done without, and its failure counted once for all ids."""
        remote = SyncLayer("remote", clock)
        remote.failing = {"*"}
        rows = Rows()
        gcache = make_gcache(layers=[remote])
        get_users = many(side, gcache, rows, track_for_invalidation=tracked)
        with gcache.enable():
            assert {1: "1.0", 2: "2.0"} == get_users([1, 2])

        assert [("remote", "LayerDown", False)] == recorded.errors

    def test_failing_writes(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """Without epochs nothing tracked is written, and planting ends with the first failure."""
        remote = SyncLayer("remote", clock)
        remote.failing = {"add"}
        gcache = make_gcache(layers=[remote])
        with gcache.enable():
            many(side, gcache, Rows(), track_for_invalidation=True)([1, 2, 3])

        assert (1, []) == (len(remote.asked("add")), remote.asked("put"))

    def test_figures(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, local: Any, recorded: Recorded
    ) -> None:
        """Each id is a hit or a miss of a layer, and each bulk read is one figure."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[local, remote])
        get_users = many(side, gcache, Rows())
        with gcache.enable():
            get_users([1])
            get_users([2])
            local.delete(list(local._slots)[:1])
            recorded.forget()
            get_users([1, 2, 3, 4])

        assert {"local": 1, "remote": 1} == {event.layer: event.calls for event in recorded.of(Hit)}
        assert [Miss("GetUsers", "user_id", "remote", "absent", 2)] == recorded.of(Miss)
        assert [1] == [len(event.seconds) for event in recorded.of(Get)]
        assert 1 == recorded.loads

    def test_ramp(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, local: Any) -> None:
        """An id that passes fewer layers than others does not shorten what these keep."""
        config = GCacheKeyConfig({"local": 10, "remote": 60}, {"local": 100, "remote": 50})
        remote, ids = SyncLayer("remote", clock), list(range(40))
        gcache = make_gcache(layers=[local, remote], cache_config_provider=lambda key: config)
        with gcache.enable():
            many(side, gcache, Rows())(ids)

        [stored] = remote.asked("put")
        assert {60.0} == set(stored.values())
        assert 0 < len(stored) < len(local._slots) == len(ids)

    def test_jitter(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """Chance shortens the lives of all that one call stores alike."""
        points = iter([0.5, 0.9, 0.9])
        config = evolve(GCacheKeyConfig.enabled(60), ttl_jitter=0.2)
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: config)
        gcache._engine.chain._storing._chance = lambda: next(points)
        with gcache.enable():
            many(side, gcache, Rows())([1, 2])

        assert [[54.0, 54.0]] == [[round(ttl, 6) for ttl in put.values()] for put in remote.asked("put")]
