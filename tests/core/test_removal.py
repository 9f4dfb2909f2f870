"""Making the layers forget: one entity with `invalidate`, everything with `flushall`, and the end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    GCacheClosed,
    GCacheConfigError,
    GCacheKey,
    JsonSerializer,
    LayerUnavailable,
    MemoryLayer,
)
from gcache.core.envelope import Sealed, open_sealed, seal
from gcache.core.events import Invalidation
from gcache.core.missing import MISSING
from tests.core.layers import (
    LayerDown,
    SyncLayer,
    plant_epoch,
)
from tests.core.stage import PATIENCE_SEC, Clock, Recorded, Source, SyncSide, in_background

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

ENTITY = "user_id", 1


class TestInvalidate:
    @pytest.fixture
    def gcache(self, make_gcache: Callable[..., GCache], local: Any, remote: Any) -> GCache:
        return make_gcache(layers=[local, remote])

    @pytest.fixture
    def get_user(self, gcache: GCache, side: Any) -> Any:
        return side.cached(gcache, Source(), track_for_invalidation=True)

    def test_all_of_the_entity(self, gcache: GCache, side: Any, get_user: Any) -> None:
        """All entries of the entity are gone, whatever their arguments and use case; others stay."""
        get_posts = side.cached(gcache, Source(), use_case="GetPosts", track_for_invalidation=True)
        calls = [lambda: get_user(1), lambda: get_user("1", 2), lambda: get_posts(1), lambda: get_user(2)]

        with gcache.enable():
            before = [call() for call in calls]
            side.do(gcache, "invalidate", "user_id", "1")
            after = [call() for call in calls]

        assert [1, 2, 1, 3] == before
        assert [4, 5, 2, 3] == after

    def test_untracked_stay(self, gcache: GCache, side: Any) -> None:
        """Entries of an untracked use case stay."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            side.do(gcache, "invalidate", *ENTITY)

            assert 1 == get_user(1)

    def test_without_enable(self, gcache: GCache, side: Any, get_user: Any) -> None:
        """To invalidate, caching need not be enabled."""
        with gcache.enable():
            get_user(1)
        side.do(gcache, "invalidate", *ENTITY)
        with gcache.enable():
            assert 2 == get_user(1)

    def test_recorded(self, gcache: GCache, side: Any, recorded: Recorded) -> None:
        """Each invalidation is counted."""
        side.do(gcache, "invalidate", *ENTITY)

        assert [Invalidation("user_id", "remote")] == recorded.of(Invalidation)

    def test_never_again(
        self, gcache: GCache, side: Any, get_user: Any, local: Any, remote: Any, recorded: Recorded
    ) -> None:
        """The bytes of an invalidated entry are never served again, though they are still there."""
        with gcache.enable():
            name = gcache._engine.keys.build(get_user.key(1))
            get_user(1)
            old = remote.stored[name]
            side.do(gcache, "invalidate", *ENTITY)
            get_user(1)
            local.clear("")
            remote.stored[name] = old

            assert 3 == get_user(1)
        assert ["absent", "invalidated", "invalidated"] == [reason for reason, _ in recorded.calls]

    def test_epoch_lost(
        self, gcache: GCache, get_user: Any, local: Any, remote: Any, recorded: Recorded
    ) -> None:
        """An epoch that was evicted makes a miss, not a hit on what might be old."""
        with gcache.enable():
            get_user(1)
            local.clear("")
            del remote.stored[gcache._engine.keys.epoch(*ENTITY)]

            assert 2 == get_user(1)
        assert ["absent", "invalidated"] == [reason for reason, _ in recorded.calls]

    def test_untagged_entry(self, gcache: GCache, get_user: Any, remote: Any) -> None:
        """An entry that carries no epoch is not served to a tracked call."""
        epoch_key = gcache._engine.keys.epoch(*ENTITY)
        name = gcache._engine.keys.build(get_user.key(1))
        plant_epoch(remote, epoch_key)
        remote.stored[name] = seal(Sealed(b"I7\n.", 0.0, 9e9, None), name, "pickle:1"), 9e9

        with gcache.enable():
            assert 1 == get_user(1)

    def test_first_epoch_wins(self, gcache: GCache, get_user: Any, remote: Any) -> None:
        """A reader whose epoch comes second takes the first, and its entry counts for all."""
        epoch_key = gcache._engine.keys.epoch(*ENTITY)
        planted: list[bytes] = []
        remote.before["add"] = lambda: planted.append(plant_epoch(remote, epoch_key))

        with gcache.enable():
            get_user(1)
        name = gcache._engine.keys.build(get_user.key(1))

        assert planted == [open_sealed(remote.value(name), name, "pickle:1").epoch]

    def test_epoch_gone_in_between(self, gcache: GCache, get_user: Any, local: Any, remote: Any) -> None:
        """A reader that neither plants an epoch nor finds one stores nothing."""
        epoch_key = gcache._engine.keys.epoch(*ENTITY)

        def forget() -> None:
            remote.stored.pop(epoch_key, None)

        remote.before["add"] = lambda: (plant_epoch(remote, epoch_key), remote.before.update(get=forget))

        with gcache.enable():
            assert 1 == get_user(1)
        assert (0, []) == (len(local), remote.entries())

    def test_epoch_lives_on(self, gcache: GCache, get_user: Any, remote: Any) -> None:
        """An epoch is planted for longer than its entries live."""
        with gcache.enable():
            get_user(1)

        assert 3600 == remote.life(gcache._engine.keys.epoch(*ENTITY))

    def test_unreachable(
        self, gcache: GCache, side: Any, get_user: Any, remote: Any, local: Any, recorded: Recorded
    ) -> None:
        """An authority that cannot be told is an error; this process's own entries are dead all the same."""
        with gcache.enable():
            get_user(1)
            remote.failing = {"*"}
            with pytest.raises(LayerUnavailable, match="'remote'") as caught:
                side.do(gcache, "invalidate", *ENTITY)

            assert 2 == get_user(1)
        assert isinstance(caught.value.__cause__, LayerDown)
        assert ("remote", "LayerDown", False) in recorded.errors

    @pytest.mark.parametrize("verb", ["put", "delete"])
    def test_half_way(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, verb: str) -> None:
        """So is one that can be read but not told."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        remote.failing = {verb}

        with pytest.raises(LayerUnavailable):
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=1000 if verb == "put" else 0)

    def test_bad_buffer(self, gcache: GCache, side: Any) -> None:
        """A buffer is not negative."""
        with pytest.raises(GCacheConfigError, match="fallback_buffer_ms"):
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=-1)


class TestHold:
    @pytest.fixture
    def gcache(self, make_gcache: Callable[..., GCache], local: Any, remote: Any) -> GCache:
        return make_gcache(layers=[local, remote])

    @pytest.fixture
    def other(self, make_gcache: Callable[..., GCache], gcache: GCache, clock: Clock, remote: Any) -> GCache:
        """Another process on the same authority."""
        return make_gcache(
            as_other_process=True,
            urn_prefix=gcache._prefix,
            layers=[MemoryLayer(clock=clock.monotonic), type(remote)("remote", clock, remote.stored)],
        )

    def test_blocks(
        self, gcache: GCache, side: Any, local: Any, remote: Any, clock: Clock, recorded: Recorded
    ) -> None:
        """While a hold stands reads go to the source and nothing is stored, until it lapses."""
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=5000)
            held = [get_user(1), get_user(1)]
            clock.advance(4.999)
            held.append(get_user(1))
            assert (0, []) == (len(local), remote.entries())
            clock.advance(0.001)
            free = [get_user(1), get_user(1)]

        assert ([1, 2, 3], [4, 4]) == (held, free)
        assert ["held"] * 3 + ["absent", "local"] == [reason for reason, _ in recorded.calls]

    def test_in_other_process(
        self, gcache: GCache, other: GCache, side: Any, clock: Clock, recorded: Recorded
    ) -> None:
        """The hold stands in every process on the authority."""
        get_user = side.cached(other, Source(), track_for_invalidation=True)

        with other.enable():
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=5000)
            held = [get_user(1), get_user(1)]
            clock.advance(5)
            free = [get_user(1), get_user(1)]

        assert ([1, 2], [3, 3]) == (held, free)
        assert ["held", "held"] == [reason for reason, _ in recorded.calls][:2]

    @pytest.mark.parametrize("second_ms", [0, 1000])
    def test_never_shortened(
        self, gcache: GCache, other: GCache, side: Any, clock: Clock, second_ms: float
    ) -> None:
        """A shorter hold after a longer one, or none, leaves the longer, whoever sets it."""
        get_user = side.cached(other, Source(), track_for_invalidation=True)

        with other.enable():
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=5000)
            clock.advance(1)
            side.do(other, "invalidate", *ENTITY, fallback_buffer_ms=second_ms)
            clock.advance(3.9)
            held = [get_user(1), get_user(1)]
            clock.advance(0.1)
            free = [get_user(1), get_user(1)]

        assert ([1, 2], [3, 3]) == (held, free)

    def test_lengthened(self, gcache: GCache, other: GCache, side: Any, clock: Clock) -> None:
        """A longer one takes the place of a shorter."""
        get_user = side.cached(other, Source(), track_for_invalidation=True)

        with other.enable():
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=1000)
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=5000)
            clock.advance(4.9)
            held = [get_user(1), get_user(1)]
            clock.advance(0.1)
            free = [get_user(1), get_user(1)]

        assert ([1, 2], [3, 3]) == (held, free)

    def test_memory_alone(self, make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
        """Memory alone holds, too."""
        gcache = make_gcache()
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=5000)
            held = [get_user(1), get_user(1)]
            clock.advance(5)
            free = [get_user(1), get_user(1)]

        assert ([2, 3], [4, 4]) == (held, free)

    def test_explicit(self, gcache: GCache, other: GCache, side: Any, remote: Any) -> None:
        """Nothing is put, refreshed or peeked while a hold stands, in this process or in another."""
        side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=5000)

        for number, instance in enumerate((gcache, other)):
            get_user = side.cached(instance, Source(), track_for_invalidation=True)
            with instance.enable():
                side.do(instance, "put", get_user.key(1), "put")
                assert 1 == get_user.refresh(1), number
                assert MISSING is get_user.peek(1)
        assert [] == remote.entries()

    def test_foreign_bytes(self, gcache: GCache, side: Any, remote: Any, clock: Clock) -> None:
        """What is neither an epoch nor a hold gives way to the first load, as to an invalidation."""
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        epoch_key = gcache._engine.keys.epoch(*ENTITY)
        remote.stored[epoch_key] = b"1700000000000", clock.now + 100

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
            remote.stored[epoch_key] = b"1700000000000", clock.now + 100
            side.do(gcache, "invalidate", *ENTITY)
            assert epoch_key not in remote.stored
            assert [2, 2] == [get_user(1), get_user(1)]


class TestRaces:
    """What comes in between, at each point where something can."""

    @pytest.fixture
    def remote(self, clock: Clock) -> SyncLayer:
        return SyncLayer("remote", clock)

    @pytest.mark.parametrize("verb", ["get", "add", "load", "put"])
    @pytest.mark.parametrize("hold_ms", [0, 5000])
    @pytest.mark.parametrize("from_here", [True, False], ids=["this process", "another"])
    def test_load_in_flight(
        self,
        make_gcache: Callable[..., GCache],
        local: Any,
        remote: SyncLayer,
        clock: Clock,
        verb: str,
        hold_ms: float,
        from_here: bool,
    ) -> None:
        """Wherever a load is when its entity is invalidated, what it brings is not served afterwards."""
        gcache = make_gcache(layers=[local, remote])
        other = make_gcache(
            as_other_process=True,
            urn_prefix=gcache._prefix,
            layers=[SyncLayer("remote", clock, remote.stored)],
        )
        truth = ["old"]

        @gcache.cached("user_id", "user_id", "Get", track_for_invalidation=True)
        def get(user_id: int) -> str:
            value = truth[0]
            if verb == "load":
                change()
            return value

        @other.cached("user_id", "user_id", "Get", track_for_invalidation=True)
        def get_there(user_id: int) -> str:
            return truth[0]

        def change() -> None:
            remote.before.clear()
            if truth == ["old"]:
                truth[0] = "new"
                (gcache if from_here else other).invalidate("user_id", 1, fallback_buffer_ms=hold_ms)

        if verb != "load":
            remote.before[verb] = change
        with gcache.enable(), other.enable():
            get(1)
            if from_here or verb in ("get", "add"):
                assert ["new", "new"] == [get(1), get(1)]
            assert ["new", "new"] == [get_there(1), get_there(1)]
            clock.advance(5)
            if from_here:
                assert "new" == get(1)
            assert "new" == get_there(1)

    @pytest.mark.parametrize(
        ("verb", "tracked"), [("invalidate", True), ("flushall", True), ("flushall", False)]
    )
    def test_fill_refused(
        self, make_gcache: Callable[..., GCache], local: Any, remote: SyncLayer, verb: str, tracked: bool
    ) -> None:
        """What was read from the authority before is not served from memory afterwards."""
        gcache = make_gcache(layers=[local, remote])
        between: list[Callable[[], object]] = []

        class Interrupted(JsonSerializer):
            def load(self, data: bytes) -> Any:
                while between:
                    between.pop()()
                return super().load(data)

        get_user = SyncSide().cached(
            gcache, Source(), track_for_invalidation=tracked, serializer=Interrupted()
        )

        with gcache.enable():
            get_user(1)
            local.clear("")
            between.append(lambda: SyncSide().do(gcache, verb, *(ENTITY if verb == "invalidate" else ())))

            assert [1, 2] == [get_user(1), get_user(1)]

    def test_read_meanwhile(self, make_gcache: Callable[..., GCache], local: Any, remote: SyncLayer) -> None:
        """What is read here while the authority is being told is not served from memory afterwards."""
        gcache = make_gcache(layers=[local, remote])
        get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)
        meanwhile: list[int] = []

        with gcache.enable():
            get_user(1)
            remote.before["delete"] = lambda: meanwhile.append(get_user(1))
            gcache.invalidate(*ENTITY)

            assert ([1], 2) == (meanwhile, get_user(1))

    def test_written_meanwhile(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """What was under way here is not written any more once the authority was told."""
        gate = threading.Event()
        begun = threading.Event()

        class Slow(SyncLayer):
            def delete(self, keys: Sequence[str]) -> int:
                removed = super().delete(keys)
                gate.set()
                value()
                return removed

        gcache = make_gcache(layers=[remote := Slow("remote", clock)])
        source = Source()
        source.before = lambda: (begun.set(), gate.wait(PATIENCE_SEC))
        get_user = SyncSide().cached(gcache, source, track_for_invalidation=True)

        with gcache.enable(), in_background(lambda: get_user(1)) as value:
            assert begun.wait(PATIENCE_SEC)
            gcache.invalidate(*ENTITY)

        assert [] == remote.asked("put")


class TestFlush:
    def test_all(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        local: Any,
        disk: SyncLayer,
        remote: Any,
        clock: Clock,
    ) -> None:
        """Everything under the prefix is gone, tracked or not, and nothing else."""
        gcache = make_gcache(layers=[local, disk, remote])
        get_user = side.cached(gcache, Source())
        get_posts = side.cached(gcache, Source(), use_case="GetPosts", track_for_invalidation=True)
        foreign = {"session:1": (b"x", clock.now + 60), "urn:core-test": (b"x", clock.now + 60)}
        remote.stored.update(foreign)

        with gcache.enable():
            get_user(1), get_posts(1)
            side.do(gcache, "flushall")

            assert (foreign, {}) == (remote.stored, disk.stored)
            assert [2, 2] == [get_user(1), get_posts(1)]

    def test_progress(self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any) -> None:
        """Progress only grows, and ends with the number of entries removed."""
        gcache = make_gcache(layers=[local, remote])
        get_user = side.cached(gcache, Source())
        seen: list[int] = []

        with gcache.enable():
            for user_id in range(3):
                get_user(user_id)
        side.do(gcache, "flushall", seen.append)

        assert (sorted(seen), 6) == (seen, seen[-1])

    def test_unreachable(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any, recorded: Recorded
    ) -> None:
        """A layer that cannot be told is an error, after the others were told."""
        gcache = make_gcache(layers=[local, remote])
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            remote.failing = {"clear"}
            with pytest.raises(LayerUnavailable, match="'remote'"):
                side.do(gcache, "flushall")

        assert 0 == len(local)
        assert [("remote", "LayerDown", False)] == recorded.errors

    def test_load_in_flight(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, remote: Any
    ) -> None:
        """What a load brings that began before the flush is not served after it."""
        gcache = make_gcache(layers=[local, remote])
        source = Source()
        source.before = lambda: SyncSide().do(gcache, "flushall") if source.loads == 1 else None
        get_user = side.cached(gcache, source)

        with gcache.enable():
            assert [1, 2, 2] == [get_user(1), get_user(1), get_user(1)]


class TestClose:
    def test_layers(
        self, make_gcache: Callable[..., GCache], side: Any, local: Any, disk: SyncLayer, remote: Any
    ) -> None:
        """Every layer is closed once, though one of them fails."""
        gcache = make_gcache(layers=[local, disk, remote])
        remote.failing = {"close"}

        side.do(gcache, "close")
        side.do(gcache, "close")

        assert [1, 1] == [len(layer.asked("close")) for layer in (disk, remote)]

    def test_after(
        self, make_gcache: Callable[..., GCache], side: Any, remote: Any, recorded: Recorded
    ) -> None:
        """A closed instance says that it cannot invalidate or flush; its functions go to their sources."""
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            get_user(1)
        side.do(gcache, "close")
        recorded.forget()

        for verb, args in (("invalidate", ENTITY), ("flushall", ())):
            with pytest.raises(GCacheClosed):
                side.do(gcache, verb, *args)
        with gcache.enable():
            assert [2, 3] == [get_user(1), get_user(1)]
            assert MISSING is get_user.peek(1)
            assert 4 == get_user.refresh(1)
        assert [("closed", 1)] * 3 == recorded.calls


def test_keys_of_one_use_case_tracked_and_not(make_gcache: Callable[..., GCache], clock: Clock) -> None:
    """A tracked key keeps out of middle layers, though the same use case was first met untracked."""
    middle, last = SyncLayer("middle", clock), SyncLayer("last", clock)
    gcache = make_gcache(layers=[middle, last])
    untracked = GCacheKey("user_id", 1, "GetUser")
    tracked = GCacheKey("user_id", 2, "GetUser", track_for_invalidation=True)

    with gcache.enable():
        gcache.get(untracked, Source())
        gcache.get(tracked, Source())

    assert [False, True] == [any(":2}" in key for key in layer.stored) for layer in (middle, last)]
