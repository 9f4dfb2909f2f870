"""The state of a world as a value, so that two schedules that lead to the same state are known to.

A coroutine's state is where each of its frames stands and what its locals hold. What a frame keeps
besides, on its stack, is an iterator whose position the loop's variables tell (no layer comes twice in a
chain), or a context manager whose state is the position. An object of the chain that may change is
described by its fields, and named by a number when it comes again. What cannot change in the course of a
scenario counts by its type. A type that is neither raises: state that nobody described must not be merged.

Names do not count where only sameness does: epochs and values are named by numbers in the order in which
they come, a value with the invalidations that had begun before its load, and with its loader while that
one is about. Nor do figures: the reason of a miss, and how often a route was landed on.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from types import BuiltinFunctionType, CoroutineType, FunctionType, MethodType
from typing import Any
from weakref import WeakSet, ref

from gcache.backends._slots import EntrySlot, FullEntrySlot, TrackedEntrySlot
from gcache.core.asked import Asked, OneOfMany
from gcache.core.authority import Authority
from gcache.core.breaker import Probe
from gcache.core.bulk import Bulk, _Passing
from gcache.core.bus import Announcer, decoded
from gcache.core.chain import Chain
from gcache.core.entries import Entry, Generation, Kept
from gcache.core.envelope import Unreadable, open_sealed
from gcache.core.epochs import standing
from gcache.core.flights import Flight, Flights, Leading, Ticket
from gcache.core.flights import Landing as FlightsLanding
from gcache.core.joint import JointFlight, Tickets
from gcache.core.keeping import Saying
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey
from gcache.core.leases import Leases
from gcache.core.listener import Listener
from gcache.core.loading import Loading
from gcache.core.lookup import Lookup
from gcache.core.many import Many
from gcache.core.missing import Missing
from gcache.core.party import Party
from gcache.core.policies import Policies
from gcache.core.policy import Policy
from gcache.core.removal import Removal
from gcache.core.renewing import Renewing
from gcache.core.routes import Routes
from gcache.core.runtime import Operation, Outcome
from gcache.core.storing import Storing
from gcache.core.tiers import Tier
from gcache.core.use_case import UseCase
from gcache.core.visit import Call, Visit
from gcache.core.wire import Wire
from gcache.serializers.json import JsonSerializer
from tests.sim.actor import Actor
from tests.sim.bus import Line
from tests.sim.process import ENTRY_KEY, OTHER_KEY, Process, WatchedBreaker
from tests.sim.properties import Reading
from tests.sim.runtime import Landing, Load, Moment, Pause, Remote, SimRuntime, SourceLoad
from tests.sim.world import World

_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})
_CONSTANT = frozenset({
    Actor, Announcer, Authority, BuiltinFunctionType, Bulk, Chain, CoroutineType, Flights, FunctionType,
    GCacheKey, GCacheKeyConfig, Leading, Leases, Line, Listener, Loading, Lookup, Many, MethodType, Missing,
    Operation, Policies, Policy, Process, Removal, Renewing, Routes, SimRuntime, SourceLoad, Storing, UseCase,
    Wire, World, _Passing,
})  # fmt: skip
_BELOW = frozenset(work.__code__ for work in (SimRuntime.attempt, SimRuntime.landed, SimRuntime.pause))
_OF_FLIGHTS = (
    "generation",
    "outcome",
    "is_over",
    "is_void",
    "is_circular",
    "is_late",
    "is_bulk",
    "is_absent",
    "waits_for",
)
_FIELDS: dict[type, tuple[str, ...]] = {
    WatchedBreaker: ("turn", "_due", "_pause_sec", "_since", "_probes", "_last"),
    Probe: ("turn", "began", "is_in_person"),
    Asked: ("values",),
    Call: ("name",),
    OneOfMany: ("name",),
    **dict.fromkeys(
        (Entry, EntrySlot, TrackedEntrySlot, FullEntrySlot),
        ("began", "epoch", "expires", "generation", "value"),
    ),
    Flight: _OF_FLIGHTS,
    JointFlight: (*_OF_FLIGHTS, "aboard", "parts", "brought"),
    Party: ("names", "entities", "_generations"),
    Generation: ("alive",),
    Kept: ("entry", "left_sec", "depth"),
    Landing: ("flight",),
    Moment: ("label",),
    Outcome: ("value", "error"),
    Pause: ("sec",),
    Reading: ("ended", "announced", "holds", "is_deaf"),
    Saying: ("said",),
    Tier: ("name",),
    Remote: ("act", "outcome"),
    Load: (),
    Visit: ("call", "epoch", "epoch_key", "failed", "generation", "kept", "steps", "unwritable"),
}


def state_of(world: World) -> bytes:
    """Return a digest (128 bits) of all that the rest of a schedule can depend on."""
    description: Any = tuple(_Describer(world).parts())
    return blake2b(marshal.dumps(description, 0), digest_size=16).digest()


class _Describer:
    def __init__(self, world: World) -> None:
        self._world = world
        self._loads = world.history.loads
        self._numbers: dict[int, int] = {}
        self._names: dict[str | bytes, int] = {}

    def parts(self) -> Iterator[object]:
        world, history = self._world, self._world.history
        yield world.faults, world.store.now
        for key, (value, deadline) in sorted(world.store.data.items()):
            yield key, deadline, self._of(value)
        yield self._of(history.begun), self._of(history.ended), history.is_hold_lost
        yield tuple(sorted(history.holds.items())), self._of(history.released)
        yield tuple(sorted(history.announced.items())), tuple(sorted(history.under_way.items()))
        yield self._of(history.said), self._of(history.arrived), self._of(history.deaf)
        yield tuple((name, line.is_up, tuple(map(tuple, line.mail))) for name, line in world.lines.items())
        for actor in world.actors.values():
            yield actor.name, actor.is_done, self._of(actor.point)
            yield self._of(None if actor.is_done else history.readings.get(actor.name))
            yield tuple(self._frames(actor))
        yield tuple((name, self._of(stray)) for name, stray in sorted(world.strays.items()))
        for process in world.processes.values():
            yield tuple(self._process(process))

    def _process(self, process: Process) -> Iterator[object]:
        generations = process.generations
        yield process.now, process.use_case.is_shut
        yield self._of(dict(generations._live)), self._of(generations.holds)
        flights = process.chain.flights
        yield self._of(flights.travellers), self._of(flights.under_way), self._of(flights.landed)
        loading = process.chain._loading
        yield (
            tuple(loading.throttle._until.items()),
            len([late for late in loading._late if not late.is_over]),
        )
        yield tuple(sorted(process.chain._renewing._under_way))
        yield self._of(process.chain.tiers[-1].breaker)
        for entity, debt in process.removal.pending.debts.items():
            yield entity, debt.until, tuple(sorted(debt.holders)), debt.is_bus_alone
        if process.memory is not None:
            slots = process.memory._slots
            yield tuple(
                (key, slot.deadline, slot.lives_until, slot.ends, self._of(slot.stored))
                for key, slot in sorted(slots.items())
            )

    def _frames(self, actor: Actor) -> Iterator[object]:
        """Describe the frames of the actor and of the chain. Those of a runtime say what the point says."""
        body: Any = None if actor.is_done else actor.body
        while body is not None and hasattr(body, "cr_frame"):
            frame = body.cr_frame
            if frame.f_code in _BELOW:
                break
            names = frame.f_locals
            yield frame.f_code.co_name, frame.f_lasti, tuple(names)
            for value in names.values():
                if type(value) not in _CONSTANT:
                    yield self._of(value)
            body = body.cr_await

    def _sealed(self, data: bytes) -> object:
        """Return what an entry's bytes say, without the names in them."""
        try:
            sealed = open_sealed(data, ENTRY_KEY, JsonSerializer.identity)
        except Unreadable:
            sealed = open_sealed(data, OTHER_KEY, JsonSerializer.identity)
        times = sealed.began, sealed.expires, sealed.stale_sec
        return self._of(sealed.epoch), times, self._of(json.loads(sealed.payload))

    def _name(self, name: str | bytes) -> object:
        number = self._names.setdefault(name, len(self._names))
        if isinstance(name, bytes):
            return "epoch", number
        loader = self._world.actors.get(name.partition(".")[0])
        owner = "" if loader is None or loader.is_done else loader.name
        return "value", number, owner, tuple(sorted(self._world.history.loads[name]))

    def _of(self, thing: Any) -> object:
        """Return what is to be compared of a thing."""
        kind = type(thing)
        if kind is str:
            return self._name(thing) if thing in self._loads else thing
        if kind is bytes:
            return self._bytes(thing)
        if kind in _PLAIN:
            return thing
        if kind in _CONSTANT:
            return kind.__name__
        fields = _FIELDS.get(kind)
        if fields is not None:
            return self._object(thing, fields)
        return self._collection(thing, kind)

    def _bytes(self, data: bytes) -> object:
        if standing(data) == "epoch":
            return self._name(data)
        return data if data[:1] in (b"h", b"l") or decoded(data) is not None else self._sealed(data)

    def _collection(self, thing: Any, kind: type) -> object:
        if kind is Ticket:
            return self._interest(thing, thing.key)
        if kind is Tickets:
            return tuple([self._interest(thing, key) for key in thing.keys])
        if kind is FlightsLanding:
            return self._landed_since(thing)
        if kind is list or isinstance(thing, tuple):
            return tuple([self._of(part) for part in thing])
        if kind is dict:
            return tuple([(self._of(key), self._of(value)) for key, value in _in_order(thing)])
        if kind is ref:
            return self._of(thing())
        if kind is set or kind is frozenset or kind is WeakSet:
            return tuple(sorted([self._of(part) for part in thing], key=repr))
        if kind is partial:
            return self._of(thing.args)
        if isinstance(thing, BaseException):
            return kind.__name__, thing.args
        raise TypeError(f"Say in {__name__} how the state of a {kind.__qualname__} is described.")

    def _interest(self, ticket: Ticket | Tickets, key: str) -> tuple[str, bool]:
        landed = ticket._flights.landed.get(key)
        return key, landed is not None and landed.landing > ticket._since

    def _landed_since(self, landing: FlightsLanding) -> object:
        """Return the keys of which something has landed, or was forgotten, and what of it still serves."""
        keys: set[str] = set()
        ahead: FlightsLanding | None = landing
        while ahead is not None and ahead.following is not None:
            keys.update(() if ahead.flights is None else ahead.flights)
            ahead = ahead.following
        return tuple([(key, self._of(landing.last_of(key))) for key in sorted(keys)])

    def _object(self, thing: object, fields: tuple[str, ...]) -> object:
        number = self._numbers.get(id(thing))
        if number is not None:
            return "same", number
        self._numbers[id(thing)] = len(self._numbers)
        return (type(thing).__name__, *[self._of(getattr(thing, field)) for field in fields])


def _in_order(things: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Return items by key where keys are strings, else in the order in which they came."""
    items = list(things.items())
    return sorted(items, key=lambda item: item[0]) if all(isinstance(k, str) for k in things) else items
