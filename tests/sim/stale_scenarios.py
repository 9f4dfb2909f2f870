"""Scenarios of entries that are served after their lives, or renewed before they end."""

from __future__ import annotations

from attrs import evolve

from tests.sim.actors import add_lapse, add_reader, add_writer
from tests.sim.process import CONFIG, TTL_SEC
from tests.sim.world import World


def revalidated(world: World, here: str, there: str) -> None:
    """Two reads, the first entry expired before the second, and a writer at any time."""
    world.config = evolve(CONFIG, stale_while_revalidate_sec=TTL_SEC)
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)
    add_lapse(world, TTL_SEC, (here, there))


def served_for_a_failure(world: World, here: str, there: str) -> None:
    world.config = evolve(CONFIG, stale_if_error_sec=TTL_SEC)
    world.faults = 1
    world.source.may_fail = True
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)
    add_lapse(world, TTL_SEC, (here, there))


def served_for_a_slow_load(world: World, here: str, there: str) -> None:
    world.config = evolve(CONFIG, stale_if_error_sec=TTL_SEC, soft_load_timeout_sec=1)
    world.faults = 1
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)
    add_lapse(world, TTL_SEC, (here, there))


def renewed_ahead(world: World, here: str, there: str) -> None:
    world.config = evolve(CONFIG, refresh_ahead=1000)
    world.chance = 1 - 1e-9
    add_reader(world, "reader", here, times=2)
    add_writer(world, "writer", there)
    add_lapse(world, 1, (here, there))


def leased(world: World, here: str, there: str) -> None:
    world.config = evolve(CONFIG, lease_sec=0.01)
    add_reader(world, "reader", here)
    add_reader(world, "second", there, after="reader" if here == there else "")
    add_writer(world, "writer", there)
