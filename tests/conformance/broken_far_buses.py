"""Buses over Redis, with one fault each that a bad line uncovers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gcache import RedisConfig


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
        from gcache.backends.redis_bus import RedisBus

        self.raw = RedisBus(RedisConfig(host="127.0.0.1", port=port))

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
