"""The clients of a Cluster while its slots move."""

from __future__ import annotations

import asyncio
import threading
import time
from asyncio import to_thread
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.crc import key_slot

from gcache import RedisConfig
from gcache.backends.redis import RedisLayer
from gcache.conformance.ports import HOST
from gcache.conformance.waiting import wait_until

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server

PATIENCE_SEC = 10
KEY = "key"
SLOT = key_slot(KEY.encode())

Do = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
async def do(request: pytest.FixtureRequest, cluster: Cluster) -> Any:
    """Have a layer that knows the Cluster do something, by its sync side or by its async one."""
    layer = RedisLayer(RedisConfig(host=HOST, port=cluster.nodes[0].port, cluster=True))

    async def do(verb: str, *args: Any) -> Any:
        if request.param == "sync":
            return await to_thread(getattr(layer, verb), *args)
        return await getattr(layer, f"a{verb}")(*args)

    await do("get", [KEY])
    yield do
    await layer.aclose()


class Slot:
    """The slot of KEY, and who has it."""

    def __init__(self, cluster: Cluster) -> None:
        self.owner = cluster.owner(KEY)
        self.other = next(node for node in cluster.nodes if node is not self.owner)
        self._cluster = cluster

    def hand_to(self, node: Server) -> None:
        """Have all nodes know that the slot, which is empty, is this one's.

        With the highest epoch its word counts against what the last owner has said a moment ago.
        """
        node.command("CLUSTER", "BUMPEPOCH")
        node_id = node.command("CLUSTER", "MYID").decode()
        for told in (node, *self._cluster.nodes):
            told.command("CLUSTER", "SETSLOT", SLOT, "NODE", node_id)

    def open(self) -> None:
        """Begin to hand the slot to the other node: what is not at its owner is asked for there."""
        owner_id, other_id = [node.command("CLUSTER", "MYID").decode() for node in (self.owner, self.other)]
        self.other.command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", owner_id)
        self.owner.command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", other_id)

    def restore(self) -> None:
        for node in (self.owner, self.other):
            node.command("FLUSHALL")
            node.command("CLUSTER", "SETSLOT", SLOT, "STABLE")
        self.hand_to(self.owner)


@pytest.fixture
def slot(cluster: Cluster) -> Iterator[Slot]:
    slot = Slot(cluster)
    yield slot
    slot.restore()


async def all_answers(do: Do) -> list[Any]:
    """What each operation on KEY gives."""
    await do("put", {KEY: b"value"}, 60)
    return [
        await do("add", KEY, b"other", 60),
        list(await do("get", [KEY])),
        await do("retire", KEY, "", 0),
        list(await do("get", [KEY])),
        await do("delete", [KEY]),
    ]


EXPECTED = [False, [b"value"], None, [None], 0]


async def test_moved(do: Do, slot: Slot) -> None:
    """A slot that has moved is found where it is now, and its keys with it, without an error."""
    slot.hand_to(slot.other)

    assert EXPECTED == await all_answers(do)


async def test_on_its_way(do: Do, slot: Slot) -> None:
    """While a slot moves, a key is found at the node that gets it; several at once are an error."""
    slot.open()

    assert EXPECTED == await all_answers(do)
    with pytest.raises(redis.RedisError):
        await do("get", [KEY, "{key}2"])


async def test_learnt(do: Do, slot: Slot) -> None:
    """After redirects the client asks the right node at once."""
    slot.hand_to(slot.other)
    deadline = time.monotonic() + PATIENCE_SEC
    before = -1
    while (now := redirects(slot.owner)) > before:
        assert time.monotonic() < deadline
        before = now
        with suppress(redis.ConnectionError):  # redis-py 6 cuts connections when it looks the nodes up
            await do("get", [KEY])
        await asyncio.sleep(0.01)


def redirects(node: Server) -> int:
    """How often the node has sent somebody elsewhere."""
    with node.client() as client:
        return int(client.info("errorstats").get("errorstat_MOVED", {}).get("count", 0))


def test_one_lookup_at_a_time(cluster: Cluster) -> None:
    """Many threads that meet a silent node have the nodes looked up by one thread."""
    frozen = cluster.owner(KEY)
    layer = RedisLayer(RedisConfig(host=HOST, port=frozen.port, cluster=True))
    layer.get([KEY])
    seen: list[int] = []

    def ask() -> None:
        with pytest.raises(redis.RedisError):
            layer.get([KEY])
        seen.append(sum(thread.name == "gcache-cluster" for thread in threading.enumerate()))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    frozen.freeze()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frozen.thaw()
    wait_until(
        lambda: all(thread.name != "gcache-cluster" for thread in threading.enumerate()),
        sentence="the lookup to end",
    )
    layer.close()

    assert 20 == len(seen)
    assert max(seen) <= 1
