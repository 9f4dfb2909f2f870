"""The invalidation rules, without clocks and without I/O.

An entity's epoch key in the authority holds one of three things: nothing, an epoch, or a hold.

- An entry counts only while the epoch that it carries stands there.
- A reader that finds nothing plants a fresh epoch before it loads, with `add`, so that of many one wins.
- To invalidate is to take the epoch away. It is random and never comes back, so neither does the entry.
- A hold occupies the key: nothing can be planted, so nothing is written, until it lapses. Several holders
  can hold at once, each until a time of its own; the key is free when the last of them is done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

ANYBODY = ""
"""The holder of buffers: nobody comes back to end one."""

_EPOCH = b"e"
_HOLD = b"h"
_EPOCH_SIZE = 16
_HOLDER = re.compile(rb"([0-9A-Za-z]*):([0-9]{1,15});")
_DAY_SEC = 86_400.0

Standing: TypeAlias = Literal["absent", "epoch", "hold", "foreign"]


def plant() -> bytes:
    """Return an epoch that never was before."""
    return _EPOCH + os.urandom(_EPOCH_SIZE - 1)


def encoded(holds: Mapping[str, float]) -> bytes:
    """Return what stands under an epoch's key while `holds` do: until when (Unix time, sec), by holder."""
    return _HOLD + "".join(f"{holder}:{round(until * 1000)};" for holder, until in holds.items()).encode()


def decoded(stored: bytes | None) -> dict[str, float]:
    """Return who holds, and until when, as far as `stored` says."""
    if stored is None or stored[:1] != _HOLD:
        return {}
    return {holder.decode(): int(until_ms) / 1000 for holder, until_ms in _HOLDER.findall(stored, 1)}


def with_holder(holds: Mapping[str, float], holder: str, hold_sec: float, now: float) -> dict[str, float]:
    """Return the holds that stand once `holder` holds for `hold_sec` from `now`; with 0 it holds no more.

    Nobody's hold is cut short by somebody else. That of `ANYBODY`, which is no one's own, is never.
    """
    left = {name: until for name, until in holds.items() if until > now}
    if hold_sec > 0:
        left[holder] = max(left.get(holder, now), now + hold_sec)
    elif holder != ANYBODY:
        left.pop(holder, None)
    return left


def retired(stored: bytes | None, holder: str, hold_sec: float, now: float) -> tuple[bytes | None, float]:
    """Return what is to take the place of `stored`, and for how many seconds; None for nothing.

    This is what `retire` of a layer does in one step. `now` is Unix time, by whichever clock all share.
    """
    left = with_holder(decoded(stored), holder, hold_sec, now)
    return (encoded(left), max(left.values()) - now) if left else (None, 0.0)


is_epoch = re.compile(b"%b.{%d}" % (_EPOCH, _EPOCH_SIZE - 1), re.DOTALL).fullmatch
"""Tell whether bytes under an entity's epoch key are an epoch, as `standing` does. None raises TypeError."""


def standing(stored: bytes | None) -> Standing:
    """Tell what an entity's epoch key holds: what nobody of ours has put there is foreign."""
    if stored is None:
        return "absent"
    if stored[:1] == _EPOCH and len(stored) == _EPOCH_SIZE:
        return "epoch"
    return "hold" if stored[:1] == _HOLD else "foreign"


def lives(entry_epoch: bytes | None, stored: bytes | None) -> bool:
    """Tell whether an entry that carries `entry_epoch` counts while the epoch key holds `stored`."""
    return entry_epoch == stored and standing(stored) == "epoch"


def epoch_lifetime(longest_ttl: float) -> float:
    """Return how long to plant an epoch for, in seconds, when entries live up to `longest_ttl`.

    An epoch that ends before its entries costs misses, one that is kept for long costs memory.
    """
    return max(_DAY_SEC / 24, 4 * longest_ttl)
