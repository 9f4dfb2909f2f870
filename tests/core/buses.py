"""Buses within one process, with the sides and the troubles that a test asks for."""

from __future__ import annotations

import queue

from gcache.conformance.waiting import wait_until


class BusDown(ConnectionError):
    """What a bus raises that is down."""


class Hub:
    """What all buses of a test are connected by. It can be down, or swallow what is said without a word."""

    def __init__(self) -> None:
        self.is_down = False
        self.is_mute = False
        self.said: list[bytes] = []
        self.subscriptions: list[HubSubscription] = []

    def send(self, channel: str, message: bytes) -> None:
        if self.is_down:
            raise BusDown("the bus is down")
        self.said.append(message)
        if not self.is_mute:
            for subscription in tuple(self.subscriptions):
                if subscription.channel == channel:
                    subscription.queue.put(message)

    def cut(self) -> None:
        """Go down, and end every subscription."""
        self.is_down = True
        for subscription in tuple(self.subscriptions):
            subscription.queue.put(None)
        wait_until(lambda: not self.subscriptions, sentence="all listeners to notice")

    def words(self) -> list[tuple[str, str]]:
        """What was said but for pings: verbs, and the entities' ends."""
        said = [message.decode().split(" ", 2) for message in self.said]
        return [(verb, entity.rpartition(":")[2]) for verb, _, entity in said if verb != "ping"]


class HubSubscription:
    def __init__(self, hub: Hub, channel: str) -> None:
        self.channel = channel
        self.queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._hub = hub
        hub.subscriptions.append(self)

    def receive(self, timeout_sec: float) -> bytes | None:
        try:
            message = self.queue.get(timeout=min(timeout_sec, 0.01))
        except queue.Empty:
            return None
        if message is None:
            raise BusDown("the line was cut")
        return message

    def close(self) -> None:
        self._hub.subscriptions.remove(self)


class _Bus:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.closed = 0

    def subscribe(self, channel: str) -> HubSubscription:
        if self.hub.is_down:
            raise BusDown("the bus is down")
        return HubSubscription(self.hub, channel)


class SyncBus(_Bus):
    """A bus that blocks."""

    def publish(self, channel: str, message: bytes) -> None:
        self.hub.send(channel, message)

    def close(self) -> None:
        self.closed += 1


class AsyncBus(_Bus):
    """A bus whose messages are awaited."""

    async def apublish(self, channel: str, message: bytes) -> None:
        self.hub.send(channel, message)

    async def aclose(self) -> None:
        self.closed += 1
