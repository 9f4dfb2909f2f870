"""What every part of an instance works in."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from gcache.core.records import Record

if TYPE_CHECKING:
    from gcache.core.notices import Notices
    from gcache.core.recorder import Recorder
    from gcache.core.troubles import Troubles


class Surroundings(Record):
    """Two clocks, where to tell what happens, the switch of the instance's caching, and chance.

    `clock` is monotonic and rules what this process holds; `now` is Unix time and goes into entries. Both
    are in seconds. `chance` returns a number from 0 to below 1.
    """

    clock: Callable[[], float]
    now: Callable[[], float]
    recorder: Recorder
    notices: Notices
    troubles: Troubles
    enabled: ContextVar[bool]
    chance: Callable[[], float]
