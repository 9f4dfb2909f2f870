"""Cached functions whose every answer is judged, and what came of all that."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.soak.database import Database, Row
from gcache import CacheLayer, GCache, GCacheKeyConfig, InvalidationPending
from gcache.core.events import Error, Event, Hit, Miss, Pending, Skipping

KEY_TYPE = "entity_id"
TTL_SEC = {"far": 20.0, "near": 20.0, "plain": 3.0}
"""Tracked in Redis alone; tracked, and in memory too; untracked, in both."""
DEAF_SEC = 3.0
"""A line that died in silence is noticed after two seconds "or so"; a process waits for its turn besides."""
LATE_SEC = 7.0
"""A write may lie for 5 s before a frozen server, and lives for its TTL from then on."""
_LOAD_SEC = 0.002
_KEPT_COMPLAINTS = 5


class Tally:
    """A sink, and all other figures of a process. Complaints are what must not be."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.slowest: dict[str, float] = {}
        self.complaints: list[str] = []
        self.pending = 0
        self._lock = threading.Lock()

    def record(self, event: Event) -> None:
        match event:
            case Hit(layer=layer, calls=calls):
                self.add(f"hits {layer}", calls)
            case Miss(reason=reason, calls=calls):
                self.add(f"misses {reason}", calls)
            case Error(error=error):
                self.add(f"errors {error}")
            case Skipping(skips=1):
                self.add("breaker opened")
            case Pending(waiting=waiting):
                self.pending = waiting
            case _:
                pass

    def add(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.counts[what] += count

    def took(self, what: str, since: float) -> None:
        seconds = time.monotonic() - since
        if seconds > self.slowest.get(what, 0):
            self.slowest[what] = seconds

    def complain(self, text: str) -> None:
        self.add("complaints")
        if len(self.complaints) < _KEPT_COMPLAINTS:
            self.complaints.append(text)

    def failed(self, what: str) -> None:
        """Complain of the exception that is being handled."""
        self.complain(f"{what} raised:\n{traceback.format_exc()}")

    def after_fork(self) -> None:
        self.__init__()  # type: ignore[misc]


class Callers:
    """The cached functions of one instance. Nothing here raises but what ends a task."""

    def __init__(self, gcache: GCache, database: Database, tally: Tally) -> None:
        self.gcache, self.database, self.tally = gcache, database, tally
        self._own_floors: dict[int, int] = {}
        self._sync = {kind: self._cached(kind, self._load) for kind in TTL_SEC}
        self._async = {kind: self._cached(f"a{kind}", self._aload) for kind in TTL_SEC}

    def read(self, kind: str, entity: int) -> Row | None:
        judge = self._judge(kind, entity)
        try:
            row = Row(*self._sync[kind](entity))
        except Exception:
            return self.tally.failed(f"a {kind} read")
        judge(row)
        return row

    async def aread(self, kind: str, entity: int) -> Row | None:
        judge = self._judge(f"a{kind}", entity)
        try:
            row = Row(*await self._async[kind](entity))
        except Exception:
            return self.tally.failed(f"an async {kind} read")
        judge(row)
        return row

    def write(self, entity: int) -> bool:
        """Commit a new version and invalidate; return whether everybody has been told."""
        started = time.monotonic()
        version = 0
        try:
            if random.random() < 0.3:
                with self.gcache.invalidating(KEY_TYPE, entity, hold_sec=5):
                    version = self.database.commit(entity)
            else:
                version = self.database.commit(entity)
                self.gcache.invalidate(KEY_TYPE, entity, _buffer_ms())
        except InvalidationPending:
            return self._written(entity, version, started, is_told=False)
        except Exception:
            self.tally.failed("a write")
            return False
        return self._written(entity, version, started, is_told=True)

    async def awrite(self, entity: int) -> bool:
        started = time.monotonic()
        version = 0
        try:
            if random.random() < 0.3:
                async with self.gcache.invalidating(KEY_TYPE, entity, hold_sec=5):
                    version = self.database.commit(entity)
            else:
                version = self.database.commit(entity)
                await self.gcache.ainvalidate(KEY_TYPE, entity, _buffer_ms())
        except InvalidationPending:
            return self._written(entity, version, started, is_told=False)
        except Exception:
            self.tally.failed("an async write")
            return False
        return self._written(entity, version, started, is_told=True)

    def after_fork(self) -> None:
        """Answer for what others were told alone: invalidations that are pending are the parent's."""
        self.tally.after_fork()
        self._own_floors.clear()

    def _cached(self, use_case: str, load: Callable[[int], Any]) -> Any:
        kind = use_case.removeprefix("a")
        layers = (CacheLayer.REMOTE,) if kind == "far" else (CacheLayer.LOCAL, CacheLayer.REMOTE)
        config = GCacheKeyConfig(dict.fromkeys(layers, TTL_SEC[kind]), dict.fromkeys(layers, 100))
        decorate = self.gcache.cached(
            KEY_TYPE,
            "entity",
            use_case,
            track_for_invalidation=kind != "plain",
            default_config=config,
        )
        return decorate(load)

    def _load(self, entity: int) -> tuple[int, int, float]:
        row = self.database.load(entity)
        time.sleep(random.uniform(0, _LOAD_SEC))
        return tuple(row)

    async def _aload(self, entity: int) -> tuple[int, int, float]:
        row = self.database.load(entity)
        await asyncio.sleep(random.uniform(0, _LOAD_SEC))
        return tuple(row)

    def _judge(self, kind: str, entity: int) -> Callable[[Row], None]:
        """Return what judges the answer of a read that begins now."""
        own = self._own_floors.get(entity, 0)
        told = self.database.floor(entity)
        began = time.monotonic()

        def judge(row: Row) -> None:
            self.tally.add(f"reads {kind}")
            self.tally.took("read", began)
            complaint = self._complaint(kind.removeprefix("a"), row, own, told, began)
            if row.entity != entity:
                complaint = f"an answer for entity {row.entity}"
            if complaint:
                self.tally.complain(f"{kind} read of entity {entity} at {began:.3f}: {complaint} ({row})")

        return judge

    def _complaint(self, kind: str, row: Row, own: int, told: int, began: float) -> str:
        if kind == "plain":
            age_sec = began - row.loaded_at
            return f"{age_sec:.1f} s old" if age_sec > TTL_SEC[kind] + LATE_SEC else ""
        if row.version < own:
            return f"version {row.version}, though this process had invalidated up to {own}"
        if kind == "far" and row.version < told:
            return f"version {row.version}, though up to {told} was invalidated"
        if (overdue_sec := self.database.overdue_sec(row, began)) > DEAF_SEC:
            return f"version {row.version}, {overdue_sec:.1f} s after it was invalidated"
        return ""

    def _written(self, entity: int, version: int, started: float, is_told: bool) -> bool:
        """Note what may be answered from now on. Only this entity's one writer comes here."""
        if is_told:
            self.database.announce(entity, version)
        self._own_floors[entity] = version
        self.tally.add("invalidations" if is_told else "invalidations pending")
        self.tally.took("write", started)
        return is_told


def _buffer_ms() -> int:
    return random.choice((0, 0, 0, 30))
