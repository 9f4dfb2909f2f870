"""Who acts in a scenario: readers, writers, and the environment that they live in."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from gcache.core.visit import Call
from tests.sim.actor import moment
from tests.sim.process import ENTRY_KEY, EPOCH_KEY, ID, KEY, KEY_TYPE
from tests.sim.runtime import SourceLoad

if TYPE_CHECKING:
    from gcache.core.listener import Listener
    from tests.sim.process import Process
    from tests.sim.properties import Reading
    from tests.sim.world import World


def add_reader(world: World, name: str, process: str, times: int = 1, after: str = "") -> None:
    """Add an actor that reads, as a cached function does: the hot path first, then the chain.

    Of two readers that differ in nothing but their names, one may as well start `after` the other.
    """
    world.join(name, process, _reads(world, world.process(process), times, after))


def add_refresher(world: World, name: str, process: str) -> None:
    """Add an actor that loads whatever is cached, and stores what it got."""
    world.join(name, process, _refreshes(world, world.process(process)))


def add_putter(world: World, name: str, process: str, is_current: bool) -> None:
    """Add an actor that puts what it read from the source before.

    One that `is_current` vouches for its value as of the moment when the epoch is asked for last, which
    is more than it can know; one that is not, as of the beginning of its call.
    """
    world.join(name, process, _puts(world, world.process(process), is_current))


def add_writer(world: World, name: str, process: str, hold_sec: float = 0, tries: int = 1) -> None:
    """Add an actor that commits to the source and then invalidates, again if that fails."""
    world.join(name, process, _writes(world, world.process(process), name, hold_sec, tries))


def add_invalidating(world: World, name: str, process: str, hold_sec: float, renewals: int = 0) -> None:
    """Add an actor that commits to the source while it holds the entity, and invalidates after that."""
    world.join(name, process, _invalidates(world, world.process(process), name, hold_sec, renewals))


def add_flusher(world: World, name: str, process: str) -> None:
    """Add an actor that flushes, from which the same is asked as from an invalidation."""
    world.join(name, process, _flushes(world, world.process(process), name))


def add_eviction(world: World, *keys: str) -> None:
    """Let the authority forget these keys at one moment, if it ever holds the first of them."""
    what = " and ".join("epoch" if key == EPOCH_KEY else "entry" for key in keys)
    world.join(f"eviction of {what}", "", _evicts(world, keys), is_optional=True)


def add_mail(world: World, name: str, cut: bool = False) -> None:
    """Let what is said on the bus arrive in a process, at any time and in its order.

    With `cut` its line may be cut, which it may notice, and be mended, at any later time each.
    """
    process = world.process(name)
    world.join(f"mail of {name}", "", _arrives(world, process), is_optional=True)
    if cut:
        world.join(f"line of {name}", "", _is_cut(world, process), is_optional=True)


def add_lapse(world: World, seconds: float, clocks: tuple[str, ...] = ()) -> None:
    """Let time pass in the authority and, at the same moment, in the processes that are named."""
    world.join(f"{seconds:g} s", "", _passes(world, seconds, clocks), is_optional=True)


def add_cancellation(world: World, target: str) -> None:
    """Let an actor be cancelled at any point, once it has begun."""
    process = world.actors[target].process
    world.join(f"cancellation of {target}", process, _cancels(world, target), is_optional=True)


async def last_read(world: World, process: Process) -> None:
    """Read once more, when all is over."""
    await _reads(world, process, 1)


async def _reads(world: World, process: Process, times: int, after: str = "") -> None:
    try:
        for _ in range(times):
            reading = await moment(
                "read starts",
                lambda: world.history.call_starts(process.name),
                lambda: not after or after in world.history.readings,
            )
            remembered = process.remembered()
            if remembered is not None:
                _check(world, reading, remembered.value, from_memory=True)
                continue
            alive = process.alive_in_memory()
            value = (await process.chain.read(world.runtime, _call(world, process))).unwrap()
            _check(world, reading, value, from_memory=alive is not None and alive.value == value)
    except asyncio.CancelledError:
        return


async def _refreshes(world: World, process: Process) -> None:
    reading = await moment("refresh starts", lambda: world.history.call_starts(process.name))
    outcome = await process.chain.refresh(world.runtime, _call(world, process))
    _check(world, reading, outcome.unwrap(), from_memory=False)


async def _puts(world: World, process: Process, is_current: bool) -> None:
    value = await moment("put starts", lambda: _vouched_for(world, process, is_current))
    await process.chain.put(world.runtime, _call(world, process), value)


async def _writes(world: World, process: Process, name: str, hold_sec: float, tries: int) -> None:
    for attempt in range(tries):
        this = f"{name}.{attempt}"
        started = await _announce(world, this, commits=not attempt)
        failures, _ = await process.removal.invalidate(world.runtime, KEY_TYPE, ID, hold_sec)
        if not failures:
            await _conclude(world, this, process, started + hold_sec if hold_sec else 0.0)
            return


async def _invalidates(world: World, process: Process, name: str, hold_sec: float, renewals: int) -> None:
    removal = process.removal
    for _ in range(1 + renewals):
        held_until = await moment(f"{name} holds", lambda: world.store.now) + hold_sec
        if not await removal.hold(world.runtime, EPOCH_KEY, name, hold_sec):
            await moment(
                f"{name} is held",
                partial(world.history.hold_is_announced, process.name, name, held_until),
            )

    def leave() -> None:
        world.source.commit()
        world.history.invalidation_begins(name)
        world.history.hold_is_released(name)

    await moment(f"commits, and {name} leaves", leave)
    failures, _ = await removal.invalidate(world.runtime, KEY_TYPE, ID, 0, name)
    if not failures:
        await _conclude(world, name, process, 0.0)


async def _flushes(world: World, process: Process, name: str) -> None:
    await _announce(world, name)
    if not await process.removal.flush(world.runtime, None):
        await _conclude(world, name, process, 0.0)


async def _announce(world: World, name: str, commits: bool = False) -> float:
    def begin() -> float:
        if commits:
            world.source.commit()
        world.history.invalidation_begins(name)
        world.touch("now", False)
        return world.store.now

    started: float = await moment(f"{'commits, and ' if commits else ''}{name} starts", begin)
    return started


async def _conclude(world: World, name: str, process: Process, held_until: float) -> None:
    await moment(f"{name} returns", lambda: world.history.invalidation_ends(name, process.name, held_until))


async def _evicts(world: World, keys: tuple[str, ...]) -> None:
    def evict() -> None:
        for key in keys:
            world.store.evict(key)

    await moment("evicts", evict, lambda: keys[0] in world.store.data)


async def _arrives(world: World, process: Process) -> None:
    line = world.lines[process.name]

    def arrive() -> None:
        letter = line.take()
        _listener(process).hear(letter.data)
        world.history.arrives(process.name, frozenset({letter.about}))

    while True:
        await moment("arrives", arrive, lambda: bool(line.mail))


async def _is_cut(world: World, process: Process) -> None:
    line, listener = world.lines[process.name], _listener(process)

    def notice() -> None:
        world.touch(f"ears of {process.name}", True)
        listener.cut_off()
        world.history.is_cut_off(process.name, is_deaf=True)

    def hear_again() -> None:
        world.touch(f"ears of {process.name}", True)
        line.mend()
        listener.begin()
        world.history.is_cut_off(process.name, is_deaf=False)

    await moment("is cut", line.cut)
    await moment("is noticed to be cut", notice)
    await moment("is mended", hear_again)


def _listener(process: Process) -> Listener:
    if process.listener is None:
        raise TypeError("There is a bus in worlds that are made with bus=True.")
    return process.listener


async def _passes(world: World, seconds: float, clocks: tuple[str, ...]) -> None:
    def pass_time() -> None:
        world.store.pass_time(seconds)
        for name in clocks:
            world.process(name).now += seconds
            world.touch(f"clock of {name}", True)

    await moment("pass", pass_time)


async def _cancels(world: World, target: str) -> None:
    actor = world.actors[target]
    await moment(
        "strikes",
        lambda: world.end_of(target, asyncio.CancelledError()),
        lambda: target in world.history.readings and not actor.is_done,
    )


def _call(world: World, process: Process) -> Call:
    value = ""

    def begins() -> None:
        nonlocal value
        value = world.serial("load")
        world.history.load_begins(value)

    def reads() -> str:
        world.remark(f"version {world.source.version}")
        return value

    return Call(process.use_case, KEY, ENTRY_KEY, SourceLoad(begins, reads))


def _vouched_for(world: World, process: Process, is_current: bool) -> str:
    world.history.call_starts(process.name)
    value = world.serial("load")
    if is_current:
        world.history.vouched[world.history.actor] = value
    world.history.load_begins(value)
    world.remark(f"vouches for {value}, version {world.source.version}")
    return value


def _check(world: World, reading: Reading, value: str, from_memory: bool) -> None:
    world.touch("now", False)
    world.history.check_value(reading, value, from_memory, world.store.now)
