"""Hearing of invalidations in other processes, and keeping tracked entries out of memory while deaf."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from gcache.core.bus import decoded
from gcache.core.events import Listening
from gcache.core.runtime import ThreadRuntime, drive

if TYPE_CHECKING:
    from gcache.core.bus import Announcer
    from gcache.core.protocols import Subscription
    from gcache.core.recorder import Recorder
    from gcache.core.removal import Removal
    from gcache.core.troubles import Troubles
    from gcache.core.use_case import UseCase

_POLL_SEC = 0.2
_PING_SEC = 0.7
_PATIENCE_SEC = 2.0
_FIRST_PAUSE_SEC = 0.1
_LONGEST_PAUSE_SEC = 5.0


class Silence(Exception):
    """Nothing came over the bus for too long, not even one's own ping."""


class Listener:
    """Takes part in an invalidation bus, in a thread that begins with the first call that may be cached.

    While it is deaf, tracked use cases do without the memory layer. Before it hears again everything that
    was in memory is dropped, since nobody knows what it has missed. Whoever hears nothing for a while
    pings: so a line that is dead without a word is noticed after `_PATIENCE_SEC`, and processes that hear
    each other's pings need none of their own. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        announcer: Announcer,
        removal: Removal,
        recorder: Recorder,
        troubles: Troubles,
        clock: Callable[[], float],
    ) -> None:
        self.hears = False
        self._announcer = announcer
        self._removal = removal
        self._recorder = recorder
        self._troubles = troubles
        self._clock = clock
        self._use_cases: list[UseCase] = []
        self._runtime = ThreadRuntime()
        self._begin_anew()

    def _begin_anew(self) -> None:
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
            thread = threading.Thread(target=self._listen, name="gcache-bus", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread to be had: deaf until the next call
                return
            self._thread = thread

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
        self._recorder.record(Listening(1))

    def cut_off(self) -> bool:
        """Be deaf from now on; return whether this heard until now."""
        with self._lock:
            heard, self.hears = self.hears, False
            for use_case in self._use_cases:
                use_case.shut()
        if heard:
            self._recorder.record(Listening(0))
        return heard

    def stop(self) -> None:
        """Hear no more, at once."""
        self._stopped.set()
        self.cut_off()

    def close(self) -> None:
        """Wait for the thread, which sees that it was stopped within `_POLL_SEC`, or when its bus lets it."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def after_fork(self) -> None:
        """Be deaf in the child until a thread of its own listens."""
        was_stopped = self._stopped.is_set()
        self._begin_anew()
        if was_stopped:
            self._stopped.set()
        self._announcer.after_fork()
        self.cut_off()

    def _listen(self) -> None:
        import random

        pause = _FIRST_PAUSE_SEC
        while not self._stopped.is_set():
            try:
                with closing(self._announcer.subscribe()) as subscription:
                    self.begin()
                    self._hear_all(subscription)
            except Exception as error:
                heard = self.cut_off()
                self._troubles.cut_off(error)
                pause = _FIRST_PAUSE_SEC if heard else min(2 * pause, _LONGEST_PAUSE_SEC)
            self._stopped.wait(pause * random.uniform(0.5, 1.0))

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
                raise Silence(f"nothing came over the bus for {now - heard_at:.1f} s, not even a ping")
            elif now - heard_at > _PING_SEC and not has_pinged:
                drive(self._announcer.ping(self._runtime)).unwrap()
                has_pinged = True
