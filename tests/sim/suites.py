"""Which scenarios are gone through, and in which worlds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.sim import scenarios, stale_scenarios
from tests.sim.explorer import Explorer, Report
from tests.sim.scenarios import Scenario
from tests.sim.world import World

SHORT: tuple[Scenario, ...] = (
    scenarios.reader_and_writer,
    scenarios.two_readers_and_writer,
    scenarios.overlapping_buffers,
    scenarios.overlapping_writers,
    scenarios.lapsing_buffer,
    scenarios.expiry,
    scenarios.eviction_of_entry,
    scenarios.eviction_of_epoch,
    scenarios.eviction_of_both,
    scenarios.failing_layer,
    scenarios.failing_layer_twice,
    scenarios.failing_layer_and_buffer,
    scenarios.skipped_layer,
    scenarios.skipped_layer_is_back,
    scenarios.skipped_layer_and_rewriter,
    scenarios.skipped_layer_and_buffer,
    scenarios.failing_source,
    scenarios.cancelled_leader,
    scenarios.cancelled_reader,
    scenarios.flush,
    scenarios.put_and_writer,
    scenarios.refresh_and_writer,
    scenarios.invalidating_and_reader,
    scenarios.invalidating_and_buffer,
    scenarios.failing_invalidating,
)
STALE: tuple[Scenario, ...] = (
    stale_scenarios.revalidated,
    stale_scenarios.renewed_ahead,
)
STALE_LONG: tuple[Scenario, ...] = (
    stale_scenarios.served_for_a_failure,
    stale_scenarios.served_for_a_slow_load,
    stale_scenarios.leased,
)
ON_A_BUS: tuple[Scenario, ...] = (
    scenarios.heard_elsewhere,
    scenarios.cut_off,
    scenarios.failing_bus,
    scenarios.flush_elsewhere,
)
ON_A_BUS_LONG: tuple[Scenario, ...] = (
    scenarios.heard_by_two_readers,
    scenarios.cut_off_block,
    scenarios.writers_that_hear_each_other,
)
LONG: tuple[Scenario, ...] = (
    scenarios.lapsing_buffers,
    scenarios.flush_and_writer,
    scenarios.put_reader_and_writer,
    scenarios.refresh_reader_and_writer,
    scenarios.failing_layer_and_two_readers,
    scenarios.cancelled_leader_and_writer,
    scenarios.two_readers_and_two_writers,
    scenarios.invalidating_twice,
    scenarios.invalidating_and_lapse,
)


class Place(NamedTuple):
    """Where a scenario is played: in how many processes, with what, and over which authority."""

    memory: bool = False
    processes: int = 1
    retires: bool = True
    bus: bool = False

    def __str__(self) -> str:
        layers = "memory and authority" if self.memory else "authority"
        bus = ", on a bus" if self.bus else ""
        return f"{self.processes} process{'es' * (self.processes > 1)}, {layers}{bus}"


def worlds(scenario: Scenario, place: Place) -> Callable[[], World]:
    """Return what makes the world of a scenario, anew for each schedule."""

    def build() -> World:
        world = World(memory=place.memory, retires=place.retires, bus=place.bus)
        scenario(world, "p", "p" if place.processes == 1 else "q")
        return world

    return build


def explore(
    scenario: Scenario, memory: bool = False, processes: int = 1, retires: bool = True, bus: bool = False
) -> Report:
    """Go through all of a scenario, and print how much it was. Raises Violated."""
    started = time.perf_counter()
    place = Place(memory, processes, retires, bus)
    report = Explorer(worlds(scenario, place)).explore()
    sys.stdout.write(f"{scenario.__name__}, {place}: {report}, {time.perf_counter() - started:.2f} s\n")
    return report
