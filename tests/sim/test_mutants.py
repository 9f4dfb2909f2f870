from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcache.core import epochs
from gcache.core.authority import Authority
from gcache.core.entries import Generation
from gcache.core.flights import Flight, Ticket
from gcache.core.generations import Generations
from gcache.core.listener import Listener
from gcache.core.loading import Loading
from gcache.core.removal import Removal
from gcache.core.routes import Routes
from gcache.core.runtime import Outcome
from gcache.core.storing import Storing
from gcache.core.use_case import UseCase
from gcache.core.visit import Visit
from gcache.errors import LayerSkipped
from tests.sim import scenarios
from tests.sim.explorer import Violated
from tests.sim.store import ExactStore
from tests.sim.suites import explore
from tests.sim.world import EPOCH_SIZE, World

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gcache.core.runtime import Runtime
    from gcache.core.tiers import Tier


async def _fly_and_then_settle(self: Loading, runtime: Runtime, visit: Visit, flight: Flight) -> Outcome[Any]:
    loaded = await self.load(runtime, visit.call)
    visit.epoch = None
    await self.settle(runtime, visit)
    entry = self._storing.entry(visit, loaded.outcome.value, 0.0)
    await self._storing.store(runtime, visit, entry, visit.steps)
    flight.land(loaded.outcome)
    return loaded.outcome


@pytest.mark.parametrize("memory", [False, True])
def test_an_epoch_stamped_after_the_load_is_found(monkeypatch: pytest.MonkeyPatch, memory: bool) -> None:
    """A value that gets the epoch of when its load ended outlives what came in between."""
    monkeypatch.setattr(Loading, "_fly", _fly_and_then_settle)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.reader_and_writer, memory, 2)


@pytest.mark.parametrize("memory", [False, True])
def test_in_one_process_the_generation_makes_up_for_a_late_epoch(
    monkeypatch: pytest.MonkeyPatch, memory: bool
) -> None:
    """A load that began before an invalidation of its own process is refused for its generation."""
    monkeypatch.setattr(Loading, "_fly", _fly_and_then_settle)

    report = explore(scenarios.reader_and_writer, memory, 1)

    assert report.schedules > 0


async def _settle_without_planting(self: Authority, runtime: Runtime, visit: Visit) -> None:
    if epochs.standing(visit.epoch) == "hold":
        visit.unwritable = True


@pytest.mark.parametrize("processes", [1, 2])
def test_an_absent_epoch_that_counts_as_one_is_found(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    """Without planting, "no epoch" before an invalidation is the same as after."""
    monkeypatch.setattr(Authority, "settle", _settle_without_planting)
    monkeypatch.setattr(epochs, "lives", lambda entry_epoch, stored: entry_epoch == stored)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.reader_and_writer, False, processes)


def test_without_planting_alone_nothing_old_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was stored under no epoch never counts: what is lost is the hit."""
    monkeypatch.setattr(Authority, "settle", _settle_without_planting)

    report = explore(scenarios.reader_and_writer, False, 2)

    assert report.schedules > 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_plain_invalidation_that_deletes_a_hold_is_found(
    monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """A hold outlives an invalidation without a buffer."""

    def retire(self: ExactStore, key: str, holder: str, ttl: float) -> None:
        if ttl > 0:
            self._write(key, epochs.encoded({holder: self.now + ttl}), ttl)
        else:
            self.drop(key)

    monkeypatch.setattr(ExactStore, "retire", retire)

    with pytest.raises(Violated, match=r"^held: "):
        explore(scenarios.overlapping_writers, False, processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_hold_that_another_holder_deletes_is_found(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    """Whoever is done with writing must leave the hold of whoever is not."""
    real = ExactStore.retire

    def retire(self: ExactStore, key: str, holder: str, ttl: float) -> None:
        if holder and not ttl:
            self.drop(key)
        else:
            real(self, key, holder, ttl)

    monkeypatch.setattr(ExactStore, "retire", retire)

    with pytest.raises(Violated, match=r"^held: "):
        explore(scenarios.invalidating_twice, False, processes)


def _kill_only(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Leave out one of an invalidation's two kills, before the authority is told and after."""
    real = Generations.kill
    turns: dict[int, bool] = {}

    def kill(
        self: Generations, entity: str, now: float, hold_sec: float = 0, holder: str = epochs.ANYBODY
    ) -> None:
        is_first = turns[id(self)] = not turns.get(id(self), False)
        if is_first == (when == "before"):
            real(self, entity, now, hold_sec, holder)

    monkeypatch.setattr(Generations, "kill", kill)
    monkeypatch.setattr(Generations, "__init__", _starting_over(turns, Generations.__init__))


