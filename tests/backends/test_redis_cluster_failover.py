"""A Cluster that loses primaries under load: one is killed, one is frozen, and their replicas take over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCache, GCacheConfig, GCacheKey, InvalidationPending, RedisConfig
from gcache.backends._redis_clients import CONNECT_TIMEOUT_SEC, TIMEOUT_SEC
from gcache.backends._redis_cluster import QUEUE_TIMEOUT_SEC
from gcache.conformance.waiting import wait_until
from gcache.core.events import Hit, Pending
from tests.contract.stacks import ListSink, cache_remotely, new_prefix
from tests.servers.availability import IS_LONG, require

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster

DEADLINE_SEC = QUEUE_TIMEOUT_SEC + CONNECT_TIMEOUT_SEC + TIMEOUT_SEC
SLACK = 3  # the machine may be busy with something else
ENTITIES = range(150)
THREADS, TASKS = 6, 24


@pytest.fixture(scope="module", params=["valkey", "redis"] if IS_LONG else ["valkey"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three primaries with a replica each, for this module alone."""
    require(request.param)
    from tests.servers.cluster import Cluster

    with Cluster(request.param, replicas=1) as cluster:
        yield cluster


def config(cluster: Cluster, prefix: str, **options: Any) -> GCacheConfig:
    port = next(node.port for node in cluster.nodes if node.running and not node.frozen)
    return GCacheConfig(
        urn_prefix=prefix,
        cache_config_provider=cache_remotely,
        redis_config=RedisConfig(host="127.0.0.1", port=port, cluster=True),
        **options,
    )


class Load:
    """Callers of cached functions, sync and async, tracked and not, and one who invalidates."""

    def __init__(self, gcache: GCache) -> None:
        self.gcache = gcache
        self.times: dict[str, list[float]] = {"sync": [], "async": []}
        self.wrong: list[object] = []
        self.invalidations: list[BaseException | None] = []
        self._stopped = threading.Event()
        works = [*[self._calls] * THREADS, self._tasks, self._invalidations]
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self.gcache.close()

    def go_on(self, calls: int = 500) -> None:
        """Return after so many more calls of each kind."""
        wanted = {side: len(times) + calls for side, times in self.times.items()}
        wait_until(
            lambda: all(len(self.times[side]) >= count for side, count in wanted.items()),
            sentence="calls to be made",
            timeout_sec=30,
        )

    def _keys(self, side: str) -> Iterator[tuple[int, GCacheKey]]:
        while True:
            for number in ENTITIES:
                for tracked in (True, False):
                    if self._stopped.is_set():
                        return
                    yield number, GCacheKey("id", number, f"{side}:{tracked}", {}, tracked)

    def _note(self, side: str, start: float, expected: int, answer: object) -> None:
        self.times[side].append(time.monotonic() - start)
        if answer != expected:
            self.wrong.append(answer)

    def _calls(self) -> None:
        with self.gcache.enable():
            for number, key in self._keys("sync"):
                start = time.monotonic()
                answer: object
                try:
                    answer = self.gcache.get(key, partial(int, number))
                except BaseException as error:
                    answer = error
                self._note("sync", start, number, answer)
                time.sleep(0.005)

    def _tasks(self) -> None:
        asyncio.run(self._all_tasks())

    async def _all_tasks(self) -> None:
        await asyncio.gather(*[self._acalls() for _ in range(TASKS)])

    async def _acalls(self) -> None:
        async def source(number: int) -> int:
            return number

        with self.gcache.enable():
            for number, key in self._keys("async"):
                start = time.monotonic()
                answer: object
                try:
                    answer = await self.gcache.aget(key, partial(source, number))
                except BaseException as error:
                    answer = error
                self._note("async", start, number, answer)
                await asyncio.sleep(0.02)

    def _invalidations(self) -> None:
        for number, _ in self._keys("invalidate"):
            try:
                self.gcache.invalidate("id", number)
            except BaseException as error:
                self.invalidations.append(error)
            else:
                self.invalidations.append(None)
            time.sleep(0.01)


class Outage:
    """What became of the calls, and of the invalidations."""

    def __init__(self, cluster: Cluster) -> None:
        sink = ListSink()
        killed, frozen, _ = cluster.primaries
        with Load(GCache(config(cluster, new_prefix(), metrics=sink))) as self.load:
            self.load.go_on()
            killed.kill()
            cluster.wait_until_replaced(killed)
            self.load.go_on()
            frozen.freeze()
            cluster.wait_until_replaced(frozen)
            self.load.go_on()
            frozen.thaw()
            self.load.go_on()
        self.left_pending = [event.waiting for event in sink.of(Pending)][-1:]


@pytest.fixture(scope="module")
def outage(cluster: Cluster) -> Outage:
    return Outage(cluster)


def test_no_call_fails(outage: Outage) -> None:
    """Every call is answered with its source's value while primaries are killed, frozen and thawed."""
    assert [] == outage.load.wrong


@pytest.mark.parametrize("side", ["sync", "async"])
def test_no_call_exceeds_the_deadline(outage: Outage, side: str) -> None:
    """No call takes longer than waiting for a connection, getting it and being answered may take."""
    assert max(outage.load.times[side]) < SLACK * DEADLINE_SEC


def test_invalidations_are_done_or_pending(outage: Outage) -> None:
    """An invalidation in the outage returns, or says that it is pending; all of these are done later."""
    raised = [error for error in outage.load.invalidations if error is not None]

    assert {InvalidationPending} == {type(error) for error in raised}
    assert [0] == outage.left_pending


def test_invalidation_is_exact_after_failover(cluster: Cluster, outage: Outage) -> None:
    """Once replicas have taken over, nothing outlives an invalidation, and what was not invalidated stays."""
    prefix, sink = new_prefix(), ListSink()
    keys = [GCacheKey("id", number, "GetUser", {}, True) for number in ENTITIES]
    ended = keys[::2]
    with GCache(config(cluster, prefix)) as writer, writer.enable():
        for key in keys:
            writer.get(key, lambda: "old")
        for key in ended:
            writer.invalidate("id", key.id)
    with GCache(config(cluster, prefix, metrics=sink)) as reader, reader.enable():
        answers = {key: reader.get(key, lambda: "new") for key in keys}

    assert {key: "new" if key in ended else "old" for key in keys} == answers
    assert len(keys) - len(ended) == sum(hit.calls for hit in sink.of(Hit))
