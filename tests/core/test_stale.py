"""Entries that are served after their lives, instead of a failure or beside a renewal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKeyConfig, MemoryLayer
from gcache.core.events import Miss, Stale
from tests.core.layers import SyncLayer
from tests.core.stage import Clock, Recorded, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

TTL_SEC, WINDOW_SEC = 60, 30
ENTITY = ("user_id", 1)


def config(**fields: Any) -> Callable[[Any], GCacheKeyConfig]:
    return lambda key: GCacheKeyConfig(ttl_sec={"*": TTL_SEC}, ramp={"*": 100}, **fields)


IF_ERROR = config(stale_if_error_sec=WINDOW_SEC, retry_load_sec=5)
WHILE_REVALIDATING = config(stale_while_revalidate_sec=WINDOW_SEC)


def reasons(recorded: Recorded) -> list[tuple[str, str]]:
    return [(event.layer, event.reason) for event in recorded.of(Stale)]


class TestIfError:
    def test_served(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        recorded: Recorded,
    ) -> None:
        """A load that fails is answered with what is expired; its call is a miss, and said to be stale."""
        gcache = make_gcache(layers=layers, cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, Source("old", LookupError("down")))

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)

            assert "old" == get_user(1)
        assert [(layers[-1].name, "expired")] == [(event.layer, event.reason) for event in recorded.of(Miss)][
            1:
        ]
        assert ["error"] == [reason for _, reason in reasons(recorded)]

    def test_throttled(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        recorded: Recorded,
    ) -> None:
        """For `retry_load_sec` after a failure the source is left in peace, then it is tried again."""
        gcache = make_gcache(layers=layers, cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, source := Source("old", LookupError("down"), "new"))
        seen = []

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            for pause_sec in (0, 4.9, 0.2):
                clock.advance(pause_sec)
                seen.append((get_user(1), source.loads))

        assert [("old", 2), ("old", 2), ("new", 3)] == seen

    def test_window(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """After the window the caller gets the error, as itself."""
        gcache = make_gcache(layers=layers, cache_config_provider=IF_ERROR)
        error = LookupError("down")
        get_user = side.cached(gcache, Source("old", error))

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + WINDOW_SEC + 1)

            with pytest.raises(LookupError) as caught:
                get_user(1)
        assert error is caught.value

    def test_not_for_hits(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """While the source works nothing is served after its life."""
        gcache = make_gcache(layers=layers, cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC)

            assert [2, 2] == [get_user(1), get_user(1)]

    @pytest.mark.parametrize("buffer_ms", [0, 1_000_000])
    def test_invalidated(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock, buffer_ms: int
    ) -> None:
        """What was invalidated is not served, be the source down or not."""
        gcache = make_gcache(layers=layers, cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, Source("old", LookupError("down")), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            side.do(gcache, "invalidate", *ENTITY, buffer_ms)

            with pytest.raises(LookupError):
                get_user(1)

    def test_invalidated_elsewhere(
        self, make_gcache: Callable[..., GCache], side: Any, local: MemoryLayer[Any], clock: Clock
    ) -> None:
        """What another process invalidated is not served from this one's memory either."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[local, remote], cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, Source("old", LookupError("down")), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            del remote.stored[gcache._engine.keys.epoch(*ENTITY)]

            with pytest.raises(LookupError):
                get_user(1)

    @pytest.mark.parametrize("is_tracked", [False, True])
    def test_no_authority(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: MemoryLayer[Any],
        clock: Clock,
        is_tracked: bool,
    ) -> None:
        """With the authority away as well, memory rescues what is untracked; nobody vouches for the rest."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[local, remote], cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, Source("old", LookupError("down")), track_for_invalidation=is_tracked)
        seen: list[Any] = []

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            remote.failing = {"*"}
            try:
                seen.append(get_user(1))
            except LookupError as error:
                seen.append(str(error))

        assert ["down" if is_tracked else "old"] == seen

    def test_authority_left_out(
        self, make_gcache: Callable[..., GCache], side: Any, local: MemoryLayer[Any], clock: Clock
    ) -> None:
        """A tracked use case that leaves the authority out serves nothing after its life."""
        gcache = make_gcache(
            layers=[local, SyncLayer("remote", clock)],
            cache_config_provider=lambda key: GCacheKeyConfig(
                ttl_sec={"local": TTL_SEC}, ramp={"local": 100}, stale_if_error_sec=WINDOW_SEC
            ),
        )
        get_user = side.cached(gcache, Source("old", LookupError("down")), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)

            with pytest.raises(LookupError):
                get_user(1)

    def test_layer_that_keeps_nothing(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock
    ) -> None:
        """An in-process layer that cannot keep entries beyond their lives is used as it is."""

        class Plain(MemoryLayer[Any]):
            keep = None  # type: ignore[assignment]
            find_kept = None  # type: ignore[assignment]

        gcache = make_gcache(layers=[Plain(clock=clock.monotonic)], cache_config_provider=IF_ERROR)
        get_user = side.cached(
            gcache, Source(1, KeyError(), KeyError(), LookupError("down")), cache_exceptions=(KeyError,)
        )

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
            for _ in range(2):
                with pytest.raises(KeyError):
                    get_user(2)
            clock.advance(TTL_SEC + 1)
            with pytest.raises(LookupError, match="down"):
                get_user(1)

    def test_logged(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A failure that nobody sees is one line in the log."""
        gcache = make_gcache(cache_config_provider=IF_ERROR)
        get_user = side.cached(gcache, Source("old", *[LookupError("down")] * 3))

        with gcache.enable(), caplog.at_level(logging.WARNING, "gcache"):
            get_user(1)
            for _ in range(3):
                clock.advance(TTL_SEC / 4)
                get_user(1)
            clock.advance(TTL_SEC / 4 + 1)
            for _ in range(3):
                get_user(1)
                clock.advance(6)

        assert [
            "Use case 'GetUser' serves values whose time is over, because its source fails: LookupError: down"
        ] == [record.getMessage() for record in caplog.records]


