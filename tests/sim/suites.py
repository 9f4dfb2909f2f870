"""Which scenarios are gone through, and in which worlds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from tests.sim import scenarios
from tests.sim.explorer import Explorer, Report
from tests.sim.scenarios import Scenario
from tests.sim.world import World

IS_LONG = bool(os.environ.get("GCACHE_LONG"))
"""Whether the larger scenarios are wanted, too. They take many minutes."""

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
    scenarios.failing_source,
    scenarios.cancelled_leader,
    scenarios.cancelled_reader,
    scenarios.flush,
    scenarios.put_and_writer,
    scenarios.refresh_and_writer,
    scenarios.invalidating_and_reader,
    scenarios.invalidating_twice,
    scenarios.invalidating_and_buffer,
    scenarios.failing_invalidating,
)
LONG: tuple[Scenario, ...] = (
    scenarios.lapsing_buffers,
    scenarios.flush_and_writer,
    scenarios.put_reader_and_writer,
    scenarios.refresh_reader_and_writer,
    scenarios.failing_layer_and_two_readers,
    scenarios.cancelled_leader_and_writer,
    scenarios.two_readers_and_two_writers,
    scenarios.invalidating_and_lapse,
)


def worlds(
    scenario: Scenario, memory: bool = False, processes: int = 1, retires: bool = True
) -> Callable[[], World]:
    """Return what makes the world of a scenario, anew for each schedule."""

    def build() -> World:
        world = World(memory=memory, retires=retires)
        scenario(world, "p", "p" if processes == 1 else "q")
        return world

    return build


def explore(scenario: Scenario, memory: bool = False, processes: int = 1, retires: bool = True) -> Report:
    """Go through all of a scenario, and print how much it was. Raises Violated."""
    started = time.perf_counter()
    report = Explorer(worlds(scenario, memory, processes, retires)).explore()
    layers = "memory and authority" if memory else "authority"
    sys.stdout.write(
        f"{scenario.__name__}, {processes} process{'es' * (processes > 1)}, {layers}: {report}, "
        f"{time.perf_counter() - started:.2f} s\n"
    )
    return report
