"""The thread that takes out of memory layers what has expired, when no `put` comes by that would."""

from __future__ import annotations

import threading
from typing import Protocol
from weakref import WeakSet

from gcache.core.threads import started

PAUSE_SEC = 5.0
ROUNDS_PER_TURN = 6  # so a turn takes half a minute
_LOOKS_PER_ROUND = 1_000
_LOOKS_AT_ONCE = 250  # about 20 µs with the layer's lock
_BREATH_SEC = 0.001


class Swept(Protocol):
    """What the sweeper knows of a layer."""

    def __len__(self) -> int: ...

    def sweep(self, looks: int) -> int: ...


class Sweeper:
    """Goes through the layers that it knows, a sixth of each every `pause_sec` seconds.

    Its one thread lives as long as any layer holds anything. It keeps no layer alive.
    """

    def __init__(self, pause_sec: float = PAUSE_SEC) -> None:
        self._pause_sec = pause_sec
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._layers: WeakSet[Swept] = WeakSet()
        self.thread: threading.Thread | None = None

    def know(self, layer: Swept) -> None:
        """Sweep `layer` from now on."""
        with self._lock:
            self._layers.add(layer)

    def start(self) -> None:
        """See to it that the thread runs. Called after something was put while `thread` was None."""
        with self._lock:
            if self.thread is None:
                self._changed.clear()
                self.thread = started(self._work, "gcache-memory")

    def look_again(self) -> None:
        """Let the thread end now if nothing is held any more."""
        self._changed.set()

    def after_fork(self) -> None:
        """Know the parent's layers, and leave its thread to it: the child's starts at its first `put`."""
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._layers = WeakSet(self._layers)
        self.thread = None

    def _work(self) -> None:
        me = threading.current_thread()
        try:
            while self._holds_any() or not self._leave(me):
                if not self._changed.wait(self._pause_sec):
                    self._round()
                self._changed.clear()
        finally:
            if self.thread is me:
                self.thread = None

    def _leave(self, me: threading.Thread) -> bool:
        """Have the next `put` start a thread; stay if one came in between and did not."""
        with self._lock:
            self.thread = None
        if not self._holds_any():
            return True
        with self._lock:
            is_over = self.thread is not None
            if not is_over:
                self.thread = me
        return is_over

    def _holds_any(self) -> bool:
        return any(len(layer) for layer in self._known())

    def _known(self) -> list[Swept]:
        with self._lock:
            return list(self._layers)

    def _round(self) -> None:
        for layer in self._known():
            left = max(_LOOKS_PER_ROUND, len(layer) // ROUNDS_PER_TURN + 1)
            while left > 0 and len(layer):
                layer.sweep(_LOOKS_AT_ONCE)
                left -= _LOOKS_AT_ONCE
                self._changed.wait(_BREATH_SEC)
