"""How long callers wait for a load, and what they get when it takes longer."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKeyConfig, LoadTimeout
from gcache.conformance.waiting import wait_until
from gcache.core.events import Stale
from gcache.core.loading import FLIGHT_LIMIT_SEC, MOST_LATE
from gcache.core.threads import Helpers
from tests.core.stage import (
    PATIENCE_SEC,
    AsyncSide,
    Clock,
    Recorded,
    Source,
    SyncSide,
    in_background,
    in_threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcache import GCache


def limited(**fields: Any) -> Callable[[Any], GCacheKeyConfig]:
    return lambda key: GCacheKeyConfig(ttl_sec={"*": 60}, ramp={"*": 100}, **fields)


HARD = limited(load_timeout_sec=0.01)
PATIENT = limited(load_timeout_sec=PATIENCE_SEC)
SOFT = limited(soft_load_timeout_sec=0.01, stale_if_error_sec=30)


class Abort(BaseException):
    """What is no Exception, and ends whoever meets it."""


class SlowSource(Source):
    """A source whose loads do not end before it is told, while it is slow."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.is_slow = False
        self.gate = threading.Event()
        self.threads: list[int] = []
        self.before = self._wait

    def _wait(self) -> None:
        self.threads.append(threading.get_ident())
        if self.is_slow:
            self.gate.wait(PATIENCE_SEC)


@pytest.fixture
def source() -> Iterator[SlowSource]:
    source = SlowSource()
    yield source
    source.gate.set()


