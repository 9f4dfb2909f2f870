"""Buses within one process, with one fault each."""

from __future__ import annotations

import asyncio
import os
import queue
import time
from typing import Any


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


class LoopBound(Sound):
    """Belongs to the loop that published first."""

    _loop: Any = None

    async def apublish(self, channel: str, message: bytes) -> None:
        self._loop = self._loop or asyncio.get_running_loop()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("another loop")
        self.publish(channel, message)

    async def aclose(self) -> None:
        self.close()
