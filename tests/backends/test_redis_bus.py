"""The reference bus on real servers: Valkey, Redis and a Cluster."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pytest

from gcache import GCache, GCacheConfig, GCacheKey, RedisBus, RedisConfig
from gcache.conformance.proxy import FaultProxy
from gcache.conformance.waiting import wait_until
from tests.contract.stacks import ListSink, Stack, cache_all
from tests.servers.cluster import Cluster
from tests.servers.process import Server

if TYPE_CHECKING:
    from gcache.backends.redis_bus import RedisSubscription

PATIENCE_SEC = 5.0
CHANNEL = "urn:bus"

on_every_server = pytest.mark.parametrize("stack", ["valkey", "redis", "cluster"], indirect=True)


@pytest.fixture
def bus(stack: Stack) -> Iterator[RedisBus]:
    bus = RedisBus(stack.redis_config())
    yield bus
    bus.close()


@pytest.fixture(params=["sync", "async"])
def publish(request: pytest.FixtureRequest, bus: RedisBus) -> Callable[[str, bytes], Awaitable[None]]:
    """Publish by the bus's sync side or by its async one."""

    async def publish(channel: str, message: bytes) -> None:
        if request.param == "sync":
            bus.publish(channel, message)
        else:
            await bus.apublish(channel, message)

    return publish


def heard(subscription: RedisSubscription, count: int) -> list[bytes]:
    """The next messages, in their order."""
    messages: list[bytes] = []

    def has_all() -> bool:
        message = subscription.receive(0.01)
        if message is not None:
            messages.append(message)
        return len(messages) >= count

    wait_until(has_all, sentence="the messages to arrive")
    return messages


@on_every_server
class TestRedisBus:
    async def test_messages(self, bus: RedisBus, publish: Any) -> None:
        """What is published from the moment on at which a subscription stands is received, in its order."""
        await publish(CHANNEL, b"before")
        subscriptions = [bus.subscribe(CHANNEL), bus.subscribe(CHANNEL)]
        for message in (b"", bytes(range(256)), b"third"):
            await publish(CHANNEL, message)
        received = [heard(subscription, 3) for subscription in subscriptions]
        for subscription in subscriptions:
            subscription.close()

        assert [[b"", bytes(range(256)), b"third"]] * 2 == received

    async def test_channels(self, bus: RedisBus, publish: Any) -> None:
        """A channel's messages are not heard on another."""
        subscription = bus.subscribe(CHANNEL)
        await publish("urn:another", b"no")
        await publish(CHANNEL, b"yes")
        received = heard(subscription, 1)
        subscription.close()

        assert [b"yes"] == received

    def test_nothing_comes(self, bus: RedisBus) -> None:
        """Without a message, waiting ends when its time is up."""
        subscription = bus.subscribe(CHANNEL)

        assert None is subscription.receive(0.001)
        subscription.close()

    def test_closed(self, bus: RedisBus) -> None:
        """A subscription that was closed connects no more."""
        subscription = bus.subscribe(CHANNEL)
        subscription.close()

        with pytest.raises(ConnectionError):
            subscription.receive(0.001)

    async def test_loops(self, bus: RedisBus) -> None:
        """Messages can come from one loop after another, and from this one."""
        subscription = bus.subscribe(CHANNEL)
        for _ in range(2):
            await asyncio.to_thread(asyncio.run, bus.apublish(CHANNEL, b"elsewhere"))
        await bus.apublish(CHANNEL, b"here")
        received = heard(subscription, 3)
        subscription.close()
        await bus.aclose()

        assert [b"elsewhere", b"elsewhere", b"here"] == received


class Place:
    """An instance on a bus, with a tracked function kept in memory and on the server."""

    def __init__(self, config: RedisConfig, bus_config: RedisConfig | None = None) -> None:
        self.sink = ListSink()
        self.loads = 0
        self.gcache = GCache(
            GCacheConfig(
                cache_config_provider=cache_all,
                redis_config=config,
                invalidation_bus=RedisBus(bus_config or config),
                urn_prefix="urn:place",
                metrics=self.sink,
            )
        )

        @self.gcache.cached("user_id", "user_id", "GetUser", track_for_invalidation=True)
        def get_user(user_id: int) -> int:
            self.loads += 1
            return self.loads

        self.get_user = get_user

    @property
    def hears(self) -> bool:
        listener = self.gcache._engine._listener
        return listener is not None and listener.hears

    def listen(self) -> Place:
        with self.gcache.enable():
            self.gcache.get(GCacheKey("nobody", 1, "Listen"), lambda: None)
        wait_until(lambda: self.hears, sentence="it to hear", timeout_sec=30)
        return self

    def is_kept(self) -> bool:
        memory = self.gcache._engine.memory
        assert memory is not None
        entry = memory.find(self.gcache._engine.keys.build(self.get_user.key(1)), 0)
        return entry is not None and entry.generation.alive


