"""Functions of many ids: what their decorator and their source say, and what they may look like."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    DecorationError,
    EntryTooLarge,
    GCacheKey,
    keep_for,
)
from tests.core.layers import SyncLayer
from tests.core.many import Rows, many
from tests.core.stage import AsyncSide, Clock, Recorded, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


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

    def test_isolate_together(self, gcache: GCache) -> None:
        """With it, who waits for a load does not get what the caller makes of its values meanwhile."""
        side = AsyncSide()

        @gcache.cached_many("user_id", ids_arg="user_ids", isolate="copy")
        async def get_users(user_ids: list[int]) -> dict[int, list[str]]:
            while not waiting(gcache):
                await asyncio.sleep(0)
            return {each: ["kept"] for each in user_ids}

        async def play() -> Any:
            first, second = (asyncio.create_task(get_users([1])) for _ in range(2))
            (await first)[1].append("more")
            return await second

        with gcache.enable():
            assert {1: ["kept"]} == side.run(play())
        side.close()

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

    def test_arguments_once(self, make_gcache: Callable[..., GCache], side: Any) -> None:
        """What is the same for all ids becomes text as often for many ids as for one."""
        adapted: dict[int, list[Any]] = {1: [], 100: []}
        for count, pages in adapted.items():
            adapters = {"page": lambda page, pages=pages: pages.append(page) or page}
            gcache = make_gcache()
            with gcache.enable():
                many(side, gcache, Rows(), arg_adapters=adapters)(list(range(count)), 7)

        assert len(adapted[1]) == len(adapted[100])

    def test_no_ids(self, gcache: GCache, side: Any, recorded: Recorded) -> None:
        """Without ids no argument becomes text, and nobody is asked."""
        rows = Rows()
        with gcache.enable():
            assert {} == many(side, gcache, rows)([], object())
        assert ([], []) == (rows.asked, recorded.events)

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
