"""Entries that are renewed beside a caller before their lives end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKeyConfig, MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Stale
from gcache.core.renewing import MOST_UNDER_WAY
from tests.core.layers import SyncLayer
from tests.core.stage import PATIENCE_SEC, Chance, Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

LOAD_SEC, BETA = 2.0, 1.0


def ahead(local: float = 60, remote: float = 60) -> Callable[[Any], GCacheKeyConfig]:
    return lambda key: GCacheKeyConfig(
        ttl_sec={"local": local, "remote": remote},
        ramp={"local": 100, "remote": 100},
        refresh_ahead=BETA,
    )


@pytest.fixture
def source(clock: Clock) -> Source:
    """A source that takes two seconds."""
    source = Source()
    source.before = lambda: clock.advance(LOAD_SEC)
    return source


class TestAhead:
    def test_renewed(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        chance: Chance,
        source: Source,
        recorded: Recorded,
    ) -> None:
        """A hit shortly before the end gets what is there, and the next one what was loaded beside it."""
        gcache = make_gcache(layers=layers, cache_config_provider=ahead())
        get_user = side.cached(gcache, source)

        with gcache.enable():
            get_user(1)
            clock.advance(58)
            chance.point = 0.9  # 4.6 seconds ahead
            first = get_user(1)
            side.settle(gcache)
            chance.point = 0.0

            assert (1, 2) == (first, get_user(1))
        assert [] == recorded.of(Stale)

    def test_too_early(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        chance: Chance,
        source: Source,
    ) -> None:
        """Long before the end, nothing is renewed."""
        gcache = make_gcache(layers=layers, cache_config_provider=ahead())
        get_user = side.cached(gcache, source)
        chance.point = 0.9

        with gcache.enable():
            get_user(1)
            clock.advance(40)
            get_user(1)
            side.settle(gcache)

        assert 1 == source.loads

    def test_hot_path(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, source: Source
    ) -> None:
        """Until an entry can come to be due, hits stay on the hot path."""
        gcache = make_gcache(cache_config_provider=ahead(), config_refresh_sec=1000)
        get_user = side.cached(gcache, source)

        with gcache.enable():
            get_user(1)
            clock.advance(60 - 12 * LOAD_SEC * BETA - 0.1)
            gcache._engine.chain.read = None  # type: ignore[assignment,method-assign]

            assert 1 == get_user(1)

    def test_farther_layer_first(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: MemoryLayer[Any],
        clock: Clock,
        chance: Chance,
        source: Source,
    ) -> None:
        """What ends in memory is taken from the next layer while it lives on there, without a load."""
        gcache = make_gcache(
            layers=[local, SyncLayer("remote", clock)], cache_config_provider=ahead(local=30, remote=600)
        )
        get_user = side.cached(gcache, source)

        with gcache.enable():
            get_user(1)
            clock.advance(29)
            chance.point = 0.9
            get_user(1)
            side.settle(gcache)
            clock.advance(2)

            assert 1 == get_user(1)
        assert 1 == source.loads

    def test_tracked(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        chance: Chance,
        source: Source,
    ) -> None:
        """What is invalidated while it is renewed does not come back."""
        gcache = make_gcache(layers=layers, cache_config_provider=ahead())
        get_user = side.cached(gcache, source, track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            clock.advance(58)
            chance.point = 0.9
            source.before = lambda: gcache.invalidate("user_id", 1)
            get_user(1)
            side.settle(gcache)
            source.before = lambda: None

            assert 3 == get_user(1)

    def test_failing(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, chance: Chance
    ) -> None:
        """A renewal that fails is not tried again at once, and the entry lives to its end."""
        gcache = make_gcache(cache_config_provider=ahead())
        get_user = side.cached(gcache, source := Source(1, *[LookupError("down")] * 9))
        source.before = lambda: clock.advance(LOAD_SEC)

        with gcache.enable():
            get_user(1)
            source.before = lambda: None
            clock.advance(58)
            chance.point = 0.9
            seen = []
            for _ in range(3):
                seen.append(get_user(1))
                side.settle(gcache)

        assert ([1, 1, 1], 2) == (seen, source.loads)


class TestBounds:
    def test_one_at_a_time(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """Of many hits that find an entry over, one has it renewed."""
        gcache, gate = make_gcache(cache_config_provider=revalidating), threading.Event()
        get_user = SyncSide().cached(gcache, source := Source())

        with gcache.enable():
            get_user(1)
            clock.advance(61)
            source.before = lambda: gate.wait(PATIENCE_SEC)
            seen = [get_user(1) for _ in range(20)]
            gate.set()
            SyncSide().settle(gcache)

        assert ([1] * 20, 2) == (seen, source.loads)

    def test_most(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """No more than a few are under way at once; others are served, and renewed when there is room."""
        gcache, gate = make_gcache(cache_config_provider=revalidating), threading.Event()
        get_user = SyncSide().cached(gcache, source := Source())
        users = range(MOST_UNDER_WAY + 5)

        with gcache.enable():
            for user in users:
                get_user(user)
            clock.advance(61)
            source.before = lambda: gate.wait(PATIENCE_SEC)
            seen = [get_user(user) for user in users]
            wait_until(
                lambda: source.loads >= len(users) + MOST_UNDER_WAY, sentence="all renewals have begun"
            )
            under_way = source.loads - len(users)
            gate.set()
            SyncSide().settle(gcache)
            for user in users:
                get_user(user)
            SyncSide().settle(gcache)

        assert [user + 1 for user in users] == seen
        assert (MOST_UNDER_WAY, 2 * len(users)) == (under_way, source.loads)


def revalidating(key: Any) -> GCacheKeyConfig:
    return GCacheKeyConfig(ttl_sec={"*": 60}, ramp={"*": 100}, stale_while_revalidate_sec=30)
