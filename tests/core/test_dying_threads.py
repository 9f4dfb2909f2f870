"""Threads that die in the middle of something: whoever waits for them, or needs their work, goes on."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKeyConfig, InvalidationPending, MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Hit
from tests.core.layers import AsyncLayer, SyncLayer
from tests.core.stage import PATIENCE_SEC, AsyncSide, Clock, Recorded, Source, SyncSide, in_background

if TYPE_CHECKING:
    from gcache import GCache

Side = SyncSide | AsyncSide


class Death(BaseException):
    """Ends a thread, and is caught by nobody who means Exception."""


def kill(thread: int) -> None:
    """Have a thread raise `Death` at its next step."""
    assert 1 == ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Death))


class Dying:
    """A source whose first load waits for `gate`, and ends its thread then."""

    def __init__(self, death: Callable[[], object]) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()
        self._death = death
        self._source = Source()
        self._source.before = self._die_first

    def __call__(self) -> Any:
        return self._source()

    def _die_first(self) -> None:
        if self._source.loads == 1:
            self.begun.set()
            assert self.gate.wait(PATIENCE_SEC)
            self._death()


def by_exit() -> None:
    raise SystemExit


def from_outside() -> None:
    kill(threading.get_ident())
    for _ in range(1_000_000):  # it comes between two steps
        pass
    raise AssertionError("nobody died")


@pytest.mark.parametrize("death", [by_exit, from_outside])
class TestLeader:
    def test_others_go_on(self, gcache: GCache, death: Callable[[], object]) -> None:
        """When the leader of a flight dies, those who wait load for themselves, sync and async."""
        source = Dying(death)
        key = SyncSide().cached(gcache, Source()).key(1)

        def follow(side: Side) -> Any:
            try:
                return side.get(gcache, key, source)
            finally:
                side.close()

        def waiting() -> bool:
            [flights] = gcache._engine.chain.flights.under_way.values()
            return len(next(iter(flights.values()))._wakers) == 2

        with gcache.enable(), in_background(lambda: gcache.get(key, source)) as leader:
            assert source.begun.wait(PATIENCE_SEC)
            with (
                in_background(lambda: follow(SyncSide())) as first,
                in_background(lambda: follow(AsyncSide())) as second,
            ):
                wait_until(waiting, sentence="both wait")
                source.gate.set()

                assert [2, 2] == [first(), second()]
            with pytest.raises((SystemExit, Death)):
                leader()
        assert {} == gcache._engine.chain.flights.travellers

    def test_alone(self, gcache: GCache, side: Side, death: Callable[[], object]) -> None:
        """What ends a load ends its caller, and the next call loads anew."""
        source = Dying(death)
        source.gate.set()
        get_user = side.cached(gcache, source)

        with gcache.enable():
            with pytest.raises((SystemExit, Death)):
                get_user(1)

            assert [2, 2] == [get_user(1), get_user(1)]


class TestBackgroundLoop:
    """Sync callers of what can only be awaited share one loop."""

    @pytest.fixture
    def remote(self, clock: Clock) -> AsyncLayer:
        return AsyncLayer("remote", clock)

    @pytest.fixture
    def get_user(self, make_gcache: Callable[..., GCache], remote: AsyncLayer) -> Any:
        gcache = make_gcache(layers=[remote])
        get_user = SyncSide().cached(gcache, Source())
        with gcache.enable():
            get_user(0)
            yield get_user

    @pytest.mark.parametrize("death", [by_exit, from_outside])
    def test_dies(self, get_user: Any, remote: AsyncLayer, death: Callable[[], object]) -> None:
        """A layer that would end the loop ends its own caller at most, and no other."""
        begun, may_die = threading.Event(), threading.Event()

        def die() -> None:
            begun.set()
            assert may_die.wait(PATIENCE_SEC)
            remote.before.clear()
            death()

        remote.before["get"] = die

        def ask() -> Any:
            try:
                return get_user(1)
            except (SystemExit, Death):
                return "died"

        with in_background(ask) as dying:
            assert begun.wait(PATIENCE_SEC)
            with in_background(lambda: get_user(2)) as other:
                may_die.set()

                assert (True, True) == (dying() in ("died", 3), other() in (2, 3))
        assert get_user(2) == get_user(2)

    def test_stopped(self, get_user: Any, remote: AsyncLayer) -> None:
        """A layer that stops the loop stops nobody."""
        import asyncio

        remote.before["get"] = lambda: asyncio.get_running_loop().stop()

        assert get_user(1) == get_user(1)

    def test_closed(self, get_user: Any) -> None:
        """When the loop's thread has ended, the next caller gets another."""
        from gcache.core.background import background_loop

        loop, thread = background_loop._loop, background_loop._thread
        assert loop is not None
        assert thread is not None
        loop.is_closed = lambda: True  # before it stops, or its thread would have it run on
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SEC)
        assert not thread.is_alive()
        delattr(loop, "is_closed")

        assert get_user(1) == get_user(1)
        loop.close()


class TestWorkers:
    def test_courier(
        self, make_gcache: Callable[..., GCache], recorded: Recorded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When a sink ends the thread that delivers, the next call that needs one starts another."""
        monkeypatch.setattr("gcache.core.recorder._DELIVERY_PAUSE_SEC", 0.001)
        monkeypatch.setattr(threading, "excepthook", lambda args: None)
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())
        recorder, here = gcache._engine.recorder, threading.get_ident()
        record = recorded.record

        def die_elsewhere(event: Any) -> None:
            if threading.get_ident() != here:
                raise Death
            record(event)

        with gcache.enable():
            with monkeypatch.context() as patch:
                patch.setattr(recorded, "record", die_elsewhere)
                get_user(1)
                get_user(1)
                wait_until(lambda: recorder.courier is None, sentence="the courier has died")
            get_user(2)
            get_user(2)

            wait_until(
                lambda: bool([e for e in recorded._events if isinstance(e, Hit)]), sentence="it is delivered"
            )

    def test_pending(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A layer that would end the thread which tells again of an invalidation is told all the same."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), remote])
        deaths: list[int] = []

        def die_twice() -> None:
            if threading.current_thread().name == "gcache-pending":
                deaths.append(1)
                if len(deaths) == 2:
                    remote.failing, remote.before = set(), {}
                raise SystemExit

        with gcache.enable():
            remote.failing = {"*"}
            remote.before = dict.fromkeys(["get", "put", "add", "delete"], die_twice)
            with pytest.raises(InvalidationPending):
                gcache.invalidate("user_id", 1)
            pending = gcache._engine.removal.pending

            wait_until(lambda: not pending.debts, sentence="it is told")

    def test_helper(
        self, make_gcache: Callable[..., GCache], clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A provider that ends the thread that asks leaves the policy in force, and is asked again."""
        monkeypatch.setattr(threading, "excepthook", lambda args: None)
        asked: list[str] = []

        def provide(key: Any) -> GCacheKeyConfig:
            asked.append(threading.current_thread().name)
            if len(asked) == 2:
                raise SystemExit
            return GCacheKeyConfig.enabled(1000)

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        side = SyncSide()
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            answers = []
            for _ in range(3):
                answers.append(get_user(1))
                clock.advance(10)
                count = len(asked)
                answers.append(get_user(1))
                wait_until(lambda count=count: len(asked) > count, sentence="it is asked")
                side.settle(gcache)

        assert [1] * 6 == answers
        assert ["gcache-helper"] * 3 == asked[1:]
