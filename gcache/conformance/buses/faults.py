"""A bus whose server is hard to reach: it raises, in time, and never passes over what it has missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from gcache.conformance._line import LinePart
from gcache.conformance._sides import Side
from gcache.conformance.buses.bus import Bus, Buses, BusPart
from gcache.conformance.proxy import FaultProxy
from gcache.conformance.suite import forgotten
from gcache.conformance.waiting import wait_until


class BusFaults(LinePart, BusPart, topic="faults"):
    """Run where `faults` is declared, with a proxy between the bus and its server."""

    @pytest.fixture
    def make_bus_at(self) -> Callable[[str, int], Any]:
        """A function of host and port that opens a bus over the server which answers there."""
        forgotten(
            self,
            "make_bus_at",
            """
            @pytest.fixture
            def make_bus_at(self):
                return lambda host, port: MyBus(host, port)
            """,
        )

    @pytest.fixture
    def far(self, request: pytest.FixtureRequest, line: FaultProxy, side: Side) -> Iterator[Bus]:
        """A bus at the other end of the line."""
        make = request.getfixturevalue("make_bus_at")
        buses = Buses(lambda: make(line.host, line.port), side)
        yield buses.open()
        line.pass_through()
        with suppress(Exception):  # a bus may say that its line was cut
            buses.close_all()

    def test_cut(self, far: Bus, bus: Bus, line: FaultProxy, channel: str) -> None:
        """A subscription whose line is cut raises, and before it gives anything that was published later.

        Core drops what it holds and subscribes again. A subscription that connects anew in silence has
        missed what was said meanwhile, and nobody knows.
        """
        subscription = far.subscribe(channel)
        bus.publish(channel, b"before")
        before = subscription.heard(1)
        line.drop_connections()
        bus.publish(channel, b"after")
        heard = subscription.heard_until_it_raises(self.deadline_sec)

        assert [b"before"] == before
        assert heard == []

    def test_cut_while_nothing_is_said(self, far: Bus, line: FaultProxy, channel: str) -> None:
        """A subscription whose line is cut raises also when nobody has published anything.

        It would look like an application that is quiet.
        """
        subscription = far.subscribe(channel)
        line.drop_connections()

        assert subscription.heard_until_it_raises(self.deadline_sec) == []

    def test_cut_in_a_message(self, far: Bus, bus: Bus, line: FaultProxy, channel: str) -> None:
        """A line that is cut in the middle of a message, wherever that is, gives whole messages only.

        Half a message is about another entity.
        """
        message = bytes(range(256))
        wrong: list[tuple[int, list[bytes] | None]] = []
        for count in (0, 1, 3, 10, 40, 100, 350, 450, 600):
            subscription = far.subscribe(channel)
            line.cut_after(count)
            for _ in range(3):
                bus.publish(channel, message)
            heard = subscription.heard_until_it_raises(self.deadline_sec)
            if heard not in ([], [message], [message] * 2):
                wrong.append((count, heard))
            line.pass_through()

        assert [] == wrong

    def test_refused(self, far: Bus, line: FaultProxy, channel: str) -> None:
        """When the server refuses, publish and subscribe raise, and within deadline_sec.

        A message that may not have been sent is sent again, which core does only if it is told.
        """
        line.refuse()

        self._everything_raises(far, channel)

    def test_silent(self, far: Bus, line: FaultProxy, channel: str) -> None:
        """When the server accepts and answers nothing, publish and subscribe raise, and within deadline_sec.

        `invalidate` waits for it.
        """
        far.publish(channel, b"before")
        line.black_hole()

        self._everything_raises(far, channel)

    def test_garbled(self, far: Bus, line: FaultProxy, channel: str) -> None:
        """When something else answers in the server's place, publish and subscribe raise.

        Ports are given to other programs, and proxies answer with pages of their own.
        """
        far.publish(channel, b"before")
        line.garbage()

        self._everything_raises(far, channel)

    def test_unanswered(self, far: Bus, line: FaultProxy, channel: str) -> None:
        """When the line is cut before the server has answered, publish raises.

        Nobody can tell then whether the message went out. Core sends it again, as twice does no harm.
        """
        far.publish(channel, b"before")
        line.cut_after(0)
        with pytest.raises(Exception):  # noqa: B017  # which one is up to the bus
            far.publish(channel, b"message")

    def test_comes_back(self, far: Bus, line: FaultProxy, channel: str) -> None:
        """After a fault has ended, the same bus publishes and subscribes again.

        Nobody restarts an application because its bus was away for a minute.
        """
        far.publish(channel, b"before")
        line.refuse()
        with suppress(Exception):
            far.publish(channel, b"meanwhile")
        line.pass_through()

        def is_back() -> bool:
            try:
                subscription = far.subscribe(channel)
                far.publish(channel, b"message")
            except Exception:
                return False
            return subscription.heard(1) == [b"message"]

        wait_until(is_back, sentence="the bus to work again", timeout_sec=2 * self.deadline_sec)

    def _everything_raises(self, bus: Bus, channel: str) -> None:
        for work in (lambda: bus.publish(channel, b"message"), lambda: bus.subscribe(channel)):
            began = time.monotonic()
            with pytest.raises(Exception):  # noqa: B017  # which one is up to the bus
                work()
            assert time.monotonic() - began < self.deadline_sec
