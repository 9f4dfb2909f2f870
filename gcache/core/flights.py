"""One load per key at a time, across the threads and event loops of a process.

Everybody who goes past the in-process layer takes a ticket first. Of those who want to load, one flies
and the others wait for it. A flight that has landed still serves those whose tickets are older: they
looked before its entry was written, and would load again what was just loaded. Who most likely finds what
it looks for only remembers the landing to come, and takes its ticket if it finds nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcache.core.runtime import Outcome

NOBODY = 0
"""The thread of a flight that has not begun."""

_flown: ContextVar[tuple[Flight, ...]] = ContextVar("gcache_flown", default=())


class Flight:
    """One load that several callers wait for. It ends with an outcome, or without one if it is given up.

    One that `is_bulk` is a part of a load of many keys; the source had nothing for the key if `is_absent`.
    `landing` is which landing it was, of all that there were.
    """

    def __init__(self, generation: Hashable) -> None:
        self.generation = generation
        self.outcome: Outcome[Any] | None = None
        self.is_over = False
        self.is_void = False
        self.is_circular = False
        self.is_late = False
        self.is_bulk = False
        self.is_absent = False
        self.landing = 0
        self.began = 0.0
        self.thread = threading.get_ident()
        self.waits_for: set[Flight] = set()
        self._wakers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def take_off(self) -> None:
        """Be led from this thread."""
        self.thread = threading.get_ident()

    def part(self, key: str, generation: Hashable) -> Flight:
        """Return the flight of one of the keys that this one is under way for: there is but one."""
        return self

    def when_over(self, wake: Callable[[], None]) -> None:
        """Call `wake` once the flight is over, from whichever thread ends it; at once if it is already."""
        with self._lock:
            if not self.is_over:
                self._wakers.append(wake)
                return
        wake()

    def land(self, outcome: Outcome[Any] | None) -> None:
        """End the flight; None gives it up, and one of those who waited flies instead."""
        with self._lock:
            if self.is_over:
                return
            self.outcome, self.is_over = outcome, True
        for wake in self._wakers:
            wake()


class Landing:
    """A landing to come. Once it has come, `flights` are what landed by key, and it leads to the next one.

    Without a flight the key is one that was forgotten; no `flights` at all say that all keys were. Nobody
    holds on to a landing but those who look since before it, and it goes when the last of them has looked.
    """

    __slots__ = ("flights", "following")

    flights: Mapping[str, Flight | None] | None
    following: Landing | None

    def __init__(self) -> None:
        self.following = None

    def last_of(self, key: str) -> Flight | None:
        """Return the last flight of `key` that has landed here or later, if it still serves."""
        flight, landing = None, self
        while (following := landing.following) is not None:
            if landing.flights is None:
                flight = None
            elif key in landing.flights:
                flight = landing.flights[key]
            landing = following
        return flight


class Ticket:
    """One caller's interest in one key, from before it looks until it has its value."""

    __slots__ = ("_flights", "_since", "key")

    def __init__(self, flights: Flights, key: str, since: int) -> None:
        self._flights = flights
        self.key = key
        self._since = since

    def board(self, generation: Hashable) -> tuple[Flight, bool]:
        """Return the flight to wait for, or a new one that the caller has to fly (True).

        Only a flight of the same generation will do, so a caller never gets what was loaded before an
        invalidation that it knows of. A caller whose own flight the other waits for gets a new one that
        nobody else sees: to wait for oneself would take for ever.
        """
        with self._flights.lock:
            flight = self._flights.flight(self.key, generation, self._since)
            if flight is not None and may_wait(flight):
                return flight, False
            new = Flight(generation)
            if flight is None:
                self._flights.board(self.key, new)
            else:
                new.is_circular = True
            return new, True

    def leave_flight(self, flight: Flight) -> None:
        """Note that the caller waits no more."""
        waits_no_more(flight)

    def retire(self, flight: Flight) -> None:
        """Let the flight make room for the next, now that its entry is written."""
        flight.land(None)
        with self._flights.lock:
            self._flights.take_out(self.key, flight)

    def hand_in(self) -> None:
        """Say that the caller has what it came for."""
        with self._flights.lock:
            self._flights.leave(self.key)


