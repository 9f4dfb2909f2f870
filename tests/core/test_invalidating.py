"""`invalidating`: an entity is held while it is written, and invalidated after."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheClosed, GCacheConfigError, InvalidationPending, InvalidKey
from gcache.conformance.waiting import wait_until
from gcache.core import epochs
from gcache.core.events import Invalidation
from gcache.core.holding import Holding
from gcache.core.runtime import ThreadRuntime, drive
from tests.core.layers import RetiringLayer, SyncLayer
from tests.core.stage import PATIENCE_SEC, Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

ENTITY = "user_id", 1


def within(side: Any, block: Any, body: Callable[[], Any]) -> None:
    """Run `body` in `block`, entered from the side under test."""
    if isinstance(side, SyncSide):
        with block:
            body()
        return

    async def run() -> None:
        async with block:
            body()

    side.run(run())


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread renews holds: the test says when."""
    monkeypatch.setattr("gcache.core.holding.started", lambda work, name: None)


class TestInvalidating:
    @pytest.fixture
    def gcache(self, make_gcache: Callable[..., GCache], local: Any, remote: Any) -> GCache:
        return make_gcache(layers=[local, remote])

    @pytest.fixture
    def get_user(self, gcache: GCache) -> Any:
        return SyncSide().cached(gcache, Source(), track_for_invalidation=True)

    def held(self, gcache: GCache, remote: Any) -> dict[str, float]:
        """Who holds the entity in the authority, and for how many more seconds."""
        stored = epochs.decoded(remote.value(gcache._engine.keys.epoch(*ENTITY)))
        return {holder: round(until - remote.clock.time(), 3) for holder, until in stored.items()}

    def test_nothing_is_cached_in_the_block(self, gcache: GCache, side: Any, get_user: Any) -> None:
        """Within the block reads go to the source; after it they are cached again, and anew."""
        meanwhile: list[int] = []
        with gcache.enable():
            get_user(1)
            within(
                side,
                gcache.invalidating(*ENTITY),
                lambda: meanwhile.extend([get_user(1), get_user(1)]),
            )

            assert ([2, 3], [4, 4]) == (meanwhile, [get_user(1), get_user(1)])

    def test_elsewhere_too(
        self, make_gcache: Callable[..., GCache], gcache: GCache, side: Any, remote: Any, clock: Clock
    ) -> None:
        """Another process caches nothing while the block runs."""
        other = make_gcache(
            as_other_process=True,
            urn_prefix=gcache._prefix,
            layers=[SyncLayer("remote", clock, remote.stored)],
        )
        get_there = SyncSide().cached(other, Source(), track_for_invalidation=True)
        meanwhile: list[int] = []

        with other.enable():
            get_there(1)
            within(
                side,
                gcache.invalidating(*ENTITY),
                lambda: meanwhile.extend([get_there(1), get_there(1)]),
            )

            assert ([2, 3], [4, 4]) == (meanwhile, [get_there(1), get_there(1)])

    def test_raises(self, gcache: GCache, side: Any, get_user: Any) -> None:
        """A block that raises invalidates, and its error comes out as it is."""

        def fail() -> None:
            raise LookupError("no such user")

        with gcache.enable():
            get_user(1)
            with pytest.raises(LookupError, match=r"^no such user$"):
                within(side, gcache.invalidating(*ENTITY), fail)

            assert [2, 2] == [get_user(1), get_user(1)]

    def test_blocks_overlap(self, gcache: GCache, get_user: Any) -> None:
        """The end of one block leaves the hold of another, and the last one frees the entity."""
        first, second = gcache.invalidating(*ENTITY), gcache.invalidating(*ENTITY)
        with gcache.enable():
            first.__enter__()
            second.__enter__()
            first.__exit__(None, None, None)
            meanwhile = [get_user(1), get_user(1)]
            second.__exit__(None, None, None)

            assert ([1, 2], [3, 3]) == (meanwhile, [get_user(1), get_user(1)])

    def test_nested(self, gcache: GCache, get_user: Any) -> None:
        """One block object may be entered again while it runs."""
        block = gcache.invalidating(*ENTITY)
        with gcache.enable():
            with block:
                with block:
                    pass
                meanwhile = [get_user(1), get_user(1)]

            assert ([1, 2], [3, 3]) == (meanwhile, [get_user(1), get_user(1)])

    def test_leaves_a_buffer(self, gcache: GCache, side: Any, get_user: Any, clock: Clock) -> None:
        """The end of a block ends no buffer that was set before or within it."""
        with gcache.enable():
            within(
                side,
                gcache.invalidating(*ENTITY),
                lambda: gcache.invalidate(*ENTITY, fallback_buffer_ms=5000),
            )
            meanwhile = [get_user(1), get_user(1)]
            clock.advance(6)

            assert ([1, 2], [3, 3]) == (meanwhile, [get_user(1), get_user(1)])

    def test_counted(self, gcache: GCache, side: Any, recorded: Recorded) -> None:
        """A block is one invalidation."""
        within(side, gcache.invalidating(*ENTITY), lambda: None)

        assert [Invalidation("user_id", "remote")] == recorded.of(Invalidation)

    def test_dies(
        self, make_gcache: Callable[..., GCache], gcache: GCache, get_user: Any, remote: Any, clock: Clock
    ) -> None:
        """A block that never ends, because its process died, holds the others up for its time."""
        dead = make_gcache(
            as_other_process=True,
            urn_prefix=gcache._prefix,
            layers=[SyncLayer("remote", clock, remote.stored)],
        )
        dead.invalidating(*ENTITY, hold_sec=10).__enter__()
        dead._engine._holding.close()

        with gcache.enable():
            meanwhile = [get_user(1), get_user(1)]
            clock.advance(11)

            assert ([1, 2], [3, 3]) == (meanwhile, [get_user(1), get_user(1)])

    @pytest.mark.usefixtures("by_hand")
    def test_renewed(self, gcache: GCache, side: Any, remote: Any, clock: Clock) -> None:
        """A hold is renewed well before it lapses, however long the block runs."""
        seen: list[list[float]] = []

        def last() -> None:
            for _ in range(3):
                clock.advance(9)
                holding = gcache._engine._holding
                holding._spawn = drive
                holding._renew_due()
                seen.append(list(self.held(gcache, remote).values()))

        within(side, gcache.invalidating(*ENTITY, hold_sec=10), last)

        assert [[10.0]] * 3 == seen
        assert {} == self.held(gcache, remote)

    def test_renewed_by_itself(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A thread sees to it, and ends when no block runs."""
        remote = RetiringLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        gcache._engine._holding._clock = time.monotonic

        with gcache.invalidating(*ENTITY, hold_sec=0.1):
            wait_until(lambda: len(remote.asked("retire")) > 3, sentence="three renewals")
        wait_until(
            lambda: all(thread.name != "gcache-holds" for thread in threading.enumerate()),
            sentence="the thread to end",
        )

    def test_unreachable(self, gcache: GCache, side: Any, get_user: Any, remote: Any) -> None:
        """An authority that is away keeps no block from running, and its end says what is pending."""
        remote.failing = {"*"}
        meanwhile: list[int] = []

        with gcache.enable():
            with pytest.raises(InvalidationPending):
                within(
                    side,
                    gcache.invalidating(*ENTITY),
                    lambda: meanwhile.extend([get_user(1), get_user(1)]),
                )
            remote.failing = set()
            gcache._engine.removal.pending.try_all()

            assert ([1, 2], [3, 3]) == (meanwhile, [get_user(1), get_user(1)])

    def test_unreachable_and_raises(self, gcache: GCache, side: Any, remote: Any) -> None:
        """What the block raises is what its caller gets; what is pending stands in a note."""
        remote.failing = {"*"}

        def fail() -> None:
            raise LookupError("no such user")

        with pytest.raises(LookupError) as caught:
            within(side, gcache.invalidating(*ENTITY), fail)

        [note] = caught.value.__notes__
        assert "could not be told yet" in note

    def test_closed_within_and_raises(self, gcache: GCache, side: Any) -> None:
        """What the block raises comes out as well if the instance was closed meanwhile."""

        def fail() -> None:
            gcache.close()
            raise LookupError("no such user")

        with pytest.raises(LookupError) as caught:
            within(side, gcache.invalidating(*ENTITY), fail)

        assert "was closed" in caught.value.__notes__[0]

    def test_reached_at_the_end(self, gcache: GCache, side: Any, get_user: Any, remote: Any) -> None:
        """It is enough that the authority can be told when the block ends."""
        remote.failing = {"*"}
        with gcache.enable():
            get_user(1)
            within(side, gcache.invalidating(*ENTITY), lambda: remote.failing.clear())

            assert [2, 2] == [get_user(1), get_user(1)]

    def test_keeps_what_is_owed(self, gcache: GCache, side: Any, remote: Any, clock: Clock) -> None:
        """A buffer that the authority has not heard of is still owed when a block ends that it has."""
        remote.failing = {"*"}
        with pytest.raises(InvalidationPending):
            gcache.invalidate(*ENTITY, fallback_buffer_ms=60_000)
        remote.failing = set()

        within(side, gcache.invalidating(*ENTITY), lambda: None)
        gcache._engine.removal.pending.try_all()

        assert {"": 60.0} == self.held(gcache, remote)

    def test_forked_within(self, gcache: GCache, remote: Any) -> None:
        """A child that leaves the block of its parent ends nothing of its parent's."""
        block = gcache.invalidating(*ENTITY)
        block.__enter__()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            block.__exit__(None, None, None)
            is_held_here = gcache._engine._generations.held(gcache._engine.keys.epoch(*ENTITY), 0)
            os.write(writer, repr((len(self.held(gcache, remote)), is_held_here)).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert b"(1, False)" == os.read(reader, 100)
        block.__exit__(None, None, None)
        assert {} == self.held(gcache, remote)

    @pytest.mark.parametrize("hold_sec", [0, -1, float("inf"), float("nan"), 0.0004, 1e11, "30", None, True])
    def test_how_long(self, gcache: GCache, hold_sec: Any) -> None:
        """What is no length of time, or none that can be kept, is refused at once, with what to give."""
        with pytest.raises(
            GCacheConfigError, match=r"hold_sec is .*: give (a number|seconds, from 0\.1 to a year)"
        ):
            gcache.invalidating(*ENTITY, hold_sec=hold_sec)

    def test_bad_key(self, gcache: GCache, side: Any) -> None:
        """A key type that no key can carry keeps the block from running."""
        ran: list[bool] = []
        with pytest.raises(InvalidKey):
            within(side, gcache.invalidating("user:id", 1), lambda: ran.append(True))

        assert [] == ran

    def test_closed(self, gcache: GCache, side: Any) -> None:
        """A closed instance says so before the block runs."""
        gcache.close()

        with pytest.raises(GCacheClosed):
            within(side, gcache.invalidating(*ENTITY), lambda: None)


def test_memory_alone(gcache: GCache, side: Any) -> None:
    """In a chain that ends in memory the block holds as well."""
    get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)
    meanwhile: list[int] = []

    with gcache.enable():
        get_user(1)
        within(side, gcache.invalidating(*ENTITY), lambda: meanwhile.extend([get_user(1), get_user(1)]))

        assert ([2, 3], [4, 4]) == (meanwhile, [get_user(1), get_user(1)])


@pytest.mark.usefixtures("by_hand")
class TestHolding:
    def test_ended_while_it_is_renewed(self, clock: Clock) -> None:
        """A renewal that comes after the end of its block is taken back."""
        told: list[tuple[str, str, float]] = []

        async def renew(entity: str, holder: str, hold_sec: float) -> None:
            told.append((entity, holder, hold_sec))
            holding.end(holder)

        holding = Holding(renew, drive, clock.monotonic)
        holding.begin("user", "a", 30)
        clock.advance(10)

        holding._renew_due()

        assert [("user", "a", 30), ("user", "a", 0)] == told

    def test_only_what_is_due(self, clock: Clock) -> None:
        """A hold is renewed after a third of its time, and not before."""
        told: list[str] = []

        async def renew(entity: str, holder: str, hold_sec: float) -> None:
            told.append(holder)

        holding = Holding(renew, drive, clock.monotonic)
        holding.begin("user", "long", 30)
        holding.begin("user", "short", 3)
        for seconds in (0.5, 0.5, 9):
            clock.advance(seconds)
            holding._renew_due()

        assert ["short", "long", "short"] == told

    def test_a_silent_node_keeps_up_no_other(self, clock: Clock) -> None:
        """Each renewal is by itself, so one that does not come back leaves the others alone."""
        told: list[str] = []
        gate = threading.Event()

        async def renew(entity: str, holder: str, hold_sec: float) -> None:
            assert holder != "silent" or gate.wait(PATIENCE_SEC)
            told.append(holder)

        holding = Holding(renew, ThreadRuntime().spawn, clock.monotonic)
        holding.begin("user", "silent", 30)
        holding.begin("other", "well", 30)
        clock.advance(10)
        holding._renew_due()

        wait_until(lambda: told == ["well"], sentence="the other hold to be renewed")
        gate.set()
        wait_until(lambda: told == ["well", "silent"], sentence="the first one to be renewed")