class TestWhileRevalidating:
    def test_at_once(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        recorded: Recorded,
    ) -> None:
        """The first call after the end gets the old value at once, and the next one the new."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            first = get_user(1)
            side.settle(gcache)

            assert (1, 2) == (first, get_user(1))
        assert 2 == source.loads
        assert ["revalidating"] == [reason for _, reason in reasons(recorded)]

    def test_counted(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        recorded: Recorded,
    ) -> None:
        """The call is a hit of the layer that kept the entry, and counted once."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            recorded.forget()
            get_user(1)
            side.settle(gcache)

        assert [(layers[0].name, 1)] == recorded.calls

    def test_failing_renewal(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """A renewal that fails hurts nobody, and is not tried again at once."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, source := Source("old", LookupError("down"), "new"))
        seen = []

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            for pause_sec in (0, 0.5, 0.6, 0):
                clock.advance(pause_sec)
                seen.append((get_user(1), source.loads))
                side.settle(gcache)

        assert ["old", "old", "old", "new"] == [value for value, _ in seen]
        assert 3 == source.loads

    def test_window(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """After the window the caller waits for the new value."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + WINDOW_SEC)

            assert 2 == get_user(1)

    def test_invalidated(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """What was invalidated is not served while it is renewed."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            side.do(gcache, "invalidate", *ENTITY)

            assert 2 == get_user(1)

    def test_invalidated_meanwhile(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """A renewal that was under way while its entity was invalidated is not served afterwards."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, source := Source(), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            source.before = lambda: gcache.invalidate(*ENTITY)
            get_user(1)
            side.settle(gcache)
            source.before = lambda: None

            assert 3 == get_user(1)

    def test_deleted(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """What was deleted is gone, also beyond its life."""
        gcache = make_gcache(layers=layers, cache_config_provider=WHILE_REVALIDATING)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            side.do(gcache, "delete", get_user.key(1))

            assert 2 == get_user(1)

    def test_no_longer_wanted(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """What was kept for a window that the policy no longer has is not served."""
        says = [WHILE_REVALIDATING]
        gcache = make_gcache(layers=layers, cache_config_provider=lambda key: says[-1](key))
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(TTL_SEC + 1)
            says.append(config())

            assert 2 == get_user(1)
