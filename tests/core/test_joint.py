"""A load of many keys: one flight, of which others board a key each."""

from __future__ import annotations

from typing import Any

import pytest

from gcache import GCacheKeyConfig
from gcache.core.entries import Generation
from gcache.core.flights import Flight, Flights, Leading
from gcache.core.joint import JointFlight, Tickets
from gcache.core.runtime import Outcome
from gcache.core.visit import Call, Visit

_GENERATION = Generation()
_UNTRACKED = None, _GENERATION


@pytest.fixture
def flights() -> Flights:
    return Flights()


def visits_of(keys: str, epoch: bytes | None = None) -> list[Visit]:
    nothing: Any = None
    made = [
        Visit(Call(nothing, nothing, key, nothing), (), None, _GENERATION, GCacheKeyConfig()) for key in keys
    ]
    for visit in made:
        visit.epoch = epoch
    return made


class Loader:
    """One who is interested in keys and flies for those that nobody flies."""

    def __init__(self, flights: Flights, keys: str) -> None:
        self.keys = keys
        self.tickets = Tickets(flights, list(keys))
        self.joint = JointFlight()
        self.others: list[tuple[Visit, Flight]] = []

    def board(self, epoch: bytes | None = None) -> list[str]:
        """Return the keys that it has to fly for."""
        mine = self.tickets.board(self.joint, visits_of(self.keys, epoch), self.others)
        return [visit.call.name for visit in mine]

    def arrive(self, absent: str = "") -> None:
        """Bring its own name for each key."""
        found = {key: Outcome(key.upper()) for key in self.keys if key not in absent}
        self.tickets.arrive(self.joint, found.get, absent)

    def end(self) -> None:
        self.tickets.retire(self.joint)
        self.tickets.hand_in()


def brought(flight: Flight) -> Any:
    return None if flight.outcome is None else flight.outcome.value


def test_alone(flights: Flights) -> None:
    """While nobody else wants a key there is one flight for all, and when it is over nothing is left."""
    one = Loader(flights, "abc")

    assert ["a", "b", "c"] == one.board()
    assert {} == one.joint.parts
    one.arrive()
    one.end()
    assert ({}, {}, {}) == (flights.travellers, flights.under_way, flights.landed)


def test_boarded(flights: Flights) -> None:
    """Who boards a key waits for what the load brings for that key."""
    one, single = Loader(flights, "abc"), flights.enter("b")
    one.board()
    flight, is_mine = single.board(_UNTRACKED)

    one.arrive()

    assert (False, "B", ["b"]) == (is_mine, brought(flight), list(one.joint.parts))


def test_overlap(flights: Flights) -> None:
    """Of two loads that have keys in common, the later one waits for the flights of these."""
    one, other = Loader(flights, "abc"), Loader(flights, "bcd")
    one.board()

    assert ["d"] == other.board()
    one.arrive()
    assert ["B", "C"] == [brought(flight) for _, flight in other.others]


def test_waits_for_single(flights: Flights) -> None:
    """A key that a single call flies is waited for."""
    single = flights.enter("b")
    flight, _ = single.board(_UNTRACKED)
    one = Loader(flights, "abc")

    assert ["a", "c"] == one.board()
    assert [flight] == [flight for _, flight in one.others]


def test_boarded_between(flights: Flights) -> None:
    """Who boards when the load has landed and is being written has the value at once."""
    one = Loader(flights, "ab")
    one.board()
    one.arrive()

    flight, is_mine = flights.enter("a").board(_UNTRACKED)

    assert (False, True, "A") == (is_mine, flight.is_over, brought(flight))


def test_late_arrival(flights: Flights) -> None:
    """Who looked before a load was over is served by it, who comes afterwards flies anew."""
    one, early = Loader(flights, "ab"), flights.enter("a")
    one.board()
    one.arrive()
    one.end()
    late = flights.enter("a")

    flight, is_mine = early.board(_UNTRACKED)
    assert (False, "A") == (is_mine, brought(flight))
    assert late.board(_UNTRACKED)[1]
    early.hand_in()
    late.hand_in()
    assert ({}, {}, {}) == (flights.travellers, flights.under_way, flights.landed)


def test_late_many(flights: Flights) -> None:
    """The same goes for one who looked for many."""
    one, early = Loader(flights, "abc"), Loader(flights, "bcd")
    one.board()
    one.arrive()
    one.end()

    assert ["d"] == early.board()
    assert ["B", "C"] == [brought(flight) for _, flight in early.others]


def test_without_a_ticket(flights: Flights) -> None:
    """Who looks without a ticket is served by a load that lands meanwhile, but for what was forgotten."""
    one, since = Loader(flights, "abc"), flights.next
    one.board()
    flights.forget("c")
    one.arrive(absent="b")
    one.end()
    late = flights.next

    boarded = [flights.enter_late(key, since).board(_UNTRACKED) for key in "abc"]

    assert [(False, "A"), (True, None), (True, None)] == [
        (is_mine, brought(flight)) for flight, is_mine in boarded
    ]
    assert late.last_of("a") is None


