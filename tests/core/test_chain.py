"""Reading through the layers and writing to them, from threads and from loops."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    GCacheKey,
    GCacheKeyConfig,
    JsonSerializer,
    LayerUnavailable,
    MemoryLayer,
)
from gcache.core.envelope import open_sealed
from gcache.core.events import Get, Hit, Load, Miss, Serialization, Size
from gcache.core.missing import MISSING
from tests.core.layers import (
    SyncLayer,
)
from tests.core.stage import AsyncSide, Chance, Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

ENTITY = "user_id", 1


def ttls(**ttl_sec: float) -> Callable[[Any], GCacheKeyConfig]:
    return lambda key: GCacheKeyConfig(ttl_sec=ttl_sec, ramp=dict.fromkeys(ttl_sec, 100))


class TestRead:
    def test_through(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        disk: SyncLayer,
        remote: Any,
        recorded: Recorded,
    ) -> None:
        """A miss everywhere asks the source once, and fills every layer."""
        gcache = make_gcache(layers=[local, disk, remote])
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        name = gcache._engine.keys.build(get_user.key(1))
        assert ([name], [name], 1) == (disk.entries(), remote.entries(), len(local))
        assert [("absent", 1), ("local", 1)] == recorded.calls

    @pytest.mark.parametrize("count", [1, 2, 5])
    @pytest.mark.parametrize(("tracked", "nearer"), [(False, 1), (True, 0)])
    def test_each_layer_is_asked_once_at_most(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        clock: Clock,
        count: int,
        tracked: bool,
        nearer: int,
    ) -> None:
        """A miss in a chain of n layers costs n reads; where an epoch is read, the authority's is enough."""
        layers = [SyncLayer(f"layer{number}", clock) for number in range(count)]
        gcache = make_gcache(layers=layers)
        get_user = side.cached(gcache, Source(), track_for_invalidation=tracked)

        with gcache.enable():
            get_user(1)
            for layer in layers:
                layer.log.clear()
            get_user(1, page=2)

        assert [nearer] * (count - 1) + [1] == [len(layer.asked("get")) for layer in layers]

    def test_nearest(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        disk: SyncLayer,
        remote: Any,
        recorded: Recorded,
    ) -> None:
        """The nearest layer that has it answers, and those before it are filled."""
        gcache = make_gcache(layers=[local, disk, remote])
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            local.clear("")
            disk.stored.clear()
            answers = [recorded.after(get_user(1)), recorded.after(get_user(1))]
            local.clear("")
            answers.append(get_user(1))

        assert [1, 1, 1] == answers
        assert ["absent", "remote", "local", "disk"] == [layer for layer, _ in recorded.calls]

    def test_lives(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        disk: SyncLayer,
        remote: Any,
        clock: Clock,
    ) -> None:
        """Each layer keeps the entry for its own time."""
        gcache = make_gcache(
            layers=[local, disk, remote], cache_config_provider=ttls(local=5, disk=10, remote=20)
        )
        get_user = side.cached(gcache, Source())
        seen = []

        with gcache.enable():
            name = gcache._engine.keys.build(get_user.key(1))
            get_user(1)
            assert (10, 20) == (disk.life(name), remote.life(name))
            for _ in range(5):
                clock.advance(4.9)
                seen.append(get_user(1))

        assert [1, 1, 1, 1, 2] == seen

    @pytest.mark.parametrize(("point", "life_sec"), [(0.0, 20.0), (0.5, 19.0), (0.999, 18.002)])
    def test_jitter(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        remote: Any,
        chance: Chance,
        point: float,
        life_sec: float,
    ) -> None:
        """Chance takes up to a tenth of an entry's life, and adds nothing to it."""
        gcache = make_gcache(layers=[remote], cache_config_provider=ttls(remote=20))
        get_user = side.cached(gcache, Source())
        chance.point = point

        with gcache.enable():
            get_user(1)

        assert life_sec == pytest.approx(remote.life(gcache._engine.keys.build(get_user.key(1))))

    def test_no_longer_than_the_entry(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        disk: SyncLayer,
        remote: Any,
        clock: Clock,
    ) -> None:
        """A copy in a nearer layer ends with the entry that it was made of."""
        gcache = make_gcache(
            layers=[local, disk, remote], cache_config_provider=ttls(local=60, disk=60, remote=20)
        )
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            name = gcache._engine.keys.build(get_user.key(1))
            get_user(1)
            local.clear("")
            disk.stored.clear()
            for key in (name,):
                data, _ = remote.stored[key]
                remote.stored[key] = data, clock.now + 20
            expires = open_sealed(data, name, "pickle:1").expires
            clock.advance(15)
            get_user(1)

        assert clock.time() + 5 == expires
        assert 5 == disk.life(name)

    def test_overdue(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any, clock: Clock
    ) -> None:
        """What a layer still has after its end answers the call, and is copied nowhere."""
        gcache = make_gcache(layers=[local, remote], cache_config_provider=ttls(local=60, remote=20))
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            name = gcache._engine.keys.build(get_user.key(1))
            get_user(1)
            local.clear("")
            clock.advance(20)
            remote.stored[name] = remote.stored[name][0], clock.now + 100

            assert 1 == get_user(1)
        assert 0 == len(local)

    @pytest.mark.parametrize("value", [None, 0, "", [], False], ids=repr)
    def test_falsy(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any, value: Any
    ) -> None:
        """None and all that is false are values like others, from every layer."""
        gcache = make_gcache(layers=[local, remote])
        get_user = side.cached(gcache, source := Source(value))

        with gcache.enable():
            answers = [get_user(1), get_user(1)]
            local.clear("")
            answers.append(get_user(1))

        assert [value] * 3 == answers
        assert 1 == source.loads

    def test_ramped(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any, recorded: Recorded
    ) -> None:
        """An entity that is ramped out of a layer passes it by; one that is out of all is counted so."""
        get_user = side.cached(
            gcache := make_gcache(
                layers=[local, remote],
                cache_config_provider=lambda key: GCacheKeyConfig(
                    ttl_sec={"*": 60}, ramp={"local": 0, "remote": 50}
                ),
            ),
            Source(),
        )

        with gcache.enable():
            for user_id in range(40):
                get_user(user_id)

        assert 0 == len(local)
        assert {"absent", "ramped_down"} == {reason for reason, _ in recorded.calls}
        assert len(remote.entries()) == sum(reason == "absent" for reason, _ in recorded.calls)

    def test_memory_at_the_end(
        self, make_gcache: Callable[..., GCache], side: Any, remote: Any, local: Any
    ) -> None:
        """A chain may end in memory, and have no authority."""
        gcache = make_gcache(layers=[remote, local])
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
            side.do(gcache, "invalidate", *ENTITY)
            assert 2 == get_user(1)
        assert [] == remote.log

    def test_figures(
        self, make_gcache: Callable[..., GCache], side: Any, remote: Any, recorded: Recorded
    ) -> None:
        """Every step is recorded with what it took."""
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            [size] = [len(data) for data, _ in remote.stored.values()]
            for _ in range(3):
                get_user(1)

        use_case = "GetUser", "user_id"
        assert [
            Miss(*use_case, "remote", "absent"),
            Load(*use_case, 0.0),
            Get(*use_case, "remote", (0.0,) * 4),
            Serialization(*use_case, "remote", "dump", (0.0,)),
            Serialization(*use_case, "remote", "load", (0.0,) * 3),
            Size(*use_case, "remote", (size,)),
            Hit(*use_case, "remote", 3),
        ] == recorded.events


