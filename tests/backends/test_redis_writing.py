"""Many writes sent together to one server, and the replies to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis.exceptions

from gcache import RedisConfig
from gcache.backends._redis_packing import arrived
from gcache.backends.redis import RedisLayer
from gcache.conformance.ports import HOST
from tests.core.stage import AsyncSide, SyncSide

if TYPE_CHECKING:
    from gcache.conformance.proxy import FaultProxy
    from tests.servers.process import Server

MANY = {f"key{number}": b"value%d" % number for number in range(2_000)}


@pytest.fixture(params=["sync", "async"])
def side(request: pytest.FixtureRequest) -> Iterator[SyncSide | AsyncSide]:
    """Whence the calls come."""
    side = SyncSide() if request.param == "sync" else AsyncSide()
    yield side
    side.close()


@pytest.fixture(params=[2, 3])
def layer(request: pytest.FixtureRequest, side: Any, server: Server) -> Iterator[RedisLayer]:
    """A layer that speaks either protocol."""
    options = {"protocol": request.param}
    layer = RedisLayer(RedisConfig(host=HOST, port=server.port, redis_py_options=options))
    yield layer
    side.do(layer, "close")


def lane_of(layer: RedisLayer, side: Any) -> Any:
    """The lane of this side, which has been used."""
    if isinstance(side, SyncSide):
        return layer._shared.lane()
    [lane] = layer._per_loop._lanes.values()
    return lane


def _have_tracked(connection: Any, side: Any, told: list[Any]) -> None:
    """Have the server tell a connection, in between, of each key that it has read and that is written."""
    parser, command = connection._parser, ("CLIENT", "TRACKING", "ON")
    if isinstance(side, SyncSide):
        parser.set_invalidation_push_handler(told.append)
        connection.send_command(*command)
        connection.read_response()
        return

    async def note(message: Any) -> None:
        told.append(message)

    async def begin() -> None:
        await connection.send_command(*command)
        await connection.read_response()

    parser.set_invalidation_push_handler(note)
    side.run(begin())


def test_each_reply_is_read(layer: RedisLayer, side: Any) -> None:
    """What is asked next on the connection gets its own answer, and not one that was left."""
    side.do(layer, "put", MANY, 60)
    added = side.do(layer, "add_many", {**MANY, "new": b"1"}, 60)

    assert [*[False] * len(MANY), True] == added
    assert list(MANY.values()) == list(side.do(layer, "get", list(MANY)))
    assert 1 == len(lane_of(layer, side)._idle)


def test_large_values(layer: RedisLayer, side: Any) -> None:
    """Values of any size go together."""
    items = {"small": b"1", "large": b"2" * 300_000, "none": b"", "larger": b"3" * 3_000_000}

    side.do(layer, "put", items, 60)

    assert list(items.values()) == list(side.do(layer, "get", list(items)))


def test_refused(side: Any, own_server: Server) -> None:
    """If the server refuses one, the rest is stored, its error is raised, and the connection stays good."""
    own_server.command("ACL", "SETUSER", "default", "resetkeys", "~key*")
    layer = RedisLayer(RedisConfig(host=HOST, port=own_server.port))

    with pytest.raises(redis.exceptions.NoPermissionError):
        side.do(layer, "put", {"key1": b"1", "other": b"2", "key2": b"3", "others": b"4"}, 60)

    assert [b"1", b"3"] == list(side.do(layer, "get", ["key1", "key2"]))
    assert 1 == len(lane_of(layer, side)._idle)
    side.do(layer, "close")


@pytest.mark.parametrize(("verb", "connections"), [("put", 2), ("add_many", 1)])
def test_lost_reply(side: Any, server: Server, fault_proxy: FaultProxy, verb: str, connections: int) -> None:
    """What is only for absent keys is not sent again: an epoch that was planted may be retired since."""
    layer = RedisLayer(RedisConfig(host=HOST, port=fault_proxy.port))
    side.do(layer, "get", ["key"])
    assert 1 == fault_proxy.accepted
    fault_proxy.cut_after(1)

    with pytest.raises(redis.exceptions.ConnectionError):
        side.do(layer, verb, {"key": b"1", "other": b"2"}, 60)

    assert (connections, b"1") == (fault_proxy.accepted, server.command("GET", "key"))
    fault_proxy.pass_through()
    assert [b"1"] == list(side.do(layer, "get", ["key"]))
    side.do(layer, "close")


@pytest.mark.parametrize("layer", [3], indirect=True)
def test_messages_between_replies(layer: RedisLayer, side: Any) -> None:
    """What the server tells of its own accord is no reply: redis-py hears of it, and nothing is shifted."""
    told: list[Any] = []
    side.do(layer, "get", ["key1"])
    [connection] = lane_of(layer, side)._idle
    _have_tracked(connection, side, told)
    side.do(layer, "get", list(MANY))

    side.do(layer, "put", MANY, 60)

    assert list(MANY.values()) == list(side.do(layer, "get", list(MANY)))
    assert set(MANY) == {key.decode() for _, keys in told for key in keys}


def test_without_hiredis() -> None:
    """A connection that keeps its replies elsewhere is asked for each."""
    assert ([], None) == arrived(object(), 5)
