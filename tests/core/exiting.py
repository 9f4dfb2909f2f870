"""A process that ends in a state, on one side or both: `python -m tests.core.exiting PORT STATE SIDE...`.

It says each side that has come there. What it says then, and its exit code, are what the test looks at.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from gcache import (
    GCache,
    GCacheConfig,
    GCacheKeyConfig,
    InvalidationPending,
    MemoryLayer,
    RedisBus,
    RedisConfig,
)
from gcache.conformance.waiting import wait_until
from tests.core.layers import AsyncLayer, SyncLayer
from tests.core.stage import Clock

FOR_EVER = threading.Event()


class Process:
    """An instance, and a cached function of one side whose source does what `before` says."""

    def __init__(self, side: str, port: str) -> None:
        self.side = side
        self.is_async = side == "async"
        self.port = int(port)
        self.before: Callable[[], object] = lambda: None
        self.entered = threading.Event()
        self.gcache: GCache
        self.get_user: Callable[[int], Any]

    def begin(self, **config: Any) -> None:
        """Make the instance, and use it once."""
        defaults: dict[str, Any] = {
            "layers": [MemoryLayer[Any]()],
            "cache_config_provider": lambda key: GCacheKeyConfig.enabled(60),
            "urn_prefix": f"urn:exiting-{self.side}",
        }
        self.gcache = GCache(GCacheConfig(**defaults | config))
        cached = self.gcache.cached("user_id", "user_id", "Get", track_for_invalidation=True)

        def get_user(user_id: int) -> int:
            self.entered.set()
            self.before()
            return user_id

        async def aget_user(user_id: int) -> int:
            return get_user(user_id)

        function = cached(aget_user) if self.is_async else cached(get_user)
        self.get_user = lambda user_id: self.run(function(user_id)) if self.is_async else function(user_id)
        self.call(1)

    def run(self, work: Any) -> Any:
        async def awaited() -> Any:
            return await work

        return asyncio.run(awaited())

    def call(self, user_id: int) -> Any:
        with self.gcache.enable():
            return self.get_user(user_id)

    def invalidate(self) -> None:
        if self.is_async:
            self.run(self.gcache.ainvalidate("user_id", 1))
        else:
            self.gcache.invalidate("user_id", 1)

    def beside(self, work: Callable[[], object], daemon: bool = True) -> None:
        threading.Thread(target=work, daemon=daemon).start()

    def stuck_in(self, work: Callable[[], object]) -> Callable[[], None]:
        """Return what tells that it was entered, and then does `work`."""

        def enter() -> None:
            self.entered.set()
            work()

        self.entered.clear()
        return enter

    def to_redis(self, **config: Any) -> None:
        options = {"socket_timeout": 0.1, "socket_connect_timeout": 0.1}
        redis = RedisConfig(host="127.0.0.1", port=self.port, redis_py_options=options)
        self.begin(layers=None, redis_config=redis, invalidation_bus=RedisBus(redis), **config)


def unclosed(process: Process) -> None:
    process.begin()


def closed_twice(process: Process) -> None:
    process.begin(layers=[MemoryLayer[Any](), SyncLayer("remote", Clock())])
    process.gcache.close()
    process.gcache.close()
    process.run(process.gcache.aclose())
    process.call(2)


def listening(process: Process) -> None:
    process.to_redis()
    listener = process.gcache._engine._listener
    assert listener is not None
    wait_until(lambda: listener.hears, sentence="it hears")
    process.call(1)


def pending(process: Process) -> None:
    process.to_redis()
    for _ in range(2):
        try:
            process.invalidate()
        except InvalidationPending:
            continue
        raise AssertionError("the server answers")


def skipped(process: Process) -> None:
    remote = SyncLayer("remote", Clock())
    remote.failing = {"*"}
    process.begin(layers=[MemoryLayer[Any](), remote])
    for user_id in range(10):
        process.call(user_id)
    assert process.gcache._engine.chain.tiers[-1].breaker.is_open  # type: ignore[union-attr]


def stuck_layer(process: Process) -> None:
    remote = SyncLayer("remote", Clock())
    process.begin(layers=[remote])
    remote.before["get"] = process.stuck_in(FOR_EVER.wait)
    process.beside(lambda: process.call(2))
    assert process.entered.wait(10)


def stuck_limited_layer(process: Process) -> None:
    remote = SyncLayer("remote", Clock())
    process.begin(layers=[remote], layer_timeout_sec={"*": 0.01})
    remote.before["get"] = process.stuck_in(FOR_EVER.wait)
    process.call(2)


def stuck_awaited_layer(process: Process) -> None:
    remote = AsyncLayer("remote", Clock())
    process.begin(layers=[remote])
    remote.before["get"] = process.stuck_in(FOR_EVER.wait)
    process.beside(lambda: process.call(2))
    assert process.entered.wait(10)


def stuck_provider(process: Process) -> None:
    def provide(key: Any) -> GCacheKeyConfig:
        if process.entered.is_set():
            FOR_EVER.wait()
        return GCacheKeyConfig.enabled(60)

    process.begin(cache_config_provider=provide)
    process.beside(lambda: process.call(2))


def stuck_load(process: Process) -> None:
    process.begin()
    process.before = FOR_EVER.wait
    process.entered.clear()
    process.beside(lambda: process.call(2))
    assert process.entered.wait(10)
    process.beside(lambda: process.call(2))


def stuck_block(process: Process) -> None:
    process.begin(layers=[MemoryLayer[Any](), SyncLayer("remote", Clock())])

    def write() -> None:
        with process.gcache.invalidating("user_id", 1):
            process.stuck_in(FOR_EVER.wait)()

    process.entered.clear()
    process.beside(write)
    assert process.entered.wait(10)


def busy_threads(process: Process) -> None:
    process.begin(layers=[MemoryLayer[Any](), SyncLayer("remote", Clock())])

    def work() -> None:
        for user_id in range(50):
            assert user_id == process.call(user_id)

    for _ in range(3):
        process.beside(work, daemon=False)


def sys_exit(process: Process) -> None:
    process.begin()
    process.before = lambda: sys.exit(3)
    process.call(2)


def interrupted(process: Process) -> None:
    process.begin()
    process.before = lambda: signal.raise_signal(signal.SIGINT)
    try:
        process.call(2)
    except KeyboardInterrupt:
        process.before = lambda: None
        assert 2 == process.call(2)
        return
    raise AssertionError("nobody was interrupted")


def interrupted_while_waiting(process: Process) -> None:
    process.begin()
    process.before = FOR_EVER.wait
    process.entered.clear()
    process.beside(lambda: process.call(2))
    assert process.entered.wait(10)
    flights, main = process.gcache._engine.chain.flights, threading.main_thread().ident

    def interrupt() -> None:
        wait_until(
            lambda: any(f._wakers for of_key in flights.under_way.values() for f in of_key.values()),
            sentence="somebody waits",
        )
        signal.pthread_kill(main or 0, signal.SIGINT)

    process.beside(interrupt)
    try:
        process.call(2)
    except KeyboardInterrupt:
        return
    raise AssertionError("nobody was interrupted")


def at_the_end(process: Process) -> None:
    def last() -> None:
        assert (1, 5) == (process.call(1), process.call(5))
        process.invalidate()

    process.begin(layers=[MemoryLayer[Any](), AsyncLayer("remote", Clock())])
    atexit.register(last)


def main(port: str, state: str, *sides: str) -> None:
    logging.getLogger("gcache").setLevel(logging.CRITICAL + 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in background ignore it
    for side in sides:
        globals()[state](Process(side, port))
        print(side, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
