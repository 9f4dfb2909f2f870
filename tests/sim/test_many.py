"""Reads of several ids at once, in every schedule there is; and that broken ones are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcache.core import epochs
from gcache.core.many import Many
from tests.servers.availability import IS_LONG
from tests.sim import many_scenarios as scenarios
from tests.sim.explorer import Violated
from tests.sim.suites import explore

if TYPE_CHECKING:
    from gcache.core.runtime import Runtime
    from tests.sim.scenarios import Scenario

SHORT = (
    scenarios.many_and_writer,
    scenarios.many_and_buffer,
    scenarios.many_and_eviction,
    scenarios.many_of_two_orders,
    scenarios.failing_layer_and_many,
    scenarios.cancelled_many,
)
LONG = (scenarios.many_beside_one_and_writer, scenarios.many_twice_and_writer)

in_every_place = [
    pytest.mark.parametrize("memory", [False, True], ids=["authority", "memory"]),
    pytest.mark.parametrize("processes", [1, 2], ids=["one_process", "two_processes"]),
]


def everywhere(test: object) -> object:
    for mark in in_every_place:
        test = mark(test)
    return test


def _named(scenario: Scenario) -> str:
    return scenario.__name__


@everywhere
@pytest.mark.parametrize("scenario", SHORT, ids=_named)
def test_every_interleaving_is_right(scenario: Scenario, memory: bool, processes: int) -> None:
    """Reads of many are exact, nobody waits for ever and no flight is left, in every schedule there is."""
    report = explore(scenario, memory, processes)

    assert report.schedules > 0


@pytest.mark.parametrize("scenario", LONG, ids=_named)
def test_every_interleaving_with_another_reader_is_right(scenario: Scenario) -> None:
    """Reads of many share loads with single ones and with each other, beside a writer elsewhere."""
    report = explore(scenario, True, 2)

    assert report.schedules > 0


@pytest.mark.skipif(not IS_LONG, reason="takes half a minute: set GCACHE_LONG=1")
@everywhere
@pytest.mark.parametrize("scenario", LONG, ids=_named)
def test_every_interleaving_with_another_reader_is_right_everywhere(
    scenario: Scenario, memory: bool, processes: int
) -> None:
    """What holds in two processes with memory holds in one, and without."""
    report = explore(scenario, memory, processes)

    assert report.schedules > 0


def test_epochs_stamped_after_the_load_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that get the epochs of when their load ended outlive what came in between."""
    real = Many._arrive

    async def arrive(
        self: Many, runtime: Runtime, asked: Any, tickets: Any, joint: Any, mine: Any, *loaded: Any
    ) -> None:
        for visit in mine:
            visit.epoch = None
        await self._bulk.settle(runtime, mine)
        await real(self, runtime, asked, tickets, joint, mine, *loaded)

    monkeypatch.setattr(Many, "_arrive", arrive)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.many_and_writer, False, 2)


def test_entries_of_an_epoch_that_is_gone_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry counts only while its epoch stands, also when it is read among others."""
    monkeypatch.setattr(epochs, "lives", lambda entry_epoch, stored: True)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.many_twice_and_writer, False, 2)
