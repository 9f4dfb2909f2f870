"""Threads beside the callers: started late, ended with the process, and patient with what is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

FIRST_PAUSE_SEC = 0.1
LONGEST_PAUSE_SEC = 5.0


def started(work: Callable[[], None], name: str) -> threading.Thread | None:
    """Return a daemon thread that does `work`; None if there can be none.

    That is when the interpreter ends, or the machine is full. Somebody asks again then.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def pauses() -> Iterator[float]:
    """Yield how long to wait before each further try, in seconds: ever longer, and never quite alike."""
    import random

    pause = FIRST_PAUSE_SEC
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, LONGEST_PAUSE_SEC)
