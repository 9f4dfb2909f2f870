"""Waiting for a condition, never for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(condition: Callable[[], bool], *, sentence: str, timeout_sec: float = 10.0) -> None:
    """Return as soon as `condition` holds; raise TimeoutError with `sentence` when it never does."""
    deadline = time.monotonic() + timeout_sec
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"gave up after {timeout_sec} s waiting for: {sentence}")
        time.sleep(0.01)
