"""Buses with one fault each, and the test of the suite that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gcache.conformance import InvalidationBusSuite, _together
from gcache.conformance._sides import Side
from tests.conformance import broken_buses as near
from tests.conformance import broken_far_buses as far
from tests.conformance.catching import assert_caught

if TYPE_CHECKING:
    from tests.servers.process import Server


_END_TO_END = ("test_invalidated_elsewhere", "test_flushed_elsewhere", "test_cut_off")


def suite_of(
    kind: Callable[[Any], Any], is_shared: bool = False, side: Side = "sync"
) -> type[InvalidationBusSuite]:
    class Broken(InvalidationBusSuite):
        shared = is_shared
        sides = (side,)

        @pytest.fixture
        def make_bus(self) -> Any:
            listeners: list[Any] = []
            return lambda: kind(listeners)

    return Broken


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch, test: str) -> None:
    """Wait no longer than it takes a sound bus, which has a ping to wait for in the end-to-end part."""
    monkeypatch.setattr(_together, "PATIENCE_SEC", 0.4 if test in _END_TO_END else 0.1)


NEAR = [
    (near.Textual, "test_any_bytes"),
    (near.Late, "test_from_the_subscription_on"),
    (near.Stacked, "test_in_order"),
    (near.Lossy, "test_none_is_lost"),
    (near.Wide, "test_channels"),
    (near.Greedy, "test_everybody_hears"),
    (near.Modest, "test_everybody_hears"),
    (near.Lonely, "test_nobody_listens"),
    (near.Hasty, "test_nothing_comes"),
    (near.TwoSided, "test_sides_are_declared"),
    (near.Mixing, "test_many_threads"),
    (near.Shared, "test_heard_in_another_thread"),
    (near.Once, "test_subscribed_again"),
    (near.Sweeping, "test_one_of_several_is_closed"),
    (near.Hushed, "test_closed_subscription"),
    (near.Eager, "test_unused"),
    (near.Leaking, "test_close_lets_go"),
    (near.Selective, "test_invalidated_elsewhere"),
    (near.Reluctant, "test_flushed_elsewhere"),
]


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize(("bus", "test"), NEAR, ids=lambda value: getattr(value, "__name__", value))
def test_broken_bus(bus: Callable[[Any], Any], test: str) -> None:
    """The test of the suite that names the fault of a broken bus fails."""
    assert_caught(suite_of(bus), test)


OF_ONE_PROCESS = ["test_processes", "test_fork", "test_subscribed_after_a_fork"]


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize("test", OF_ONE_PROCESS)
def test_bus_of_one_process(test: str) -> None:
    """A bus that stays within its process, and claims to be shared, is found out."""
    assert_caught(suite_of(near.Sound, is_shared=True), test)


def test_bus_of_one_loop() -> None:
    """A bus that belongs to the loop on which it published first is found out."""
    assert_caught(suite_of(near.LoopBound, side="async"), "test_loop_after_loop")


def far_suite_of(kind: type[far.FarBus], server: Server, limit_sec: float) -> type[InvalidationBusSuite]:
    class Broken(InvalidationBusSuite):
        faults = True
        deadline_sec = limit_sec

        @pytest.fixture
        def make_bus(self) -> Any:
            return lambda: kind(server.port)

        @pytest.fixture
        def endpoint(self) -> Any:
            return server.host, server.port

        @pytest.fixture
        def make_bus_at(self) -> Any:
            return lambda host, port: kind(port)

    return Broken


FAR = [
    (far.ReconnectingBus, "test_cut", 0.2),
    (far.SilentBus, "test_cut_while_nothing_is_said", 0.2),
    (far.SilentBus, "test_cut_off", 0.2),
    (far.HalvedBus, "test_cut_in_a_message", 5.0),
    (far.HopefulBus, "test_refused", 5.0),
    (far.HopefulBus, "test_garbled", 5.0),
    (far.HopefulBus, "test_unanswered", 5.0),
    (far.FarBus, "test_silent", 0.2),
    (far.OffendedBus, "test_comes_back", 0.1),
]


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize(
    ("bus", "test", "limit_sec"), FAR, ids=lambda value: getattr(value, "__name__", value)
)
def test_broken_bus_on_a_bad_line(valkey: Server, bus: type[far.FarBus], test: str, limit_sec: float) -> None:
    """The test of the suite that names the fault of a bus which its line uncovers fails."""
    assert_caught(far_suite_of(bus, valkey, limit_sec), test)


def test_every_promise() -> None:
    """For each promise of the suite there is a bus that breaks it."""
    broken = {test for _, test, *_ in (*NEAR, *FAR)} | set(OF_ONE_PROCESS) | {"test_loop_after_loop"}

    assert set(InvalidationBusSuite.topics) == broken
