"""The scenarios, as functions that put actors into a world.

Each takes the processes that its actors are in: one and the same, or two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tests.sim.actors import (
    add_cancellation,
    add_eviction,
    add_flusher,
    add_invalidating,
    add_lapse,
    add_mail,
    add_putter,
    add_reader,
    add_refresher,
    add_writer,
)
from tests.sim.process import ENTRY_KEY, EPOCH_KEY
from tests.sim.world import World

Scenario: TypeAlias = Callable[[World, str, str], None]


def reader_and_writer(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)


def two_readers_and_writer(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_reader(world, "second", there, after="reader" if here == there else "")
    add_writer(world, "writer", here)


def overlapping_buffers(world: World, here: str, there: str) -> None:
    add_writer(world, "longer", here, hold_sec=20)
    add_writer(world, "shorter", there, hold_sec=10)
    add_reader(world, "reader", there)


def overlapping_writers(world: World, here: str, there: str) -> None:
    add_writer(world, "longer", here, hold_sec=20)
    add_writer(world, "plain", there)
    add_reader(world, "reader", there)


def invalidating_and_reader(world: World, here: str, there: str) -> None:
    add_invalidating(world, "holder", there, hold_sec=10)
    add_reader(world, "reader", here, times=2)


def invalidating_twice(world: World, here: str, there: str) -> None:
    add_invalidating(world, "holder", here, hold_sec=10)
    add_invalidating(world, "other", there, hold_sec=10)
    add_reader(world, "reader", here)


def invalidating_and_buffer(world: World, here: str, there: str) -> None:
    add_invalidating(world, "holder", here, hold_sec=10)
    add_writer(world, "writer", there, hold_sec=5)
    add_reader(world, "reader", there)


def invalidating_and_lapse(world: World, here: str, there: str) -> None:
    add_invalidating(world, "holder", there, hold_sec=10, renewals=1)
    add_reader(world, "reader", here)
    add_lapse(world, 8)
    add_lapse(world, 11, (there,))


def failing_invalidating(world: World, here: str, there: str) -> None:
    world.faults = 1
    add_invalidating(world, "holder", there, hold_sec=10)
    add_reader(world, "reader", here)


def lapsing_buffers(world: World, here: str, there: str) -> None:
    add_writer(world, "longer", here, hold_sec=20)
    add_writer(world, "shorter", there, hold_sec=10)
    add_reader(world, "reader", there)
    add_lapse(world, 15, (here, there))


def lapsing_buffer(world: World, here: str, there: str) -> None:
    add_writer(world, "writer", there, hold_sec=10)
    add_reader(world, "reader", here)
    add_lapse(world, 15)
    add_lapse(world, 11, (here,))


def expiry(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_writer(world, "writer", there)
    add_lapse(world, 2000)
    add_lapse(world, 5000, (here, there))


def eviction_of_entry(world: World, here: str, there: str) -> None:
    reader_and_writer(world, here, there)
    add_eviction(world, ENTRY_KEY)


def eviction_of_epoch(world: World, here: str, there: str) -> None:
    reader_and_writer(world, here, there)
    add_eviction(world, EPOCH_KEY)


def eviction_of_both(world: World, here: str, there: str) -> None:
    reader_and_writer(world, here, there)
    add_eviction(world, EPOCH_KEY, ENTRY_KEY)


def failing_layer(world: World, here: str, there: str) -> None:
    world.faults = 1
    add_reader(world, "reader", here)
    add_writer(world, "writer", there, tries=2)


def failing_layer_and_buffer(world: World, here: str, there: str) -> None:
    world.faults = 1
    add_reader(world, "reader", here)
    add_writer(world, "writer", there, hold_sec=10, tries=2)


def skipped_layer(world: World, here: str, there: str) -> None:
    world.faults = 1
    world.has_breakers = True
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)


def skipped_layer_is_back(world: World, here: str, there: str) -> None:
    skipped_layer(world, here, there)
    add_lapse(world, 5, (here, there))


def skipped_layer_and_rewriter(world: World, here: str, there: str) -> None:
    world.faults = 1
    world.has_breakers = True
    add_reader(world, "reader", here)
    add_writer(world, "writer", there, tries=2)


def skipped_layer_and_buffer(world: World, here: str, there: str) -> None:
    world.faults = 1
    world.has_breakers = True
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there, hold_sec=10, tries=2)
    add_lapse(world, 5, (here, there))


def failing_source(world: World, here: str, there: str) -> None:
    world.faults = 1
    world.source.may_fail = True
    add_reader(world, "reader", here)
    add_reader(world, "second", there, after="reader" if here == there else "")


def cancelled_leader(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_reader(world, "second", there)
    add_cancellation(world, "reader")


def cancelled_reader(world: World, here: str, there: str) -> None:
    reader_and_writer(world, here, there)
    add_cancellation(world, "reader")


def flush(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_flusher(world, "flush", there)


def flush_and_writer(world: World, here: str, there: str) -> None:
    reader_and_writer(world, here, there)
    add_flusher(world, "flush", there)


def put_and_writer(world: World, here: str, there: str) -> None:
    add_putter(world, "putter", here, is_current=True)
    add_writer(world, "writer", there)


def put_reader_and_writer(world: World, here: str, there: str) -> None:
    put_and_writer(world, here, there)
    add_reader(world, "reader", there)


def old_put_and_writer(world: World, here: str, there: str) -> None:
    add_putter(world, "putter", here, is_current=False)
    add_writer(world, "writer", there)


def flush_under_buffer(world: World, here: str, there: str) -> None:
    world.store.flush_ends_holds = False
    add_writer(world, "writer", here, hold_sec=10)
    add_flusher(world, "flush", there)
    add_reader(world, "reader", there)


def refresh_and_writer(world: World, here: str, there: str) -> None:
    add_refresher(world, "refresher", here)
    add_writer(world, "writer", there)


def refresh_reader_and_writer(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", there)
    refresh_and_writer(world, here, there)


def eviction_of_both_once(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_flusher(world, "flush", there)
    add_eviction(world, EPOCH_KEY, ENTRY_KEY)


def cancelled_once(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_writer(world, "writer", there)
    add_cancellation(world, "reader")


def two_readers_and_two_writers(world: World, here: str, there: str) -> None:
    two_readers_and_writer(world, here, there)
    add_writer(world, "other", there)


def failing_layer_twice(world: World, here: str, there: str) -> None:
    failing_layer(world, here, there)
    world.faults = 2


def failing_layer_and_two_readers(world: World, here: str, there: str) -> None:
    two_readers_and_writer(world, here, there)
    world.faults = 1


def cancelled_leader_and_writer(world: World, here: str, there: str) -> None:
    two_readers_and_writer(world, here, there)
    add_cancellation(world, "reader")


def two_readers(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_reader(world, "second", there, after="reader" if here == there else "")


def heard_once(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_writer(world, "writer", there)
    add_mail(world, here)


def heard_elsewhere(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)
    add_mail(world, here)


def heard_by_two_readers(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here, times=2)
    add_reader(world, "second", there)
    add_writer(world, "writer", there)
    add_mail(world, here)


def cut_off(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)
    add_mail(world, here, cut=True)


def cut_off_block(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_invalidating(world, "holder", there, hold_sec=10)
    add_mail(world, here, cut=True)


def failing_bus(world: World, here: str, there: str) -> None:
    world.faults = 1
    add_reader(world, "reader", here)
    add_writer(world, "writer", there, tries=2)
    add_mail(world, here)


def flush_elsewhere(world: World, here: str, there: str) -> None:
    add_reader(world, "reader", here)
    add_flusher(world, "flush", there)
    add_mail(world, here, cut=True)


def writers_that_hear_each_other(world: World, here: str, there: str) -> None:
    add_writer(world, "writer", here)
    add_writer(world, "other", there)
    add_reader(world, "reader", here, times=2)
    add_mail(world, here)
    add_mail(world, there)
