"""Scenarios of reads of several ids at once, of which one is that of the entity whose values are checked."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from gcache.core.asked import Asked
from tests.sim.actor import moment
from tests.sim.actors import _check, add_cancellation, add_eviction, add_reader, add_writer
from tests.sim.process import EPOCH_KEY, ID, KEY, KEYS
from tests.sim.process import OTHER_ID as OTHER
from tests.sim.runtime import SourceLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcache.core.keys import GCacheKey
    from tests.sim.process import Process
    from tests.sim.world import World


def add_reader_of_many(world: World, name: str, process: str, ids: Sequence[int] = (ID,)) -> None:
    """Add an actor that reads several ids at once, as a function under `cached_many` does."""
    world.join(name, process, _reads_many(world, world.process(process), ids))


def many_and_writer(world: World, here: str, there: str) -> None:
    add_reader_of_many(world, "many", here, (OTHER, ID))
    add_writer(world, "writer", there)


def many_beside_one_and_writer(world: World, here: str, there: str) -> None:
    add_reader_of_many(world, "many", here)
    add_reader(world, "reader", here)
    add_writer(world, "writer", there)


def many_twice_and_writer(world: World, here: str, there: str) -> None:
    add_reader_of_many(world, "many", here)
    add_reader_of_many(world, "more", there)
    add_writer(world, "writer", here)


def many_of_two_orders(world: World, here: str, there: str) -> None:
    add_reader_of_many(world, "many", here, (ID, OTHER))
    add_reader_of_many(world, "more", there, (OTHER, ID))


def many_and_buffer(world: World, here: str, there: str) -> None:
    add_reader_of_many(world, "many", here)
    add_writer(world, "writer", there, hold_sec=10)


def many_and_eviction(world: World, here: str, there: str) -> None:
    many_and_writer(world, here, there)
    add_eviction(world, EPOCH_KEY)


def failing_layer_and_many(world: World, here: str, there: str) -> None:
    world.faults = 1
    many_and_writer(world, here, there)


def cancelled_many(world: World, here: str, there: str) -> None:
    add_reader_of_many(world, "many", here)
    add_reader(world, "reader", there)
    add_cancellation(world, "many")


async def _reads_many(world: World, process: Process, ids: Sequence[int]) -> None:
    try:
        reading = await moment("read starts", lambda: world.history.call_starts(process.name))
        remembered = process.remembered()
        if remembered is not None:
            _check(world, reading, remembered.value, from_memory=True)
            return
        alive = process.alive_in_memory()
        asked = _asked(world, process, ids)
        (await process.chain.many.read(world.runtime, asked)).unwrap()
        value = asked.values[KEYS.build(KEY)]
        _check(world, reading, value, from_memory=alive is not None and alive.value == value)
    except asyncio.CancelledError:
        return


def _asked(world: World, process: Process, ids: Sequence[int]) -> Asked:
    names = {KEYS.build(_key_of(each)): each for each in ids}
    return Asked(process.use_case, names, _key_of, partial(_load, world), {})


def _key_of(each: int) -> GCacheKey:
    return evolve(KEY, id=each)


def _load(world: World, ids: list[Any]) -> SourceLoad:
    value = ""

    def begins() -> None:
        nonlocal value
        value = world.serial("load")
        world.history.load_begins(value)

    def reads() -> dict[Any, str]:
        world.remark(f"version {world.source.version}")
        return dict.fromkeys(ids, value)

    return SourceLoad(begins, reads)
