"""The invalidation rules, without clocks and without I/O.

An entity's epoch key in the authority holds one of three things: nothing, an epoch, or a hold.

- An entry counts only while the epoch that it carries stands there.
- A reader that finds nothing plants a fresh epoch before it loads, with `add`, so that of many one wins.
- To invalidate is to take the epoch away. It is random and never comes back, so neither does the entry.
- A hold occupies the key: nothing can be planted, so nothing is written, until it lapses.
"""

from __future__ import annotations

import math
import os
from typing import Literal, TypeAlias

_EPOCH = b"e"
_HOLD = b"h"
_EPOCH_SIZE = 16
_DAY_SEC = 86_400.0

Standing: TypeAlias = Literal["absent", "epoch", "hold"]


def plant() -> bytes:
    """Return an epoch that never was before."""
    return _EPOCH + os.urandom(_EPOCH_SIZE - 1)


def hold(until: float) -> bytes:
    """Return a hold that is meant to stand until `until` (Unix time, seconds)."""
    return _HOLD + repr(until).encode()


def held_until(stored: bytes) -> float:
    """Return when a hold is meant to lapse, as far as it can be read."""
    try:
        until = float(stored[1:]) if stored[:1] == _HOLD else 0.0
    except ValueError:
        return 0.0
    return until if math.isfinite(until) else 0.0


def standing(stored: bytes | None) -> Standing:
    """Tell what an entity's epoch key holds. What cannot be told is taken for a hold: nothing is cached."""
    if stored is None:
        return "absent"
    return "epoch" if stored[:1] == _EPOCH and len(stored) == _EPOCH_SIZE else "hold"


def lives(entry_epoch: bytes | None, stored: bytes | None) -> bool:
    """Tell whether an entry that carries `entry_epoch` counts while the epoch key holds `stored`."""
    return entry_epoch == stored and standing(stored) == "epoch"


def epoch_lifetime(longest_ttl: float) -> float:
    """Return how long to plant an epoch for, in seconds, when entries live up to `longest_ttl`.

    An epoch that ends before its entries costs misses, one that is kept for long costs memory.
    """
    return max(_DAY_SEC / 24, 4 * longest_ttl)