class TestHard:
    def test_raised(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """Whoever has nothing stale to fall back on is told so in time, and what to think of it."""
        gcache, source.is_slow = make_gcache(cache_config_provider=HARD), True
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable(), pytest.raises(LoadTimeout, match=r"'GetUser' has not answered within 0\.01 s"):
            get_user(1)

    def test_late_load(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """What a late load brings fills the cache."""
        gcache, source.is_slow = make_gcache(cache_config_provider=HARD), True
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            with pytest.raises(LoadTimeout):
                get_user(1)
            source.gate.set()
            SyncSide().settle(gcache)

            assert 1 == get_user(1)
        assert 1 == source.loads

    def test_async(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """A source that awaits for too long is left alone, and may end later."""
        gcache = make_gcache(cache_config_provider=HARD)
        gate = asyncio.Event()

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        async def get_user(user_id: int) -> int:
            await gate.wait()
            return 7

        async def main() -> int:
            with gcache.enable():
                with pytest.raises(LoadTimeout):
                    await get_user(1)
                gate.set()
                while await get_user.apeek(1) != 7:
                    await asyncio.sleep(0)
                return await get_user(1)

        assert 7 == asyncio.run(main())

    async def test_cancelled_leader(self, make_gcache: Callable[..., GCache]) -> None:
        """A caller that is cancelled leaves the load to those who wait for it."""
        gcache, gate, loads = make_gcache(cache_config_provider=PATIENT), asyncio.Event(), 0

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        async def get_user(user_id: int) -> int:
            nonlocal loads
            loads += 1
            await gate.wait()
            return loads

        with gcache.enable():
            leader, *others = [asyncio.create_task(get_user(1)) for _ in range(5)]
            while not loads:
                await asyncio.sleep(0)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            gate.set()

            assert [1] * 4 == await asyncio.gather(*others)

    def test_in_time(self, make_gcache: Callable[..., GCache], side: Any, source: SlowSource) -> None:
        """A load that is in time gives its value, or its error as itself, and loads are shared as ever."""
        error = LookupError("gone")
        gcache = make_gcache(cache_config_provider=PATIENT)
        get_user = side.cached(gcache, Source(1, error))

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
            with pytest.raises(LookupError) as caught:
                get_user(2)
        assert error is caught.value

    def test_thread(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """Only with a limit a sync source leaves its caller's thread, and its context goes along."""
        gcache = make_gcache(cache_config_provider=PATIENT)
        tenant: ContextVar[str] = ContextVar("tenant")
        tenant.set("theirs")
        seen: list[str] = []
        source.before = lambda: (seen.append(tenant.get()), source.threads.append(threading.get_ident()))
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            get_user(1)

        assert ["theirs"] == seen
        assert threading.get_ident() not in source.threads

    def test_shared(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """64 threads that ask at once get the value of one load."""
        gcache, source.is_slow = make_gcache(cache_config_provider=PATIENT), True
        get_user = SyncSide().cached(gcache, source)
        flights = gcache._engine.chain.flights

        def open_when_all_wait() -> None:
            wait_until(
                lambda: any(count >= 65 for count in tuple(flights.travellers.values())),
                sentence="all wait for the flight",
            )
            source.gate.set()

        threading.Thread(target=open_when_all_wait, daemon=True).start()

        def ask(_: int) -> Any:
            with gcache.enable():
                return get_user(1)

        assert [1] * 64 == in_threads(64, ask)
        assert 1 == source.loads

    @pytest.mark.parametrize("error", [SystemExit(3), Abort(3)], ids=["exit", "own"])
    def test_exit(self, make_gcache: Callable[..., GCache], error: BaseException) -> None:
        """A source that ends its caller, by whatever is no Exception, ends it where it was called."""
        gcache = make_gcache(cache_config_provider=PATIENT)
        get_user = SyncSide().cached(gcache, source := Source(error))

        with gcache.enable(), pytest.raises(type(error), match="3"):
            get_user(1)
        assert 1 == source.loads

    def test_cancelled_within(self, make_gcache: Callable[..., GCache]) -> None:
        """A source that awaits what is cancelled is cancelled, and not run again and again."""
        gcache, loads = make_gcache(cache_config_provider=PATIENT), 0

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        async def get_user(user_id: int) -> None:
            nonlocal loads
            loads += 1
            raise asyncio.CancelledError

        async def main() -> None:
            with gcache.enable():
                await get_user(1)

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
        assert loads <= 2

    def test_no_thread(self, make_gcache: Callable[..., GCache], monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be had, the caller loads by itself."""

        def start(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        gcache = make_gcache(cache_config_provider=PATIENT)
        get_user = SyncSide().cached(gcache, source := Source())
        monkeypatch.setattr("gcache.core.threads.helpers", Helpers())
        monkeypatch.setattr("gcache.core.runtime.helpers", Helpers())
        monkeypatch.setattr(threading.Thread, "start", start)

        with gcache.enable():
            assert 1 == get_user(1)
        assert 1 == source.loads

    def test_given_up(self, make_gcache: Callable[..., GCache], source: SlowSource, clock: Clock) -> None:
        """A load that hangs for ever is given up after a while, and its late value is not stored."""
        gcache, source.is_slow = make_gcache(cache_config_provider=HARD), True
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            with pytest.raises(LoadTimeout):
                get_user(1)
            source.is_slow = False
            clock.advance(FLIGHT_LIMIT_SEC + 1)
            with pytest.raises(LoadTimeout):
                get_user(1)

            assert 2 == get_user(1)
            source.gate.set()
            SyncSide().settle(gcache)
            assert 2 == get_user(1)

    def test_after_fork(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """A child does not count its parent's late loads."""
        gcache, source.is_slow = make_gcache(cache_config_provider=HARD), True
        get_user = SyncSide().cached(gcache, source)
        with gcache.enable():
            for user in range(MOST_LATE):
                with pytest.raises(LoadTimeout):
                    get_user(user)
            source.is_slow = False

            gcache._engine.chain.after_fork()

            assert MOST_LATE + 1 == get_user(MOST_LATE)

    def test_most(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """While as many loads are late as may be, no further one is begun, and its caller knows at once."""
        gcache, source.is_slow = make_gcache(cache_config_provider=HARD), True
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            for user in range(MOST_LATE + 5):
                with pytest.raises(LoadTimeout):
                    get_user(user)
            begun = source.loads
            source.is_slow = False
            source.gate.set()
            SyncSide().settle(gcache)

            assert MOST_LATE + 1 == get_user(MOST_LATE + 6)
        assert MOST_LATE == begun

    def test_own_key(self, make_gcache: Callable[..., GCache], side: Any) -> None:
        """A load that asks for its own key gets a load of its own, in its own thread; nobody waits."""
        gcache = make_gcache(cache_config_provider=PATIENT)
        threads: list[int] = []

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        def get_user(user_id: int) -> int:
            threads.append(threading.get_ident())
            return get_user(user_id) + 1 if len(threads) < 3 else 1

        with gcache.enable():
            assert 3 == get_user(1)
        assert 1 == len(set(threads))

    def test_nothing_may_be_stored(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """The limit holds also while the entity is held, when loads are not shared."""
        gcache, source.is_slow = make_gcache(cache_config_provider=HARD), True
        get_user = SyncSide().cached(gcache, source, track_for_invalidation=True)
        gcache.invalidate("user_id", 1, fallback_buffer_ms=60_000)

        with gcache.enable(), pytest.raises(LoadTimeout):
            get_user(1)


class TestSoft:
    def test_many_late(self, make_gcache: Callable[..., GCache], source: SlowSource, clock: Clock) -> None:
        """With a soft limit alone, whoever has nothing stale loads by itself while many loads are late."""
        gcache = make_gcache(cache_config_provider=SOFT)
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            for user in range(MOST_LATE):
                get_user(user)
            clock.advance(61)
            source.is_slow = True
            stale = [get_user(user) for user in range(MOST_LATE)]
            source.is_slow = False

            assert [*range(1, MOST_LATE + 1)] == stale
            assert source.loads + 1 == get_user(MOST_LATE)
        assert threading.get_ident() == source.threads[-1]

    def test_served(
        self, make_gcache: Callable[..., GCache], source: SlowSource, clock: Clock, recorded: Recorded
    ) -> None:
        """Whoever has something stale gets it when the load is slow, and the late load fills the cache."""
        gcache = make_gcache(cache_config_provider=SOFT)
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            get_user(1)
            clock.advance(61)
            source.is_slow = True
            first = get_user(1)
            again = get_user(1)
            source.gate.set()
            SyncSide().settle(gcache)

            assert (1, 1, 2) == (first, again, get_user(1))
        assert ["slow", "slow"] == [event.reason for event in recorded.of(Stale)]

    def test_nothing_stale(self, make_gcache: Callable[..., GCache], source: SlowSource) -> None:
        """Whoever has nothing stale waits on."""
        gcache, source.is_slow = make_gcache(cache_config_provider=SOFT), True
        get_user = SyncSide().cached(gcache, source)
        flights = gcache._engine.chain.flights
        timer = threading.Thread(
            target=lambda: (
                wait_until(lambda: bool(flights.under_way), sentence="the load is under way"),
                source.gate.wait(0.05),
                source.gate.set(),
            ),
            daemon=True,
        )
        timer.start()

        with gcache.enable():
            assert 1 == get_user(1)

    def test_loop(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """On a loop it is the same."""
        gcache, side = make_gcache(cache_config_provider=SOFT), AsyncSide()
        gates: list[asyncio.Event] = []

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        async def get_user(user_id: int) -> int:
            if gates:
                await gates[0].wait()
            return clock.now

        async def main() -> list[float]:
            with gcache.enable():
                seen = [await get_user(1)]
                clock.advance(61)
                gates.append(asyncio.Event())
                seen.append(await get_user(1))
                gates[0].set()
                while gcache._engine.loops._tasks:
                    await asyncio.sleep(0)
                seen.append(await get_user(1))
                return seen

        first, stale, fresh = side.run(main())
        side.close()

        assert (first, first + 61) == (stale, fresh)


class TestBesideMany:
    def test_not_for_ever(self, make_gcache: Callable[..., GCache]) -> None:
        """A load of many that lasted too long for those who waited for one of its ids is late no more."""
        gcache, gate, begun = make_gcache(cache_config_provider=HARD), threading.Event(), threading.Event()

        @gcache.cached_many("user_id", ids_arg="user_ids", use_case="GetUser")
        def get_users(user_ids: list[int]) -> dict[int, str]:
            begun.set()
            assert gate.wait(PATIENCE_SEC)
            return dict.fromkeys(user_ids, "of many")

        @gcache.cached("user_id", id_arg="user_id", use_case="GetUser")
        def get_user(user_id: int) -> str:
            return "one"

        users = list(range(MOST_LATE))
        with gcache.enable():
            with in_background(lambda: get_users(users)):
                assert begun.wait(PATIENCE_SEC)
                for user in users:
                    with pytest.raises(LoadTimeout):
                        get_user(user)
                gate.set()

            assert "one" == get_user(MOST_LATE)
