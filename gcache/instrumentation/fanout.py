"""Hands events to several sinks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gcache.core.protocols import ScrapedSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache.core.events import Event
    from gcache.core.protocols import MetricsSink

_logger = logging.getLogger("gcache")


class FanoutSink:
    """Hands each event to all of `sinks`, in their order.

    One that raises costs the others nothing. It is logged the first time, and goes on being asked.
    """

    def __init__(self, *sinks: MetricsSink) -> None:
        self._sinks = sinks
        self._logged: set[int] = set()

    def record(self, event: Event) -> None:
        """Hand `event` to every sink. Raises nothing."""
        for position, sink in enumerate(self._sinks):
            try:
                sink.record(event)
            except Exception:
                self._log_once(position)

    def before_collect(self, callback: Callable[[], object]) -> None:
        """Pass `callback` on to those sinks that are read by somebody, such as `PrometheusSink`."""
        for sink in self._sinks:
            if isinstance(sink, ScrapedSink):
                sink.before_collect(callback)

    def _log_once(self, position: int) -> None:
        if position not in self._logged:
            self._logged.add(position)
            _logger.exception(
                "%s could not record an event; its further failures are not logged",
                type(self._sinks[position]).__name__,
            )
