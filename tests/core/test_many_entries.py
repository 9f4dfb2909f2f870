"""Entries that functions of many ids share with those of one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from gcache import GCacheKeyConfig, UseCaseTaken, keep_for
from tests.core.layers import SyncLayer
from tests.core.many import Rows, many
from tests.core.stage import PATIENCE_SEC, Clock, Source, SyncSide, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


@pytest.fixture
def here() -> SyncSide:
    """Threads, for tests in which the calls run into each other."""
    return SyncSide()


class TestEntries:
    def test_shared(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """Entries are those of a `cached` function of the same use case, tracked or not, in every layer."""
        for tracked in (False, True):
            options: dict[str, Any] = {"use_case": f"Shared{tracked}", "track_for_invalidation": tracked}
            gcache, source, rows = make_gcache(layers=layers), Source("one"), Rows()
            get_user = side.cached(gcache, source, **options)
            get_users = many(side, gcache, rows, **options)
            with gcache.enable():
                get_user(1)
                get_users([1, "2"])

                assert (["one", "2.0"], {1: "one"}) == ([get_user("1"), get_user(2)], get_users([1]))
            assert (1, [["2"]]) == (source.loads, rows.asked)

    def test_keys(self, gcache: GCache, here: SyncSide) -> None:
        """`keys` gives the keys that the `cached` function has for each id."""
        get_user = here.cached(gcache, Source(), use_case="GetUsers")
        get_users = many(here, gcache, Rows())

        assert [get_user.key(each, page=3) for each in (2, 1)] == get_users.keys([2, 1], page=3)

    def test_first_calls(self, make_gcache: Callable[..., GCache], here: SyncSide) -> None:
        """First calls of both functions that come at once each wait for what the configuration says."""
        both_ask = threading.Barrier(2)

        def provide(key: Any) -> GCacheKeyConfig:
            both_ask.wait(PATIENCE_SEC)
            return GCacheKeyConfig.enabled(60)

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        source, rows = Source("one"), Rows()
        get_user = here.cached(gcache, source, use_case="GetUsers")
        get_users = many(here, gcache, rows)
        functions: list[Callable[[], Any]] = [lambda: get_user(1), lambda: get_users([2])]

        def call(number: int) -> Any:
            with gcache.enable():
                return [functions[number](), functions[number]()]

        assert [["one"] * 2, [{2: "2.0"}] * 2] == in_threads(2, call)
        assert (1, [[2]]) == (source.loads, rows.asked)

    def test_cached_exception(self, make_gcache: Callable[..., GCache], side: Any) -> None:
        """An exception that a `cached` function keeps answers no call for many ids."""
        config = evolve(GCacheKeyConfig.enabled(60), exception_ttl_sec=30)
        gcache = make_gcache(cache_config_provider=lambda key: config)
        get_user = side.cached(
            gcache, Source(LookupError()), use_case="GetUsers", cache_exceptions=[LookupError]
        )
        with gcache.enable():
            with pytest.raises(LookupError):
                get_user(1)

            assert {1: "1.0"} == many(side, gcache, Rows())([1])

    def test_stale(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, layers: list[Any]
    ) -> None:
        """What a call for many ids stores can be served stale to single calls, and is not to such calls."""
        config = evolve(GCacheKeyConfig.enabled(60), stale_if_error_sec=600)
        gcache, rows = make_gcache(layers=layers, cache_config_provider=lambda key: config), Rows()
        get_users = many(side, gcache, rows)
        get_user = side.cached(gcache, Source(LookupError()), use_case="GetUsers")
        with gcache.enable():
            get_users([1])
            clock.advance(61)

            assert "1.0" == get_user(1)
            assert {1: "1.1"} == get_users([1])

    @pytest.mark.parametrize("how", ["cache_if", "keep_for", "absent"])
    def test_refused(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, how: str) -> None:
        """An older entry does not stay, to be served stale, if a new value is not to be stored."""
        config = evolve(GCacheKeyConfig.enabled(60), stale_if_error_sec=600)
        absent: list[int] = []
        remote, rows = SyncLayer("remote", clock), Rows(absent=absent)
        gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: config)
        get_users = many(side, gcache, rows, cache_if=lambda value: how != "cache_if" or value.endswith("0"))
        with gcache.enable():
            get_users([1])
            clock.advance(61)
            if how != "cache_if":
                rows.before = lambda: keep_for(0)
            absent += [1] if how == "absent" else []
            get_users([1])

        assert [] == remote.entries()

    def test_deleted(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """An entry that is deleted while it is loaded is not stored."""
        gcache, rows = make_gcache(layers=layers), Rows()
        get_users = many(side, gcache, rows)
        rows.before = lambda: gcache.delete(get_users.keys([2])[0])
        with gcache.enable():
            get_users([1, 2])
            rows.before = lambda: None
            get_users([1, 2])

        assert [[1, 2], [2]] == rows.asked

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"key_type": "team_id"}, "key_type"),
            ({"track_for_invalidation": True}, "track_for_invalidation"),
            ({"ignore_args": ["page"]}, "the arguments beside the id"),
            ({"isolate": "copy"}, "isolate"),
        ],
    )
    def test_disagreement(self, gcache: GCache, here: SyncSide, options: dict[str, Any], what: str) -> None:
        """A `cached` function whose entries are not the same cannot have the use case."""
        many(here, gcache, Rows())

        with pytest.raises(UseCaseTaken, match=f"'GetUsers' belongs to another function, of which {what}"):
            here.cached(gcache, Source(), use_case="GetUsers", **options)

    def test_second(self, gcache: GCache, here: SyncSide) -> None:
        """Of each kind there is one function for a use case."""
        here.cached(gcache, Source(), use_case="GetUsers")
        many(here, gcache, Rows())

        with pytest.raises(UseCaseTaken):
            many(here, gcache, Rows())
        with pytest.raises(UseCaseTaken):
            here.cached(gcache, Source(), use_case="GetUsers")

    def test_closing(self, make_gcache: Callable[..., GCache], here: SyncSide) -> None:
        """Neither function of a use case answers from memory once the instance is closed."""
        gcache, rows, source = make_gcache(config_refresh_sec=60), Rows(), Source()
        get_users = many(here, gcache, rows)
        get_user = here.cached(gcache, source, use_case="GetUsers")
        with gcache.enable():
            get_users([1])
            get_user(2)
            gcache.close()
            get_users([1])
            get_user(2)

        assert ([[1], [1]], 2) == (rows.asked, source.loads)
