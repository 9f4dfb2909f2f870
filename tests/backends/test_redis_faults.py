"""What the Redis layer raises when its server is in trouble, and how soon."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio

from gcache import RedisConfig
from gcache.backends._redis_lanes import AsyncLane, Lane
from gcache.backends.redis import RedisLayer, layer_of_factory
from gcache.backends.redis_bus import RedisBus
from gcache.conformance.ports import HOST, free_port
from gcache.conformance.waiting import wait_until

if TYPE_CHECKING:
    from gcache.conformance.proxy import FaultProxy
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server

GENEROUS_SEC = 4.0  # redis-py's own defaults would wait 5 s, and ten times over
CALLERS = 40
MORE_THAN_CONNECTIONS = 100
sides = pytest.mark.parametrize("side", ["sync", "async"])


async def get(layer: RedisLayer, side: str, key: str) -> Any:
    return layer.get([key]) if side == "sync" else await layer.aget([key])


@sides
@pytest.mark.parametrize("cluster", [False, True], ids=["single", "cluster"])
async def test_refused(side: str, cluster: bool) -> None:
    """A refused connection is an error in well under redis-py's four seconds of retries."""
    layer = RedisLayer(RedisConfig(host=HOST, port=free_port(), cluster=cluster))
    start = time.monotonic()
    with pytest.raises((redis.RedisError, redis.exceptions.RedisClusterException)):
        await get(layer, side, "key")
    took = time.monotonic() - start
    await layer.aclose()

    assert took < 2


@sides
async def test_black_hole(fault_proxy: FaultProxy, side: str) -> None:
    """A server that accepts and never answers is an error after one deadline, not after eleven."""
    fault_proxy.black_hole()
    layer = RedisLayer(RedisConfig(host=HOST, port=fault_proxy.port))
    start = time.monotonic()
    with pytest.raises(redis.RedisError):
        await get(layer, side, "key")
    took = time.monotonic() - start
    await layer.aclose()

    assert took < GENEROUS_SEC
    assert 1 == fault_proxy.accepted


@sides
async def test_black_hole_later(fault_proxy: FaultProxy, side: str) -> None:
    """A server that falls silent on an open connection is an error after the deadline."""
    layer = RedisLayer(RedisConfig(host=HOST, port=fault_proxy.port))
    await get(layer, side, "key")
    fault_proxy.black_hole()
    start = time.monotonic()
    with pytest.raises(redis.RedisError):
        await get(layer, side, "key")
    took = time.monotonic() - start
    fault_proxy.pass_through()
    answer = await get(layer, side, "key")
    await layer.aclose()

    assert took < GENEROUS_SEC
    assert [None] == list(answer)


@sides
async def test_restarted(server: Server, side: str) -> None:
    """A server that was restarted is served again by the same layer, at once."""
    layer = RedisLayer(RedisConfig(host=HOST, port=server.port))
    layer.put({"key": b"value"}, 60)
    await get(layer, side, "key")
    server.restart()
    answer = await get(layer, side, "key")
    await layer.aclose()

    assert [None] == list(answer)


@sides
async def test_reply_of_a_broken_off_read_goes_to_nobody(
    fault_proxy: FaultProxy, server: Server, side: str
) -> None:
    """A reply that comes after its reader gave up is not taken for the answer to the next."""
    layer = RedisLayer(
        RedisConfig(host=HOST, port=fault_proxy.port, redis_py_options={"socket_timeout": 0.2})
    )
    layer.put({"a": b"a", "b": b"b"}, 60)
    await get(layer, side, "a")
    fault_proxy.delay(0.4)
    with pytest.raises(redis.RedisError):
        await get(layer, side, "a")
    fault_proxy.pass_through()
    answers = [list(await get(layer, side, "b")) for _ in range(3)]
    await layer.aclose()

    assert [[b"b"]] * 3 == answers


