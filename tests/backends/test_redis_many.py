"""Many entries at once in Redis: how often the server is asked, and what lies there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis.connection

from gcache import GCache, GCacheConfig, GCacheKeyConfig, RedisConfig
from gcache.backends.redis import RedisLayer
from gcache.conformance.ports import HOST
from tests.core.many import Rows, many
from tests.core.stage import AsyncSide, Source, SyncSide

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server

CONFIG = GCacheKeyConfig({"remote": 60}, {"remote": 100})
IDS = list(range(200))


@pytest.fixture(params=["sync", "async"])
def side(request: pytest.FixtureRequest) -> Iterator[SyncSide | AsyncSide]:
    """Whence the calls come."""
    side = SyncSide() if request.param == "sync" else AsyncSide()
    yield side
    side.close()


@pytest.fixture
def make_gcache(side: Any) -> Iterator[Callable[..., GCache]]:
    made: list[GCache] = []

    def make(port: int, cluster: bool = False) -> GCache:
        config = RedisConfig(host=HOST, port=port, cluster=cluster)
        made.append(
            GCache(
                GCacheConfig(
                    redis_config=config, cache_config_provider=lambda key: CONFIG, urn_prefix="urn:many"
                )
            )
        )
        return made[-1]

    yield make
    for gcache in made:
        side.do(gcache, "close")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often something was sent to each port."""
    count: Counter[int] = Counter()
    send, writelines = (
        redis.connection.AbstractConnection.send_packed_command,
        asyncio.StreamWriter.writelines,
    )

    def sent_in_thread(self: Any, *args: Any, **kwargs: Any) -> Any:
        count[self.port] += 1
        return send(self, *args, **kwargs)

    def sent_on_loop(self: asyncio.StreamWriter, data: Any) -> None:
        count[self.get_extra_info("peername")[1]] += 1
        writelines(self, data)

    monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", sent_in_thread)
    monkeypatch.setattr(asyncio.StreamWriter, "writelines", sent_on_loop)
    return count


@pytest.mark.parametrize("tracked", [False, True])
class TestRoundTrips:
    """One for reading, one for planting epochs if there are any to plant, one for writing."""

    def test_one_server(
        self, make_gcache: Callable[..., GCache], side: Any, server: Server, sent: Counter[int], tracked: bool
    ) -> None:
        """Of one server: however many ids are asked for."""
        gcache, rows = make_gcache(server.port), Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=tracked)
        with gcache.enable():
            get_users(["first", "second"])
            sent.clear()
            get_users(IDS)
            cold = dict(sent)
            sent.clear()
            get_users(IDS)

        assert ({server.port: 2 + tracked}, {server.port: 1}) == (cold, dict(sent))
        assert [["first", "second"], IDS] == rows.asked

    def test_cluster(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        cluster: Cluster,
        sent: Counter[int],
        tracked: bool,
    ) -> None:
        """Of a Cluster: on each of its primaries."""
        ports = sorted(node.port for node in cluster.nodes)
        gcache, rows = make_gcache(ports[0], cluster=True), Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=tracked)
        with gcache.enable():
            get_users([f"first{number}" for number in range(50)])
            sent.clear()
            get_users(IDS)
            cold = dict(sent)
            sent.clear()
            get_users(IDS)

        assert dict.fromkeys(ports, 2 + tracked) == cold
        assert dict.fromkeys(ports, 1) == sent
        assert 2 == len(rows.asked)


class TestEntries:
    @pytest.mark.parametrize("tracked", [False, True])
    def test_shared(
        self, make_gcache: Callable[..., GCache], side: Any, server: Server, tracked: bool
    ) -> None:
        """What one call stores is found by single calls, for as long as it says, and the other way round."""
        gcache, rows, source = make_gcache(server.port), Rows(), Source("one")
        get_users = many(side, gcache, rows, track_for_invalidation=tracked)
        get_user = side.cached(gcache, source, use_case="GetUsers", track_for_invalidation=tracked)
        with gcache.enable():
            get_user(1)

            assert {1: "one", 2: "2.0"} == get_users([1, 2])
            assert ["one", "2.0"] == [get_user(1), get_user(2)]
        assert 50_000 < server.command("PTTL", gcache._engine.keys.build(get_user.key(2))) <= 60_000

    def test_invalidated(self, make_gcache: Callable[..., GCache], side: Any, server: Server) -> None:
        """What is invalidated is read no more, and what is held is not stored."""
        gcache, rows = make_gcache(server.port), Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2, 3])
            side.do(gcache, "invalidate", "user_id", 2)
            side.do(gcache, "invalidate", "user_id", 3, 60_000)
            get_users([1, 2, 3])
            get_users([1, 2, 3])

        assert [[1, 2, 3], [2, 3], [3]] == rows.asked

    def test_outage(self, make_gcache: Callable[..., GCache], side: Any, own_server: Server) -> None:
        """Without Redis the source answers for all ids."""
        gcache, rows = make_gcache(own_server.port), Rows()
        get_users = many(side, gcache, rows, track_for_invalidation=True)
        with gcache.enable():
            get_users([1, 2])
            own_server.kill()

            assert {1: "1.1", 2: "2.1", 3: "3.1"} == get_users([1, 2, 3])


class TestAddMany:
    @pytest.fixture
    def layer(self, side: Any, server: Server) -> Iterator[RedisLayer]:
        layer = RedisLayer(RedisConfig(host=HOST, port=server.port))
        yield layer
        side.do(layer, "close")

    def test_each(self, layer: RedisLayer, side: Any, server: Server) -> None:
        """Each is added where nothing lives, for so long, and what is there stays."""
        side.do(layer, "put", {"b": b"there"}, 60)

        assert [True, False, True] == side.do(layer, "add_many", {"a": b"1", "b": b"2", "c": b"3"}, 30)
        assert [b"1", b"there", b"3"] == list(side.do(layer, "get", ["a", "b", "c"]))
        assert 29_000 < server.command("PTTL", "a") <= 30_000