class TestSource:
    @pytest.mark.parametrize(
        "error", [LookupError("gone"), StopIteration("end"), StopAsyncIteration(), TimeoutError()], ids=repr
    )
    def test_exception(
        self, make_gcache: Callable[..., GCache], remote: Any, recorded: Recorded, error: Exception
    ) -> None:
        """What the source raises is raised as itself, counted, and not cached."""
        gcache = make_gcache(layers=[remote])
        get_user = SyncSide().cached(gcache, Source(error, "value"))

        with gcache.enable():
            with pytest.raises(type(error)) as caught:
                get_user(1)
            assert "value" == get_user(1)

        assert error is caught.value
        assert [("", type(error).__name__, True)] == recorded.errors

    def test_async_exception(self, make_gcache: Callable[..., GCache], remote: Any) -> None:
        """The same goes for an async source."""
        error = LookupError("gone")
        gcache = make_gcache(layers=[remote])
        get_user = (side := AsyncSide()).cached(gcache, Source(error, "value"))

        with gcache.enable():
            with pytest.raises(LookupError) as caught:
                get_user(1)
            assert "value" == get_user(1)
        side.close()

        assert error is caught.value

    def test_traceback(self, gcache: GCache) -> None:
        """A traceback leads to the line of the source that raised."""
        get_user = SyncSide().cached(gcache, Source(LookupError("gone")))

        with gcache.enable(), pytest.raises(LookupError) as caught:
            get_user(1)

        assert "get_user" in [entry.name for entry in caught.traceback]
        assert "__call__" == caught.traceback[-1].name