@sides
async def test_frozen_cluster_node(cluster: Cluster, side: str) -> None:
    """One frozen node holds up its own keys for a bounded time, and those of others not at all."""
    frozen = cluster.owner("key")
    alive = next(key for key in map(str, range(100)) if cluster.owner(key) is not frozen)
    layer = RedisLayer(RedisConfig(host=HOST, port=cluster.owner(alive).port, cluster=True))
    await get(layer, side, alive)
    await get(layer, side, "key")
    try:
        frozen.freeze()
        start = time.monotonic()
        with pytest.raises(redis.RedisError):
            await get(layer, side, "key")
        took = time.monotonic() - start
    finally:
        frozen.thaw()
    cluster.wait_until_settled()
    answers: list[Any] = []

    async def answered() -> bool:
        try:
            answers.extend(await get(layer, side, alive))
        except redis.RedisError:
            return False
        return True

    deadline = time.monotonic() + 10
    while not await answered():
        assert time.monotonic() < deadline
    await layer.aclose()

    assert took < GENEROUS_SEC
    assert [None] == answers


async def all_at_once(call: Callable[..., Any], *args: Any) -> tuple[float, list[Any]]:
    """Have many callers make one call; return how long it took, and what each got."""
    start = time.monotonic()
    if iscoroutinefunction(call):
        outcomes = await asyncio.gather(*[call(*args) for _ in range(CALLERS)], return_exceptions=True)
    else:
        with ThreadPoolExecutor(CALLERS) as pool:
            outcomes = [future.exception() for future in [pool.submit(call, *args) for _ in range(CALLERS)]]
    return time.monotonic() - start, outcomes


@sides
async def test_many_callers_of_a_frozen_cluster_node(cluster: Cluster, side: str) -> None:
    """Many callers of a frozen node wait beside each other, not for one another to look the nodes up."""
    frozen = cluster.owner("key")
    layer = RedisLayer(RedisConfig(host=HOST, port=frozen.port, cluster=True))
    await get(layer, side, "key")
    try:
        frozen.freeze()
        waves = [await all_at_once(layer.get if side == "sync" else layer.aget, ["key"]) for _ in range(3)]
    finally:
        frozen.thaw()
    await layer.aclose()

    assert max(took for took, _ in waves) < GENEROUS_SEC
    assert all(isinstance(outcome, redis.RedisError) for _, outcomes in waves for outcome in outcomes)


@sides
async def test_many_who_publish_to_a_frozen_cluster_node(cluster: Cluster, side: str) -> None:
    """Many who tell a frozen node of invalidations wait beside each other, too."""
    frozen = cluster.owner("channel")
    bus = RedisBus(RedisConfig(host=HOST, port=frozen.port, cluster=True))
    publish: Callable[..., Any] = bus.publish if side == "sync" else bus.apublish
    await all_at_once(publish, "channel", b"message")
    try:
        frozen.freeze()
        waves = [await all_at_once(publish, "channel", b"message") for _ in range(3)]
    finally:
        frozen.thaw()
    await bus.aclose()

    assert max(took for took, _ in waves) < GENEROUS_SEC
    assert all(isinstance(outcome, redis.RedisError) for _, outcomes in waves for outcome in outcomes)


@sides
async def test_others_beside_a_frozen_cluster_node(cluster: Cluster, side: str) -> None:
    """However many wait for a frozen node, the others answer meanwhile."""
    frozen = cluster.owner("key")
    alive = next(key for key in map(str, range(100)) if cluster.owner(key) is not frozen)
    layer = RedisLayer(RedisConfig(host=HOST, port=frozen.port, cluster=True))
    for key in ("key", alive):
        await get(layer, side, key)
    loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor(MORE_THAN_CONNECTIONS)
    frozen.freeze()
    if side == "async":
        crowd = [asyncio.ensure_future(layer.aget(["key"])) for _ in range(MORE_THAN_CONNECTIONS)]
    else:
        crowd = [loop.run_in_executor(pool, layer.get, ["key"]) for _ in range(MORE_THAN_CONNECTIONS)]
    try:
        await asyncio.sleep(0)
        answer = await get(layer, side, alive)
        is_somebody_waiting = not all(caller.done() for caller in crowd)
        await asyncio.gather(*crowd, return_exceptions=True)
    finally:
        frozen.thaw()
        pool.shutdown()
        await layer.aclose()

    assert [None] == list(answer)
    assert is_somebody_waiting


