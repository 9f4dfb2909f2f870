"""Sinks with one fault each, and the test of the suite that names it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gcache.conformance import MetricsSinkSuite, _together
from gcache.core.events import Disabled, Event, Hit, Miss, Shadow
from tests.conformance.catching import assert_caught, assert_sound


class Sound:
    """A sink without a fault, for the others to spoil."""

    def __init__(self) -> None:
        self.counts: Counter[Any] = Counter()
        self.callbacks: list[Callable[[], object]] = []
        self.lock = threading.Lock()

    def record(self, event: Event) -> Any:
        with self.lock:
            self.counts[self.label(event)] += self.amount(event)

    def label(self, event: Any) -> Any:
        return type(event), event._replace(calls=1) if hasattr(event, "calls") else event

    def amount(self, event: Any) -> int:
        return getattr(event, "calls", 1)

    def before_collect(self, callback: Callable[[], object]) -> None:
        self.callbacks.append(callback)

    def read(self) -> None:
        for callback in self.callbacks:
            with contextlib.suppress(RuntimeError):
                callback()


class Old(Sound):
    """Does not know the newest events."""

    def record(self, event: Event) -> None:
        if isinstance(event, Shadow):
            raise KeyError(Shadow)
        super().record(event)


class Narrow(Sound):
    """Takes names of ASCII letters only."""

    def record(self, event: Event) -> None:
        for text in event:
            str(text).encode("ascii")
        super().record(event)


class Telling(Sound):
    """Returns something."""

    def record(self, event: Event) -> Any:
        super().record(event)
        return True


class Awaited(Sound):
    """Is to be awaited, which nobody does."""

    def record(self, event: Event) -> Any:
        class Later:
            def __await__(self) -> Any:
                yield

        return Later()


class Careless(Sound):
    """Reads a count, and writes it later."""

    def record(self, event: Event) -> None:
        before = self.counts[self.label(event)]
        time.sleep(0)
        self.counts[self.label(event)] = before + self.amount(event)


class OneByOne(Sound):
    """Takes no notice of `calls`."""

    def amount(self, event: Any) -> int:
        return 1


class HitsAlone(Sound):
    """Takes no notice of the `calls` of misses."""

    def amount(self, event: Any) -> int:
        return 1 if isinstance(event, Miss) else super().amount(event)


class Lumping(Sound):
    """Takes no notice of layers."""

    def label(self, event: Any) -> Any:
        return super().label(event._replace(layer="") if hasattr(event, "layer") else event)


class Sleeping(Sound):
    """Waits for its turn."""

    def record(self, event: Event) -> None:
        time.sleep(0)
        super().record(event)


class Sending(Sound):
    """Makes a connection for each event."""

    def record(self, event: Event) -> None:
        with socket.socket() as line:
            line.connect_ex(("127.0.0.1", 9))
        super().record(event)


class Parental(Sound):
    """Belongs to the process that made it."""

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def record(self, event: Event) -> None:
        if os.getpid() != self._process:
            raise OSError("another process")


class OneThreaded(Sound):
    """Belongs to the thread that made it."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def record(self, event: Event) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("another thread")


class Fragile(Sound):
    """Cannot be read once it has taken an odd name."""

    def read(self) -> None:
        super().read()
        "".join(map(str, self.counts)).encode("ascii")


class Single(Sound):
    """Calls the callback that came last."""

    def before_collect(self, callback: Callable[[], object]) -> None:
        self.callbacks = [callback]


class Giving(Sound):
    """Gives up at the first callback that fails."""

    def read(self) -> None:
        with contextlib.suppress(RuntimeError):
            for callback in self.callbacks:
                callback()


class Locked(Sound):
    """Reads under the lock that recording takes."""

    def read(self) -> None:
        with self.lock:
            super().read()


class Late(Sound):
    """Counts what callbacks record in the next reading."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[Event] = []

    def record(self, event: Event) -> None:
        self._waiting.append(event)

    def read(self) -> None:
        for event in self._waiting:
            super().record(event)
        self._waiting = []
        super().read()


class Jealous(Sound):
    """Fails beside another one."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Jealous.made += 1

    def record(self, event: Event) -> None:
        if Jealous.made > 1:
            raise RuntimeError("there is another one")
        super().record(event)


class Forgetting(Sound):
    """Forgets what comes in sums of more than one."""

    def amount(self, event: Any) -> int:
        return 0 if isinstance(event, Disabled) and event.calls > 1 else super().amount(event)


class Failing(Sound):
    """Fails over hits of this layer."""

    def record(self, event: Event) -> None:
        if isinstance(event, Hit) and event.layer == "dictionary":
            raise RuntimeError("no room")
        super().record(event)


def suite_of(make: Callable[[], Any], is_scraped: bool = True) -> type[MetricsSinkSuite]:
    class Broken(MetricsSinkSuite):
        scraped = is_scraped
        counts = True
        several = True

        @pytest.fixture
        def sink(self) -> Any:
            return make()

        @pytest.fixture
        def another_sink(self) -> Any:
            return make()

        @pytest.fixture
        def read(self, sink: Any) -> Any:
            return sink.read

        @pytest.fixture
        def totals(self, sink: Any) -> Any:
            return lambda event: sink.counts[sink.label(event)]

    return Broken


BROKEN = [
    (Old, "test_every_event"),
    (Narrow, "test_awkward_texts"),
    (Telling, "test_returns_nothing"),
    (Awaited, "test_returns_nothing"),
    (OneThreaded, "test_many_threads"),
    (Careless, "test_exact"),
    (OneByOne, "test_exact"),
    (HitsAlone, "test_exact"),
    (Lumping, "test_told_apart"),
    (Sleeping, "test_nobody_waits"),
    (Sending, "test_nobody_waits"),
    (Parental, "test_fork"),
    (Fragile, "test_reading"),
    (Single, "test_before_collect"),
    (Giving, "test_before_collect"),
    (Locked, "test_recorded_within_a_reading"),
    (Late, "test_delivered_before_it_is_read"),
    (Jealous, "test_two_sinks"),
    (Failing, "test_end_to_end"),
    (Forgetting, "test_counted_end_to_end"),
]


@pytest.mark.parametrize(("sink", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_broken_sink(monkeypatch: pytest.MonkeyPatch, sink: Callable[[], Any], test: str) -> None:
    """The test of the suite that names the fault of a broken sink fails."""
    monkeypatch.setattr(_together, "PATIENCE_SEC", 0.3)

    assert_caught(suite_of(sink), test)


def test_undeclared_side() -> None:
    """A sink that is scraped without saying so is found out."""
    assert_caught(suite_of(Sound, is_scraped=False), "test_sides_are_declared")


def test_sound() -> None:
    """What the broken ones are made of passes."""
    assert_sound(suite_of(Sound))


def test_every_promise() -> None:
    """For each promise of the suite there is a part that breaks it."""
    assert set(MetricsSinkSuite.topics) == {"test_sides_are_declared"} | {test for _, test in BROKEN}
