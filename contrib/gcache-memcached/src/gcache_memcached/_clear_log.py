"""What was cleared on one server, and which entries that leaves alive. Pure.

A log has a random id and counts clearings. An entry begins with the log's id and its count as they were when
the entry was written, or a little before. It is dead once a prefix of its key has been cleared at a later
count, and when the log that stands has another id: a log that was lost takes all entries with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

MOST_BYTES = 16_384
_ID_SIZE = 8
_STAMP_SIZE = 16


class ClearLog(NamedTuple):
    """What a server's log says. Without an `id` there is none, and nothing lives.

    `clearings` is the count, and `cleared` what it was when each prefix was cleared last, oldest first. What
    was written before it reached `floor` is dead, too: there was no room for more prefixes.
    """

    id: bytes = b""
    clearings: int = 0
    floor: int = 0
    cleared: Mapping[str, int] = {}

    def stamped(self, value: bytes) -> bytes:
        """Return what to store for `value`."""
        return self.id + self.clearings.to_bytes(_STAMP_SIZE - _ID_SIZE, "big") + value

    def opened(self, key: str, stored: bytes | None) -> bytes | None:
        """Return the value in `stored`, None if it is dead or was never an entry."""
        if stored is None or len(stored) < _STAMP_SIZE or stored[:_ID_SIZE] != self.id:
            return None
        count = int.from_bytes(stored[_ID_SIZE:_STAMP_SIZE], "big")
        since = [prefix for prefix, at in self.cleared.items() if at > count]
        return None if count < self.floor or key.startswith(tuple(since)) else stored[_STAMP_SIZE:]

    def begun(self, id: bytes) -> ClearLog:
        """Return the log, or a new one of this `id` where there is none."""
        return self if self.id else ClearLog(id)

    def after_clearing(self, prefix: str) -> ClearLog:
        """Return the log after one more clearing, in which those that it contains are merged."""
        if not self.id:
            return self
        count, floor = self.clearings + 1, self.floor
        cleared = {other: at for other, at in self.cleared.items() if not other.startswith(prefix)}
        cleared[prefix] = count
        while len(ClearLog(self.id, count, floor, cleared).encoded()) > MOST_BYTES:
            floor = cleared.pop(next(iter(cleared)))
        return ClearLog(self.id, count, floor, cleared)

    def encoded(self) -> bytes:
        """Return the log as a server stores it."""
        return json.dumps([self.id.hex(), self.clearings, self.floor, self.cleared]).encode()


@lru_cache(maxsize=256)
def decoded(stored: bytes | None) -> ClearLog:
    """Return the log that `stored` says."""
    try:
        log_id, clearings, floor, cleared = json.loads(stored or b"")
        counts = {str(prefix): int(at) for prefix, at in cleared.items()}
        return ClearLog(bytes.fromhex(log_id), int(clearings), int(floor), counts)
    except (AttributeError, TypeError, ValueError):
        return ClearLog()