def _starting_over(turns: dict[int, bool], real: Any) -> Any:
    def init(self: Generations) -> None:
        turns.pop(id(self), None)
        real(self)

    return init


def test_killing_the_generation_only_before_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader fills in between the kill and the authority's step would live on in memory."""
    _kill_only(monkeypatch, "before")

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.reader_and_writer, True, 1)


def test_killing_the_generation_only_after_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older value that is put while the authority's reply is under way would get the new epoch."""
    _kill_only(monkeypatch, "after")

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.old_put_and_writer, True, 1)


def test_killing_the_generation_only_after_is_enough_for_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers and their loads need the second kill alone."""
    _kill_only(monkeypatch, "after")

    report = explore(scenarios.reader_and_writer, True, 1)

    assert report.schedules > 0


def test_a_fill_of_a_dead_generation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the authority held a moment ago must not be filled into memory as if it were new."""
    real = Storing.store

    async def store(self: Storing, runtime: Runtime, visit: Visit, entry: Any, steps: Any) -> None:
        if not visit.generation.alive:
            visit.generation = entry.generation = Generation()
        await real(self, runtime, visit, entry, steps)

    monkeypatch.setattr(Storing, "store", store)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.two_readers_and_writer, True, 1)


def test_a_flight_joined_from_another_epoch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that comes after an invalidation must not share a load from before it."""
    real = Ticket.board

    def board(self: Ticket, generation: Hashable) -> tuple[Flight, bool]:
        return real(self, "any")

    monkeypatch.setattr(Ticket, "board", board)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.two_readers_and_writer, False, 1)


def test_an_epoch_that_comes_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of an old epoch would come back with it."""
    monkeypatch.setattr(World, "new_epoch", lambda _: b"e:same".ljust(EPOCH_SIZE))

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.two_readers_and_writer, False, 2)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_entry_whose_epoch_is_not_checked_is_found(
    monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """An entry is no hit merely by being there."""
    monkeypatch.setattr(epochs, "lives", lambda entry_epoch, stored: True)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.reader_and_writer, False, processes)


def test_a_flight_that_never_lands_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a leader that was cancelled would wait for ever."""
    monkeypatch.setattr(Ticket, "retire", lambda self, flight: None)

    with pytest.raises(Violated, match=r"^alive: "):
        explore(scenarios.cancelled_leader, False, 1)


def test_a_ticket_that_is_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that nobody leaves stays for ever."""
    monkeypatch.setattr(Ticket, "hand_in", lambda self: None)

    with pytest.raises(Violated, match=r"^tidy: "):
        explore(scenarios.reader_and_writer, False, 1)


def test_each_check_of_a_dead_generation_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was filled too late carries the dead generation, which keeps it from being read."""
    real = Storing.store

    async def store(self: Storing, runtime: Runtime, visit: Visit, entry: Any, steps: Any) -> None:
        own, visit.generation = visit.generation, Generation()
        try:
            await real(self, runtime, visit, entry, steps)
        finally:
            visit.generation = own

    monkeypatch.setattr(Storing, "store", store)

    report = explore(scenarios.reader_and_writer, True, 1)

    assert report.schedules > 0


def _explore_on_a_bus(scenario: scenarios.Scenario) -> None:
    explore(scenario, memory=True, processes=2, bus=True)


def test_a_message_that_nobody_heeds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the message has arrived, memory must not answer with what it was about."""
    monkeypatch.setattr(Listener, "hear", lambda self, data: None)

    with pytest.raises(Violated, match=r"^exact: "):
        _explore_on_a_bus(scenarios.heard_elsewhere)


