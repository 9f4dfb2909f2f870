"""Functions of many ids: what reaches the source, and what comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    GCacheKeyConfig,
    NoMapping,
)
from gcache.core.events import Hit
from tests.core.many import Rows, many
from tests.core.stage import Recorded

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


def test_loops(gcache: GCache) -> None:
    """An async function of many ids is a coroutine function, and so it stays."""

    @gcache.cached_many("user_id", ids_arg="user_ids")
    async def get_users(user_ids: list[int]) -> dict[int, int]:
        return {user_id: user_id for user_id in user_ids}

    assert asyncio.iscoroutinefunction(get_users)
