"""The Redis layers, from threads and from event loops, on Valkey, Redis and a Cluster."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio

from gcache import GCacheConfigError, GCacheKey, RedisConfig
from gcache.backends import _redis_clients as clients
from gcache.backends.redis import AsyncRedisLayer, RedisLayer, SyncRedisLayer, layer_of_factory
from gcache.core import epochs
from gcache.core.events import Error, Miss
from tests.contract.stacks import (
    Instances,
    ListSink,
    Stack,
    ThreadLocalClients,
    asyncio_client,
    cache_remotely,
)

if TYPE_CHECKING:
    from tests.servers.process import Server

PATIENCE_SEC = 10
Do = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.parametrize("stack", ["valkey", "redis", "cluster"], indirect=True)
sides = pytest.mark.parametrize("side", ["sync", "async"])


@pytest.fixture
async def layer(stack: Stack) -> AsyncIterator[RedisLayer]:
    layer = RedisLayer(stack.redis_config())
    yield layer
    await layer.aclose()


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, layer: RedisLayer) -> Do:
    """Have the layer do something, by its sync side or by its async one."""

    async def do(verb: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "sync":
            return getattr(layer, verb)(*args, **kwargs)
        return await getattr(layer, f"a{verb}")(*args, **kwargs)

    return do


class TestGet:
    async def test_one(self, do: Do) -> None:
        """One key gives its bytes, whatever bytes they are, or None."""
        value = bytes(range(256)) * 300
        await do("put", {"key": value}, 60)

        assert [value] == await do("get", ["key"])
        assert [None] == await do("get", ["no such key"])

    async def test_many_in_order_with_gaps(self, do: Do) -> None:
        """Keys of any slots give their bytes in the order asked for, None where nothing is."""
        await do("put", {f"key:{n}": b"%d" % n for n in range(0, 40, 2)}, 60)
        asked = [*range(39, -1, -1), 4, 4]

        answers = await do("get", [f"key:{n}" for n in asked])

        assert [None if n % 2 else b"%d" % n for n in asked] == list(answers)

    async def test_many_of_one_entity(self, do: Do) -> None:
        """Keys that share a hash tag are read together."""
        await do("put", {"{urn:x:1}#A": b"a", "{urn:x:1}#epoch": b"e"}, 60)

        assert [b"a", None, b"e"] == list(await do("get", ["{urn:x:1}#A", "{urn:x:1}#B", "{urn:x:1}#epoch"]))

    async def test_awkward_names(self, do: Do) -> None:
        """Any text is a key."""
        names = ["ключ", "a b", "*", "%20", "{", "}", "{}x", "[a]", "x" * 5000]
        await do("put", {name: name.encode() for name in names}, 60)

        assert [name.encode() for name in names] == list(await do("get", names))

    async def test_another_type(self, stack: Stack, do: Do) -> None:
        """What is no string under a key is a gap, and never a value or a failure of the server."""
        with stack.server.client() as client:
            client.rpush("key", "a", "b")

        assert [None] == list(await do("get", ["key"]))
        assert [None, None] == list(await do("get", ["{key}2", "key"]))


class TestPut:
    @pytest.mark.parametrize("count", [1, 30])
    async def test_expiry(self, stack: Stack, do: Do, count: int) -> None:
        """Each entry, one or many at once, lives as long as was asked."""
        names = [f"key:{n}" for n in range(count)]

        await do("put", dict.fromkeys(names, b"value"), 12.3456)

        lifetimes = [stack.lifetime_ms(name) for name in names]
        assert all(2_000 < lifetime <= 12_346 for lifetime in lifetimes)

    async def test_expires(self, do: Do) -> None:
        """Even the shortest life is one, and it ends."""
        await do("put", {"key": b"value"}, 0.0001)
        deadline = time.monotonic() + PATIENCE_SEC
        while await do("get", ["key"]) != [None]:
            assert time.monotonic() < deadline

    async def test_replaces(self, stack: Stack, do: Do) -> None:
        """What was there goes, whatever its type, and so does its expiry."""
        with stack.server.client() as client:
            client.rpush("key", "a")
        await do("put", {"key": b"old"}, 5)
        await do("put", {"key": b"new"}, 1000)

        assert [b"new"] == await do("get", ["key"])
        assert 900_000 < stack.lifetime_ms("key")


class TestAdd:
    async def test_only_if_absent(self, stack: Stack, do: Do) -> None:
        """The first value stays, with its life; the second is told that it was not stored."""
        first = await do("add", "key", b"first", 1000)
        second = await do("add", "key", b"second", 5)

        assert (True, False) == (first, second)
        assert [b"first"] == await do("get", ["key"])
        assert 900_000 < stack.lifetime_ms("key") <= 1_000_000

    async def test_one_of_many(self, do: Do) -> None:
        """Of many at once one is told True."""
        told = await asyncio.gather(*[do("add", "key", b"%d" % n, 60) for n in range(30)])

        assert 1 == sum(told)


class TestDelete:
    async def test_count(self, do: Do) -> None:
        """Of the keys, those that were there are counted, in whatever slots."""
        await do("put", {f"key:{n}": b"value" for n in range(10)}, 60)

        removed = await do("delete", [f"key:{n}" for n in range(5, 20)])

        left = await do("get", [f"key:{n}" for n in range(20)])
        assert 5 == removed
        assert [b"value"] * 5 + [None] * 15 == list(left)

    async def test_nothing(self, do: Do) -> None:
        """No keys at all are no reason to ask."""
        assert 0 == await do("delete", [])


class TestClear:
    async def test_prefix(self, stack: Stack, do: Do) -> None:
        """Every key with the prefix goes, on all nodes, and no other; progress rises to the count."""
        mine = [f"urn:a:{n}" for n in range(2500)]
        others = ["urn:a", "urn:ab:1", "xurn:a:1", "urn:A:1", "{urn:a:1}"]
        await do("put", dict.fromkeys([*mine, *others], b"value"), 60)
        seen: list[int] = []

        removed = await do("clear", "urn:a:", seen.append)

        assert len(mine) == removed == seen[-1]
        assert seen == sorted(seen)
        assert len(seen) > 1
        assert set(others) == set(stack.stored())

    @pytest.mark.parametrize(
        "prefix", ["a*c:", "a?c:", "a[b]c:", "a[^x]c:", "a\\c:", "a^c:", "{a}:", "[", "*", ""]
    )
    async def test_glob_characters(self, stack: Stack, do: Do, prefix: str) -> None:
        """In a prefix, what SCAN takes for a pattern stands for itself."""
        others = ["abc:1", "aXc:1", "ac:1", "a\\\\c:1", "b"] if prefix else []
        await do("put", dict.fromkeys([f"{prefix}1", f"{prefix}2", *others], b"value"), 60)

        removed = await do("clear", prefix)

        assert 2 == removed
        assert set(others) == set(stack.stored())

    async def test_nothing(self, do: Do) -> None:
        """Where nothing is, nothing is removed."""
        assert 0 == await do("clear", "urn:nothing:")

    async def test_another_type(self, stack: Stack, do: Do) -> None:
        """What is no string goes as well."""
        with stack.server.client() as client:
            client.rpush("urn:a:1", "x")

        assert 1 == await do("clear", "urn:a:")


class TestRetire:
    KEY = "{urn:x:user_id:1}#epoch"

    async def holds(self, do: Do) -> dict[str, float]:
        """Who holds, and for how many more seconds; the server's clock is this machine's."""
        [stored] = await do("get", [self.KEY])
        return {holder: until - time.time() for holder, until in epochs.decoded(stored).items()}

    @pytest.mark.parametrize("holder", ["", "a"])
    async def test_epoch_goes(self, do: Do, holder: str) -> None:
        """Without a hold, an epoch is gone and nothing stands in its place."""
        await do("put", {self.KEY: epochs.plant()}, 60)

        await do("retire", self.KEY, holder, 0)

        assert [None] == await do("get", [self.KEY])

    async def test_nothing_there(self, do: Do) -> None:
        """Without a hold, where nothing stood nothing stands."""
        await do("retire", self.KEY, "", 0)

        assert [None] == await do("get", [self.KEY])

    @pytest.mark.parametrize("before", [None, epochs.plant()], ids=["nothing", "epoch"])
    async def test_hold_is_set(self, stack: Stack, do: Do, before: bytes | None) -> None:
        """A hold takes the place of an epoch or of nothing, and lives as long as it should."""
        if before is not None:
            await do("put", {self.KEY: before}, 1000)

        await do("retire", self.KEY, "a", 60)

        assert {"a": pytest.approx(60, abs=10)} == await self.holds(do)
        assert 50_000 < stack.lifetime_ms(self.KEY) <= 60_000

    @pytest.mark.parametrize("second_sec", [0, 0.001, 5])
    async def test_longer_hold_stays(self, stack: Stack, do: Do, second_sec: float) -> None:
        """A standing buffer is never cut short, neither by a shorter one nor by none."""
        await do("retire", self.KEY, "", 60)

        await do("retire", self.KEY, "", second_sec)

        assert {"": pytest.approx(60, abs=10)} == await self.holds(do)
        assert 50_000 < stack.lifetime_ms(self.KEY) <= 60_000

    async def test_longer_hold_wins(self, stack: Stack, do: Do) -> None:
        """A longer hold takes the place of a shorter one."""
        await do("retire", self.KEY, "a", 5)

        await do("retire", self.KEY, "a", 60)

        assert {"a": pytest.approx(60, abs=10)} == await self.holds(do)
        assert 50_000 < stack.lifetime_ms(self.KEY)

    async def test_several_hold(self, stack: Stack, do: Do) -> None:
        """Each holder holds for itself; the key lives until the last of them is done."""
        await do("retire", self.KEY, "a", 60)
        await do("retire", self.KEY, "", 30)
        await do("retire", self.KEY, "b", 1000)
        both = await self.holds(do)

        await do("retire", self.KEY, "b", 0)
        await do("retire", self.KEY, "stranger", 0)

        assert {"": 30, "a": 60, "b": 1000} == pytest.approx(both, abs=10)
        assert {"": 30, "a": 60} == pytest.approx(await self.holds(do), abs=10)
        assert 50_000 < stack.lifetime_ms(self.KEY) <= 60_000

    async def test_the_last_holder_frees_the_key(self, do: Do) -> None:
        """When nobody holds any more, an epoch can be planted at once."""
        await do("retire", self.KEY, "a", 60)
        await do("retire", self.KEY, "b", 60)
        for holder in "ab":
            await do("retire", self.KEY, holder, 0)

        assert await do("add", self.KEY, b"epoch", 60)

    async def test_lapsed_holders_are_forgotten(self, do: Do) -> None:
        """A holder whose time is up does not stand longer because another's is not."""
        lapsed = {"gone": time.time() - 1, "a": time.time() + 60}
        await do("put", {self.KEY: epochs.encoded(lapsed)}, 60)

        await do("retire", self.KEY, "", 0)

        assert ["a"] == list(await self.holds(do))

    async def test_hold_keeps_others_out(self, do: Do) -> None:
        """While a hold stands nothing can be added in its place."""
        await do("retire", self.KEY, "a", 60)

        assert not await do("add", self.KEY, b"epoch", 60)

    async def test_any_key(self, do: Do) -> None:
        """On a Cluster each key is retired where it lives."""
        names = [f"{{urn:x:{n}}}#epoch" for n in range(30)]
        await do("put", dict.fromkeys(names, b"epoch"), 60)
        for name in names:
            await do("retire", name, "", 0)

        assert [None] * 30 == list(await do("get", names))


