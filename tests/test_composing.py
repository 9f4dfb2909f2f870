"""Chains of three and four layers, from text and from objects, as an application composes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pytest

from gcache import GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core.policy import ramp_point
from tests.core.conftest import clock, recorded, side
from tests.core.layers import AsyncLayer, RetiringLayer, SyncLayer
from tests.core.stage import AsyncSide, Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from tests.servers.process import Server

__all__ = ["clock", "recorded", "side"]

pytest.importorskip("redis")

Side = SyncSide | AsyncSide
NAMES = ["near", "disk", "shelf", "far"]
USERS = range(40)


@pytest.fixture
def new_gcache(
    side: Side, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., GCache]]:
    """Makes instances as so many processes would, with the same prefix."""
    made: list[GCache] = []

    def new_gcache(*layers: Any, **config: Any) -> GCache:
        defaults: dict[str, Any] = {
            "cache_config_provider": lambda key: GCacheKeyConfig.enabled(60),
            "config_refresh_sec": 0,
            "metrics": recorded,
            "urn_prefix": "urn:composing",
        }
        with monkeypatch.context() as patch:
            patch.setattr("gcache.instances._live", WeakValueDictionary())
            made.append(GCache(GCacheConfig(layers=layers, **defaults | config)))
        return made[-1]

    yield new_gcache
    for gcache in made:
        side.do(gcache, "close")


def texts(server: Server) -> list[str]:
    """Four layers: memory, and three databases."""
    databases = [f"redis://{server.host}:{server.port}/{number}?name={NAMES[number]}" for number in (1, 2, 3)]
    return ["memory?name=near", *databases]


def keep_for(**ttl_sec: float) -> Callable[[Any], GCacheKeyConfig]:
    """Return a provider that has these layers keep everything for so many seconds."""
    return lambda key: GCacheKeyConfig(ttl_sec=ttl_sec, ramp=dict.fromkeys(ttl_sec, 100), ttl_jitter=0)


def every_call(recorded: Recorded) -> list[str]:
    """What became of each call, in order."""
    return [what for what, count in recorded.calls for _ in range(count)]


def held(server: Server) -> list[int]:
    """How many keys the three databases have."""
    return [_in_database(server, number, "dbsize") for number in (1, 2, 3)]


def _in_database(server: Server, number: int, command: str, *args: Any) -> Any:
    with server.client(db=number) as client:
        return getattr(client, command)(*args)


class TestText:
    """Memory and three databases of a real server, named as text."""

    def test_a_hit_fills_what_is_nearer(
        self, new_gcache: Callable[..., GCache], side: Any, server: Server, recorded: Recorded
    ) -> None:
        """From whichever layer it comes, the layers before it have it afterwards."""
        gcache = new_gcache(*texts(server))
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            for nearest in (3, 2, 1, 0):
                recorded.after(get_user(1))
                assert [1, 1, 1] == held(server)
                for number in range(1, nearest):
                    _in_database(server, number, "flushdb")
                if nearest:
                    gcache._engine.memory.clear("")
            answer = get_user(1)

        assert 1 == answer
        assert ["absent", "far", "shelf", "disk", "near"] == every_call(recorded)
        assert 1 == recorded.loads

    def test_each_layer_has_its_own_life(
        self, new_gcache: Callable[..., GCache], side: Any, server: Server
    ) -> None:
        """Every database is told the seconds of its layer."""
        provider = keep_for(near=100, disk=200, shelf=300, far=400)
        gcache = new_gcache(*texts(server), cache_config_provider=provider)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
        name = gcache._engine.keys.build(get_user.key(1))
        lives = [_in_database(server, number, "pttl", name) / 1000 for number in (1, 2, 3)]

        assert [True] * 3 == [
            ttl - 99 < life <= ttl for ttl, life in zip((200, 300, 400), lives, strict=True)
        ]

    def test_each_layer_has_its_own_ramp(
        self, new_gcache: Callable[..., GCache], side: Any, server: Server
    ) -> None:
        """An entity passes by the layers that it is ramped out of, and is kept by all others."""
        config = GCacheKeyConfig(ttl_sec={"*": 60}, ramp={"near": 100, "disk": 0, "shelf": 40, "far": 80})
        gcache = new_gcache(*texts(server), cache_config_provider=lambda key: config)
        get_user = side.cached(gcache, Source())
        points = [ramp_point("GetUser", f"user_id:{user_id}") for user_id in USERS]

        with gcache.enable():
            for user_id in USERS:
                get_user(user_id)

        assert 0 < sum(point < 40 for point in points) < sum(point < 80 for point in points) < len(USERS)
        assert len(USERS) == len(gcache._engine.memory)
        assert [0, sum(point < 40 for point in points), sum(point < 80 for point in points)] == held(server)

    def test_a_dead_layer_in_the_middle_is_skipped(
        self,
        new_gcache: Callable[..., GCache],
        side: Any,
        valkey: Server,
        own_server: Server,
        recorded: Recorded,
    ) -> None:
        """The others serve every call, its failures are counted, and it is filled when it is back."""
        valkey.empty()
        near, disk, _, far = texts(valkey)
        shelf = f"redis://{own_server.host}:{own_server.port}?name=shelf"
        gcache = new_gcache(near, disk, shelf, far)
        get_user = side.cached(gcache, source := Source())
        own_server.kill()
        answers: list[int] = []

        def is_filled() -> bool:
            self._forget_near(gcache, valkey)
            answers.append(get_user(1))
            return bool(own_server.command("DBSIZE"))

        with gcache.enable():
            answers += [get_user(user_id) for user_id in (1, 2)]
            self._forget_near(gcache, valkey)
            answers += [get_user(user_id) for user_id in (1, 2)]
            own_server.start()
            wait_until(is_filled, sentence="the layer is filled")

        assert [1, 2, 1, 2] == answers[:4]
        assert {1} == set(answers[4:])
        assert 2 == source.loads
        assert [("shelf", "ConnectionError", False)] * 3 == recorded.errors  # then it is skipped
        assert ["absent"] * 2 + ["far"] * (len(answers) - 2) == every_call(recorded)

    def test_a_tracked_use_case_is_kept_in_memory_and_in_the_authority_only(
        self, new_gcache: Callable[..., GCache], side: Any, server: Server
    ) -> None:
        """What lies between would serve it past its invalidation."""
        gcache = new_gcache(*texts(server))
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]

        entry_and_epoch = 2
        assert [0, 0, entry_and_epoch] == held(server)
        assert 1 == len(gcache._engine.memory)

    def test_a_tracked_use_case_is_exact_between_processes(
        self, new_gcache: Callable[..., GCache], side: Any, server: Server
    ) -> None:
        """With memory left out, the next read in another process sees what an invalidation has ended."""
        provider = keep_for(disk=60, shelf=60, far=60)
        here, there = (new_gcache(*texts(server), cache_config_provider=provider) for _ in range(2))
        source = Source()
        get_user = side.cached(here, source, track_for_invalidation=True)
        get_user_there = side.cached(there, source, track_for_invalidation=True)

        with here.enable(), there.enable():
            seen = [get_user(1), get_user_there(1)]
            for gcache, function in ((here, get_user_there), (there, get_user)) * 3:
                side.do(gcache, "invalidate", "user_id", 1)
                seen.append(function(1))

        assert [1, 1, 2, 3, 4, 5, 6, 7] == seen

    def test_a_bus_reaches_the_memory_at_the_head(
        self, new_gcache: Callable[..., GCache], side: Any, server: Server
    ) -> None:
        """What four layers have of a tracked entity in another process ends soon after its invalidation."""
        from gcache import RedisBus, RedisConfig

        def on_a_bus() -> GCache:
            bus = RedisBus(RedisConfig(host=server.host, port=server.port))
            return new_gcache(*texts(server), invalidation_bus=bus)

        here, there = on_a_bus(), on_a_bus()
        source = Source()
        get_user = side.cached(there, source, track_for_invalidation=True)

        with here.enable(), there.enable():
            side.get(there, GCacheKey("nobody", 1, "Listen"), Source())
            wait_until(lambda: there._engine._listener.hears, sentence="it to hear", timeout_sec=30)
            assert [1, 1] == [get_user(1), get_user(1)]
            side.do(here, "invalidate", "user_id", 1)
            wait_until(lambda: get_user(1) == 2, sentence="the other process to load anew")
        assert 2 == source.loads

    def _forget_near(self, gcache: GCache, server: Server) -> None:
        gcache._engine.memory.clear("")
        _in_database(server, 1, "flushdb")


class TestObjects:
    """Memory layers and dictionaries."""

    @pytest.fixture
    def layers(self, clock: Clock) -> list[Any]:
        """A small memory, a large one, a layer that is awaited, and one that blocks."""
        tiny = MemoryLayer[Any]("near", max_entries=2, clock=clock.monotonic)
        large = MemoryLayer[Any]("disk", clock=clock.monotonic)
        return [tiny, large, AsyncLayer("shelf", clock), RetiringLayer("far", clock)]

    @pytest.fixture
    def gcache(
        self,
        new_gcache: Callable[..., GCache],
        layers: list[Any],
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> GCache:
        monkeypatch.setattr("gcache.assembly.time", clock)
        return new_gcache(*layers)

    def test_a_large_memory_stands_behind_a_small_one(
        self, gcache: GCache, side: Any, layers: list[Any], recorded: Recorded
    ) -> None:
        """What the small one had to give up comes from the large one, and costs no other layer a read."""
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            for user_id in USERS:
                get_user(user_id)
            reads = [len(layer.asked("get")) for layer in layers[2:]]
            answers = [get_user(user_id) for user_id in USERS]

        assert [user_id + 1 for user_id in USERS] == answers
        assert len(USERS) == source.loads
        assert reads == [len(layer.asked("get")) for layer in layers[2:]]
        assert {"absent", "disk"} == set(every_call(recorded))
        assert 2 == len(layers[0])

    def test_every_memory_forgets_a_tracked_entity(
        self, gcache: GCache, side: Any, layers: list[Any]
    ) -> None:
        """An invalidation ends the copies in both, whichever still has one; the layer between has none."""
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            for user_id in USERS:
                get_user(user_id)
            for user_id in USERS:
                side.do(gcache, "invalidate", "user_id", user_id)
            answers = [get_user(user_id) for user_id in USERS]

        assert [len(USERS) + user_id + 1 for user_id in USERS] == answers
        assert [] == layers[2].log

    def test_a_copy_in_each_layer_lives_as_long_as_that_layer_says(
        self,
        new_gcache: Callable[..., GCache],
        side: Any,
        layers: list[Any],
        clock: Clock,
        recorded: Recorded,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As the time goes by, the call is answered from further and further out, and filled in again."""
        monkeypatch.setattr("gcache.assembly.time", clock)
        provider = keep_for(near=10, disk=20, shelf=30, far=35)
        gcache = new_gcache(*layers, cache_config_provider=provider)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            for _ in range(6):
                recorded.after(get_user(1))
                clock.advance(7)

        assert ["absent", "near", "disk", "near", "shelf", "absent"] == every_call(recorded)

    def test_two_dead_layers_between_are_skipped(
        self,
        new_gcache: Callable[..., GCache],
        side: Any,
        clock: Clock,
        recorded: Recorded,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The first and the last serve every call, and each failure is counted as that layer's."""
        monkeypatch.setattr("gcache.assembly.time", clock)
        memory = MemoryLayer[Any]("near", clock=clock.monotonic)
        dead: list[Any] = [AsyncLayer("disk", clock), SyncLayer("shelf", clock)]
        gcache = new_gcache(memory, *dead, SyncLayer("far", clock))
        get_user = side.cached(gcache, source := Source())
        for layer in dead:
            layer.failing = {"get", "put"}

        with gcache.enable():
            for _ in range(3):
                assert 1 == get_user(1)
                memory.clear("")

        assert 1 == source.loads
        assert ["absent", "far", "far"] == every_call(recorded)
        assert [("disk", "LayerDown", False), ("shelf", "LayerDown", False)] * 3 == recorded.errors
