"""One load per key at a time, across the threads and event loops of a process.

Everybody who goes past the in-process layer takes a ticket first. Of those who want to load, one flies
and the others wait for it. A flight that has landed still serves those whose tickets are older: they
looked before its entry was written, and would load again what was just loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
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
        self.began = 0.0
        self.thread = threading.get_ident()
        self.waits_for: set[Flight] = set()
        self._wakers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def take_off(self) -> None:
        """Be led from this thread."""
        self.thread = threading.get_ident()

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


class _Route:
    """All that is going on about one key."""

    __slots__ = ("flights", "landed", "landings", "travellers")

    def __init__(self) -> None:
        self.travellers = 0
        self.landings = 0
        self.flights: dict[Hashable, Flight] = {}
        self.landed: Flight | None = None

    def flight(self, generation: Hashable, since: int) -> Flight | None:
        """Return the flight that serves a caller of `generation` who has been here since landing `since`."""
        flight = self.flights.get(generation)
        if flight is None and self.landed is not None and self.landings > since:
            return self.landed if self.landed.generation == generation else None
        return flight


class Ticket:
    """One caller's interest in one key, from before it looks until it has its value."""

    __slots__ = ("_flights", "_key", "_route", "_since")

    def __init__(self, flights: Flights, key: str, route: _Route) -> None:
        self._flights = flights
        self._key = key
        self._route = route
        self._since = route.landings

    def board(self, generation: Hashable) -> tuple[Flight, bool]:
        """Return the flight to wait for, or a new one that the caller has to fly (True).

        Only a flight of the same generation will do, so a caller never gets what was loaded before an
        invalidation that it knows of. A caller whose own flight the other waits for gets a new one that
        nobody else sees: to wait for oneself would take for ever.
        """
        with self._flights.lock:
            flight = self._route.flight(generation, self._since)
            if flight is not None and not _would_circle(flight):
                for own in _flown.get():
                    own.waits_for.add(flight)
                return flight, False
            new = Flight(generation)
            if flight is None:
                self._route.flights[generation] = new
            else:
                new.is_circular = True
            return new, True

    def leave_flight(self, flight: Flight) -> None:
        """Note that the caller waits no more."""
        for own in _flown.get():
            own.waits_for.discard(flight)

    def retire(self, flight: Flight) -> None:
        """Let the flight make room for the next, now that its entry is written."""
        flight.land(None)
        with self._flights.lock:
            self.make_room(flight)

    def make_room(self, flight: Flight) -> None:
        """Do what `retire` does of a flight that is over, under the lock of the flights."""
        route = self._route
        if route.flights.get(flight.generation) is flight:
            del route.flights[flight.generation]
            route.landed = flight if flight.outcome is not None else None
            route.landings += 1

    def hand_in(self) -> None:
        """Say that the caller has what it came for."""
        with self._flights.lock:
            self.give_back()

    def give_back(self) -> None:
        """Do what `hand_in` does, under the lock of the flights."""
        self._route.travellers -= 1
        if not self._route.travellers and self._flights.routes.get(self._key) is self._route:
            del self._flights.routes[self._key]


class Flights:
    """The loads under way in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.routes: dict[str, _Route] = {}

    def enter(self, key: str) -> Ticket:
        """Return a ticket for `key`, to be handed in."""
        with self.lock:
            return self._ticket(key)

    def enter_all(self, keys: Iterable[str]) -> list[Ticket]:
        """Return a ticket for each of `keys`, to be handed in with the others."""
        with self.lock:
            return [self._ticket(key) for key in keys]

    def hand_in_all(self, tickets: Iterable[Ticket]) -> None:
        """Say that a caller has all that it came for."""
        with self.lock:
            for ticket in tickets:
                ticket.give_back()

    def retire_all(self, flights: Sequence[tuple[Ticket, Flight]]) -> None:
        """Let flights make room for the next, now that their entries are written."""
        for _, flight in flights:
            if not flight.is_over:
                flight.land(None)
        with self.lock:
            for ticket, flight in flights:
                ticket.make_room(flight)

    def _ticket(self, key: str) -> Ticket:
        route = self.routes.get(key)
        if route is None:
            route = self.routes[key] = _Route()
        route.travellers += 1
        return Ticket(self, key, route)

    def forget(self, key: str) -> None:
        """Let nobody join what is under way for `key`, nor keep what it brings."""
        with self.lock:
            route = self.routes.get(key)
            if route is not None:
                for flight in route.flights.values():
                    flight.is_void = True
                route.flights.clear()
                route.landed = None

    def forget_all(self) -> None:
        """Let nobody join anything that is under way."""
        for key in tuple(self.routes):
            self.forget(key)

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
