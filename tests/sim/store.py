"""What all processes share: an authority that counts its own seconds, and a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gcache.core.epochs import decoded, retired, standing

if TYPE_CHECKING:
    from gcache.core.protocols import Progress
    from tests.sim.properties import History

Touch = Callable[[object, bool], None]
"""Takes note that the step under way reads (False) or writes (True) a thing that others may use, too."""

LEASE = b"l"
EVERY_KEY = "every key"
"""What a step writes that concerns all keys at once, and what every other step on a key reads."""


class PlainStore:
    """An authority without `retire`: core reads the epoch's key, and then acts.

    What that loses: of two invalidations at once, the one without a buffer, or with the shorter one, can
    have read before the other's hold was set and act after, which cuts the hold short.
    """

    name = "remote"

    def __init__(self, touch: Touch, history: History) -> None:
        self.now = 0.0
        self.flush_ends_holds = True
        self.data: dict[str, tuple[bytes, float]] = {}
        self._touch = touch
        self._history = history

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [self.look(key) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        for key, value in items.items():
            self._write(key, value, ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        if self.look(key) is not None:
            return False
        self._write(key, value, ttl)
        return True

    def delete(self, keys: Sequence[str]) -> int:
        return sum(self.drop(key) for key in keys)

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        self._touch(EVERY_KEY, True)
        if self.flush_ends_holds:
            self._history.hold_is_lost()
        return self.delete([key for key in sorted(self.data) if key.startswith(prefix)])

    def evict(self, key: str) -> None:
        """Forget `key`, as a full server does."""
        if standing(self.look(key)) == "hold":
            self._history.hold_is_lost()
        self.drop(key)

    def close(self) -> None:
        """Nothing is open."""

    def look(self, key: str) -> bytes | None:
        """Return what lives under `key`."""
        self._note(key, False)
        if key.endswith("#epoch"):
            self._history.epoch_is_asked_for()
        value, deadline = self.data.get(key, (None, 0.0))
        return value if deadline > self.now else None

    def drop(self, key: str) -> bool:
        """Forget `key`; tell whether it was there."""
        self._note(key, True)
        return self.data.pop(key, None) is not None

    def pass_time(self, seconds: float) -> None:
        """Let everything that lives no longer than `seconds` from now end."""
        self._touch(EVERY_KEY, True)
        self._touch("now", True)
        self.now += seconds
        self.data = {key: pair for key, pair in self.data.items() if pair[1] > self.now}

    def _write(self, key: str, value: bytes, ttl: float) -> None:
        self._note(key, True)
        if key.endswith("#epoch"):
            self._history.holds_are_set(decoded(value))
        elif value != LEASE:
            self._history.entry_is_written(self.now)
        self.data[key] = (value, self.now + ttl)

    def _note(self, key: str, is_write: bool) -> None:
        self._touch(key, is_write)
        self._touch(EVERY_KEY, False)


class ExactStore(PlainStore):
    """An authority that retires an epoch in one step, as Redis does."""

    def retire(self, key: str, holder: str, ttl: float) -> None:
        stored = self.look(key)
        held, life = retired(stored, holder, ttl, self.now)
        if held is not None:
            self._write(key, held, life)
        elif stored is not None:
            self.drop(key)


class Source:
    """The truth, which counts its versions: for whoever reads a trace. No property looks at them."""

    def __init__(self) -> None:
        self.version = 1
        self.may_fail = False

    def commit(self) -> None:
        self.version += 1
