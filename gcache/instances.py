"""The instances that live in this process: one for each prefix, told of a fork and of the end."""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

from gcache.errors import GCacheAlreadyInstantiated

if TYPE_CHECKING:
    from gcache.core.engine import Engine
    from gcache.toolkit import GCache

_live: WeakValueDictionary[str, GCache] = WeakValueDictionary()
_live_lock = threading.Lock()
_engines: WeakSet[Engine] = WeakSet()


def claim(prefix: str, instance: GCache) -> None:
    """Give a prefix to an instance. Raises GCacheAlreadyInstantiated."""
    with _live_lock:
        for other in tuple(_live):
            if f"{other}:".startswith(f"{prefix}:") or f"{prefix}:".startswith(f"{other}:"):
                raise GCacheAlreadyInstantiated(
                    f"A live GCache holds the prefix {other!r}: close() it first, or give this one "
                    "a urn_prefix that neither contains that one nor lies inside it."
                )
        _live[prefix] = instance


def release(prefix: str, instance: GCache) -> None:
    """Take the prefix of an instance back, if it still has it."""
    with _live_lock:
        if _live.get(prefix) is instance:
            del _live[prefix]


def attend(engine: Engine) -> None:
    """Tell an engine of a fork, and of the end."""
    _engines.add(engine)


def _after_fork() -> None:
    global _live_lock
    _live_lock = threading.Lock()
    for engine in tuple(_engines):
        engine.after_fork()


@atexit.register
def _at_exit() -> None:
    for engine in tuple(_engines):
        engine.recorder.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
