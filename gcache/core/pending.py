"""Invalidations that did not get through, and are told again until they have."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gcache.core.epochs import ANYBODY
from gcache.core.events import Pending as PendingEvent
from gcache.core.records import Record
from gcache.core.threads import pauses, started

MOST = 10_000
_FAILURES_A_ROUND = 20
_FAILURES_AT_THE_END = 3


class Debt(Record):
    """What is still to be told of one entity.

    It is to be held until `until`, the holds of `holders` are to end, and with `is_bus_alone` only the other
    processes have not heard. Later debts have higher numbers.
    """

    number: int
    until: float
    holders: frozenset[str]
    is_bus_alone: bool


class Pending:
    """The entities of which the authority, or the bus, is still to be told.

    `tell` tells of one, and for how many seconds it is to be held; it returns whether it got through. A
    thread that lives as long as there are any calls it, with pauses that grow and are never quite alike.
    Meanwhile nothing of what the authority is to hear of is read from the cache here, or written to it.
    `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        tell: Callable[[str, Debt, float], bool],
        record: Callable[[PendingEvent], None],
        clock: Callable[[], float],
    ) -> None:
        self._tell = tell
        self._record = record
        self._clock = clock
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.debts: dict[str, Debt] = {}
        self.last_number = 0

    def __contains__(self, entity: str) -> bool:
        """Tell whether the authority is still to hear of `entity`."""
        debt = self.debts.get(entity)
        return debt is not None and not debt.is_bus_alone

    def hold_sec(self, entity: str) -> float:
        """Return for how many more seconds `entity` is to be held, once the authority hears of it."""
        debt = self.debts.get(entity)
        return 0.0 if debt is None else max(0.0, debt.until - self._clock())

    def add(self, entity: str, until: float, holder: str = ANYBODY, is_bus_alone: bool = False) -> bool:
        """See to it that `entity` is told of; False if there are too many already."""
        holders = frozenset({holder} - {ANYBODY})
        with self._lock:
            if len(self.debts) >= MOST and entity not in self.debts:
                return False
            self.last_number += 1
            if (old := self.debts.get(entity)) is not None:
                until, holders = max(until, old.until), holders | old.holders
                is_bus_alone = is_bus_alone and old.is_bus_alone
            self.debts[entity] = Debt(self.last_number, until, holders, is_bus_alone)
            self._record(PendingEvent(len(self.debts)))
            if self._thread is None and not self._stopped.is_set():
                self._thread = started(self._keep_trying, "gcache-pending")
        return True

    def done(self, entity: str, number: int, holders: frozenset[str] = frozenset()) -> None:
        """Note that what was owed up to debt `number` is told, unless other holders are in it."""
        if entity in self.debts:
            with self._lock:
                debt = self.debts.get(entity)
                if debt is not None and debt.number <= number and debt.holders <= holders:
                    del self.debts[entity]
                    self._record(PendingEvent(len(self.debts)))

    def try_all(self) -> bool:
        """Tell of each, of those that failed last time at the end; return whether none is left.

        It goes on past some failures, since an authority may be away in part, but not past many.
        """
        failures = 0
        for entity, debt in tuple(self.debts.items()):
            if self._has_told(entity, debt):
                self.done(entity, debt.number, debt.holders)
                continue
            with self._lock:
                if (failed := self.debts.pop(entity, None)) is not None:
                    self.debts[entity] = failed
            failures += 1
            if failures >= (_FAILURES_AT_THE_END if self._stopped.is_set() else _FAILURES_A_ROUND):
                break
        return not self.debts

    def close(self) -> list[str]:
        """Give all of them a last chance; return the entities that are left."""
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self.try_all()
        return list(self.debts)

    def after_fork(self) -> None:
        """Leave to the parent what it has to do."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = None
        self.debts = {}

    def _has_told(self, entity: str, debt: Debt) -> bool:
        try:
            return self._tell(entity, debt, max(0.0, debt.until - self._clock()))
        except BaseException:
            if threading.current_thread() is not self._thread:
                raise
            return False  # whatever a layer raises, nobody else would start this thread anew

    def _keep_trying(self) -> None:
        waits = pauses()
        while not self._stopped.wait(next(waits)):
            if self.try_all():
                waits = pauses()
            with self._lock:
                if not self.debts:
                    self._thread = None
                    return
