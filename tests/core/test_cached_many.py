"""Functions of many ids: what reaches the source, and what comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from gcache import (
    DecorationError,
    EntryTooLarge,
    GCacheKey,
    GCacheKeyConfig,
    NoMapping,
    keep_for,
)
from gcache.core.events import Get, Hit, Miss
from tests.core.layers import BothSidedLayer, SyncLayer
from tests.core.many import Rows, many
from tests.core.stage import Clock, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


class TestAnswers:
    def test_order(self, gcache: GCache, side: Any) -> None:
        """The result has the ids in the order asked, each once, whatever was cached."""
        rows = Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users([2])

            assert [(3, "3.1"), (2, "2.0"), (1, "1.1")] == list(get_users([3, 2, 3, 1]).items())

    def test_missing_ids(self, gcache: GCache, side: Any) -> None:
        """The source gets a list of the ids that no layer has, once each, in the order asked."""
        rows = Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users((2, 5))
            get_users(iter([5, 9, 2, 1, 9]))

        assert [[2, 5], [9, 1]] == rows.asked

    def test_nothing_missing(self, gcache: GCache, side: Any) -> None:
        """If all is cached, or nothing asked for, the source is not called."""
        rows = Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users([1, 2])

            assert ({2: "2.0", 1: "1.0"}, {}) == (get_users([2, 1]), get_users([]))
        assert [[1, 2]] == rows.asked

    def test_absent(self, gcache: GCache, side: Any) -> None:
        """Ids that the source leaves out are left out, and asked for again; None is a value like others."""
        rows = Rows(absent={2}, none={3})
        get_users = many(side, gcache, rows)
        with gcache.enable():
            assert [{1: "1.0", 3: None}] * 2 == [get_users([1, 2, 3]) for _ in range(2)]

        assert [[1, 2, 3], [2]] == rows.asked

    def test_unasked(self, gcache: GCache, side: Any) -> None:
        """What the source has beside the ids asked for is neither returned nor stored."""
        rows = Rows(more={7: "seven"})
        get_users = many(side, gcache, rows)
        with gcache.enable():
            assert {1: "1.0"} == get_users([1])
            get_users([7])

        assert [[1], [7]] == rows.asked

    def test_no_mapping(self, gcache: GCache, side: Any) -> None:
        """A source that returns no mapping is complained of, and nothing is stored."""
        rows = Rows(answer=["1.0"])
        get_users = many(side, gcache, rows)
        with gcache.enable():
            for _ in range(2):
                with pytest.raises(NoMapping, match="'GetUsers' returned a list"):
                    get_users([1])

        assert [[1], [1]] == rows.asked

    def test_failure(self, gcache: GCache, side: Any) -> None:
        """What the source raises reaches the caller, and nothing is stored."""
        rows = Rows(failures=1)
        get_users = many(side, gcache, rows)
        with gcache.enable():
            with pytest.raises(LookupError):
                get_users([1, 2])

            assert {1: "1.1", 2: "2.1"} == get_users([1, 2])

    @pytest.mark.parametrize("isolate", [None, "copy"])
    def test_hot_memory(
        self, make_gcache: Callable[..., GCache], side: Any, recorded: Recorded, isolate: Any
    ) -> None:
        """What memory has is taken as for single calls, without the chain, and counted for each id."""
        gcache, rows = make_gcache(config_refresh_sec=60), Rows()
        get_users = many(side, gcache, rows, isolate=isolate, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2, 3])
            gcache._engine.chain.many = None
            recorded.forget()

            assert {3: "3.0", 1: "1.0"} == get_users([3, 1])
        assert [("local", 2)] == recorded.calls

    def test_one_entity_twice(self, gcache: GCache, side: Any) -> None:
        """Ids with the same text are one entity: it is loaded once, and both are in the result."""
        rows = Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            assert {1: "1.0", "1": "1.0"} == get_users([1, "1"])

        assert [[1]] == rows.asked


class TestBypass:
    def test_disabled(self, gcache: GCache, side: Any) -> None:
        """While caching is off the source gets the very argument, and its answer is the call's."""
        rows, ids = Rows(), iter([1, 1])
        get_users = many(side, gcache, rows)

        answer = get_users(ids)

        assert (ids, answer) == (rows.arguments[0], rows.answers[0])
        assert answer is rows.answers[0]

    def test_closed(self, gcache: GCache, side: Any) -> None:
        """Once the instance is closed the source gets the very argument."""
        rows, ids = Rows(), (1, 2)
        get_users = many(side, gcache, rows)
        gcache.close()
        with gcache.enable():
            get_users(ids)

        assert ids is rows.arguments[0]

    @pytest.mark.parametrize("ids", [[1, object()], [1, [2]], 5])
    def test_unkeyable(self, gcache: GCache, side: Any, recorded: Recorded, ids: Any) -> None:
        """An id without a text, or without a hash, or what is no iterable, goes to the source as it is."""
        rows = Rows(answer={})
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users(ids)

        assert ids is rows.arguments[0]
        assert [("unkeyable", 1)] == recorded.calls

    def test_used_up_iterator(self, gcache: GCache, side: Any) -> None:
        """An iterator of ids that has been read to the end reaches the source as a list."""
        rows = Rows(answer={})
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users(iter([1, [2]]))

        assert [1, [2]] == rows.arguments[0]

    def test_missing_config(self, make_gcache: Callable[..., GCache], side: Any, recorded: Recorded) -> None:
        """Without a configuration all ids go to the source, each counted."""
        rows = Rows()
        get_users = many(side, make_gcache(cache_config_provider=lambda key: None), rows)
        gcache = get_users.gcache
        with gcache.enable():
            assert {1: "1.0", 2: "2.0"} == get_users([1, 2])
        assert [("missing_config", 2)] == recorded.calls

    def test_ramp(self, make_gcache: Callable[..., GCache], side: Any, recorded: Recorded) -> None:
        """A ramp decides for each id, and one call of the source serves those in and out of it."""
        config = GCacheKeyConfig(ttl_sec={"local": 60}, ramp={"local": 50})
        gcache = make_gcache(cache_config_provider=lambda key: config)
        rows = Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users(range(40))
            get_users(range(40))

        left = len(rows.asked[1])
        assert 2 == len(rows.asked)
        assert 0 < left < 40
        assert 40 - left == sum(event.calls for event in recorded.of(Hit))

    def test_broken_part(
        self, make_gcache: Callable[..., GCache], side: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """If a part of the chain breaks its promise, the source answers for what is not known yet."""
        gcache, rows = make_gcache(config_refresh_sec=60), Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users([1])
            monkeypatch.setattr(gcache._engine.chain.routes, "under", lambda policy, call: 1 // 0)

            assert {1: "1.0", 2: "2.1"} == get_users([1, 2])


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
            many(side, writer, rows)([1, 2])
            clock.advance(20.5)
            many(side, gcache, rows)([1, 2])
            [filled] = disk.asked("put")

            assert [39.0, 39.0] == list(filled.values())
            assert [60 - 20.5] * 2 == [slot.deadline - clock.now for slot in local._slots.values()]

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

    def test_jitter(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """Chance shortens the lives of all that one call stores alike."""
        points = iter([0.5, 0.1, 0.9])
        config = evolve(GCacheKeyConfig.enabled(60), ttl_jitter=0.2)
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: config)
        gcache._engine.chain._storing._chance = lambda: next(points)
        with gcache.enable():
            many(side, gcache, Rows())([1, 2])

        assert [[54.0, 54.0]] == [[round(ttl, 6) for ttl in put.values()] for put in remote.asked("put")]


class TestOptions:
    def test_cache_if(self, gcache: GCache, side: Any) -> None:
        """`cache_if` judges each value."""
        rows = Rows()
        get_users = many(side, gcache, rows, cache_if=lambda value: value.startswith("1"))
        with gcache.enable():
            get_users([1, 2])
            get_users([1, 2])

        assert [[1, 2], [2]] == rows.asked

    def test_isolate(self, gcache: GCache, side: Any) -> None:
        """With `isolate="copy"` nobody can change what memory keeps."""
        rows = Rows(answer={1: ["kept"]})
        get_users = many(side, gcache, rows, isolate="copy")
        with gcache.enable():
            get_users([1])[1].append("more")
            get_users([1])[1].append("more")

            assert {1: ["kept"]} == get_users([1])

    def test_keep_for(self, gcache: GCache, side: Any, clock: Clock) -> None:
        """What the source says with `keep_for` holds for all that it brings."""
        rows = Rows()
        rows.before = lambda: keep_for(5)
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users([1, 2])
            clock.advance(6)
            get_users([1, 2])

        assert [[1, 2], [1, 2]] == rows.asked

    def test_taken_out(self, gcache: GCache, side: Any) -> None:
        """With a pair the function takes the id out of what is asked for, which itself reaches the source."""
        rows = Rows()
        get_users = many(side, gcache, rows, ids_arg=("user_ids", lambda pair: pair[0]))
        with gcache.enable():
            assert [{(1, "a"): "(1, 'a').0"}] * 2 == [get_users([(1, "a")]) for _ in range(2)]
        assert [GCacheKey("user_id", 1, "GetUsers", {"page": 1})] == get_users.keys([(1, "a")])

    def test_other_arguments(self, gcache: GCache, side: Any) -> None:
        """The other arguments tell entries apart, with their defaults filled in, and reach the source."""
        rows = Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users([1])
            get_users([1], page=1)
            get_users([1, 2], page=2)

        assert [([1], 1), ([1, 2], 2)] == list(zip(rows.asked, rows.pages, strict=True))

    @pytest.mark.parametrize("star", ["*", "**"])
    def test_starred(self, gcache: GCache, star: str) -> None:
        """Ids cannot come one by one."""
        namespace: dict[str, Any] = {}
        exec(f"def get_users({star}user_ids): ...", namespace)

        with pytest.raises(DecorationError, match="one by one"):
            gcache.cached_many("user_id", ids_arg="user_ids")(namespace["get_users"])

    def test_too_large(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, recorded: Recorded
    ) -> None:
        """One value that is too large for a layer keeps the others not from being stored there."""
        remote = SyncLayer("remote", clock)
        put = remote.put

        def put_small(items: Any, ttl: float) -> None:
            if any("user_id:2" in key for key in items):
                raise EntryTooLarge("It is too large.")
            put(items, ttl)

        remote.put = put_small  # type: ignore[method-assign]
        gcache, rows = make_gcache(layers=[remote]), Rows()
        get_users = many(side, gcache, rows)
        with gcache.enable():
            get_users([1, 2, 3])
            get_users([1, 2, 3])

        assert [[1, 2, 3], [2]] == rows.asked

    def test_methods(self, gcache: GCache) -> None:
        """A method shares its entries among all instances, as those of `cached` do."""

        class Users:
            def __init__(self) -> None:
                self.asked: list[list[int]] = []

            @gcache.cached_many("user_id", ids_arg="user_ids", track_for_invalidation=True)
            def names(self, user_ids: list[int], *, short: bool = False) -> dict[int, str]:
                self.asked.append(user_ids)
                return {user_id: f"{user_id} {short}" for user_id in user_ids}

            @classmethod
            @gcache.cached_many("user_id", ids_arg="user_ids")
            def ages(cls, user_ids: list[int]) -> dict[int, int]:
                return {user_id: user_id for user_id in user_ids}

            @staticmethod
            @gcache.cached_many("user_id", ids_arg="user_ids")
            def sizes(user_ids: list[int]) -> dict[int, int]:
                return {user_id: user_id for user_id in user_ids}

        one, other = Users(), Users()
        with gcache.enable():
            one.names([1, 2], short=True)
            other.names(user_ids=[1, 2, 3], short=True)
            other.names.invalidate([1])
            other.names([1, 3], short=True)

            assert ([[1, 2]], [[3], [1]]) == (one.asked, other.asked)
            assert ({1: 1}, {1: 1}) == (Users.ages([1]), Users.sizes([1]))


def test_loops(gcache: GCache) -> None:
    """An async function of many ids is a coroutine function, and so it stays."""

    @gcache.cached_many("user_id", ids_arg="user_ids")
    async def get_users(user_ids: list[int]) -> dict[int, int]:
        return {user_id: user_id for user_id in user_ids}

    assert asyncio.iscoroutinefunction(get_users)
