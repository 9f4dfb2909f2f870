"""Invalidations that wait for replicas, and what those that do not wait can lose."""

from __future__ import annotations

import time
from asyncio import to_thread
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from gcache import GCache, GCacheConfig, GCacheKey, InvalidationPending, NotReplicated, RedisConfig
from gcache.backends.redis import RedisLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Pending
from tests.contract.stacks import ListSink, cache_remotely, new_prefix
from tests.servers.availability import require

if TYPE_CHECKING:
    from tests.servers.availability import Kind
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server

GENEROUS_SEC = 4.5
ENTITIES = 20
PREFIX = "urn:replicas"
KEY = f"{{{PREFIX}:id:1}}#epoch"
sides = pytest.mark.parametrize("side", ["sync", "async"])


class Replicated:
    """A primary that holds KEY and its replica, alone or in a Cluster."""

    def __init__(self, primary: Server, replica: Server, cluster: Cluster | None = None) -> None:
        self.primary = primary
        self.replica = replica
        self.cluster = cluster

    def config(self, replicas: int = 1) -> RedisConfig:
        return RedisConfig(
            host="127.0.0.1",
            port=self.primary.port,
            cluster=self.cluster is not None,
            invalidate_wait_replicas=replicas,
        )


def wait_until_followed(primary: Server) -> None:
    """Return once the replica acknowledges what is written; one that is new needs a second for that."""
    with primary.client() as client:
        client.execute_command("PUBLISH", "channel", "heard by the replica")
        wait_until(lambda: client.wait(1, 100) == 1, sentence="the replica to follow")


def pair_of(kind: Kind) -> Iterator[Replicated]:
    require(kind)
    from tests.servers.process import Server

    with (
        Server(kind, "--repl-diskless-sync-delay", "0") as primary,
        Server(kind, "--replicaof", primary.host, str(primary.port)) as replica,
    ):
        yield Replicated(primary, replica)


@pytest.fixture(scope="module")
def valkey_pair() -> Iterator[Replicated]:
    yield from pair_of("valkey")


@pytest.fixture(scope="module")
def redis_pair() -> Iterator[Replicated]:
    yield from pair_of("redis")


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """Three primaries with a replica each, for this module alone."""
    require("valkey")
    from tests.servers.cluster import Cluster

    with Cluster("valkey", replicas=1) as cluster:
        yield cluster


@pytest.fixture
def cluster(own_cluster: Cluster) -> Cluster:
    own_cluster.empty()
    for primary in own_cluster.primaries:
        wait_until_followed(primary)
    return own_cluster


@pytest.fixture(params=["valkey_pair", "redis_pair", "cluster"])
def replicated(request: pytest.FixtureRequest) -> Iterator[Replicated]:
    found = request.getfixturevalue(request.param)
    if request.param == "cluster":
        primary = found.owner(KEY)
        found = Replicated(primary, *found.replicas_of(primary), found)
    wait_until_followed(found.primary)
    found.primary.empty()
    yield found
    found.replica.thaw()


async def retire(layer: RedisLayer, side: str) -> None:
    await (layer.aretire(KEY, "", 0) if side == "async" else to_thread(layer.retire, KEY, "", 0))


@sides
async def test_acknowledged(replicated: Replicated, side: str) -> None:
    """When it returns, the replica has let the epoch go as well, each time."""
    layer = RedisLayer(replicated.config())
    left = []
    for _ in range(50):
        layer.put({KEY: b"epoch"}, 60)
        await retire(layer, side)
        left.append(replicated.replica.command("DBSIZE"))
    await layer.aclose()

    assert [0] * 50 == left


@sides
async def test_frozen_replica(replicated: Replicated, side: str) -> None:
    """A replica that is silent makes the invalidation pending, soon; it is done when the replica is back."""
    sink = ListSink()
    gcache = GCache(GCacheConfig(urn_prefix=PREFIX, redis_config=replicated.config(), metrics=sink))
    replicated.replica.freeze()
    start = time.monotonic()
    with pytest.raises(InvalidationPending) as caught:
        await (gcache.ainvalidate("id", 1) if side == "async" else to_thread(gcache.invalidate, "id", 1))
    took = time.monotonic() - start
    replicated.replica.thaw()
    wait_until(lambda: sink.of(Pending)[-1].waiting == 0, sentence="the invalidation to be done")
    await gcache.aclose()

    assert isinstance(caught.value.__cause__, NotReplicated)
    assert "0 of 1 replicas" in str(caught.value.__cause__)
    assert took < GENEROUS_SEC


@sides
async def test_nothing_left_to_do(replicated: Replicated, side: str) -> None:
    """What an earlier try did, and the replica did not hear, is not taken for heard by the next."""
    first, second = RedisLayer(replicated.config()), RedisLayer(replicated.config())
    await retire(second, side)
    first.put({KEY: b"epoch"}, 60)
    replicated.replica.freeze()
    for layer in (first, second):
        with pytest.raises(NotReplicated):
            await retire(layer, side)
    replicated.replica.thaw()
    await first.aclose()
    await second.aclose()