class Flights:
    """The loads under way in this process.

    `travellers` are how many are interested in each key, and `under_way` its flights, by generation. The last
    flight of a key that landed is kept for as long as somebody travels who may have looked before that. No
    flight stays without a traveller: a signal handler may raise anywhere, so that nobody takes it out. `next`
    is the landing to come, for those who look without a ticket.

    Under the lock objects are made and let go of, and a finalizer that then runs may come back here.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.travellers: dict[str, int] = {}
        self.under_way: dict[str, dict[Hashable, Flight]] = {}
        self.landed: dict[str, Flight] = {}
        self.landings = 0
        self.next = Landing()

    def enter(self, key: str) -> Ticket:
        """Return a ticket for `key`, to be handed in."""
        with self.lock:
            return self.ticket(key)

    def enter_late(self, key: str, landing: Landing) -> Ticket:
        """Return a ticket for `key` as of when `landing` was the next, to be handed in."""
        with self.lock:
            ticket = self.ticket(key)
            flight = landing.last_of(key)
            if flight is None:
                return ticket
            self.landed[key] = flight
            return Ticket(self, key, flight.landing - 1)

    def ticket(self, key: str) -> Ticket:
        """Do what `enter` does, under the lock."""
        ticket = Ticket(self, key, self.landings)
        self.travellers[key] = self.travellers.get(key, 0) + 1
        return ticket

    def leave(self, key: str) -> None:
        """Note that one traveller less is interested in `key`, under the lock."""
        left = self.travellers.get(key, 1) - 1  # a child has forgotten who travelled before it was forked
        if left:
            self.travellers[key] = left
            return
        self.travellers.pop(key, None)
        if self.under_way:
            self.under_way.pop(key, None)
        if self.landed:
            self.landed.pop(key, None)

    def board(self, key: str, flight: Flight) -> None:
        """Take note of a flight that takes off, under the lock."""
        flights = self.under_way.get(key)
        if flights is None:
            self.under_way[key] = {flight.generation: flight}
        else:
            flights[flight.generation] = flight

    def flight(self, key: str, generation: Hashable, since: int) -> Flight | None:
        """Return the flight that serves a caller who has been here since landing `since`, under the lock."""
        flights = self.under_way.get(key)
        if flights is not None and (flight := flights.get(generation)) is not None:
            flights[generation] = part = flight.part(key, generation)
            return part
        landed = self.landed.get(key)
        return landed if landed and landed.landing > since and landed.generation == generation else None

    def take_out(self, key: str, flight: Flight) -> None:
        """Let a flight make room for the next, under the lock."""
        flights = self.under_way.get(key, {})
        if flights.get(flight.generation) is not flight:
            return
        del flights[flight.generation]
        if not flights:
            del self.under_way[key]
        self.landings += 1
        flight.landing = self.landings
        if flight.outcome is not None and key in self.travellers:
            self.landed[key] = flight
        else:
            self.landed.pop(key, None)
        self.note({key: flight if flight.outcome is not None else None})

    def forget(self, key: str) -> None:
        """Let nobody join what is under way for `key`, nor keep what it brings."""
        with self.lock:
            for generation, flight in self.under_way.pop(key, {}).items():
                flight.part(key, generation).is_void = True
            self.landed.pop(key, None)
            self.note({key: None})

    def forget_all(self) -> None:
        """Let nobody join anything that is under way."""
        for key in (*self.under_way, *self.landed):
            self.forget(key)
        with self.lock:
            self.note(None)

    def note(self, flights: Mapping[str, Flight | None] | None) -> None:
        """Have the next landing come, under the lock. A finalizer may come in between with another one."""
        following = Landing()
        landing, self.next = self.next, following
        landing.flights = flights
        landing.following = following

    def after_fork(self) -> None:
        """Forget the parent's flights: their leaders are not in this process."""
        self.__init__()  # type: ignore[misc]


class Leading:
    """Mark the flight as the caller's own while it loads, so that it cannot come to wait for itself."""

    __slots__ = ("_flight", "_token")

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    def __enter__(self) -> None:
        self._token = _flown.set((*_flown.get(), self._flight))

    def __exit__(self, *_: object) -> None:
        _flown.reset(self._token)


def may_wait(flight: Flight) -> bool:
    """Note that the caller waits for a flight from now on, unless that waits for the caller."""
    if _would_circle(flight):
        return False
    for own in _flown.get():
        own.waits_for.add(flight)
    return True


def waits_no_more(flight: Flight) -> None:
    """Note that the caller waits for the flight no more."""
    for own in _flown.get():
        own.waits_for.discard(flight)


def _would_circle(flight: Flight) -> bool:
    own = set(_flown.get())
    seen: set[Flight] = set()
    ahead = [flight] if own else []
    while ahead:
        if (next_one := ahead.pop()) in own and not next_one.is_over:
            return True
        if next_one not in seen:
            seen.add(next_one)
            ahead.extend(next_one.waits_for)
    return False
