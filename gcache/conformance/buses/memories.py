"""Instances of GCache with memories, which hear of invalidations over the bus and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import pytest

from gcache.backends.memory import MemoryLayer
from gcache.conformance import _together
from gcache.conformance._dictionary import DictionaryLayer
from gcache.conformance._instance import Instance, Source
from gcache.conformance.buses.bus import Bus, Buses
from gcache.conformance.buses.faults import BusFaults
from gcache.conformance.proxy import FaultProxy
from gcache.conformance.waiting import wait_until
from gcache.core.events import Event, Listening


class Places:
    """Instances of one prefix, on a bus each and one authority, each standing for a process."""

    def __init__(self, buses: Buses, channel: str) -> None:
        self._buses = buses
        self._channel = channel
        self._stored: dict[str, bytes] = {}
        self._made: list[Place] = []

    def open(self, bus: Any = None) -> Place:
        """Return an instance that hears."""
        layers = [MemoryLayer[Any](), DictionaryLayer(self._stored)]
        place = Place(layers, self._channel, self._buses, self._buses.make() if bus is None else bus)
        self._made.append(place)
        place.cached(Source(), "Listen")(0)
        place.wait_until_it_hears()
        return place

    def close_all(self) -> None:
        """Close all at once, as each waits for its listener to look up."""
        if self._made and self._buses.side == "sync":
            _together.in_threads(len(self._made), lambda number: self._made[number].close())
        else:
            self._buses.loops.run(_gathered(place.aclose() for place in self._made))


class Place(Instance):
    """An instance that says whether it hears."""

    def __init__(self, layers: list[Any], prefix: str, buses: Buses, bus: Any) -> None:
        self.hears: list[int] = []
        super().__init__(layers, prefix, buses.side, buses.loops, bus, self)

    async def aclose(self) -> None:
        await self._gcache.aclose()

    def record(self, event: Event) -> None:
        if isinstance(event, Listening):
            self.hears.append(event.hears)

    def wait_until_it_hears(self) -> None:
        wait_until(
            lambda: self.hears[-1:] == [1],
            sentence="an instance to hear its own ping over the bus",
            timeout_sec=_together.PATIENCE_SEC,
        )


class Memories(BusFaults, topic="end to end"):
    """What the bus is for: memories of other processes."""

    @pytest.fixture
    def places(self, buses: Buses, channel: str) -> Iterator[Places]:
        """What opens instances."""
        places = Places(buses, channel)
        yield places
        places.close_all()

    def test_invalidated_elsewhere(self, places: Places) -> None:
        """What one process invalidates leaves the memory of another, and nothing else does.

        Without a bus it would stay there for its local TTL.
        """
        here, there = places.open(), places.open()
        source = Source()
        read = there.cached(source)
        kept = [read(id) for id in (1, 2) * 2]
        loads = source.loads
        source.truth = {1: 10, 2: 20}
        here.invalidate(1)
        _wait_for(lambda: read(1) == 10)

        assert [0, 0, 0, 0] == kept
        assert 2 == loads
        assert 0 == read(2)

    def test_flushed_elsewhere(self, places: Places) -> None:
        """flushall() in one process empties the memory of another.

        It is what an operator does when wrong values are out.
        """
        here, there = places.open(), places.open()
        source = Source()
        read = there.cached(source)
        read(1)
        source.truth[1] = 10
        here.flushall()
        _wait_for(lambda: read(1) == 10)

        assert 10 == read(1)

    def test_cut_off(self, places: Places, far: Bus, line: FaultProxy) -> None:
        """A process that is cut off reads nothing from memory that was invalidated meanwhile, nor later.

        The bus has to raise for that: core cannot know that it is deaf.
        """
        here, there = places.open(), places.open(far.raw)
        source = Source()
        read = there.cached(source)
        read(1)
        line.refuse()
        _wait_for(lambda: there.hears[-1] == 0)
        source.truth[1] = 10
        here.invalidate(1)
        meanwhile = read(1)
        line.pass_through()
        there.wait_until_it_hears()

        assert [10, 10] == [meanwhile, read(1)]


async def _gathered(work: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*work)


def _wait_for(condition: Callable[[], bool]) -> None:
    wait_until(condition, sentence="the other process to hear of it", timeout_sec=_together.PATIENCE_SEC)
