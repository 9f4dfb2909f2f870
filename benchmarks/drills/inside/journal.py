"""What came of calls: how long each took, and whether its answer was right."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any


class Call:
    """A call under way. Whoever makes it leaves in `got` what it returned."""

    got: object = None


class Journal:
    """Written to by any number of threads or tasks. A call that was begun and has not ended is stuck."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies_ms: list[float] = []
        self._errors: Counter[str] = Counter()
        self._begun = self._failed = self._wrong = 0

    @property
    def stuck(self) -> int:
        return self._begun - len(self._latencies_ms)

    @property
    def median_ms(self) -> float:
        return median(self._latencies_ms) if self._latencies_ms else 0.0

    @contextmanager
    def call(self, expected: object, spent_sec: Callable[[], float] = lambda: 0.0) -> Iterator[Call]:
        """Time a call, and judge what it got. By what `spent_sec` grows meanwhile the call took less."""
        call, spent = Call(), spent_sec()
        with self._lock:
            self._begun += 1
        failure: BaseException | None = None
        started = time.monotonic()
        try:
            yield call
        except BaseException as error:
            failure = error
        sec = time.monotonic() - started - (spent_sec() - spent)
        with self._lock:
            self._latencies_ms.append(sec * 1000)
            self._judge(call.got, expected, failure)

    def told(self, less_ms: float = 0.0) -> dict[str, Any]:
        with self._lock:
            return {
                "calls": self._begun,
                "failed": self._failed,
                "wrong": self._wrong,
                "stuck": self.stuck,
                "added_ms": [round(ms - less_ms, 4) for ms in self._latencies_ms],
                "errors": dict(self._errors),
            }

    def _judge(self, got: object, expected: object, failure: BaseException | None) -> None:
        if failure is not None:
            if not self._failed:
                traceback.print_exception(failure, file=sys.stderr)
            self._failed += 1
            self._errors[f"{type(failure).__name__}: {failure!s:.200}"] += 1
        elif got != expected:
            self._wrong += 1
            self._errors[f"{got!r:.100} for {expected!r:.100}"] += 1