@pytest.fixture
def new_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Place]]:
    """Makes instances as other processes would, with the same prefix."""
    made: list[Place] = []

    def new_place(config: RedisConfig, bus_config: RedisConfig | None = None) -> Place:
        with monkeypatch.context() as patch:
            patch.setattr("gcache.instances._live", WeakValueDictionary())
            made.append(Place(config, bus_config))
        return made[-1]

    yield new_place
    for place in made:
        place.gcache.close()


@on_every_server
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_other_memories(stack: Stack, new_place: Callable[..., Place], is_async: bool) -> None:
    """An invalidation in one process ends what another keeps in memory; a flush does, too."""
    here, there = (new_place(stack.redis_config()).listen() for _ in range(2))

    def do(verb: str, *args: Any) -> None:
        if is_async:
            asyncio.run(getattr(here.gcache, f"a{verb}")(*args))
        else:
            getattr(here.gcache, verb)(*args)

    with there.gcache.enable():
        before = [there.get_user(1), there.get_user(1)]
        assert there.is_kept()
        do("invalidate", "user_id", 1)
        wait_until(lambda: not there.is_kept(), sentence="the invalidation to arrive")
        between = [there.get_user(1), there.get_user(1)]
        do("flushall")
        wait_until(lambda: not there.is_kept(), sentence="the flush to arrive")

        assert [1, 1, 2, 2, 3] == [*before, *between, there.get_user(1)]


def test_server_dies(own_server: Server, new_place: Callable[..., Place]) -> None:
    """A server that is gone leaves all deaf, and they hear again when it is back."""
    config = RedisConfig(host=own_server.host, port=own_server.port)
    here, there = (new_place(config).listen() for _ in range(2))
    own_server.kill()
    wait_until(lambda: not here.hears and not there.hears, sentence="both to notice")
    with there.gcache.enable():
        there.get_user(1)
        kept_meanwhile = there.is_kept()
        own_server.restart()
        wait_until(lambda: here.hears and there.hears, sentence="both to hear again")
        there.get_user(1)
        kept_afterwards = there.is_kept()
        here.gcache.invalidate("user_id", 1)
        wait_until(lambda: not there.is_kept(), sentence="the invalidation to arrive")

    assert (False, True) == (kept_meanwhile, kept_afterwards)


@pytest.mark.parametrize("fault", ["black_hole", "refuse", "drop_connections", "garbage"])
def test_line_is_cut(
    server: Server, fault_proxy: FaultProxy, new_place: Callable[..., Place], fault: str
) -> None:
    """Whatever happens to the line of one process, nothing that it missed is answered from its memory."""
    direct = RedisConfig(host=server.host, port=server.port)
    here = new_place(direct).listen()
    there = new_place(direct, RedisConfig(host=fault_proxy.host, port=fault_proxy.port)).listen()
    with there.gcache.enable():
        there.get_user(1)
        getattr(fault_proxy, fault)()
        wait_until(lambda: there.sink.hears().count(0) > 0, sentence="it to notice")
        here.gcache.invalidate("user_id", 1)
        meanwhile = there.get_user(1)
        fault_proxy.pass_through()
        wait_until(lambda: there.hears, sentence="it to hear again")

        assert [2, 2] == [meanwhile, there.get_user(1)]


def test_node_dies(new_place: Callable[..., Place]) -> None:
    """When the node that has the channel is gone, all are deaf until another has it."""
    with Cluster("valkey", replicas=1) as cluster:
        owner = cluster.owner("urn:place")
        seed = next(node for node in cluster.nodes if node is not owner)
        config = RedisConfig(host=seed.host, port=seed.port, cluster=True)
        here, there = (new_place(config).listen() for _ in range(2))
        owner.kill()
        wait_until(lambda: not here.hears and not there.hears, sentence="both to notice")
        wait_until(lambda: here.hears and there.hears, sentence="both to hear again", timeout_sec=40)
        with there.gcache.enable():
            there.get_user(1)
            assert there.is_kept()
            here.gcache.invalidate("user_id", 1)
            wait_until(lambda: not there.is_kept(), sentence="the invalidation to arrive")
        for place in (here, there):
            place.gcache.close()


@on_every_server
def test_a_real_process(stack: Stack) -> None:
    """A process of its own hears, and is heard, before and after it forks."""
    script = [sys.executable, "-m", "tests.backends.bus_process", str(stack.port), str(stack.is_cluster)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)

    assert "parent heard child, child heard parent\n" == done.stdout, done.stderr
