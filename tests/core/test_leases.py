"""One load per key at a time across processes, for use cases that ask for it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from gcache import GCacheKeyConfig
from gcache.conformance.waiting import wait_until
from gcache.core.events import Lease, Stale
from tests.core.layers import SyncLayer
from tests.core.stage import PATIENCE_SEC, Clock, Recorded, Source, SyncSide, in_background

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

LEASE_SEC = 5.0
CONFIG = GCacheKeyConfig(ttl_sec={"*": 60}, ramp={"*": 100}, lease_sec=LEASE_SEC)
tracked = pytest.mark.parametrize("is_tracked", [False, True], ids=["untracked", "tracked"])


@pytest.fixture
def remote(clock: Clock) -> SyncLayer:
    return SyncLayer("remote", clock)


def leases(remote: SyncLayer) -> list[str]:
    return [key for key in remote.stored if "#lease" in key]


def results(recorded: Recorded) -> list[str]:
    return [event.result for event in recorded.of(Lease)]


class Elsewhere:
    """Another process over the same authority, where something happens when this one asks for the lease."""

    def __init__(self, make_gcache: Callable[..., GCache], side: Any, remote: SyncLayer, config: Any) -> None:
        self.twin = SyncLayer("remote", remote.clock, remote.stored)
        prefix = "urn:leases"
        self.here = make_gcache(layers=[remote], cache_config_provider=lambda key: config, urn_prefix=prefix)
        self.there = make_gcache(
            layers=[self.twin],
            cache_config_provider=lambda key: config,
            urn_prefix=prefix,
            as_other_process=True,
        )
        self.side = side

    def cached(self, source: Source, other: Source, **options: Any) -> tuple[Any, Any]:
        return self.side.cached(self.here, source, **options), SyncSide().cached(self.there, other, **options)


@pytest.fixture
def elsewhere(make_gcache: Callable[..., GCache], side: Any, remote: SyncLayer) -> Elsewhere:
    return Elsewhere(make_gcache, side, remote, CONFIG)


class TestHeld:
    @tracked
    def test_while_loading(
        self, elsewhere: Elsewhere, remote: SyncLayer, recorded: Recorded, is_tracked: bool
    ) -> None:
        """The lease stands while the one load runs, and is given back when the entry is there."""
        held: list[list[str]] = []
        source = Source()
        source.before = lambda: held.append(leases(remote))
        get_user, _ = elsewhere.cached(source, Source(), track_for_invalidation=is_tracked)

        with elsewhere.here.enable():
            get_user(1)

        assert [1] == [len(keys) for keys in held]
        assert ([], ["held"]) == (leases(remote), results(recorded))

    def test_failing_load(self, elsewhere: Elsewhere, remote: SyncLayer) -> None:
        """A load that fails gives the lease back, too, and its caller the error."""
        get_user, _ = elsewhere.cached(Source(LookupError("down")), Source())

        with elsewhere.here.enable(), pytest.raises(LookupError):
            get_user(1)

        assert [] == leases(remote)

    async def test_cancelled(self, make_gcache: Callable[..., GCache], remote: SyncLayer) -> None:
        """A holder that is cancelled gives the lease back."""
        gcache = make_gcache(layers=[remote], cache_config_provider=lambda key: CONFIG)
        gate = asyncio.Event()

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        async def get_user(user_id: int) -> None:
            await gate.wait()

        with gcache.enable():
            task = asyncio.create_task(get_user(1))
            while not leases(remote):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert [] == leases(remote)

    def test_not_anothers(self, elsewhere: Elsewhere, remote: SyncLayer, clock: Clock) -> None:
        """A lease that has ended during the load, and may be another's by now, is left alone."""
        source = Source()

        def outlive() -> None:
            [key] = leases(remote)
            clock.advance(LEASE_SEC + 1)
            remote.stored[key] = b"l", clock.now + LEASE_SEC

        source.before = outlive
        get_user, _ = elsewhere.cached(source, Source())

        with elsewhere.here.enable():
            get_user(1)

        assert 1 == len(leases(remote))

    def test_flushed(self, elsewhere: Elsewhere, remote: SyncLayer, side: Any) -> None:
        """A lease lies under the prefix that a flush removes."""
        source, seen = Source(), list[list[str]]()

        def flush() -> None:
            seen.append(leases(remote))
            elsewhere.there.flushall()
            seen.append(leases(remote))

        source.before = flush
        get_user, _ = elsewhere.cached(source, Source())

        with elsewhere.here.enable():
            get_user(1)

        assert [1, 0] == [len(keys) for keys in seen]


