from __future__ import annotations

import pytest

from tests.servers.availability import IS_LONG
from tests.sim import scenarios
from tests.sim.explorer import Explorer, Violated
from tests.sim.scenarios import Scenario
from tests.sim.suites import LONG, ON_A_BUS, ON_A_BUS_LONG, SHORT, STALE, STALE_LONG, Place, explore, worlds

in_every_place = [
    pytest.mark.parametrize("memory", [False, True], ids=["authority", "memory"]),
    pytest.mark.parametrize("processes", [1, 2], ids=["one_process", "two_processes"]),
]


in_long_runs = pytest.mark.skipif(not IS_LONG, reason="takes many minutes: set GCACHE_LONG=1")


def everywhere(test: object) -> object:
    for mark in in_every_place:
        test = mark(test)
    return test


def _named(scenario: Scenario) -> str:
    return scenario.__name__


@everywhere
@pytest.mark.parametrize("scenario", SHORT, ids=_named)
def test_every_interleaving_is_right(scenario: Scenario, memory: bool, processes: int) -> None:
    """Reads are exact, holds stand, nothing hangs and no flight is left, in every schedule there is."""
    report = explore(scenario, memory, processes)

    assert report.schedules > 0


@everywhere
@pytest.mark.parametrize("scenario", STALE, ids=_named)
def test_every_interleaving_of_what_is_stale_is_right(
    scenario: Scenario, memory: bool, processes: int
) -> None:
    """What is served after its life, or renewed beside a caller, is exact all the same."""
    report = explore(scenario, memory, processes)

    assert report.schedules > 0


@in_long_runs
@everywhere
@pytest.mark.parametrize("scenario", [*LONG, *STALE_LONG], ids=_named)
def test_every_interleaving_of_more_actors_is_right(scenario: Scenario, memory: bool, processes: int) -> None:
    """What holds for a few actors holds for as many as time allows."""
    report = explore(scenario, memory, processes)

    assert report.schedules > 0


def test_blocks_of_two_processes_are_right() -> None:
    """Blocks that write one entity at once leave each other's holds alone, in every schedule there is."""
    report = explore(scenarios.invalidating_twice, memory=False, processes=2)

    assert report.schedules > 0


@pytest.mark.parametrize("scenario", ON_A_BUS, ids=_named)
def test_every_interleaving_on_a_bus_is_right(scenario: Scenario) -> None:
    """What has arrived counts for the memory of another process, too, and a deaf one does without memory."""
    report = explore(scenario, memory=True, processes=2, bus=True)

    assert report.schedules > 0


@in_long_runs
@pytest.mark.parametrize("scenario", ON_A_BUS_LONG, ids=_named)
def test_every_interleaving_of_more_actors_on_a_bus_is_right(scenario: Scenario) -> None:
    """What holds for a few actors on a bus holds for as many as time allows."""
    report = explore(scenario, memory=True, processes=2, bus=True)

    assert report.schedules > 0


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("scenario", [scenarios.refresh_and_writer, scenarios.cancelled_once], ids=_named)
def test_pruning_loses_no_end(scenario: Scenario, processes: int) -> None:
    """With nothing pruned, schedules end in the same states, only more often."""
    _explore_with_and_without_pruning(scenario, Place(memory=True, processes=processes))


@in_long_runs
def test_pruning_loses_no_end_on_a_bus() -> None:
    """With nothing pruned, messages arrive in the same states, only far more often."""
    _explore_with_and_without_pruning(scenarios.heard_once, Place(memory=True, processes=2, bus=True))


@in_long_runs
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "scenario",
    [scenarios.flush, scenarios.eviction_of_both_once, scenarios.two_readers],
    ids=_named,
)
def test_pruning_loses_no_end_of_larger_scenarios(scenario: Scenario, processes: int) -> None:
    """With nothing pruned, schedules end in the same states, only much more often."""
    _explore_with_and_without_pruning(scenario, Place(memory=True, processes=processes))


def _explore_with_and_without_pruning(scenario: Scenario, place: Place) -> None:
    pruned = Explorer(worlds(scenario, place))
    whole = Explorer(worlds(scenario, place), prunes=False)

    pruned.explore()
    whole.explore()

    assert whole.ends == pruned.ends
    assert whole.report.schedules > pruned.report.schedules


@everywhere
@pytest.mark.parametrize("scenario", [scenarios.reader_and_writer, scenarios.failing_layer], ids=_named)
def test_reads_are_exact_without_retire(scenario: Scenario, memory: bool, processes: int) -> None:
    """A layer that cannot retire in one step invalidates exactly all the same."""
    report = explore(scenario, memory, processes, retires=False)

    assert report.schedules > 0


@everywhere
@pytest.mark.parametrize(
    "scenario", [scenarios.overlapping_buffers, scenarios.overlapping_writers], ids=_named
)
def test_without_retire_another_invalidation_cuts_a_hold_short(
    scenario: Scenario, memory: bool, processes: int
) -> None:
    """What a layer without `retire` loses: one that read before the hold was set acts after."""
    with pytest.raises(Violated, match=r"^held: "):
        explore(scenario, memory, processes, retires=False)


@pytest.mark.parametrize("memory", [False, True])
def test_a_put_is_exact_against_invalidations_of_its_own_process(memory: bool) -> None:
    """A put of a value from before an invalidation in the same process is refused."""
    report = explore(scenarios.old_put_and_writer, memory, 1)

    assert report.schedules > 0


@pytest.mark.parametrize("memory", [False, True])
def test_a_put_of_an_older_value_can_outlive_an_invalidation_elsewhere(memory: bool) -> None:
    """A put learns the epoch after its value was read: what another process did between goes unnoticed."""
    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.old_put_and_writer, memory, 2)


@everywhere
def test_a_flush_takes_holds_away(memory: bool, processes: int) -> None:
    """A hold lies under the prefix that a flush removes."""
    with pytest.raises(Violated, match=r"^held: "):
        explore(scenarios.flush_under_buffer, memory, processes)
