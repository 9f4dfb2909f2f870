"""One simulated process: a chain of its own, with its own memory, generations and flights."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gcache.backends.memory import MemoryLayer
from gcache.core.authority import Authority
from gcache.core.breaker import Breaker
from gcache.core.bus import Announcer
from gcache.core.chain import Chain
from gcache.core.flights import Flights
from gcache.core.generations import Generations
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey, UrnKeyBuilder
from gcache.core.listener import Listener
from gcache.core.notices import Notices
from gcache.core.policies import Policies
from gcache.core.policy import Policy
from gcache.core.recorder import Recorder
from gcache.core.removal import Removal
from gcache.core.routes import Routes
from gcache.core.surroundings import Surroundings
from gcache.core.tiers import Tier, link
from gcache.core.troubles import Troubles
from gcache.core.use_case import UseCase
from gcache.core.wire import Wire
from gcache.instrumentation.null import NullSink
from gcache.serializers.json import JsonSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache.core.entries import Entry
    from tests.sim.bus import SimBus
    from tests.sim.store import PlainStore, Touch

KEY_TYPE, ID, TTL_SEC, FOREVER = "user", 1, 1000.0, float("inf")
KEYS = UrnKeyBuilder()
KEY = GCacheKey(KEY_TYPE, ID, "Get", track_for_invalidation=True)
ENTRY_KEY = KEYS.build(KEY)
OTHER_ID = 2
OTHER_KEY = KEYS.build(GCacheKey(KEY_TYPE, OTHER_ID, "Get", track_for_invalidation=True))
EPOCH_KEY = KEYS.epoch(KEY_TYPE, ID)
CONFIG = GCacheKeyConfig.enabled(TTL_SEC)


class WatchedLock:
    """Taken wherever what the actors of a process share may change; takes note of it. Nothing waits here."""

    def __init__(self, touch: Touch, thing: str) -> None:
        self._touch = touch
        self._thing = thing

    def __enter__(self) -> None:
        self._touch(self._thing, True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was locked."""

    def locked(self) -> bool:
        """Tell whoever forks that nobody is just changing anything."""
        return False


class Memory(MemoryLayer[Any]):
    """The real in-process layer, which takes note of who looks."""

    touch: Touch
    thing: str

    def find(self, key: str, now: float) -> Any:
        self.touch(self.thing, False)
        return super().find(key, now)

    def find_kept(self, key: str, now: float) -> Any:
        self.touch(self.thing, False)
        return super().find_kept(key, now)


class WatchedBreaker(Breaker):
    """Opens at the first failure, and takes note of who looks at it. It tells nobody."""

    def __init__(self, clock: Callable[[], float], touch: Touch, thing: str) -> None:
        self._touch = touch
        self._thing = thing
        super().__init__(clock, lambda: 0.0, lambda trouble: None, lambda open_sec: None, most_failures=1)
        self._lock = WatchedLock(touch, thing)  # type: ignore[assignment]

    @property
    def is_open(self) -> bool:  # type: ignore[override]
        self._touch(self._thing, False)
        return self._is_open

    @is_open.setter
    def is_open(self, is_open: bool) -> None:
        self._is_open = is_open


class StrictTroubles(Troubles):
    """Here a part of the chain that breaks is a violation, not something to cover up for."""

    fail: Callable[[str], None]

    def broken(self, use_case: UseCase, error: Exception) -> None:
        self.fail(f"alive: the chain broke with {error!r}")


class Silence(Notices):
    """Says nothing: what a simulated layer's failures are worth is not a log line each."""

    def warn(self, subject: object, message: str, *args: object, again_after: float = FOREVER) -> None:
        """Do nothing."""


class Process:
    """A process over the shared authority, with or without memory. Its clock counts its own seconds."""

    def __init__(
        self,
        name: str,
        store: PlainStore,
        has_memory: bool,
        touch: Touch,
        fail: Callable[[str], None],
        bus: SimBus | None,
        has_breaker: bool = False,
        config: GCacheKeyConfig = CONFIG,
        chance: float = 0.0,
    ) -> None:
        self.name = name
        self.now = 0.0
        self.memory: Memory | None = None
        tiers = [Tier(store.name, layer=store)]
        if has_breaker:
            tiers[0].breaker = WatchedBreaker(self.clock, touch, f"breaker of {name}")
        if has_memory:
            self.memory = Memory("local", clock=self.clock, sweep=False)
            self.memory.touch, self.memory.thing = touch, f"memory of {name}"
            self.memory._lock = WatchedLock(touch, f"memory of {name}")  # type: ignore[assignment]
            tiers.insert(0, Tier("local", layer=self.memory))
        link(tiers)
        notices = Silence(self.clock)
        recorder = Recorder(NullSink(), notices, (), self.clock)
        troubles = StrictTroubles(recorder, notices)
        troubles.fail = fail
        self.generations = Generations()
        self.generations._lock = WatchedLock(touch, f"generations of {name}")  # type: ignore[assignment]
        enabled = ContextVar("enabled", default=True)
        around = Surroundings(self.clock, self.clock, recorder, notices, troubles, enabled, lambda: chance)
        announcer = None if bus is None else Announcer(bus, "bus")
        authority, flights = Authority(around, tiers[-1]), Flights()
        removal = Removal(around, tiers, authority, KEYS, flights, self.generations, announcer)
        policies = Policies(around, tiers, None, 1)
        routes = Routes(around, KEYS, policies, self.generations, removal.pending)
        self.chain = Chain(around, tiers, KEYS, routes, Wire(around), flights, authority)
        self.removal = removal
        self.removal.pending._stopped.set()  # what failed stays undone here: no thread tries it again
        self.chain.flights.lock = WatchedLock(touch, f"flights of {name}")  # type: ignore[assignment]
        self.use_case = UseCase("Get", KEY_TYPE, True, JsonSerializer(), config, tiers[0].name)
        self.use_case.adopt(Policy(config, tiers, True), FOREVER)
        self.listener: Listener | None = None
        if announcer is not None:
            announcer.sender = name
            self.listener = Listener(around, announcer, removal)
            self.listener.watch(self.use_case)
            self.listener.begin()

    def clock(self) -> float:
        return self.now

    def alive_in_memory(self) -> Entry | None:
        """Return what the chain would answer with from memory, where the hot path leaves a hit to it."""
        kept = (
            None
            if self.memory is None or self.use_case.is_shut
            else self.memory.find_kept(ENTRY_KEY, self.now)
        )
        return kept.entry if kept is not None and kept.left_sec > 0 and kept.entry.generation.alive else None

    def remembered(self) -> Entry | None:
        """Return what the hot path of a cached function would answer with."""
        is_open = self.memory is not None and self.now < self.use_case.open_until
        entry: Entry | None = self.memory.find(ENTRY_KEY, self.now) if self.memory and is_open else None
        return entry if entry is not None and entry.generation.alive else None