class TestWaiting:
    @tracked
    def test_for_the_entry(
        self, elsewhere: Elsewhere, remote: SyncLayer, recorded: Recorded, is_tracked: bool
    ) -> None:
        """Whoever finds the lease taken gets what its holder brings, and loads nothing."""
        source, other, gate = Source(), Source("theirs"), threading.Event()
        other.before = lambda: gate.wait(PATIENCE_SEC)
        get_user, get_theirs = elsewhere.cached(source, other, track_for_invalidation=is_tracked)

        with elsewhere.there.enable(), in_background(lambda: get_theirs(1)) as theirs:
            wait_until(lambda: bool(leases(remote)), sentence="the other process has the lease")
            remote.before["get"] = call_at(3, gate.set)
            with elsewhere.here.enable():
                mine = get_user(1)

        assert ["theirs", "theirs"] == [mine, theirs()]
        assert (0, 1) == (source.loads, other.loads)
        assert ["held", "waited"] == results(recorded)

    def test_after_a_failure(self, elsewhere: Elsewhere, remote: SyncLayer) -> None:
        """When the holder's load has failed, the next one in turn loads."""
        source, other, gate = Source("mine"), Source(LookupError("down")), threading.Event()
        other.before = lambda: gate.wait(PATIENCE_SEC)
        get_user, get_theirs = elsewhere.cached(source, other)

        with elsewhere.there.enable(), in_background(lambda: get_theirs(1)) as theirs:
            wait_until(lambda: bool(leases(remote)), sentence="the other process has the lease")
            remote.before["get"] = call_at(3, gate.set)
            with elsewhere.here.enable():
                mine = get_user(1)
            with pytest.raises(LookupError):
                theirs()

        assert "mine" == mine
        assert [] == leases(remote)

    def test_dead_holder(
        self, elsewhere: Elsewhere, remote: SyncLayer, clock: Clock, recorded: Recorded
    ) -> None:
        """A holder that died costs the time of one lease, and no more."""
        get_user, _ = elsewhere.cached(Source(), Source())
        name = elsewhere.here._engine.keys.build(get_user.key(1))
        remote.stored[f"{name}#lease"] = b"l", clock.now + 1000 * LEASE_SEC
        began = clock.now
        remote.before["add"] = lambda: clock.advance(LEASE_SEC / 4)

        with elsewhere.here.enable():
            assert 1 == get_user(1)
        assert LEASE_SEC <= clock.now - began < 2 * LEASE_SEC
        assert ["lapsed"] == results(recorded)

    def test_invalidated_meanwhile(self, elsewhere: Elsewhere, remote: SyncLayer) -> None:
        """Whoever asks after an invalidation does not wait for a load from before it, nor get its value."""
        source, other, gate = Source("new", "newer"), Source("old"), threading.Event()
        other.before = lambda: gate.wait(PATIENCE_SEC)
        get_user, get_theirs = elsewhere.cached(source, other, track_for_invalidation=True)

        with elsewhere.there.enable(), in_background(lambda: get_theirs(1)) as theirs:
            wait_until(lambda: bool(leases(remote)), sentence="the other process has the lease")
            elsewhere.side.do(elsewhere.here, "invalidate", "user_id", 1)
            with elsewhere.here.enable():
                mine = get_user(1)
                gate.set()
                theirs()

                assert ["new", "newer"] == [mine, get_user(1)]

    def test_stale(
        self,
        make_gcache: Callable[..., GCache],
        side: Any,
        remote: SyncLayer,
        clock: Clock,
        recorded: Recorded,
    ) -> None:
        """Whoever has something stale is served it, and does not wait for another process."""
        config = evolve(CONFIG, stale_if_error_sec=30)
        elsewhere = Elsewhere(make_gcache, side, remote, config)
        get_user, _ = elsewhere.cached(source := Source(), Source())
        name = elsewhere.here._engine.keys.build(get_user.key(1))

        with elsewhere.here.enable():
            get_user(1)
            clock.advance(61)
            remote.stored[f"{name}#lease"] = b"l", clock.now + LEASE_SEC

            assert 1 == get_user(1)
        assert (1, ["leased"]) == (source.loads, [event.reason for event in recorded.of(Stale)])

    def test_layer_down(self, elsewhere: Elsewhere, remote: SyncLayer) -> None:
        """A layer that lends nothing keeps nobody from loading."""
        get_user, _ = elsewhere.cached(Source(), Source())
        remote.failing = {"add"}

        with elsewhere.here.enable():
            assert 1 == get_user(1)

    def test_no_authority(self, make_gcache: Callable[..., GCache], side: Any) -> None:
        """In a chain of memory alone there is nobody to ask, and nothing to wait for."""
        gcache = make_gcache(cache_config_provider=lambda key: CONFIG)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]


def call_at(number: int, act: Callable[[], object]) -> Callable[[], None]:
    """Return what calls `act` when it is called for the `number`-th time."""
    calls = itertools.count(1)

    def called() -> None:
        if next(calls) == number:
            act()

    return called