class TestClients:
    def test_nothing_is_connected_before_it_is_used(self, stack: Stack) -> None:
        """To make and close a layer needs no server."""
        layer = RedisLayer(RedisConfig(host="127.0.0.1", port=1, cluster=stack.is_cluster))

        layer.close()

    async def test_one_client_per_loop(self, stack: Stack, layer: RedisLayer) -> None:
        """Tasks of one loop share a client, those of another have their own, and both work at once."""
        per_loop = layer._per_loop
        here = per_loop.lane()
        await layer.aput({"key": b"value"}, 60)

        async def elsewhere() -> tuple[Any, Any]:
            lane = per_loop.lane()
            answers = await asyncio.gather(*[layer.aget(["key"]) for _ in range(10)])
            await layer.aclose()
            return lane, answers

        there, answers = await asyncio.to_thread(asyncio.run, elsewhere())
        answers += [await layer.aget(["key"])]

        assert here is per_loop.lane()
        assert here.client is not there.client
        assert [[b"value"]] * 11 == [list(answer) for answer in answers]

    def test_threads_share(self, layer: RedisLayer) -> None:
        """Many threads at once get what they ask for."""
        layer.put({f"key:{n}": b"%d" % n for n in range(100)}, 60)
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda n: layer.get([f"key:{n % 100}"]), range(1000)))

        assert [[b"%d" % (n % 100)] for n in range(1000)] == [list(answer) for answer in answers]

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_asyncio_run_twice(self, stack: Stack) -> None:
        """A layer outlives the loops that use it."""
        layer = RedisLayer(stack.redis_config())

        async def use() -> Any:
            await layer.aput({"key": b"value"}, 60)
            return await asyncio.gather(*[layer.aget(["key"]) for _ in range(5)])

        answers = [list(map(list, asyncio.run(use()))) for _ in range(3)]
        layer.close()
        gc.collect()

        assert [[[b"value"]] * 5] * 3 == answers

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_asyncio_run_twice_with_a_thread_local_factory(self, stack: Stack) -> None:
        """A factory's client for the thread serves the thread's second loop as well as the first."""
        local = threading.local()

        def factory() -> Any:
            if not hasattr(local, "client"):
                local.client = asyncio_client(stack)
            return local.client

        layer: Any = layer_of_factory(factory)

        async def use() -> Any:
            await layer.aput({"key": b"value"}, 60)
            return await asyncio.gather(*[layer.aget(["key"]) for _ in range(5)])

        answers = [list(map(list, asyncio.run(use()))) for _ in range(3)]
        layer = None
        del local.client
        gc.collect()

        assert [[[b"value"]] * 5] * 3 == answers

    @sides
    async def test_max_connections(self, stack: Stack, side: str) -> None:
        """Reads and writes together open no more connections to a node than they may, and all succeed."""
        nodes: list[Server] = getattr(stack.server, "nodes", [stack.server])
        layer = RedisLayer(stack.redis_config(redis_py_options={"max_connections": 4, "client_name": "ours"}))

        def work(n: int) -> Any:
            layer.put({f"key:{n}": b"value"}, 60)
            return layer.get([f"key:{n}"])

        async def awork(n: int) -> Any:
            await layer.aput({f"key:{n}": b"value"}, 60)
            return await layer.aget([f"key:{n}"])

        if side == "sync":
            with ThreadPoolExecutor(30) as pool:
                answers = list(pool.map(work, range(300)))
        else:
            answers = await asyncio.gather(*[awork(n) for n in range(300)])
        opened = [node.command("CLIENT", "LIST").count(b"name=ours") for node in nodes]
        await layer.aclose()

        assert [[b"value"]] * 300 == list(map(list, answers))
        assert max(opened) <= 4 + stack.is_cluster  # redis-py looks a Cluster up over one more

    async def test_after_fork(self, stack: Stack, layer: RedisLayer) -> None:
        """A child opens connections of its own: the parent's replies stay the parent's."""
        layer.put({f"key:{n}": b"%d" % n for n in range(50)}, 60)

        def right_answers() -> bool:
            return all(list(layer.get([f"key:{n}"])) == [b"%d" % n] for n in range(50))

        children = []
        for _ in range(3):
            child = os.fork()
            if not child:
                status = 1
                try:
                    status = 0 if right_answers() else 2
                finally:
                    os._exit(status)
            children.append(child)
        in_parent = right_answers()
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

        assert in_parent
        assert [0, 0, 0] == statuses

    async def test_reconnects(self, stack: Stack, do: Do) -> None:
        """Connections that the server has closed while they lay idle are no failure."""
        await do("put", {"key": b"value"}, 60)
        await do("get", ["key"])
        for node in getattr(stack.server, "nodes", [stack.server]):
            node.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        deadline = time.monotonic() + PATIENCE_SEC
        failures = 0
        while True:
            try:
                answer = await do("get", ["key"])
                break
            except redis.ConnectionError:
                failures += 1
                assert time.monotonic() < deadline

        assert [b"value"] == list(answer)
        assert failures <= 1


