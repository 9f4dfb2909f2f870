"""Invalidations that could not reach the authority."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from gcache import MISSING, GCache, InvalidationPending, LayerUnavailable
from gcache.conformance.waiting import wait_until
from gcache.core.epochs import standing
from gcache.core.events import Pending as PendingEvent
from gcache.core.pending import MOST, Debt, Pending
from tests.core.layers import AsyncRetiringLayer, SyncLayer
from tests.core.stage import Clock, Recorded, Source, SyncSide

ENTITY = "user_id", 1


class Deaf(SyncLayer):
    """A layer that hears nothing of what is retired while it is deaf."""

    is_deaf = True

    def delete(self, keys: Any) -> int:
        if self.is_deaf:
            raise ConnectionError("not now")
        return super().delete(keys)

    def put(self, items: Any, ttl: float) -> None:
        if self.is_deaf and any(key.endswith("#epoch") for key in items):
            raise ConnectionError("not now")
        super().put(items, ttl)


class Slow(AsyncRetiringLayer):
    """A layer whose answers to `aretire` do not come while it is slow."""

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self.is_slow = True
        self.is_asked = asyncio.Event()

    async def aretire(self, key: str, holder: str, ttl: float) -> None:
        if self.is_slow:
            self.is_asked.set()
            await asyncio.Event().wait()
        await super().aretire(key, holder, ttl)


class Told:
    """What the authority was told, and whether it hears."""

    def __init__(self) -> None:
        self.hears = False
        self.entities: list[tuple[str, float]] = []
        self.counts: list[int] = []

    def tell(self, entity: str, debt: Debt, hold_sec: float) -> bool:
        if self.hears:
            self.entities.append((entity, hold_sec))
        return self.hears

    def record(self, event: PendingEvent) -> None:
        self.counts.append(event.waiting)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def pending(told: Told, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Pending:
    """One whose thread never gets to it, so that a test says when."""
    monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
    return Pending(told.tell, told.record, clock.monotonic)


class TestPending:
    def test_remembers_until_it_is_heard(self, pending: Pending, told: Told) -> None:
        """What did not get through is kept, counted, and gone once it has got through."""
        pending.add("one", 0.0)
        pending.add("two", 0.0)

        before = pending.try_all(), "one" in pending
        told.hears = True
        after = pending.try_all(), "one" in pending
        pending.close()

        assert ((False, True), (True, False)) == (before, after)
        assert [1, 2, 1, 0] == told.counts

    def test_keeps_the_longer_hold(self, pending: Pending, told: Told, clock: Clock) -> None:
        """Of two invalidations of one entity the hold that ends later is what the authority hears."""
        pending.add("one", clock.monotonic() + 10)
        pending.add("one", clock.monotonic() + 5)
        told.hears = True

        pending.close()

        assert [("one", 10.0)] == told.entities

    def test_a_later_one_that_got_through_does_for_both(self, pending: Pending, told: Told) -> None:
        """What the authority has heard since is not told again."""
        pending.add("one", 0.0)
        pending.done("one", pending.last_number)
        told.hears = True

        pending.close()

        assert [] == told.entities

    def test_an_earlier_one_does_not_do_for_a_later(self, pending: Pending) -> None:
        """What was told before a debt came up does not settle it."""
        number = pending.last_number
        pending.add("one", 0.0)

        pending.done("one", number)

        assert "one" in pending
        pending.close()

    def test_another_holder_is_still_owed(self, pending: Pending) -> None:
        """Who tells of one holder's end has not told of another's."""
        pending.add("one", 0.0, "a")

        pending.done("one", pending.last_number, frozenset({"b"}))

        assert "one" in pending
        pending.close()

    def test_goes_on_past_failures(self, told: Told, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        """What cannot be told keeps up nothing that can, wherever it stands."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        told.hears = True

        def tell(entity: str, debt: Debt, hold_sec: float) -> bool:
            return not entity.startswith("dead") and told.tell(entity, debt, hold_sec)

        pending = Pending(tell, told.record, clock.monotonic)
        for number in range(30):
            pending.add(f"dead {number}", 0.0)
        pending.add("well", 0.0)

        pending.try_all()
        pending.try_all()

        assert [("well", 0.0)] == told.entities
        pending.close()

    def test_an_outage_is_not_asked_too_often(
        self, told: Told, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A round ends after some failures, and the last chance after a few."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        tries: list[str] = []

        def tell(entity: str, debt: Debt, hold_sec: float) -> bool:
            tries.append(entity)
            return False

        pending = Pending(tell, told.record, clock.monotonic)
        for number in range(100):
            pending.add(str(number), 0.0)
        pending.try_all()
        in_a_round = len(tries)
        pending.close()

        assert (20, 23) == (in_a_round, len(tries))

    def test_is_bounded(self, pending: Pending) -> None:
        """One too many is not taken on; one that is known already is."""
        taken = [pending.add(str(number), 0.0) for number in range(MOST)]

        assert all(taken)
        assert (False, True) == (pending.add("one more", 0.0), pending.add("7", 0.0))
        pending.close()

    def test_close_says_what_is_left(self, pending: Pending) -> None:
        """The last chance may fail as well."""
        pending.add("one", 0.0)

        assert ["one"] == pending.close()

    def test_tries_by_itself(self, told: Told, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread goes on trying, and ends when there is nothing left to try."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 0.001)
        pending = Pending(told.tell, told.record, clock.monotonic)

        pending.add("one", 0.0)
        told.hears = True
        wait_until(lambda: "one" not in pending, sentence="it was told")
        wait_until(
            lambda: all(thread.name != "gcache-pending" for thread in threading.enumerate()),
            sentence="the thread has ended",
        )

        assert [("one", 0.0)] == told.entities


class TestInvalidate:
    @pytest.fixture
    def remote(self, clock: Clock) -> Deaf:
        return Deaf("remote", clock)

    @pytest.fixture
    def gcache(self, make_gcache: object, remote: Deaf, monkeypatch: pytest.MonkeyPatch) -> GCache:
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        return make_gcache(layers=[remote])  # type: ignore[operator,no-any-return]

    def test_nothing_old_is_read_meanwhile(self, gcache: GCache, remote: Deaf) -> None:
        """This process serves its own invalidation at once, though the old entry still lies in the layer."""
        get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)
        with gcache.enable():
            get_user(1)
            with pytest.raises(InvalidationPending):
                gcache.invalidate(*ENTITY)

            meanwhile = [get_user(1), get_user.peek(1), get_user(1)]
            remote.is_deaf = False
            gcache._engine.removal.pending.try_all()
            afterwards = [get_user(1), get_user(1)]

        assert ([2, MISSING, 3], [4, 4]) == (meanwhile, afterwards)

    def test_one_that_began_earlier_does_not_settle_it(self, gcache: GCache, remote: Deaf) -> None:
        """A slow invalidation that gets through leaves what failed after it had begun."""
        get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)
        remote.is_deaf = False

        def meanwhile() -> None:
            remote.before.clear()
            remote.is_deaf = True
            with pytest.raises(InvalidationPending):
                gcache.invalidate(*ENTITY)
            remote.is_deaf = False

        remote.before["delete"] = meanwhile
        gcache.invalidate(*ENTITY)

        assert gcache._engine.keys.epoch(*ENTITY) in gcache._engine.removal.pending
        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]

    async def test_cancelled(self, make_gcache: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        """An invalidation whose task was cancelled may not have got through, so it is told again."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        remote = Slow("remote", clock)
        gcache = make_gcache(layers=[remote])
        task = asyncio.create_task(gcache.ainvalidate(*ENTITY))
        await remote.is_asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert gcache._engine.keys.epoch(*ENTITY) in gcache._engine.removal.pending
        remote.is_slow = False
        await asyncio.to_thread(gcache._engine.removal.pending.try_all)
        assert 1 == len(remote.asked("retire"))

    @pytest.mark.parametrize("where", ["entry", "exit"])
    async def test_cancelled_block(
        self, make_gcache: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        """A block that is cancelled as it begins or ends leaves no hold behind, and what it ends is ended."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        remote = Slow("remote", clock)
        remote.is_slow = where == "entry"
        gcache = make_gcache(layers=[remote])

        async def write() -> None:
            async with gcache.invalidating(*ENTITY, hold_sec=3600):
                remote.is_slow = True

        task = asyncio.create_task(write())
        await remote.is_asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        remote.is_slow = False
        await asyncio.to_thread(gcache._engine.removal.pending.try_all)

        assert {} == remote.stored
        assert not gcache._engine._holding._held

    @pytest.mark.parametrize("verb", ["delete", "put"])
    def test_an_error_that_cannot_be_shown(self, gcache: GCache, remote: Deaf, verb: str) -> None:
        """A layer's own exception that fails as it is shown keeps nothing from being owed."""

        class Unspeakable(Exception):
            def __str__(self) -> str:
                raise LookupError("no text")

        def fail() -> None:
            raise Unspeakable

        remote.is_deaf = False
        remote.before[verb] = fail
        with pytest.raises(InvalidationPending):
            gcache.invalidate(*ENTITY, fallback_buffer_ms=5000 if verb == "put" else 0)

        assert gcache._engine.keys.epoch(*ENTITY) in gcache._engine.removal.pending

    def test_counts_what_waits(self, gcache: GCache, remote: Deaf, recorded: Recorded) -> None:
        """A gauge says how many have not got through."""
        with pytest.raises(LayerUnavailable):
            gcache.invalidate(*ENTITY)
        remote.is_deaf = False
        gcache.invalidate(*ENTITY)

        assert [1, 0] == [event.waiting for event in recorded.events if isinstance(event, PendingEvent)]

    def test_a_later_one_keeps_the_hold(self, gcache: GCache, remote: Deaf) -> None:
        """A buffer that could not be set is set by the next invalidation that gets through."""
        get_user = SyncSide().cached(gcache, Source(), track_for_invalidation=True)
        with pytest.raises(InvalidationPending):
            gcache.invalidate(*ENTITY, fallback_buffer_ms=60_000)
        remote.is_deaf = False

        gcache.invalidate(*ENTITY)

        [stored] = [value for value, _ in remote.stored.values()]
        assert "hold" == standing(stored)
        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]

    def test_close_names_what_was_never_told(self, gcache: GCache, caplog: pytest.LogCaptureFixture) -> None:
        """Closing tries once more, and logs the entities that are left."""
        with pytest.raises(InvalidationPending):
            gcache.invalidate(*ENTITY)

        with caplog.at_level(logging.WARNING, "gcache"):
            gcache.close()

        assert "1 invalidations never reached" in caplog.text
        assert "user_id:1" in caplog.text
