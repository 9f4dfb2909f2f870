"""Whether a layer is asked at all: not for a while, once it has failed a few times in a row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from weakref import WeakSet, ref

from gcache.core.notices import described

MOST_FAILURES = 3
MOST_COST_SEC = 0.4
FIRST_PAUSE_SEC = 0.1
LONGEST_PAUSE_SEC = 4.0
SETTLED_SEC = 10.0
PATIENCE_SEC = 2.0
MOST_PROBES = 4


class Probe:
    """One operation that finds out whether a layer answers again.

    It runs beside the call that has leave for it, unless it `is_in_person`.
    """

    __slots__ = ("__weakref__", "began", "is_in_person", "turn")

    def __init__(self, turn: int, began: float, is_in_person: bool) -> None:
        self.turn = turn
        self.began = began
        self.is_in_person = is_in_person


class Breaker:
    """Goes by how the operations of one layer end, and says whether it is to be asked for the next.

    It opens at the third failure in a row, or as soon as those in a row have cost 0.4 s together. Then, after
    a pause, it lets one probe through; that closes it, or makes the pause twice as long, up to 4 s. A
    layer that fails again within 10 s of its return goes on with the pause that it had. Pauses are
    shortened at random, by half at most, so that processes do not probe in step.

    `turn` grows whenever it opens or closes. Whoever begins an operation remembers it and says it at the end,
    so that what began before counts no more. `is_marked` tells whether there was a failure since the last
    success, as there was while it is open: only then is there a need to tell of the next one. `clock` is
    monotonic, in seconds; `chance` returns a number from 0 to below 1. `opened` is called with what is wrong,
    `closed` with how many seconds it was open; both under a lock, in their order.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        chance: Callable[[], float],
        opened: Callable[[str], None],
        closed: Callable[[float], None],
        most_failures: int = MOST_FAILURES,
    ) -> None:
        self.is_open = False
        self.is_marked = False
        self.turn = 0
        self.trouble = ""
        self.clock = clock
        self._chance = chance
        self._opened = opened
        self._closed = closed
        self._most_failures = most_failures
        self._failures = 0
        self._cost_sec = 0.0
        self._pause_sec = 0.0
        self._since = float("-inf")
        self._due = 0.0
        self._last: ref[Probe] | None = None
        self._make_own()

    def succeeded(self, turn: int) -> None:
        """Take note that an operation that began in `turn` got an answer."""
        with self._lock:
            if turn != self.turn:
                return
            self._failures, self._cost_sec, self.is_marked = 0, 0.0, False
            if self.is_open:
                self._switch(is_open=False)

    def failed(self, turn: int, cost_sec: float, error: Exception) -> None:
        """Take note that an operation that began in `turn` failed after `cost_sec` seconds."""
        with self._lock:
            if turn != self.turn or self.is_open:
                return
            self._failures, self.is_marked = self._failures + 1, True
            self._cost_sec += cost_sec
            if self._failures >= self._most_failures or self._cost_sec >= MOST_COST_SEC:
                self.trouble = described(error)
                self._switch(is_open=True)

    def probe(self) -> Probe | None:
        """Return the leave to probe, if it is time; to one who asks, and to nobody else until it ended.

        Should it never end, the next one gets leave after 2 s, but four are under way at most. After one that
        ended with its event loop, which may be the way of them all here, the next one is in person.
        """
        if self.clock() < self._due:
            return None
        with self._lock:
            now = self.clock()
            if not self.is_open or now < self._due or len(self._probes) >= MOST_PROBES:
                return None
            self._due = now + PATIENCE_SEC
            probe = Probe(self.turn, now, self._last is not None and self._last() is None)
            self._last = ref(probe)
            self._probes.add(probe)
            return probe

    def probed(self, probe: Probe, error: Exception | None) -> None:
        """Take note of what came of a probe."""
        with self._lock:
            self._probes.discard(probe)
            is_last = self._last is not None and self._last() is probe
            if is_last:
                self._last = None
            if error is None:
                self.succeeded(probe.turn)
            elif is_last:
                self.trouble = described(error)
                self._pause(2 * self._pause_sec, probe.began)

    def abandoned(self, probe: Probe) -> None:
        """Take note that a probe was ended from outside, which says nothing of the layer."""
        with self._lock:
            self._probes.discard(probe)
            if self._last is not None and self._last() is probe:
                self._due = self.clock()

    def after_fork(self) -> None:
        """Leave the parent's probes to the parent. What is known of the layer is true here, too."""
        self._due = self.clock()
        self._make_own()

    def _make_own(self) -> None:
        self._lock = threading.RLock()  # a sink, or a log handler, may call what calls this
        self._probes: WeakSet[Probe] = WeakSet()  # weak, as a coroutine that never began ends unheard
        self._last = None

    def _switch(self, is_open: bool) -> None:
        now = self.clock()
        lasted, self._since = now - self._since, now
        self.turn += 1
        self.is_open = is_open
        self._last = None
        if is_open:
            self._pause(FIRST_PAUSE_SEC if lasted > SETTLED_SEC else 2 * self._pause_sec, now)
            self._opened(self.trouble)
        else:
            self._closed(lasted)

    def _pause(self, pause_sec: float, since: float) -> None:
        self._pause_sec = min(pause_sec, LONGEST_PAUSE_SEC)
        self._due = since + self._pause_sec * (1 - self._chance() / 2)