class TestFactories:
    @sides
    async def test_sync_factory(self, stack: Stack, new_gcache: Instances, side: str) -> None:
        """Clients of `redis` serve sync callers, and async ones from threads."""
        made: list[Any] = []
        kind = redis.RedisCluster if stack.is_cluster else redis.Redis

        def factory() -> Any:
            made.append(kind.from_url(f"redis://127.0.0.1:{stack.port}"))
            return made[-1]

        runs = await _warm_and_read(new_gcache, factory, side)
        for client in made:
            client.close()

        assert 40 == runs

    @sides
    async def test_async_factory(self, stack: Stack, new_gcache: Instances, side: str) -> None:
        """Clients of `redis.asyncio` serve async callers, and sync ones from a loop in the background."""
        factory = ThreadLocalClients(functools.partial(asyncio_client, stack))

        runs = await _warm_and_read(new_gcache, factory, side)
        await factory.aclose()

        assert 40 == runs

    async def test_sides(self, stack: Stack) -> None:
        """The kind of client decides which sides the layer has."""
        kind = redis.RedisCluster if stack.is_cluster else redis.Redis
        with kind.from_url(f"redis://127.0.0.1:{stack.port}") as client:
            blocking = layer_of_factory(lambda: client)
        awaited = layer_of_factory(functools.partial(asyncio_client, stack))

        assert SyncRedisLayer is type(blocking)
        assert AsyncRedisLayer is type(awaited)

    def test_neither(self, stack: Stack) -> None:
        """What is no client of redis-py is refused in words."""
        with pytest.raises(GCacheConfigError, match="redis_client_factory returned str"):
            layer_of_factory(lambda: "redis://localhost")

    async def test_decode_responses(self, stack: Stack) -> None:
        """A client that decodes is refused with what to do instead."""

        async def read() -> None:
            layer: Any = layer_of_factory(functools.partial(asyncio_client, stack, decode_responses=True))
            await layer.aget(["key"])

        with pytest.raises(GCacheConfigError, match="decode_responses=False"):
            await read()

    @sides
    async def test_decode_responses_in_config(self, stack: Stack, side: str) -> None:
        """decode_responses among the options is refused with what to do instead."""

        async def read() -> None:
            layer = RedisLayer(stack.redis_config(redis_py_options={"decode_responses": True}))
            layer.get(["key"]) if side == "sync" else await layer.aget(["key"])

        with pytest.raises(GCacheConfigError, match="leave it out"):
            await read()

    def test_decode_responses_under_gcache(
        self, stack: Stack, new_gcache: Instances, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nobody's call breaks over it, and the log says twice what is wrong: failed, and skipped."""
        gcache = new_gcache(
            redis_client_factory=functools.partial(asyncio_client, stack, decode_responses=True),
            cache_config_provider=cache_remotely,
        )
        with gcache.enable():
            answers = [gcache.get(GCacheKey("user_id", 1, "GetUser"), lambda: "value") for _ in range(3)]

        assert ["value"] * 3 == answers
        assert 2 == len([line for line in caplog.messages if "decode_responses=False" in line])


async def _warm_and_read(new_gcache: Instances, factory: Callable[[], Any], side: str) -> int:
    """Read 40 keys twice, in many threads or tasks; return how often the source ran."""
    runs: list[int] = []
    sink = ListSink()
    gcache = new_gcache(redis_client_factory=factory, cache_config_provider=cache_remotely, metrics=sink)
    keys = [GCacheKey("user_id", number, "GetUser", {}, number % 2 == 0) for number in range(40)]

    async def aload() -> int:
        runs.append(1)
        return 1

    for _ in range(2):
        if side == "sync":
            read = gcache.enable()(lambda key: gcache.get(key, lambda: runs.append(1)))
            with ThreadPoolExecutor(8) as pool:
                await asyncio.gather(*[asyncio.wrap_future(pool.submit(read, key)) for key in keys])
        else:
            with gcache.enable():
                await asyncio.gather(*[gcache.aget(key, aload) for key in keys])
    await gcache.aclose()

    assert [] == sink.of(Error)
    return len(runs)


class TestUnderGCache:
    @sides
    @pytest.mark.parametrize("tracked", [False, True])
    async def test_another_type_under_our_key(
        self, stack: Stack, new_gcache: Instances, side: str, tracked: bool
    ) -> None:
        """A list where an entry should be is a counted miss, and the source answers."""
        sink = ListSink()
        gcache = new_gcache(cache_config_provider=cache_remotely, metrics=sink)
        key = GCacheKey("user_id", "1", "GetUser", track_for_invalidation=tracked)

        async def load() -> str:
            return "value"

        with stack.server.client() as client:
            client.rpush(gcache._engine.keys.build(key), "x")
        with gcache.enable():
            answer = gcache.get(key, lambda: "value") if side == "sync" else await gcache.aget(key, load)

        assert "value" == answer
        assert ["remote"] == [miss.layer for miss in sink.of(Miss)]

    @sides
    async def test_flushall_on_every_primary(self, stack: Stack, new_gcache: Instances, side: str) -> None:
        """flushall empties every node of what is ours."""
        gcache = new_gcache(cache_config_provider=cache_remotely)
        nodes: list[Server] = getattr(stack.server, "nodes", [stack.server])
        with gcache.enable():
            for number in range(60):
                gcache.put(GCacheKey("user_id", number, "GetUser", {}, number % 2 == 0), number)
        before = [node.command("DBSIZE") for node in nodes]
        if side == "sync":
            gcache.flushall()
        else:
            await gcache.aflushall()

        assert all(before)
        assert [0] * len(nodes) == [node.command("DBSIZE") for node in nodes]


class TestDefaults:
    @sides
    def test_deadlines_and_retries(self, stack: Stack, side: str) -> None:
        """Without options of one's own, half a second to connect and to answer, and no retry."""
        config = stack.redis_config()
        client = clients.sync_client(config) if side == "sync" else clients.async_client(config)
        if stack.is_cluster:
            options = client.nodes_manager.connection_kwargs if side == "sync" else client.connection_kwargs
            retries = client.retry.get_retries()
        else:
            options = client.connection_pool.connection_kwargs
            retries = options["retry"].get_retries()
        if side == "sync":
            client.close()

        assert (0.5, 0.5) == (options["socket_connect_timeout"], options["socket_timeout"])
        assert 0 == retries

    def test_options_win(self, stack: Stack) -> None:
        """What is given in redis_py_options goes before the defaults."""
        config = stack.redis_config(redis_py_options={"socket_timeout": 3, "client_name": "mine"})
        client = clients.sync_client(config)
        options = (client.nodes_manager if stack.is_cluster else client.connection_pool).connection_kwargs
        client.close()

        assert (3, 0.5, "mine") == (
            *(options["socket_timeout"], options["socket_connect_timeout"], options["client_name"]),
        )