def test_boarded_while_it_retires(flights: Flights) -> None:
    """Those who look without a ticket may come while a load lets those go who wait."""
    one, single, since = Loader(flights, "ab"), flights.enter("a"), flights.next
    one.board()
    part, _ = single.board(_UNTRACKED)
    told: list[Any] = []

    def land(outcome: Any) -> None:
        told.append(outcome)
        if outcome is None:
            told.append(flights.enter_late("b", since).board(_UNTRACKED)[0])

    part.land = land  # type: ignore[method-assign]
    one.arrive()
    one.end()

    arrival, retirement, late = told
    assert ("A", None, "B") == (arrival.value, retirement, brought(late))


def test_given_up_without_a_ticket(flights: Flights) -> None:
    """A load that was given up serves nobody who looks without a ticket."""
    one, since = Loader(flights, "a"), flights.next
    one.board()
    one.end()

    assert flights.enter_late("a", since).board(_UNTRACKED)[1]


def test_absent(flights: Flights) -> None:
    """Who waits for a key that the source has nothing for is told so, and whoever boards it next flies."""
    one, single = Loader(flights, "ab"), flights.enter("a")
    one.board()
    flight, _ = single.board(_UNTRACKED)

    one.arrive(absent="a")

    assert (True, True, None) == (flight.is_over, flight.is_absent, flight.outcome)
    new, is_mine = single.board(_UNTRACKED)
    one.end()
    assert (True, False) == (is_mine, new.is_over)
    assert (new, False) == flights.enter("a").board(_UNTRACKED)


def test_given_up(flights: Flights) -> None:
    """A load that never arrives lets those go who wait, and they fly."""
    one, single, later = Loader(flights, "ab"), flights.enter("a"), flights.enter("b")
    one.board()
    flight, _ = single.board(_UNTRACKED)

    one.end()

    assert (True, None, False) == (flight.is_over, flight.outcome, flight.is_absent)
    assert (True, True) == (single.board(_UNTRACKED)[1], later.board(_UNTRACKED)[1])


def test_newer_epoch(flights: Flights) -> None:
    """Who knows of an invalidation does not join the load from before it, and does not end with it."""
    one, other = Loader(flights, "ab"), Loader(flights, "ab")
    one.board(b"old")

    assert ["a", "b"] == other.board(b"new")
    one.arrive()
    one.end()
    flight, is_mine = flights.enter("a").board((b"new", _GENERATION))
    assert (False, False) == (is_mine, flight.is_over)


def test_forgotten(flights: Flights) -> None:
    """A key that is forgotten is joined by nobody, and is void for the load; the others are not."""
    one, early = Loader(flights, "ab"), flights.enter("a")
    one.board()

    flights.forget("a")

    assert (True, False) == (one.joint.is_void_for("a"), one.joint.is_void_for("b"))
    new, is_mine = early.board(_UNTRACKED)
    one.arrive()
    one.end()
    assert (True, False) == (is_mine, new.is_over)
    assert (new, False) == flights.enter("a").board(_UNTRACKED)


def test_forgotten_with_a_passenger(flights: Flights) -> None:
    """Also if somebody waits for it, who still gets it."""
    one, single = Loader(flights, "ab"), flights.enter("a")
    one.board()
    flight, _ = single.board(_UNTRACKED)

    flights.forget_all()
    one.arrive()

    assert (True, True, "A") == (one.joint.is_void_for("a"), flight.is_void, brought(flight))


def test_own_load(flights: Flights) -> None:
    """What a load asks for itself, of its own keys, is no wait for itself."""
    one = Loader(flights, "ab")
    one.board()

    with Leading(one.joint):
        flight, is_mine = flights.enter("a").board(_UNTRACKED)
        nested = Loader(flights, "bc")

        assert (True, True, ["b", "c"]) == (is_mine, flight.is_circular, nested.board())
        nested.arrive()
        nested.end()
    one.arrive()
    assert "B" == brought(flights.enter("b").board(_UNTRACKED)[0])


def test_circle_of_two(flights: Flights) -> None:
    """A circle of loads is seen through their parts."""
    one, other = Loader(flights, "a"), Loader(flights, "b")
    one.board()
    other.board()

    with Leading(one.joint):
        _, is_mine = flights.enter("b").board(_UNTRACKED)
    with Leading(other.joint):
        _, is_mine_too = flights.enter("a").board(_UNTRACKED)

    assert (False, True) == (is_mine, is_mine_too)


def test_no_circle_any_more(flights: Flights) -> None:
    """What waited for a load that is over is waited for."""
    one, other = Loader(flights, "a"), Loader(flights, "b")
    one.board()
    other.board()
    other.joint.waits_for.add(one.joint)

    with Leading(one.joint):
        _, is_mine = flights.enter("b").board(_UNTRACKED)
        one.end()
        _, is_mine_then = flights.enter("b").board(_UNTRACKED)

    assert (True, False) == (is_mine, is_mine_then)


def test_never_taken_out(flights: Flights) -> None:
    """A load that nobody ended, as a signal handler raised, ends with its travellers."""
    one = Loader(flights, "ab")
    one.board()
    one.tickets.hand_in()

    assert {} == flights.under_way
    assert ["a", "b"] == Loader(flights, "ab").board()
