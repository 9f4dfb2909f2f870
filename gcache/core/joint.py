"""Loads of many keys at once: one flight for all of them, until somebody else waits for one of the keys."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from gcache.core.flights import Flight, may_wait

if TYPE_CHECKING:
    from gcache.core.flights import Flights
    from gcache.core.runtime import Outcome
    from gcache.core.visit import Visit

Brought: TypeAlias = "Callable[[str], Outcome[Any] | None]"
"""Tells what a load came to for a key; None if the source had nothing for it."""


class JointFlight(Flight):
    """A load of many keys, under way for each of them.

    Whoever boards it for one of the keys gets its part, a flight that waits for this one, which lands with
    what there is for the key. `aboard` are the keys that it is under way for, with their generations.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.aboard: dict[str, Hashable] = {}
        self.parts: dict[str, Flight] = {}
        self.brought: Brought | None = None

    def part(self, key: str, generation: Hashable) -> Flight:
        part = self.parts.get(key)
        if part is None:
            part = self.parts[key] = Flight(generation)
            part.thread, part.is_bulk = self.thread, True
            part.waits_for.add(self)
            if self.brought is not None:
                part.land(self.brought(key))
        return part

    def is_void_for(self, key: str) -> bool:
        """Tell whether nobody is to keep what this brings for `key`."""
        part = self.parts.get(key)
        return part is not None and part.is_void


class _Landed(Mapping[str, "Flight | None"]):
    """What has landed with a load, for those who look without a ticket. Few ask for any of its keys."""

    def __init__(self, joint: JointFlight) -> None:
        self._joint = joint
        self._aboard = joint.aboard

    def __getitem__(self, key: str) -> Flight | None:
        generation, joint = self._aboard[key], self._joint
        if joint.brought is None or joint.is_void_for(key):
            return None
        part = joint.part(key, generation)
        part.landing = joint.landing
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self._aboard)

    def __len__(self) -> int:
        return len(self._aboard)


class Tickets:
    """One caller's interest in many keys, all of them different: a `Ticket` for each."""

    __slots__ = ("_flights", "_since", "keys")

    def __init__(self, flights: Flights, keys: Sequence[str]) -> None:
        self._flights = flights
        self.keys = keys
        with flights.lock:
            self._since = flights.landings
            travellers = flights.travellers
            if travellers.keys().isdisjoint(keys):
                travellers.update(dict.fromkeys(keys, 1))
            else:
                for key in keys:
                    travellers[key] = travellers.get(key, 0) + 1

    def board(
        self, joint: JointFlight, visits: Iterable[Visit], others: list[tuple[Visit, Flight]]
    ) -> list[Visit]:
        """Return the visits that the caller has to fly `joint` for; `others` take the flights to wait for.

        Which they are, `Ticket.board` says.
        """
        flights = self._flights
        mine: list[Visit] = []
        with flights.lock:
            under_way, landed, aboard = flights.under_way, flights.landed, joint.aboard
            for visit in visits:
                key, generation = visit.call.name, (visit.epoch, visit.generation)
                if key not in under_way and key not in landed:
                    under_way[key] = {generation: joint}
                    aboard[key] = generation
                    mine.append(visit)
                    continue
                flight = flights.flight(key, generation, self._since)
                if flight is None:
                    under_way.setdefault(key, {})[generation] = joint
                    aboard[key] = generation
                elif may_wait(flight):
                    others.append((visit, flight))
                    continue
                mine.append(visit)
        return mine

    def arrive(self, joint: JointFlight, brought: Brought, absent: Iterable[str] = ()) -> None:
        """Let those go who wait for a load that has ended. For what is `absent` nobody boards it any more."""
        with self._flights.lock:
            for key in absent:
                self._take_out(joint, key, joint.aboard.pop(key, None))
                self._flights.note({key: None})
            joint.brought = brought
            parts = tuple(joint.parts.items())
        for key, part in parts:
            outcome = brought(key)
            part.is_absent = outcome is None
            part.land(outcome)

    def retire(self, joint: JointFlight) -> None:
        """End a load, and let it make room for the next, now that its entries are written.

        Of one that was given up, one of those who waited for each key flies instead.
        """
        flights = self._flights
        with flights.lock:
            joint.landing = flights.landings = flights.landings + 1
            under_way, travellers, landed = flights.under_way, flights.travellers, flights.landed
            for key, generation in joint.aboard.items():
                if travellers.get(key) == 1 and key not in landed:
                    under_way.pop(key, None)  # nobody but the caller has to do with it
                else:
                    self._take_out(joint, key, generation)
            if joint.aboard:
                flights.note(_Landed(joint))
            joint.aboard = {}
            parts = tuple(joint.parts.values())  # who comes late still makes more of what has landed
        for part in parts:
            part.land(None)
        joint.land(None)

    def hand_in(self) -> None:
        """Say that the caller has all that it came for."""
        flights = self._flights
        with flights.lock:
            travellers, under_way, landed = flights.travellers, flights.under_way, flights.landed
            for key in self.keys:
                if travellers.get(key) != 1 or under_way or landed:
                    flights.leave(key)
                else:
                    del travellers[key]

    def _take_out(self, joint: JointFlight, key: str, generation: Hashable) -> None:
        """Do what `Flights.take_out` does, under the lock. What has landed serves all but the caller."""
        flights = self._flights
        of_key = flights.under_way.get(key, {})
        flight = of_key.get(generation)
        if flight is None or (flight is not joint and flight is not joint.parts.get(key)):
            return
        if len(of_key) > 1:
            del of_key[generation]
        else:
            del flights.under_way[key]
        if joint.brought is not None and key in flights.travellers:
            part = joint.part(key, generation)
            part.landing = flights.landings
            flights.landed[key] = part
