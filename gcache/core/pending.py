"""Invalidations that could not reach the authority, and are told to it again until it has heard them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gcache.core.events import Pending as PendingEvent
from gcache.core.threads import pauses, started

MOST = 10_000


class Pending:
    """The entities of which the authority is still to be told, and until when they are to be held.

    `tell` tells it of one, and returns whether it got through. A thread that lives as long as there are any
    calls it, with pauses that grow and are never quite alike. Meanwhile nothing of these entities is read
    from the cache here, or written to it. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        tell: Callable[[str, float], bool],
        record: Callable[[PendingEvent], None],
        clock: Callable[[], float],
    ) -> None:
        self._tell = tell
        self._record = record
        self._clock = clock
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._until: dict[str, float] = {}

    def __contains__(self, entity: str) -> bool:
        return entity in self._until

    def hold_sec(self, entity: str) -> float:
        """Return for how many more seconds `entity` is to be held, once the authority hears of it."""
        return max(0.0, self._until.get(entity, 0.0) - self._clock())

    def add(self, entity: str, until: float) -> bool:
        """See to it that the authority hears of `entity`; False if there are too many already."""
        with self._lock:
            if len(self._until) >= MOST and entity not in self._until:
                return False
            self._until[entity] = max(until, self._until.get(entity, until))
            self._record(PendingEvent(len(self._until)))
            if self._thread is None and not self._stopped.is_set():
                self._thread = started(self._keep_trying, "gcache-pending")
        return True

    def done(self, entity: str) -> None:
        """Note that the authority has heard of `entity`."""
        if entity in self._until:
            with self._lock:
                self._until.pop(entity, None)
                self._record(PendingEvent(len(self._until)))

    def try_all(self) -> bool:
        """Tell of each, up to the first that does not get through; return whether none is left."""
        for entity, until in tuple(self._until.items()):
            if not self._tell(entity, max(0.0, until - self._clock())):
                return False
            if self._until.get(entity) == until:
                self.done(entity)
        return not self._until

    def close(self) -> list[str]:
        """Give all of them a last chance; return the entities that are left."""
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self.try_all()
        return list(self._until)

    def after_fork(self) -> None:
        """Leave to the parent what it has to do."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = None
        self._until = {}

    def _keep_trying(self) -> None:
        waits = pauses()
        while not self._stopped.wait(next(waits)):
            if self.try_all():
                waits = pauses()
            with self._lock:
                if not self._until:
                    self._thread = None
                    return
