"""The layer. It works as it is, in a dictionary: put your store in the dictionary's place."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence


class ExampleLayer:
    """Keeps bytes in a dictionary of this process. `clock` gives seconds.

    Calls come from any thread. Raise whatever you like when the store is in trouble, within a second or
    so; never answer None for a key that could not be looked up.
    """

    def __init__(self, name: str = "example", clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self._clock = clock
        self._held: dict[str, tuple[bytes, float]] = {}
        self._process = os.getpid()
        self._lock = threading.Lock()

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is stored under each of `keys`, in their order, None where nothing is."""
        with self._mine():
            return [self._live(key) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        """Store `items` for `ttl` seconds, replacing what was there and its remaining life."""
        with self._mine():
            self._drop_expired()
            for key, value in items.items():
                self._held[key] = value, self._clock() + ttl

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Store `value` only if nothing lives under `key`; tell whether it was stored."""
        with self._mine():
            is_free = self._live(key) is None
            if is_free:
                self._held[key] = value, self._clock() + ttl
            return is_free

    def delete(self, keys: Sequence[str]) -> int:
        """Forget `keys`; return how many of them were there."""
        with self._mine():
            return self._remove(keys)

    def clear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        """Forget every key that begins with `prefix`, and no other; return how many there were."""
        with self._mine():
            removed = self._remove([key for key in self._held if key.startswith(prefix)])
        if progress is not None:
            progress(removed)
        return removed

    def close(self) -> None:
        """Let go of connections and files. Nothing is called after it."""

    def _mine(self) -> threading.Lock:
        """Return this process's lock. Connections need the same care: a forked child opens its own."""
        if self._process != os.getpid():
            self._process, self._lock = os.getpid(), threading.Lock()
        return self._lock

    def _live(self, key: str) -> bytes | None:
        value, end = self._held.get(key, (None, 0.0))
        return value if end > self._clock() else None

    def _remove(self, keys: Sequence[str]) -> int:
        removed = sum(self._live(key) is not None for key in set(keys))
        for key in keys:
            self._held.pop(key, None)
        return removed

    def _drop_expired(self) -> None:
        for key in [key for key in self._held if self._live(key) is None]:
            del self._held[key]
