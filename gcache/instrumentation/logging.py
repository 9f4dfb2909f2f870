"""Writes events to a log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gcache.core.events import Error, Invalidation

if TYPE_CHECKING:
    from gcache.core.events import Event

_LEVELS: dict[type[Event], int] = {Error: logging.WARNING, Invalidation: logging.INFO}


class LoggingSink:
    """Logs each event on one line: errors as WARNING, invalidations as INFO, all others as DEBUG.

    What happens often comes in sums, so a line may speak of many calls. It is cut after 1,000 letters. The
    event is the only argument of the log record, so a handler finds it whole in `record.args[0]`.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("gcache")

    def record(self, event: Event) -> None:
        """Log `event`, if the logger wants its level."""
        self._logger.log(_LEVELS.get(type(event), logging.DEBUG), "%.1000r", event)
