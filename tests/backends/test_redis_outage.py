"""What an outage of Redis costs those who call, and how soon it is over for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, InvalidationPending, RedisConfig
from gcache.conformance.waiting import wait_until
from gcache.core.breaker import LONGEST_PAUSE_SEC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcache.conformance.proxy import FaultProxy
    from tests.servers.process import Server

CALLS = 100
MOST_ADDED_SEC = 1.0
BACK_WITHIN_SEC = 5.0
FAULTS: dict[str, tuple[Callable[[Server, FaultProxy], object], Callable[[Server, FaultProxy], object]]] = {
    "black hole": (lambda server, proxy: proxy.black_hole(), lambda server, proxy: proxy.pass_through()),
    "refused": (lambda server, proxy: proxy.refuse(), lambda server, proxy: proxy.pass_through()),
    "frozen": (lambda server, proxy: server.freeze(), lambda server, proxy: server.thaw()),
    "killed": (lambda server, proxy: server.kill(), lambda server, proxy: server.start()),
}
faults = pytest.mark.parametrize("fault", FAULTS)
tracked = pytest.mark.parametrize("is_tracked", [False, True], ids=["untracked", "tracked"])
pytestmark = pytest.mark.parametrize("server", ["valkey"], indirect=True)


class Side:
    """Reads from threads, or on an event loop, with nothing but Redis and the defaults."""

    def __init__(self, port: int, is_async: bool) -> None:
        self.is_async = is_async
        self.runner = asyncio.Runner()
        self.loads = 0
        self.gcache = GCache(
            GCacheConfig(
                redis_config=RedisConfig(host="127.0.0.1", port=port),
                urn_prefix="urn:outage",
                cache_config_provider=lambda key: GCacheKeyConfig(
                    ttl_sec={"remote": 60}, ramp={"remote": 100}
                ),
            )
        )

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def read(self, is_tracked: bool, number: int) -> Any:
        key = GCacheKey("user_id", number, "GetUser", track_for_invalidation=is_tracked)
        with self.gcache.enable():
            if self.is_async:
                return self.run(self.gcache.aget(key, self._aload))
            return self.gcache.get(key, self._load)

    def read_at_once(self, count: int) -> None:
        keys = [GCacheKey("user_id", number, "GetUser") for number in range(count)]
        if self.is_async:
            self.run(self._read_together(keys))
        else:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(self._read_here, keys))

    def invalidate(self, number: int) -> None:
        if self.is_async:
            self.run(self.gcache.ainvalidate("user_id", number))
        else:
            self.gcache.invalidate("user_id", number)

    def pause(self) -> None:
        """Let a moment pass, as between two requests."""
        self.run(asyncio.sleep(0.01))

    def close(self) -> None:
        self.run(self.gcache.aclose())
        self.runner.close()

    def _load(self) -> int:
        self.loads += 1
        return self.loads

    async def _aload(self) -> int:
        return self._load()

    def _read_here(self, key: GCacheKey) -> int:
        with self.gcache.enable():
            return self.gcache.get(key, self._load)

    async def _read_together(self, keys: list[GCacheKey]) -> None:
        with self.gcache.enable():
            await asyncio.gather(*[self.gcache.aget(key, self._aload) for key in keys])


@pytest.fixture(params=["sync", "async"])
def side(request: pytest.FixtureRequest, fault_proxy: FaultProxy) -> Iterator[Side]:
    side = Side(fault_proxy.port, request.param == "async")
    yield side
    side.close()


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def until_hits_resume(side: Side, is_tracked: bool) -> float:
    """Return after how many seconds of calls one is answered by Redis."""
    started = time.monotonic()
    loads = -1
    while loads != side.loads:
        assert time.monotonic() - started < 4 * BACK_WITHIN_SEC
        side.pause()
        loads = side.loads
        side.read(is_tracked, 0)
    return time.monotonic() - started


@faults
@tracked
def test_outage(server: Server, fault_proxy: FaultProxy, side: Side, fault: str, is_tracked: bool) -> None:
    """A hundred calls lose a second at most, all together; there are hits within five seconds of its end."""
    begin, end = FAULTS[fault]
    for _ in range(3):
        side.read(is_tracked, 0)
    begin(server, fault_proxy)
    loads = side.loads
    added_sec = seconds(lambda: [side.read(is_tracked, number) for number in range(CALLS)])
    loaded = side.loads - loads
    end(server, fault_proxy)
    back_after_sec = until_hits_resume(side, is_tracked)

    assert loaded == CALLS
    assert added_sec <= MOST_ADDED_SEC
    assert back_after_sec <= BACK_WITHIN_SEC


@pytest.mark.parametrize("fault", ["black hole", "refused"])
def test_long_outage(server: Server, fault_proxy: FaultProxy, side: Side, fault: str) -> None:
    """In an outage that has lasted for long no call pays for a probe, and its end is noticed as soon."""
    begin, end = FAULTS[fault]
    side.read(False, 0)
    begin(server, fault_proxy)
    for number in range(3):
        side.read(False, number)
    [*_, tier] = side.gcache._engine.chain.tiers
    breaker = tier.breaker
    assert breaker is not None
    slowest_sec, deadline = 0.0, time.monotonic() + 30
    while breaker._pause_sec < LONGEST_PAUSE_SEC:
        assert time.monotonic() < deadline
        side.pause()
        slowest_sec = max(slowest_sec, seconds(lambda: side.read(False, 1)))
    end(server, fault_proxy)
    back_after_sec = until_hits_resume(side, is_tracked=False)

    assert slowest_sec < 0.4  # a probe in person would take half a second
    assert back_after_sec <= BACK_WITHIN_SEC


def test_many_at_once(fault_proxy: FaultProxy, side: Side) -> None:
    """Fifty who call at once wait for two deadlines at most, as reads that queue up leave together."""
    side.read_at_once(50)
    fault_proxy.black_hole()
    first_sec = seconds(lambda: side.read_at_once(50))
    next_sec = seconds(lambda: side.read_at_once(50))

    assert first_sec < 1.5
    assert next_sec < 0.4


def test_invalidations(fault_proxy: FaultProxy, side: Side) -> None:
    """Invalidations take no deadline each, and are all told once Redis answers."""
    for number in range(20):
        side.read(True, number)
    fault_proxy.black_hole()
    side.read(True, 0)

    def invalidate_all() -> None:
        for number in range(20):
            with pytest.raises(InvalidationPending):
                side.invalidate(number)

    took_sec = seconds(invalidate_all)
    fault_proxy.pass_through()
    pending = side.gcache._engine.removal.pending
    wait_until(lambda: not pending.debts, sentence="all are told", timeout_sec=30)
    until_hits_resume(side, is_tracked=True)
    loads = side.loads
    for number in range(1, 20):
        side.read(True, number)

    assert took_sec <= MOST_ADDED_SEC
    assert 19 == side.loads - loads