def test_a_bus_that_is_told_before_the_authority_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hears too early reads the old entry once more, and keeps it."""
    real = Removal._retire

    async def retire(self: Removal, runtime: Runtime, entity: str, holder: str, hold_sec: float) -> Any:
        announcer, self._announcer = self._announcer, None
        if announcer is not None:
            await announcer.invalidated(runtime, entity)
        return await real(self, runtime, entity, holder, hold_sec)

    monkeypatch.setattr(Removal, "_retire", retire)

    with pytest.raises(Violated, match=r"^exact: "):
        _explore_on_a_bus(scenarios.heard_elsewhere)


def test_memory_that_is_kept_over_a_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said while the line was cut was missed: nothing from before may be answered."""
    monkeypatch.setattr(Removal, "drop", lambda self: None)

    with pytest.raises(Violated, match=r"^exact: "):
        _explore_on_a_bus(scenarios.cut_off)


def test_memory_that_a_deaf_process_uses_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who knows that the line is cut must not answer from memory."""
    monkeypatch.setattr(UseCase, "shut", lambda self: None)

    with pytest.raises(Violated, match=r"^deaf: "):
        _explore_on_a_bus(scenarios.cut_off)


def test_memory_that_the_chain_of_a_deaf_process_uses_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not enough to close the hot path: the chain must leave memory out as well."""
    real = Routes._steps

    def steps(self: Routes, policy: Any, call: Any, entity: Any) -> Any:
        was_shut, call.use_case.is_shut = call.use_case.is_shut, False
        try:
            return real(self, policy, call, entity)
        finally:
            call.use_case.is_shut = was_shut

    monkeypatch.setattr(Routes, "_steps", steps)

    with pytest.raises(Violated, match=r"^exact: "):
        _explore_on_a_bus(scenarios.cut_off)


def test_an_invalidation_that_passes_over_a_skipped_authority_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a skipped authority was not told is not done."""
    real = Authority.retire

    async def retire(self: Authority, *args: Any) -> Outcome[Any]:
        outcome = await real(self, *args)
        return Outcome() if isinstance(outcome.error, LayerSkipped) else outcome

    monkeypatch.setattr(Authority, "retire", retire)

    with pytest.raises(Violated, match=r"^exact: "):
        explore(scenarios.skipped_layer_and_rewriter, False, 2)


def _store_under_a_skipped_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Visit.give_up

    def give_up(self: Visit, tier: Tier, reason: str = "error") -> None:
        real(self, tier, reason)
        self.unwritable = self.unwritable and reason != "skipped"

    monkeypatch.setattr(Visit, "give_up", give_up)


def test_a_visit_that_stores_under_a_skipped_authority_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word from the authority, nothing tracked is kept in memory."""
    real = Authority.settle

    async def settle(self: Authority, runtime: Runtime, visit: Visit) -> None:
        await real(self, runtime, visit)
        visit.unwritable = visit.unwritable and visit.reason != "skipped"

    _store_under_a_skipped_authority(monkeypatch)
    monkeypatch.setattr(Authority, "settle", settle)

    with pytest.raises(Violated, match=r"^held: "):
        explore(scenarios.skipped_layer_and_buffer, True, 1)


def test_without_an_epoch_nothing_is_stored_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """That no epoch could be planted is enough to keep a visit from storing."""
    _store_under_a_skipped_authority(monkeypatch)

    report = explore(scenarios.skipped_layer_and_buffer, True, 1)

    assert report.schedules > 0
