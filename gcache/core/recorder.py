"""The way from what happens to the sink, which may fail without anybody noticing but the log.

What happens on the hot path is counted there with one addition and delivered here in sums.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gcache.core.events import Entries, Event
from gcache.core.notices import described
from gcache.core.threads import started

if TYPE_CHECKING:
    from gcache.core.notices import Notices
    from gcache.core.protocols import InProcessLayer, MetricsSink
    from gcache.core.use_case import UseCase

_DELIVERY_PAUSE_SEC = 1.0


class Recorder:
    """Hands events to a sink, and the sums of the hot path with them.

    Sums are delivered when `deliver` is called and, while the hot path may add to them, once a second by a
    thread. Calls with caching off do not start it: they are delivered with the next others, at a scrape,
    or at the end. `courier` is that thread, while there is one. `clock` is monotonic.
    """

    def __init__(
        self,
        sink: MetricsSink,
        notices: Notices,
        memory: Iterable[tuple[str, InProcessLayer]],
        clock: Callable[[], float],
    ) -> None:
        self._sink = sink
        self._notices = notices
        self._clock = clock
        self._memory = tuple(memory)
        self._use_cases: list[UseCase] = []
        self._lock = threading.Lock()
        self.courier: threading.Thread | None = None
        self._stopped = threading.Event()

    def record(self, event: Event) -> None:
        """Hand one event to the sink."""
        try:
            self._sink.record(event)
        except Exception as error:  # counting must not break what is counted
            self._notices.warn(
                ("sink", type(error)), "The metrics sink fails, so figures are missing: %s", described(error)
            )

    def watch(self, use_case: UseCase) -> None:
        """Deliver the sums of `use_case` from now on."""
        with self._lock:
            self._use_cases.append(use_case)

    def deliver(self) -> bool:
        """Hand over all sums that are due; tell whether there were any."""
        with self._lock:
            events = [event for use_case in self._use_cases for event in use_case.sums()]
        if events:
            events.extend(Entries(name, len(layer)) for name, layer in self._memory)
        for event in events:
            self.record(event)
        return bool(events)

    def keep_delivering(self) -> None:
        """See to it that sums are delivered while calls go on; at once if this was closed."""
        if self.courier is not None or not self._lock.acquire(blocking=False):
            return  # whoever has the lock may be this very thread, in a finalizer while it delivers
        try:
            is_over = self._stopped.is_set()
            if not is_over and self.courier is None:
                self.courier = started(self._carry, "gcache-metrics")
        finally:
            self._lock.release()
        if is_over:
            self.deliver()

    def close(self) -> None:
        """Deliver the last sums."""
        self._stopped.set()
        courier = self.courier
        if courier is not None and courier is not threading.current_thread():
            courier.join()
        self.deliver()

    def after_fork(self) -> None:
        """Start the child's counts at nothing: the parent delivers its own."""
        self._lock = threading.Lock()
        self.courier = None
        self._stopped = threading.Event()
        for use_case in self._use_cases:
            use_case.sums()

    def _carry(self) -> None:
        try:
            while not self._stopped.wait(_DELIVERY_PAUSE_SEC):
                if not self.deliver() and not self._may_grow():
                    break
        finally:
            self.courier = None
        self.deliver()  # what came up after the last look, while there still seemed to be a courier

    def _may_grow(self) -> bool:
        now = self._clock()
        return any(use_case.open_until > now for use_case in self._use_cases)
