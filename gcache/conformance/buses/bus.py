"""What an author says of a bus, and what each part of its suite is given."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest

from gcache.conformance import _together
from gcache.conformance._opened import Opened
from gcache.conformance._sides import Loops, Side
from gcache.conformance.suite import Suite, forgotten

_PAUSE_SEC = 0.05


class Subscription:
    """A subscription, and the patience to wait for what is to come over it."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def heard(self, count: int) -> list[bytes]:
        """Return the next `count` messages, or fewer if they do not come."""
        return self._heard_until(lambda messages: len(messages) >= count)

    def heard_until(self, last: bytes) -> list[bytes]:
        """Return all messages up to `last`, or what came if that does not."""
        return self._heard_until(lambda messages: last in messages)

    def heard_until_it_raises(self, limit_sec: float) -> list[bytes] | None:
        """Return what came before an exception; None if there is none within `limit_sec`."""
        messages: list[bytes] = []
        deadline = time.monotonic() + limit_sec
        while time.monotonic() < deadline:
            try:
                message = self.raw.receive(_PAUSE_SEC)
            except Exception:
                return messages
            if message is not None:
                messages.append(message)
        return None

    def _heard_until(self, is_all: Callable[[list[bytes]], bool]) -> list[bytes]:
        messages: list[bytes] = []
        deadline = time.monotonic() + _together.PATIENCE_SEC
        while not is_all(messages) and time.monotonic() < deadline:
            message = self.raw.receive(_PAUSE_SEC)
            if message is not None:
                messages.append(message)
        return messages


class Bus:
    """A bus that publishes by the side that is tried; it blocks, as does closing it."""

    def __init__(self, raw: Any, side: Side, loops: Loops) -> None:
        self.raw = raw
        self.side: Side = side
        self._loops = loops
        self._subscriptions: list[Subscription] = []

    def publish(self, channel: str, message: bytes) -> None:
        if self.side == "sync":
            self.raw.publish(channel, message)
        else:
            self._loops.run(self.raw.apublish(channel, message))

    def publish_at_once(self, channel: str, messages: Sequence[bytes]) -> None:
        """Publish all on one loop at once if that is awaited, else one after the other."""
        if self.side == "sync":
            for message in messages:
                self.raw.publish(channel, message)
            return

        async def together() -> None:
            await asyncio.gather(*(self.raw.apublish(channel, message) for message in messages))

        self._loops.run(together())

    def subscribe(self, channel: str) -> Subscription:
        """Return a subscription, which is closed with the bus."""
        subscription = Subscription(self.raw.subscribe(channel))
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Close a subscription before the bus is closed."""
        self._subscriptions.remove(subscription)
        subscription.raw.close()

    def close(self) -> None:
        for subscription in tuple(self._subscriptions):
            self.unsubscribe(subscription)
        if self.side == "sync":
            self.raw.close()
        else:
            self._loops.run(self.raw.aclose())


class Buses(Opened[Bus]):
    """The buses of one test."""

    noun = "bus"
    protocol = "InvalidationBus"
    verbs = ("publish", "close")
    other_verbs = ("subscribe",)

    def tried(self, raw: Any) -> Bus:
        return Bus(raw, self.side, self.loops)


class BusPart(Suite):
    """The capabilities that a bus declares, and the fixtures that all parts of its suite share."""

    sides: ClassVar[Sequence[Side]] = ("sync",)
    """How the bus publishes: "sync" for `publish`, "async" for `apublish`. Each test is run on each."""

    shared: ClassVar[bool] = True
    """The bus connects processes, and not only what is in this one."""

    ordered: ClassVar[bool] = True
    """Messages of one publisher arrive in the order in which they were published."""

    faults: ClassVar[bool] = False
    """The fixtures `endpoint` and `make_bus_at` are there, to put a bad line before the bus's server."""

    max_message_bytes: ClassVar[int] = 4096
    """The longest message that is tried. Core's are as long as a key."""

    deadline_sec: ClassVar[float] = 5.0
    """In how many seconds every operation has ended, and a cut has been noticed, however bad the line is."""

    @pytest.fixture
    def make_bus(self) -> Callable[[], Any]:
        """A function without arguments that opens the bus anew, as another process would."""
        forgotten(
            self,
            "make_bus",
            """
            @pytest.fixture
            def make_bus(self, server):
                return lambda: MyBus(server.port)
            """,
        )

    @pytest.fixture
    def side(self) -> Side:
        """Which side of the bus is tried: given by `sides`."""
        return self.sides[0]

    @pytest.fixture
    def buses(self, make_bus: Callable[[], Any], side: Side) -> Iterator[Buses]:
        """What opens buses."""
        buses = Buses(make_bus, side)
        yield buses
        buses.close_all()

    @pytest.fixture
    def bus(self, buses: Buses) -> Bus:
        """A bus that was just opened."""
        return buses.open()

    @pytest.fixture
    def channel(self) -> str:
        """A channel that no other test has, of the form that core's have: a urn_prefix."""
        return f"urn:conformance:{uuid.uuid4().hex}"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each side."""
        if "side" in metafunc.fixturenames:
            metafunc.parametrize("side", self.sides)
