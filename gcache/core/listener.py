"""Hearing of invalidations in other processes, and keeping tracked entries out of memory while deaf."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from gcache.core.bus import decoded
from gcache.core.events import Listening
from gcache.core.runtime import ThreadRuntime, drive
from gcache.core.threads import pauses, started

if TYPE_CHECKING:
    from gcache.core.bus import Announcer
    from gcache.core.protocols import Subscription
    from gcache.core.removal import Removal
    from gcache.core.surroundings import Surroundings
    from gcache.core.use_case import UseCase

_POLL_SEC = 0.2
_PING_SEC = 0.7
_PATIENCE_SEC = 2.0


class _Silence(Exception):
    """Nothing came over the bus for too long, not even one's own ping."""


class Listener:
    """Takes part in an invalidation bus, in a thread that begins with the first call that may be cached.

    While it is deaf, tracked use cases do without the memory layer. Before it hears again everything that
    was in memory is dropped, since nobody knows what it has missed. Whoever hears nothing for a while
    pings: so a line that is dead without a word is noticed after `_PATIENCE_SEC`, and processes that hear
    each other's pings need none of their own.
    """

    def __init__(self, around: Surroundings, announcer: Announcer, removal: Removal) -> None:
        self.hears = False
        self._announcer = announcer
        self._removal = removal
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._clock = around.clock
        self._use_cases: list[UseCase] = []
        self._runtime = ThreadRuntime()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, use_case: UseCase) -> None:
        """Keep `use_case` from memory whenever this is deaf, if it is tracked."""
        if use_case.tracked:
            with self._lock:
                self._use_cases.append(use_case)
                if not self.hears:
                    use_case.shut()

    def keep_listening(self) -> None:
        """See to it that somebody listens."""
        if self._thread is not None or self._stopped.is_set():
            return
        with self._lock:
            if self._thread is not None:
                return
            self._thread = started(self._listen, "gcache-bus")

    def hear(self, data: bytes) -> None:
        """Do what another process says. What cannot be understood may have been anything."""
        message = decoded(data)
        if message is not None and message.sender == self._announcer.sender:
            return
        if message is None or message.verb == "flush":
            self._removal.drop()
        elif message.verb == "invalidate":
            self._removal.forget(message.entity)

    def begin(self) -> None:
        """Hear, from now on: what came before does not count."""
        self._removal.drop()
        with self._lock:
            if self._stopped.is_set():
                return
            self.hears = True
            for use_case in self._use_cases:
                use_case.reopen()
        self._recorder.record(Listening(self._announcer.channel, 1))

    def cut_off(self) -> bool:
        """Be deaf from now on; return whether this heard until now."""
        heard = self._shut()
        if heard:
            self._recorder.record(Listening(self._announcer.channel, 0))
        return heard

    def leave(self) -> None:
        """Have the thread end soon. Takes no lock, so that a finalizer may call it anywhere."""
        self._stopped.set()

    def stop(self) -> None:
        """Hear no more, at once."""
        self.leave()
        self.cut_off()

    def close(self) -> None:
        """Wait for the thread, which sees within `_POLL_SEC` that it was stopped, unless its bus hangs."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE_SEC)

    def after_fork(self) -> None:
        """Be deaf in the child until a thread of its own listens."""
        stopped, self._stopped = self._stopped, threading.Event()
        if stopped.is_set():
            self._stopped.set()
        self._lock = threading.Lock()
        self._thread = None
        self._announcer.after_fork()
        self._shut()

    def _shut(self) -> bool:
        with self._lock:
            heard, self.hears = self.hears, False
            for use_case in self._use_cases:
                use_case.shut()
        return heard

    def _listen(self) -> None:
        waits = pauses()
        while not self._stopped.is_set():
            try:
                if self._take_part():
                    waits = pauses()
            except BaseException as error:  # whatever a bus raises, nobody else would start this thread anew
                self._troubles.cut_off(error)
            self._stopped.wait(next(waits))

    def _take_part(self) -> bool:
        """Hear until this is stopped or cut off; return whether it had heard for some time."""
        subscription = self._announcer.subscribe()
        began = self._clock()
        try:
            self._prove(subscription)
            self.begin()
            self._hear_all(subscription)
        except BaseException as error:
            self._troubles.cut_off(error)
        finally:
            heard = self.cut_off()  # before the line is closed, which may take its time
            subscription.close()
        return heard and self._clock() - began > _PATIENCE_SEC

    def _prove(self, subscription: Subscription) -> None:
        """Wait until something comes over the line, one's own ping at least. Raises if nothing does."""
        began = self._clock()
        self._ping()
        while subscription.receive(_POLL_SEC) is None and not self._stopped.is_set():
            if self._clock() - began > _PATIENCE_SEC:
                raise _Silence("one's own ping does not come back over the bus")

    def _ping(self) -> None:
        drive(self._announcer.ping(self._runtime)).unwrap()

    def _hear_all(self, subscription: Subscription) -> None:
        """Do what is said until this is stopped. Raises when something may have been missed."""
        heard_at, has_pinged = self._clock(), False
        while not self._stopped.is_set():
            data = subscription.receive(_POLL_SEC)
            now = self._clock()
            if data is not None:
                self.hear(data)
                heard_at, has_pinged = now, False
            elif now - heard_at > _PATIENCE_SEC:
                raise _Silence(f"nothing came over the bus for {now - heard_at:.1f} s, not even a ping")
            elif now - heard_at > _PING_SEC and not has_pinged:
                self._ping()
                has_pinged = True