class TestFailures:
    @pytest.mark.parametrize("verb", ["get", "put", "add"])
    @pytest.mark.parametrize("tracked", [False, True], ids=["untracked", "tracked"])
    def test_each_verb(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        remote: Any,
        recorded: Recorded,
        verb: str,
        tracked: bool,
    ) -> None:
        """A layer that fails costs the call nothing but the layer; each failure is counted."""
        gcache = make_gcache(layers=[local, remote])
        get_user = side.cached(gcache, source := Source(), track_for_invalidation=tracked)
        remote.failing = {verb}

        with gcache.enable():
            answers = [get_user(1) for _ in range(3)]

        is_met = tracked or verb != "add"
        is_authority_lost = tracked and verb != "put"
        assert ([1, 2, 3] if is_authority_lost else [1, 1, 1]) == answers
        assert answers[-1] == source.loads
        assert is_met == (("remote", "LayerDown", False) in recorded.errors)
        assert all(not in_fallback for _, _, in_fallback in recorded.errors)

    def test_middle(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        disk: SyncLayer,
        remote: Any,
        recorded: Recorded,
    ) -> None:
        """A middle layer in trouble is passed by: neither asked again nor written to on this call."""
        gcache = make_gcache(layers=[local, disk, remote])
        get_user = side.cached(gcache, source := Source())
        with gcache.enable():
            get_user(1)
            local.clear("")
            disk.failing = {"get"}
            disk.log.clear()

            assert [1, 1] == [get_user(1), get_user(1)]
        assert ["get"] == [verb for verb, _ in disk.log]
        assert 1 == source.loads
        assert ["absent", "remote", "local"] == [layer for layer, _ in recorded.calls]

    def test_reason(
        self, make_gcache: Callable[..., GCache], side: Any, remote: Any, recorded: Recorded
    ) -> None:
        """A miss because of a failure is told from one where nothing was."""
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source())
        remote.failing = {"get"}

        with gcache.enable():
            get_user(1)

        assert [("error", 1)] == recorded.calls

    def test_authority_lost(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any
    ) -> None:
        """While the authority cannot be asked nothing tracked is stored, not even in memory."""
        gcache = make_gcache(layers=[local, remote])
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        remote.failing = {"get"}

        with gcache.enable():
            get_user(1)

        assert (0, {}) == (len(local), remote.stored)

    def test_logged(
        self, make_gcache: Callable[..., GCache], remote: Any, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A layer in trouble is logged once a minute."""
        gcache = make_gcache(layers=[remote])
        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            for seconds in (0, 30, 30):
                clock.advance(seconds)
                remote.failing = {"get"}
                get_user(1)
                remote.failing = set()
                get_user(1)

        assert [("gcache", logging.WARNING)] * 2 == [record[:2] for record in caplog.record_tuples]
        assert "'remote'" in caplog.text
        assert "LayerDown: remote cannot get" in caplog.text

    @pytest.mark.parametrize("answer", [[], [None] * 5, 7], ids=repr)
    @pytest.mark.parametrize("verb", ["call", "peek", "refresh", "put"])
    @pytest.mark.parametrize("tracked", [False, True], ids=["untracked", "tracked"])
    def test_lying(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        clock: Clock,
        answer: Any,
        verb: str,
        tracked: bool,
    ) -> None:
        """A layer that answers what it never may costs a caller nothing but the cache."""

        class Lying(SyncLayer):
            def get(self, keys: Sequence[str]) -> Any:
                return answer

        gcache = make_gcache(layers=[Lying("remote", clock)])
        get_user = side.cached(gcache, Source(), track_for_invalidation=tracked)
        key = get_user.key(1)

        with gcache.enable():
            if verb == "call":
                assert 1 == get_user(1)
            elif verb == "peek":
                assert MISSING is get_user.peek(1)
            elif verb == "refresh":
                assert 1 == get_user.refresh(1)
            else:
                side.do(gcache, "put", key, "value")

    def test_broken(
        self,
        make_gcache: Callable[..., GCache],
        clock: Clock,
        recorded: Recorded,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Such a call is counted once, as a miss for the layer's error, and logged."""

        class Lying(SyncLayer):
            def get(self, keys: Sequence[str]) -> Any:
                return []

        gcache = make_gcache(layers=[Lying("remote", clock)])
        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            get_user(1)

        assert [("error", 1)] == recorded.calls
        assert "Layer 'remote' failed" in caplog.text

    def test_broken_memory(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, recorded: Recorded
    ) -> None:
        """A memory layer that cannot store what was loaded costs no second load, and is counted as itself."""

        class Full(MemoryLayer[Any]):
            def put(self, items: Mapping[str, Any], ttl: float) -> None:
                raise MemoryError

        gcache = make_gcache(layers=[Full(clock=clock.monotonic)])
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            assert 1 == get_user(1)
        assert 1 == source.loads

    def test_broken_hot_path(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """A memory layer that cannot look does not keep the source from answering."""

        class Torn(MemoryLayer[Any]):
            def find(self, key: str, now: float) -> Any:
                raise KeyError(key)

            find_kept = find

        gcache = make_gcache(layers=[Torn(clock=clock.monotonic)], config_refresh_sec=1000)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]

    def test_oversize_epoch(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """An epoch of any size that somebody put into the authority costs no second load."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, source := Source(), track_for_invalidation=True)
        remote.stored[gcache._engine.keys.epoch(*ENTITY)] = b"e" * 300, clock.now + 100

        with gcache.enable():
            assert 1 == get_user(1)
        assert 1 == source.loads


class TestBroken:
    """What happens when a part raises that nobody thought could."""

    @pytest.fixture
    def gcache(self, make_gcache: Callable[..., GCache], monkeypatch: pytest.MonkeyPatch) -> GCache:
        """An instance whose key builder knows no epochs."""

        def epoch(name: str) -> str:
            raise ZeroDivisionError("no epochs today")

        gcache = make_gcache()
        monkeypatch.setattr(gcache._engine.chain.routes, "_epoch_beside", epoch)
        return gcache

    @pytest.fixture
    def get_user(self, gcache: GCache, side: Any) -> Any:
        return side.cached(gcache, Source(), track_for_invalidation=True)

    def test_call(self, gcache: GCache, get_user: Any, recorded: Recorded, caplog: Any) -> None:
        """The source answers, once for each call; it is counted as broken and logged once."""
        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]

        assert [("broken", 1)] * 2 == recorded.calls
        assert [("", "ZeroDivisionError", False)] * 2 == recorded.errors
        assert 1 == len(caplog.records)
        assert "'GetUser'" in caplog.text
        assert "ZeroDivisionError: no epochs today" in caplog.text

    def test_others(self, gcache: GCache, side: Any, get_user: Any) -> None:
        """A refresh loads, a peek sees nothing, and nothing is put; none of them raises."""
        with gcache.enable():
            assert 1 == get_user.refresh(1)
            assert MISSING is get_user.peek(1)
            side.do(gcache, "put", get_user.key(1), "value")

        assert 0 == len(gcache._engine.memory)

    def test_serializer_of_long_name(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock
    ) -> None:
        """A serializer whose identity does not fit into an envelope costs no second load."""

        class Long(JsonSerializer):
            identity = "long" * 100

        gcache = make_gcache(layers=[SyncLayer("remote", clock)], serializer=Long())
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            assert 1 == get_user(1)
        assert 1 == source.loads


class TestExplicit:
    @pytest.fixture
    def gcache(self, make_gcache: Callable[..., GCache], local: Any, remote: Any) -> GCache:
        return make_gcache(layers=[local, remote])

    @pytest.fixture(params=[False, True], ids=["untracked", "tracked"])
    def key(self, request: pytest.FixtureRequest) -> GCacheKey:
        return GCacheKey("user_id", 1, "Explicit", {"page": 2}, request.param)

    def test_get(self, gcache: GCache, side: Any, key: GCacheKey) -> None:
        """An explicit key is read through like a function's."""
        source = Source()

        with gcache.enable():
            assert [1, 1] == [side.get(gcache, key, source), side.get(gcache, key, source)]
        assert 2 == side.get(gcache, key, source)

    def test_put(self, gcache: GCache, side: Any, key: GCacheKey, remote: Any) -> None:
        """What is put is what is got, in every layer."""
        with gcache.enable():
            side.do(gcache, "put", key, "value")

            assert "value" == side.get(gcache, key, Source())
        assert [gcache._engine.keys.build(key)] == remote.entries()

    def test_put_off(self, gcache: GCache, side: Any, key: GCacheKey, remote: Any) -> None:
        """Where caching is off, or ramped down, nothing is put."""
        side.do(gcache, "put", key, "value")

        assert {} == remote.stored

    def test_put_ramped_down(
        self, make_gcache: Callable[..., GCache], side: Any, key: GCacheKey, remote: Any
    ) -> None:
        """Nor where it is ramped down."""
        gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: GCacheKeyConfig())
        with gcache.enable():
            side.do(gcache, "put", key, "value")

        assert {} == remote.stored

    def test_put_without_authority(
        self, gcache: GCache, side: Any, key: GCacheKey, remote: Any, local: Any
    ) -> None:
        """Where the authority cannot be asked nothing tracked is put."""
        remote.failing = {"get"}
        with gcache.enable():
            side.do(gcache, "put", key, "value")

        assert (0 if key.track_for_invalidation else 1) == len(local)

    def test_delete(self, gcache: GCache, side: Any, key: GCacheKey) -> None:
        """What is deleted is gone from every layer, and nothing else is."""
        other = GCacheKey("user_id", 1, "Explicit", {"page": 3}, key.track_for_invalidation)
        with gcache.enable():
            for one in (key, other):
                side.do(gcache, "put", one, "value")
            side.do(gcache, "delete", key)

            assert [1, "value"] == [side.get(gcache, one, Source()) for one in (key, other)]

    def test_delete_unreachable(
        self, gcache: GCache, side: Any, key: GCacheKey, remote: Any, local: Any
    ) -> None:
        """A layer that cannot be told to delete is an error, after the others were told."""
        with gcache.enable():
            side.do(gcache, "put", key, "value")
        remote.failing = {"delete"}

        with pytest.raises(LayerUnavailable, match="'remote'"):
            side.do(gcache, "delete", key)
        assert 0 == len(local)

    def test_function_of_the_name(self, gcache: GCache, side: Any) -> None:
        """A function's own key reaches the function's own entry."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)

            assert 1 == side.get(gcache, get_user.key(1), Source("other"))


class TestNoText:
    def test_unrenderable(self, gcache: GCache, side: Any) -> None:
        """A key that has no string keeps nobody from the source, enabled or not."""
        key = GCacheKey("user_id", 1, "Explicit", {"page": object()})

        assert 1 == side.get(gcache, key, Source())
        with gcache.enable():
            assert 1 == side.get(gcache, key, Source())


class TestUsedUp:
    """Values that serve one caller only."""

    async def test_a_coroutine_is_never_cached(
        self, make_gcache: Callable[..., GCache], caplog: pytest.LogCaptureFixture
    ) -> None:
        """A plain function that returns a coroutine goes on to work, uncached, and the log says why."""
        gcache = make_gcache()

        async def load(user_id: int) -> int:
            return user_id

        @gcache.cached("user_id", "user_id", "GetUser")
        def get_user(user_id: int) -> Any:
            return load(user_id)

        with gcache.enable():
            values = [await get_user(1), await get_user(1), await get_user.refresh(1)]

        assert [1, 1, 1] == values
        assert "make its function async" in caplog.text

    def test_an_iterator_is_never_cached(self, make_gcache: Callable[..., GCache]) -> None:
        """What can be run through once is given to each caller anew."""
        gcache = make_gcache()
        get_ids = gcache.cached("user_id", "user_id", "GetIds")(lambda user_id: iter([user_id]))

        with gcache.enable():
            assert [[1], [1]] == [list(get_ids(1)), list(get_ids(1))]
