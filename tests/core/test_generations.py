"""What this process knows of invalidations."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any
from weakref import WeakValueDictionary

import pytest

from gcache.core.entries import Generation
from gcache.core.generations import _RECENT, Generations
from tests.core.stage import in_background, in_threads


@pytest.fixture
def generations() -> Generations:
    return Generations()


class TestGenerations:
    def test_one_at_a_time(self, generations: Generations) -> None:
        """An entity has one generation while somebody refers to it, entities have different ones."""
        user = generations.of("user")

        assert user is generations.of("user")
        assert user is not generations.of("other")
        assert user.alive

    def test_finalizer(self, generations: Generations) -> None:
        """A finalizer that runs while one is made gets one that has ended, and may invalidate."""
        inner: list[Generation] = []

        class Making(WeakValueDictionary[str, Generation]):
            def __setitem__(self, entity: str, generation: Generation) -> None:
                inner.append(generations.of(entity))
                generations.kill("other", now=0, hold_sec=1)
                super().__setitem__(entity, generation)

        generations._live = Making()
        with in_background(lambda: generations.of("user")) as made:
            user = made()

        assert [False] == [generation.alive for generation in inner]
        assert (True, user) == (user.alive, generations.of("user"))
        assert generations.held("other", now=0.5)

    def test_kill(self, generations: Generations) -> None:
        """What dies stays dead, the next one lives, and nobody else is touched."""
        user, other, untracked = generations.of("user"), generations.of("other"), generations.of(None)

        generations.kill("user", now=0)

        assert (False, True, True) == (user.alive, other.alive, untracked.alive)
        assert generations.of("user").alive

    def test_interrupted_kill(self, generations: Generations, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that is interrupted anywhere leaves nothing alive that the next one does not find."""
        user, pop = generations.of("user"), generations._live.pop

        def interrupted(*args: Any) -> None:
            pop(*args)
            raise KeyboardInterrupt

        monkeypatch.setattr(generations._live, "pop", interrupted)
        with pytest.raises(KeyboardInterrupt):
            generations.kill("user", now=0)
        monkeypatch.undo()
        generations.kill("user", now=0)

        assert not user.alive

    def test_kept_when_interrupted(self, generations: Generations) -> None:
        """One that has ended, and is still here as somebody was interrupted, is not given to anybody."""
        generations.of("user").alive = False

        assert generations.of("user").alive

    def test_kill_nobody(self, generations: Generations) -> None:
        """An entity that nobody refers to can be killed."""
        generations.kill("user", now=0)

        assert generations.of("user").alive

    def test_kill_all(self, generations: Generations) -> None:
        """All die, the untracked too; holds stay."""
        generations.kill("user", now=0, hold_sec=5)
        before = [generations.of(entity) for entity in ("user", "other", None)]

        generations.kill_all()

        assert [False] * 3 == [generation.alive for generation in before]
        assert [True] * 3 == [generations.of(entity).alive for entity in ("user", "other", None)]
        assert generations.held("user", now=4)

    def test_kill_all_beside_readers(self, generations: Generations) -> None:
        """Readers who let generations go and find others meanwhile do not keep all from dying."""
        over, usually = threading.Event(), sys.getswitchinterval()
        held = [generations.of(str(number)) for number in range(100_000)]
        kept = [generations.of("kept"), *held[::2]]

        def work(number: int) -> None:
            if number == 0:
                generations.kill_all()
                over.set()
            while held and not over.is_set():
                held.pop()
                generations.of("kept")

        sys.setswitchinterval(1e-6)
        try:
            results = in_threads(3, work)
        finally:
            sys.setswitchinterval(usually)

        assert [None] * 3 == results
        assert not any(generation.alive for generation in kept)

    def test_forgotten(self, generations: Generations) -> None:
        """Generations that nobody refers to are kept while they are recent, and no longer."""
        first = id(generations.of("first"))
        recent = id(generations.of("first"))
        for number in range(2 * _RECENT):
            generations.of(str(number))
        gc.collect()

        assert first == recent
        assert _RECENT == len(generations._live)

    def test_referred_to(self, generations: Generations) -> None:
        """One that somebody refers to stays, however many come after it."""
        user = generations.of("user")
        for number in range(2 * _RECENT):
            generations.of(str(number))

        assert user is generations.of("user")


class TestHolds:
    def test_lapses(self, generations: Generations) -> None:
        """A hold stands until its time has come, and for its entity alone."""
        generations.kill("user", now=10, hold_sec=5)

        assert [True, True, False] == [generations.held("user", now) for now in (10, 14.9, 15)]
        assert not generations.held("other", 10)

    def test_none(self, generations: Generations) -> None:
        """Without a length there is no hold."""
        generations.kill("user", now=10)

        assert not generations.held("user", 10)

    @pytest.mark.parametrize("second", [0, 1, 4])
    def test_never_shortened(self, generations: Generations, second: float) -> None:
        """A shorter hold after a longer one leaves the longer."""
        generations.kill("user", now=10, hold_sec=5)
        generations.kill("user", now=11, hold_sec=second)

        assert [True, False] == [generations.held("user", now) for now in (14.9, 15)] or second == 4

    def test_lengthened(self, generations: Generations) -> None:
        """A longer one takes its place."""
        generations.kill("user", now=10, hold_sec=5)
        generations.kill("user", now=12, hold_sec=5)

        assert [True, False] == [generations.held("user", now) for now in (16.9, 17)]

    def test_after_fork(self, generations: Generations) -> None:
        """A child keeps the buffers, and not the holds of blocks that its parent ends."""
        generations.kill("user", now=10, hold_sec=5)
        generations.kill("user", now=10, hold_sec=3600, holder="a block")
        generations.kill("other", now=10, hold_sec=3600, holder="a block")

        generations.after_fork()

        assert [True, False] == [generations.held("user", now) for now in (14.9, 15)]
        assert not generations.held("other", 10)

    def test_lapsed_make_room(self, generations: Generations) -> None:
        """Lapsed holds are forgotten with the next one."""
        for number in range(100):
            generations.kill(str(number), now=number, hold_sec=1)

        assert 1 == len(generations.holds)
