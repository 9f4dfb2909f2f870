"""Buses with one fault each, and the test of the suite that names it."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gcache import RedisConfig
from gcache.conformance import InvalidationBusSuite, _together
from tests.conformance.catching import assert_caught

if TYPE_CHECKING:
    from tests.servers.process import Server


class Sound:
    """A bus within this process without a fault, for the others to spoil."""

    def __init__(self, listeners: list[Listener]) -> None:
        self.listeners = listeners

    def publish(self, channel: str, message: bytes) -> None:
        for listener in tuple(self.listeners):
            if self.reaches(channel, listener):
                listener.queue.put(message)

    def reaches(self, channel: str, listener: Listener) -> bool:
        return channel == listener.channel

    def subscribe(self, channel: str) -> Listener:
        listener = self.listener(channel)
        self.listeners.append(listener)
        return listener

    def listener(self, channel: str) -> Listener:
        return Listener(self, channel)

    def close(self) -> None:
        pass


class Listener:
    """A subscription without a fault."""

    def __init__(self, bus: Sound, channel: str) -> None:
        self.bus = bus
        self.channel = channel
        self.queue: Any = queue.SimpleQueue()
        self.is_closed = False

    def receive(self, timeout_sec: float) -> Any:
        if self.is_closed:
            raise ConnectionError("closed")
        try:
            return self.queue.get(timeout=timeout_sec)
        except queue.Empty:
            return None

    def close(self) -> None:
        self.is_closed = True
        self.bus.listeners.remove(self)


class Textual(Sound):
    """Carries text."""

    def publish(self, channel: str, message: bytes) -> None:
        super().publish(channel, message.decode(errors="replace").encode())


class Late(Sound):
    """Listens from the first look on."""

    class Listener(Listener):
        def receive(self, timeout_sec: float) -> Any:
            if self not in self.bus.listeners:
                self.bus.listeners.append(self)
            return super().receive(timeout_sec)

    def subscribe(self, channel: str) -> Listener:
        return self.Listener(self, channel)


class Stacked(Sound):
    """Gives the newest message first."""

    def listener(self, channel: str) -> Listener:
        listener = Listener(self, channel)
        listener.queue = queue.LifoQueue()
        return listener


class Lossy(Sound):
    """Drops what is too much."""

    def publish(self, channel: str, message: bytes) -> None:
        if all(listener.queue.qsize() < 100 for listener in self.listeners):
            super().publish(channel, message)


class Wide(Sound):
    """Takes channels that begin alike for one."""

    def reaches(self, channel: str, listener: Listener) -> bool:
        return channel.startswith(listener.channel)


class Greedy(Sound):
    """Gives each message to one listener."""

    def publish(self, channel: str, message: bytes) -> None:
        for listener in [listener for listener in self.listeners if listener.channel == channel][:1]:
            listener.queue.put(message)


class Modest(Sound):
    """Does not hear itself."""

    def reaches(self, channel: str, listener: Listener) -> bool:
        return channel == listener.channel and listener.bus is not self


class Lonely(Sound):
    """Cannot speak to nobody."""

    def publish(self, channel: str, message: bytes) -> None:
        if not self.listeners:
            raise ConnectionError("nobody is there")
        super().publish(channel, message)


class Hasty(Sound):
    """Raises when nothing comes."""

    class Listener(Listener):
        def receive(self, timeout_sec: float) -> Any:
            return self.queue.get(timeout=timeout_sec)

    def listener(self, channel: str) -> Listener:
        return self.Listener(self, channel)


class Hushed(Sound):
    """Says that nothing came when it is closed."""

    class Listener(Listener):
        def receive(self, timeout_sec: float) -> Any:
            return None if self.is_closed else super().receive(timeout_sec)

    def listener(self, channel: str) -> Listener:
        return self.Listener(self, channel)


class Once(Sound):
    """Subscribes once."""

    has_subscribed = False

    def subscribe(self, channel: str) -> Listener:
        if self.has_subscribed:
            raise ConnectionError("once is enough")
        self.has_subscribed = True
        return super().subscribe(channel)


class Sweeping(Sound):
    """Ends every subscription when it is closed."""

    def close(self) -> None:
        for listener in self.listeners:
            listener.is_closed = True


class Eager(Sound):
    """Cannot be closed before it was used."""

    used = False

    def publish(self, channel: str, message: bytes) -> None:
        self.used = True
        super().publish(channel, message)

    def close(self) -> None:
        assert self.used


class Leaking(Sound):
    """Leaves a file behind."""

    def subscribe(self, channel: str) -> Listener:
        os.dup(0)
        return super().subscribe(channel)


class Mixing(Sound):
    """Keeps the message that it is at work on where all threads see it."""

    def publish(self, channel: str, message: bytes) -> None:
        self._message = message
        time.sleep(0)
        super().publish(channel, self._message)


class Shared(Sound):
    """Keeps the channel that it is at work on where all threads see it."""

    def subscribe(self, channel: str) -> Listener:
        self._channel = channel
        time.sleep(0.01)
        return super().subscribe(self._channel)


class Selective(Sound):
    """Carries nothing about entities."""

    def publish(self, channel: str, message: bytes) -> None:
        if not message.startswith(b"invalidate"):
            super().publish(channel, message)


class Reluctant(Sound):
    """Carries nothing about everything."""

    def publish(self, channel: str, message: bytes) -> None:
        if not message.startswith(b"flush"):
            super().publish(channel, message)


class TwoSided(Sound):
    """Has a side that nobody declared."""

    async def apublish(self, channel: str, message: bytes) -> None:
        self.publish(channel, message)


_END_TO_END = ("test_invalidated_elsewhere", "test_flushed_elsewhere", "test_cut_off")


def suite_of(kind: Callable[[Any], Any], is_shared: bool = False) -> type[InvalidationBusSuite]:
    class Broken(InvalidationBusSuite):
        shared = is_shared

        @pytest.fixture
        def make_bus(self) -> Any:
            listeners: list[Any] = []
            return lambda: kind(listeners)

    return Broken


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch, test: str) -> None:
    """Wait no longer than it takes a sound bus, which has a ping to wait for in the end-to-end part."""
    monkeypatch.setattr(_together, "PATIENCE_SEC", 0.4 if test in _END_TO_END else 0.1)


@pytest.mark.parametrize(
    ("bus", "test"),
    [
        (Textual, "test_any_bytes"),
        (Late, "test_from_the_subscription_on"),
        (Stacked, "test_in_order"),
        (Lossy, "test_none_is_lost"),
        (Wide, "test_channels"),
        (Greedy, "test_everybody_hears"),
        (Modest, "test_everybody_hears"),
        (Lonely, "test_nobody_listens"),
        (Hasty, "test_nothing_comes"),
        (TwoSided, "test_sides_are_declared"),
        (Mixing, "test_many_threads"),
        (Shared, "test_heard_in_another_thread"),
        (Once, "test_subscribed_again"),
        (Sweeping, "test_one_of_several_is_closed"),
        (Hushed, "test_closed_subscription"),
        (Eager, "test_unused"),
        (Leaking, "test_close_lets_go"),
        (Selective, "test_invalidated_elsewhere"),
        (Reluctant, "test_flushed_elsewhere"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_broken_bus(bus: Callable[[Any], Any], test: str) -> None:
    """The test of the suite that names the fault of a broken bus fails."""
    assert_caught(suite_of(bus), test)


@pytest.mark.parametrize("test", ["test_processes", "test_fork", "test_subscribed_after_a_fork"])
def test_bus_of_one_process(test: str) -> None:
    """A bus that stays within its process, and claims to be shared, is found out."""
    assert_caught(suite_of(Sound, is_shared=True), test)


def _redis_bus() -> Any:
    from gcache.backends.redis_bus import RedisBus

    return RedisBus


class FarSubscription:
    """A subscription to Redis, for others to spoil."""

    def __init__(self, subscribe: Callable[[], Any]) -> None:
        self.subscribe = subscribe
        self.raw = subscribe()

    def receive(self, timeout_sec: float) -> Any:
        return self.raw.receive(timeout_sec)

    def close(self) -> None:
        self.raw.close()


class Reconnecting(FarSubscription):
    """Connects anew without a word."""

    def receive(self, timeout_sec: float) -> Any:
        try:
            return super().receive(timeout_sec)
        except ConnectionError:
            self.raw = self.subscribe()
            return None
        except Exception:
            self.raw = self.subscribe()
            return None


class Silent(FarSubscription):
    """Hears nothing any more, without a word."""

    def receive(self, timeout_sec: float) -> Any:
        try:
            return super().receive(timeout_sec)
        except Exception:
            return None


class Halved(FarSubscription):
    """Takes what has come for the whole."""

    def receive(self, timeout_sec: float) -> Any:
        message = super().receive(timeout_sec)
        return message if message is None else message[:100]


class FarBus:
    """A bus over Redis, for others to spoil."""

    subscription: type[FarSubscription] = FarSubscription

    def __init__(self, port: int) -> None:
        self.raw = _redis_bus()(RedisConfig(host="127.0.0.1", port=port))

    def publish(self, channel: str, message: bytes) -> None:
        self.raw.publish(channel, message)

    def subscribe(self, channel: str) -> Any:
        return self.subscription(lambda: self.raw.subscribe(channel))

    def close(self) -> None:
        self.raw.close()


class ReconnectingBus(FarBus):
    subscription = Reconnecting


class SilentBus(FarBus):
    subscription = Silent


class HalvedBus(FarBus):
    subscription = Halved


class HopefulBus(FarBus):
    """Takes it that all went well."""

    def publish(self, channel: str, message: bytes) -> None:
        try:
            self.raw.publish(channel, message)
        except Exception:
            return


class OffendedBus(FarBus):
    """Never speaks again after a failure."""

    is_offended = False

    def publish(self, channel: str, message: bytes) -> None:
        if self.is_offended:
            raise ConnectionError("it was down")
        try:
            self.raw.publish(channel, message)
        except Exception:
            self.is_offended = True
            raise


def far_suite_of(kind: type[FarBus], server: Server, limit_sec: float) -> type[InvalidationBusSuite]:
    class Broken(InvalidationBusSuite):
        faults = True
        deadline_sec = limit_sec

        @pytest.fixture
        def make_bus(self) -> Any:
            return lambda: kind(server.port)

        @pytest.fixture
        def endpoint(self) -> Any:
            return server.host, server.port

        @pytest.fixture
        def make_bus_at(self) -> Any:
            return lambda host, port: kind(port)

    return Broken


@pytest.mark.parametrize(
    ("bus", "test", "limit_sec"),
    [
        (ReconnectingBus, "test_cut", 0.2),
        (SilentBus, "test_cut_while_nothing_is_said", 0.2),
        (SilentBus, "test_cut_off", 0.2),
        (HalvedBus, "test_cut_in_a_message", 5.0),
        (HopefulBus, "test_refused", 5.0),
        (HopefulBus, "test_garbled", 5.0),
        (HopefulBus, "test_unanswered", 5.0),
        (FarBus, "test_silent", 0.2),
        (OffendedBus, "test_comes_back", 0.1),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_broken_bus_on_a_bad_line(valkey: Server, bus: type[FarBus], test: str, limit_sec: float) -> None:
    """The test of the suite that names the fault of a bus which its line uncovers fails."""
    assert_caught(far_suite_of(bus, valkey, limit_sec), test)
