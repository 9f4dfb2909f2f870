"""Invalidations that could not reach the authority."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from gcache import MISSING, GCache, InvalidationPending, LayerUnavailable
from gcache.core.epochs import standing
from gcache.core.events import Pending as PendingEvent
from gcache.core.pending import MOST, Pending
from tests.core.layers import SyncLayer
from tests.core.stage import Clock, Recorded, Source, SyncSide
from tests.servers.waiting import wait_until

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


class Told:
    """What the authority was told, and whether it hears."""

    def __init__(self) -> None:
        self.hears = False
        self.entities: list[tuple[str, float]] = []
        self.counts: list[int] = []

    def tell(self, entity: str, hold_sec: float) -> bool:
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
        pending.done("one")
        told.hears = True

        pending.close()

        assert [] == told.entities

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
            gcache._engine.chain.removal.pending.try_all()
            afterwards = [get_user(1), get_user(1)]

        assert ([2, MISSING, 3], [4, 4]) == (meanwhile, afterwards)

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
