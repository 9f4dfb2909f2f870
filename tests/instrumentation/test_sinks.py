"""The sinks that need no extra: NullSink, LoggingSink, FanoutSink."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from gcache.core.events import Error, Event, Get, Hit, Invalidation
from gcache.instrumentation import FanoutSink, LoggingSink, NullSink

if TYPE_CHECKING:
    from collections.abc import Callable

HIT = Hit("GetUser", "user_id", "local", 3)
INVALIDATION = Invalidation("user_id", "remote")
ERROR = Error("GetUser", "user_id", "remote", "TimeoutError", False)


class ListSink:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.callbacks: list[Callable[[], object]] = []

    def record(self, event: Event) -> None:
        self.events.append(event)

    def before_collect(self, callback: Callable[[], object]) -> None:
        self.callbacks.append(callback)


class FailingSink:
    def record(self, event: Event) -> None:
        raise RuntimeError("no room")


class TestNullSink:
    def test_drops(self, caplog: pytest.LogCaptureFixture) -> None:
        """An event leaves no trace."""
        caplog.set_level(logging.DEBUG)

        NullSink().record(ERROR)

        assert [] == caplog.records


class TestLoggingSink:
    @pytest.mark.parametrize(
        ("event", "level"),
        [
            (HIT, logging.DEBUG),
            (Get("GetUser", "user_id", "remote", (0.001,)), logging.DEBUG),
            (INVALIDATION, logging.INFO),
            (ERROR, logging.WARNING),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, tuple) else "",
    )
    def test_level(self, caplog: pytest.LogCaptureFixture, event: Event, level: int) -> None:
        """Errors are warnings, invalidations are news, all else is for debugging."""
        caplog.set_level(logging.DEBUG, logger="gcache")

        LoggingSink().record(event)

        assert [("gcache", level, repr(event))] == caplog.record_tuples

    def test_event_in_record(self, caplog: pytest.LogCaptureFixture) -> None:
        """A handler finds the event itself in the log record."""
        caplog.set_level(logging.DEBUG, logger="gcache")

        LoggingSink().record(HIT)

        assert (HIT,) == caplog.records[0].args

    def test_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """A name with a line break in it cannot forge a second line."""
        LoggingSink().record(Error("GetUser\nCRITICAL", "user_id", "remote", "TimeoutError", False))

        assert 1 == len(caplog.messages[0].splitlines())

    def test_cut(self, caplog: pytest.LogCaptureFixture) -> None:
        """The durations of ten thousand reads do not make a line of megabytes."""
        caplog.set_level(logging.DEBUG, logger="gcache")

        LoggingSink().record(Get("GetUser", "user_id", "remote", (0.001,) * 10_000))

        assert 1000 == len(caplog.messages[0])

    def test_own_logger(self, caplog: pytest.LogCaptureFixture) -> None:
        """Events go to another logger if one is given."""
        LoggingSink(logging.getLogger("billing.cache")).record(ERROR)

        assert ["billing.cache"] == [record.name for record in caplog.records]


class TestFanoutSink:
    def test_all(self) -> None:
        """Every sink gets every event, in order."""
        first, second = ListSink(), ListSink()
        sink = FanoutSink(first, second)

        sink.record(HIT)
        sink.record(ERROR)

        assert [HIT, ERROR] == first.events == second.events

    def test_none(self) -> None:
        """No sinks at all are as good as a NullSink."""
        FanoutSink().record(HIT)

    def test_failing_sink(self) -> None:
        """A sink that raises starves neither the sinks after it nor the caller."""
        after = ListSink()
        sink = FanoutSink(FailingSink(), after)

        sink.record(HIT)
        sink.record(ERROR)

        assert [HIT, ERROR] == after.events

    def test_failure_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        """Each failing sink is logged with its traceback the first time, and not again."""
        sink = FanoutSink(FailingSink(), ListSink(), FailingSink())

        for _ in range(3):
            sink.record(HIT)

        assert 2 == len(caplog.records)
        assert 2 == caplog.text.count("RuntimeError: no room")

    def test_before_collect(self) -> None:
        """A callback reaches the sinks that are scraped, through nested fanouts too, and bothers no other."""
        scraped = ListSink()

        def deliver() -> None:
            pass

        FanoutSink(NullSink(), FanoutSink(scraped)).before_collect(deliver)

        assert [deliver] == scraped.callbacks