@sides
async def test_many_callers_of_a_silent_cluster(fault_proxy: FaultProxy, side: str) -> None:
    """Whoever waits while another fails to find the nodes of a Cluster fails with it."""
    fault_proxy.black_hole()
    layer = RedisLayer(RedisConfig(host=HOST, port=fault_proxy.port, cluster=True))
    took, outcomes = await all_at_once(layer.get if side == "sync" else layer.aget, ["key"])
    await layer.aclose()

    assert took < GENEROUS_SEC
    assert all(
        isinstance(outcome, redis.RedisError | redis.exceptions.RedisClusterException) for outcome in outcomes
    )


def test_close_ends_connections(server: Server) -> None:
    """After close no connection of the layer is left on the server."""
    layer = RedisLayer(RedisConfig(host=HOST, port=server.port, redis_py_options={"client_name": "ours"}))
    layer.put({"key": b"value"}, 60)
    layer.get(["key"])
    before = _connections(server)
    layer.close()
    wait_until(lambda: not _connections(server), sentence="connections to end")

    assert before


async def test_aclose_ends_connections(server: Server) -> None:
    """After aclose no connection of the layer is left on the server."""
    layer = RedisLayer(RedisConfig(host=HOST, port=server.port, redis_py_options={"client_name": "ours"}))
    await layer.aput({"key": b"value"}, 60)
    await layer.aget(["key"])
    before = _connections(server)
    await layer.aclose()
    wait_until(lambda: not _connections(server), sentence="connections to end")

    assert before


def _connections(server: Server) -> list[Any]:
    with server.client() as client:
        return [row for row in client.client_list() if row["name"] == "ours"]


@pytest.mark.parametrize("server", ["valkey"], indirect=True)
@pytest.mark.parametrize("end", ["aclose", "collected"])
async def test_a_factorys_client_is_shared(fault_proxy: FaultProxy, end: str) -> None:
    """The end of one layer breaks no command of another that has its client from the same factory."""
    client = redis.asyncio.Redis.from_url(fault_proxy.url, retry=None)
    ending: Any = layer_of_factory(lambda: client)
    staying: Any = layer_of_factory(lambda: client)
    await ending.aput({"key": b"value"}, 60)
    await staying.aget(["key"])
    fault_proxy.delay(0.2)
    reading = asyncio.create_task(staying.aget(["key"]))
    while not client.connection_pool._in_use_connections:
        await asyncio.sleep(0)
    if end == "aclose":
        await ending.aclose()
    else:
        del ending
        gc.collect()
    [outcome] = await asyncio.gather(reading, return_exceptions=True)
    await staying.aclose()
    await client.aclose()

    assert [b"value"] == outcome


class TestQueue:
    """Waiting for a connection while others keep them all."""

    @pytest.fixture(autouse=True)
    def no_patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gcache.backends._redis_lanes._PATIENCE_SEC", 0.01)

    def test_of_threads_has_an_end(self) -> None:
        """A thread that waits too long fails, and the lane serves the next one when it is free again."""
        lane = Lane(redis.Redis(max_connections=1))

        with lane, pytest.raises(redis.exceptions.TimeoutError), lane:
            pass

        with lane as client:
            assert lane.client is client

    async def test_of_tasks_has_an_end(self) -> None:
        """A task that waits too long fails, and the lane serves the next one when it is free again."""
        lane = AsyncLane(redis.asyncio.Redis(max_connections=1), is_ours=True)

        async with lane:
            with pytest.raises(TimeoutError):
                await lane.__aenter__()

        async with lane as client:
            assert lane.client is client
        await lane.aclose()
