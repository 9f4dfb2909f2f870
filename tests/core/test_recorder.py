"""Counting: exact, and never in the way."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from gcache import MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Disabled, Entries, Get, Hit, Miss, Serialization
from gcache.core.missing import MISSING
from gcache.core.notices import Notices
from gcache.core.recorder import Recorder
from gcache.core.tallies import MOST_FIGURES, Tally
from gcache.core.use_case import UseCase
from tests.core.layers import SyncLayer
from tests.core.stage import Clock, Recorded, Source, SyncSide, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache
    from gcache.core.events import Event


class Failing:
    def record(self, event: Event) -> None:
        raise RuntimeError("no room")


class Plain:
    """A sink that nobody scrapes."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)


class TestSums:
    def test_exact(self, make_gcache: Callable[..., GCache], recorded: Recorded) -> None:
        """Of the calls of 8 threads, while somebody collects, none is lost and none counted twice."""
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())
        with gcache.enable():
            get_user(1)
        recorded.forget()
        done = threading.Event()

        def work(number: int) -> None:
            if number == 8:
                while not done.is_set():
                    recorded.events
                return
            for _ in range(2000):
                get_user(1)
                with gcache.enable():
                    get_user(1)
                    get_user(1)
            if next(finished) == 7:
                done.set()

        finished = iter(range(8))
        in_threads(9, work)

        assert 8 * 2000 * 2 == sum(event.calls for event in recorded.of(Hit))
        assert 8 * 2000 == sum(event.calls for event in recorded.of(Disabled))
        assert [] == recorded.of(Miss)

    def test_layers(self, make_gcache: Callable[..., GCache], clock: Clock, recorded: Recorded) -> None:
        """Of what many threads get from a layer at once nothing is lost, while others take the sums."""
        gcache = make_gcache(layers=[SyncLayer("remote", clock)], config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())
        done = threading.Event()

        def work(number: int) -> None:
            if number == 8:
                while not done.is_set():
                    recorded.events
                return
            with gcache.enable():
                for _ in range(200):
                    get_user(number)
            if next(finished) == 7:
                done.set()

        finished = iter(range(8))
        in_threads(9, work)

        assert 8 * 199 == sum(event.calls for event in recorded.of(Hit))
        assert 8 * 200 == sum(len(event.seconds) for event in recorded.of(Get))
        loads = [event for event in recorded.of(Serialization) if event.operation == "load"]
        assert 8 * 199 == sum(len(event.seconds) for event in loads)

    def test_nobody_takes(self) -> None:
        """While a sink does not come back, what waits for it stays within bounds: the oldest goes."""
        tally = Tally()

        for number in range(MOST_FIGURES + 5):
            tally.reads.append(float(number))

        [event] = tally.take("GetUser", "user_id", "remote")
        assert (5.0, MOST_FIGURES) == (event.seconds[0], len(event.seconds))

    def test_hot_path(self, make_gcache: Callable[..., GCache], recorded: Recorded) -> None:
        """Hits in memory, and calls with caching off, arrive in sums, with the number of entries held."""
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())
        with gcache.enable():
            get_user(1)
            recorded.forget()
            for _ in range(5):
                get_user(1)
        for _ in range(3):
            get_user(1)

        assert [
            Hit("GetUser", "user_id", "local", 5),
            Disabled("GetUser", "user_id", "context", 3),
            Entries("local", 1),
        ] == recorded.events

    def test_nothing_due(self, make_gcache: Callable[..., GCache], recorded: Recorded) -> None:
        """Where nothing happened nothing is recorded."""
        SyncSide().cached(make_gcache(), Source())

        assert [] == recorded.events

    def test_close(self, make_gcache: Callable[..., GCache]) -> None:
        """`close` delivers the last sums, to a sink that nobody scrapes as well."""
        sink = Plain()
        gcache = make_gcache(metrics=sink)
        get_user = SyncSide().cached(gcache, Source())
        get_user(1)

        gcache.close()

        assert Disabled("GetUser", "user_id", "context", 1) in sink.events

    def test_late(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """What a load leaves to be told, which ends after `close`, is told at once."""
        sink = Plain()
        gcache = make_gcache(metrics=sink, layers=[SyncLayer("remote", clock)])
        source = Source()
        source.before = gcache.close
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable():
            get_user(1)

        assert ["dump"] == [event.operation for event in sink.events if isinstance(event, Serialization)]

    def test_finalizer(self, gcache: GCache) -> None:
        """A cached function may be called by a finalizer that runs while sums are being taken."""
        get_user = SyncSide().cached(gcache, Source())

        with gcache._engine.recorder._lock, gcache.enable():
            assert 1 == get_user(1)

    def test_explicit_keys(self, gcache: GCache, recorded: Recorded) -> None:
        """A use case of explicit keys is counted like one of a function."""
        key = SyncSide().cached(gcache, Source()).key(1)

        gcache.get(key, Source())

        assert [("context", 1)] == recorded.calls

    def test_while_counting(self, clock: Clock) -> None:
        """What is counted while sums are being taken is in the next ones."""

        class Busy:
            """A use case that somebody hits whenever it is looked at."""

            name, key_type, memory_name = "GetUser", "user_id", "local"
            hits_delivered = bypassed = bypassed_delivered = looks = 0
            tallies: ClassVar[dict[str, Any]] = {}
            sums = UseCase.sums

            @property
            def hits(self) -> int:
                self.looks += 1
                return self.looks

        busy: Any = Busy()
        recorder = Recorder(sink := Plain(), Notices(clock.monotonic), [], clock.monotonic)
        recorder.watch(busy)

        for _ in range(5):
            recorder.deliver()

        assert busy.hits - 1 == sum(event.calls for event in sink.events if isinstance(event, Hit))


class TestCourier:
    @pytest.fixture
    def fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gcache.core.recorder._DELIVERY_PAUSE_SEC", 0.001)

    @staticmethod
    def couriers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "gcache-metrics"]

    def test_delivers(self, make_gcache: Callable[..., GCache], clock: Clock, fast: None) -> None:
        """Sums reach a sink that nobody scrapes while calls go on, and the thread ends when they do not."""
        sink = Plain()
        gcache = make_gcache(metrics=sink, config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            get_user(1)
        wait_until(
            lambda: Hit("GetUser", "user_id", "local", 1) in sink.events, sentence="the hit is delivered"
        )
        clock.advance(1000)
        wait_until(lambda: not self.couriers(), sentence="the courier has gone")

        with gcache.enable():
            get_user(2)
            get_user(2)
        wait_until(
            lambda: sink.events.count(Hit("GetUser", "user_id", "local", 1)) == 2, sentence="so is the next"
        )

    def test_stays(self, make_gcache: Callable[..., GCache], fast: None) -> None:
        """While the hot path may answer unasked the thread stays, though nothing is due."""
        sink = Plain()
        gcache = make_gcache(metrics=sink, config_refresh_sec=1000)
        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            for count in (1, 2, 3):
                get_user(1)
                wait_until(
                    lambda count=count: sum(isinstance(event, Hit) for event in sink.events) == count,
                    sentence="it is delivered",
                )

    def test_no_thread(
        self, make_gcache: Callable[..., GCache], recorded: Recorded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no thread can be started the call goes on, and the sums wait."""

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        get_user = SyncSide().cached(gcache := make_gcache(config_refresh_sec=1000), Source())

        with gcache.enable(), monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            assert [1, 1] == [get_user(1), get_user(1)]
        assert [("absent", 1), ("local", 1)] == recorded.calls

    def test_ends_while_closing(self, fast: None, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
        """A thread that ends on its own account while it is being ended is no error."""
        recorder = Recorder(Plain(), Notices(clock.monotonic), [], clock.monotonic)
        monkeypatch.setattr("gcache.core.recorder._DELIVERY_PAUSE_SEC", 1000)
        recorder.keep_delivering()
        courier = recorder.courier
        current_thread = threading.current_thread

        def when_it_has_ended() -> threading.Thread:
            if courier is not None and current_thread() is not courier:
                wait_until(lambda: not courier.is_alive(), sentence="it has ended")
            return current_thread()

        monkeypatch.setattr("gcache.core.recorder.threading.current_thread", when_it_has_ended)

        recorder.close()

        assert courier is not None
        assert not courier.is_alive()

    def test_one_thread(self, make_gcache: Callable[..., GCache]) -> None:
        """Any number of callers at once start one thread, and a closed instance starts none."""
        gcache = make_gcache()
        get_user = SyncSide().cached(gcache, Source())

        def ask(_: int) -> None:
            with gcache.enable():
                get_user(1)

        in_threads(8, ask)
        assert 1 == len(self.couriers())
        gcache.close()
        gcache._engine.recorder.keep_delivering()

        assert [] == self.couriers()


class TestFailingSink:
    def test_caller(self, make_gcache: Callable[..., GCache], caplog: pytest.LogCaptureFixture) -> None:
        """A sink that raises is logged once, and no caller notices."""
        gcache = make_gcache(metrics=Failing())
        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        gcache.invalidate("user_id", 1)

        assert [("gcache", logging.WARNING)] == [record[:2] for record in caplog.record_tuples]
        assert "RuntimeError: no room" in caplog.text


class TestNotices:
    @pytest.fixture
    def notices(self, clock: Clock) -> Notices:
        return Notices(clock.monotonic)

    def test_once(self, notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        """A subject is logged once for ever, each subject for itself."""
        for subject in ("a", "b", "a"):
            notices.warn(subject, "about %s", subject)
        clock.advance(1e9)
        notices.warn("a", "about %s", "a")

        assert ["about a", "about b"] == caplog.messages

    def test_again(self, notices: Notices, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        """Or once in a while, if it is to be said again."""
        for seconds in (0, 59, 1, 59):
            clock.advance(seconds)
            notices.warn("a", "at %s", clock.now, again_after=60)

        assert ["at 1000.0", "at 1060.0"] == caplog.messages

    def test_threads(self, notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
        """Any number of threads at once log it once."""
        in_threads(8, lambda _: notices.warn("a", "about a"))

        assert ["about a"] == caplog.messages

    def test_bounded(self, notices: Notices, caplog: pytest.LogCaptureFixture) -> None:
        """Subjects beyond ten thousand are not logged, so that they take no room."""
        caplog.set_level(logging.CRITICAL, logger="gcache")
        for number in range(10_001):
            notices.warn(number, "about %s", number)

        assert 10_000 == len(notices._quiet_until)


class TestMissing:
    def test_marker(self) -> None:
        """The absence of a value is false, and says what it is."""
        assert (False, "MISSING") == (bool(MISSING), repr(MISSING))


class TestEntries:
    def test_each_memory(self, clock: Clock) -> None:
        """The entries of every in-process layer are told, each by its name."""
        sink = Plain()
        layers = [MemoryLayer[Any](name) for name in ("near", "far")]
        recorder = Recorder(
            sink, Notices(clock.monotonic), [(layer.name, layer) for layer in layers], clock.monotonic
        )
        layers[1].put({"a": 1, "b": 2}, 60)

        assert not recorder.deliver()
        assert [] == sink.events