@sides
async def test_none_to_wait_for(replicated: Replicated, side: str) -> None:
    """Without the option no replica is waited for."""
    layer = RedisLayer(replicated.config(replicas=0))
    replicated.replica.freeze()
    await retire(layer, side)
    await layer.aclose()


@sides
async def test_holds_are_kept(replicated: Replicated, side: str) -> None:
    """Waiting changes nothing about what is stored: a hold stays, and where nothing was nothing is."""
    layer = RedisLayer(replicated.config())
    await retire(layer, side)
    nothing = layer.get([KEY])
    layer.retire(KEY, "me", 60)
    held = layer.get([KEY])
    await retire(layer, side)
    answers = nothing, layer.get([KEY])
    await layer.aclose()

    assert ([None], held) == answers


def instance(cluster: Cluster, prefix: str, replicas: int, sink: ListSink | None = None) -> GCache:
    """An instance on the nodes that are left."""
    port = next(node.port for node in cluster.nodes if node.running and not node.frozen)
    config = RedisConfig(host="127.0.0.1", port=port, cluster=True, invalidate_wait_replicas=replicas)
    return GCache(
        GCacheConfig(
            urn_prefix=prefix,
            redis_config=config,
            cache_config_provider=cache_remotely,
            metrics=sink or ListSink(),
        )
    )


def held_by(cluster: Cluster, primary: Server, prefix: str) -> list[GCacheKey]:
    """Keys of some entities that are the primary's."""
    keys = [GCacheKey("id", number, "GetUser", {}, True) for number in range(200)]
    return [key for key in keys if cluster.owner(f"{{{prefix}:id:{key.id}}}") is primary][:ENTITIES]


def read(gcache: GCache, keys: list[GCacheKey], value: str) -> list[str]:
    with gcache.enable():
        return [gcache.get(key, lambda: value) for key in keys]


@pytest.mark.parametrize("place", [0, 1])
def test_acknowledged_survives_the_primary(cluster: Cluster, place: int) -> None:
    """What a replica has acknowledged stays invalidated when the primary dies right after."""
    prefix, primary = new_prefix(), cluster.primaries[place]
    keys = held_by(cluster, primary, prefix)
    with instance(cluster, prefix, replicas=1) as writer:
        read(writer, keys, "old")
        for key in keys:
            writer.invalidate("id", key.id)
        primary.kill()
    cluster.wait_until_replaced(primary)
    with instance(cluster, prefix, replicas=1) as reader:
        answers = read(reader, keys, "new")

    assert ["new"] * ENTITIES == answers


class TestUnheard:
    """A primary dies before its replica has heard of an invalidation."""

    def lose(self, cluster: Cluster, replicas: int) -> tuple[bool, list[str]]:
        """Return whether the invalidation was pending, and what is read in the end."""
        prefix, sink, primary = new_prefix(), ListSink(), cluster.primaries[0]
        [key, *_] = held_by(cluster, primary, prefix)
        [replica] = cluster.replicas_of(primary)
        with instance(cluster, prefix, replicas, sink) as writer:
            read(writer, [key], "old")
            wait_until(lambda: replica.command("DBSIZE") == 2, sentence="the replica to have both")
            replica.freeze()
            primary.command("CLIENT", "KILL", "TYPE", "replica")
            with suppress(InvalidationPending):
                writer.invalidate("id", key.id)
            primary.kill()
            replica.thaw()
            cluster.wait_until_replaced(primary)
            for node in cluster.nodes:
                node.revive()
            waiting = [event.waiting for event in sink.of(Pending)]
            wait_until(lambda: not sink.of(Pending) or not sink.of(Pending)[-1].waiting, sentence="a replay")
        with instance(cluster, prefix, replicas) as reader:
            return bool(waiting), read(reader, [key], "new")

    def test_is_lost(self, cluster: Cluster) -> None:
        """If none is waited for, the invalidation has returned and the old value is back."""
        assert (False, ["old"]) == self.lose(cluster, replicas=0)

    def test_is_told_again(self, cluster: Cluster) -> None:
        """If one is waited for, the invalidation is pending until the new primary and its replica know."""
        assert (True, ["new"]) == self.lose(cluster, replicas=1)


@sides
@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_full_server(kind: Kind, side: str) -> None:
    """A primary that is full takes invalidations, and they wait for its replicas."""
    require(kind)
    from tests.servers.process import Server

    with (
        Server(kind, "--repl-diskless-sync-delay", "0") as primary,
        Server(kind, "--replicaof", primary.host, str(primary.port)) as replica,
    ):
        replicated = Replicated(primary, replica)
        wait_until_followed(primary)
        primary.command("SET", KEY, "an epoch")
        primary.command("CONFIG", "SET", "maxmemory", "1")
        layer = RedisLayer(replicated.config())
        await retire(layer, side)
        await retire(layer, side)
        await layer.aclose()

        assert (None, None) == (primary.command("GET", KEY), replica.command("GET", KEY))
