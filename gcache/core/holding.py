"""Holds that stand for as long as somebody wants them to: renewed well before they would lapse."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from gcache.core.records import Record
from gcache.core.threads import started

_RENEWALS_PER_LEASE = 3


def new_holder() -> str:
    """Return a name that nobody else holds under."""
    return os.urandom(8).hex()


class _Held(Record):
    entity: str
    lease_sec: float
    due: float


class Holding:
    """The holds that this process keeps standing, by holder.

    `renew` has a holder hold an entity for so many seconds more, 0 for no longer. A thread that lives as long
    as there are any spawns it for each that is due, so that one whose node is silent keeps up no other. If it
    fails, the next round is the next try: a hold that lapses meanwhile costs other processes nothing but what
    the invalidation at its end takes away again. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        renew: Callable[[str, str, float], Coroutine[Any, Any, object]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        clock: Callable[[], float],
    ) -> None:
        self._renew = renew
        self._spawn = spawn
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._held: dict[str, _Held] = {}

    def begin(self, entity: str, holder: str, lease_sec: float) -> None:
        """Keep a hold standing that was just set for `lease_sec`."""
        with self._lock:
            self._held[holder] = self._due(entity, lease_sec)
            self._changed.set()
            if self._thread is None:  # without one the hold stands for its lease
                self._thread = started(self._keep_renewing, "gcache-holds")

    def end(self, holder: str) -> bool:
        """Renew a hold no more; return whether it was one of this process's."""
        with self._lock:
            return self._held.pop(holder, None) is not None

    def close(self) -> None:
        """Leave all holds to lapse."""
        with self._lock:
            self._held.clear()
            self._changed.set()

    def after_fork(self) -> None:
        """Leave the parent's holds to the parent."""
        self.__init__(self._renew, self._spawn, self._clock)  # type: ignore[misc]

    def _due(self, entity: str, lease_sec: float) -> _Held:
        return _Held(entity, lease_sec, self._clock() + lease_sec / _RENEWALS_PER_LEASE)

    def _keep_renewing(self) -> None:
        while True:
            with self._lock:
                if not self._held:
                    self._thread = None
                    return
                pause = min(held.due for held in self._held.values()) - self._clock()
                self._changed.clear()
            if not self._changed.wait(max(0.0, pause)):
                self._renew_due()

    def _renew_due(self) -> None:
        now = self._clock()
        for holder, held in tuple(self._held.items()):
            if held.due <= now:
                with self._lock:
                    if holder in self._held:
                        self._held[holder] = self._due(held.entity, held.lease_sec)
                self._spawn(self._renewed(holder, held))

    async def _renewed(self, holder: str, held: _Held) -> None:
        await self._renew(held.entity, holder, held.lease_sec)
        if holder not in self._held:  # it ended while it was being renewed
            await self._renew(held.entity, holder, 0)
