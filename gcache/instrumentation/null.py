"""A sink that counts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcache.core.events import Event


class NullSink:
    """Drops every event."""

    def record(self, event: Event) -> None:
        """Do nothing with `event`."""
