"""What is worth a log line, said once and not at every call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

_MOST_SUBJECTS = 10_000


def described(error: BaseException) -> str:
    """Return an exception as a log line shows it. The `repr` of some says less than this."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # somebody's own exception, which cannot even be shown
        return type(error).__name__


class Notices:
    """Log lines of one instance, each subject at most once every `again_after` seconds, or once for ever."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._quiet_until: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def warn(self, subject: Hashable, message: str, *args: object, again_after: float = float("inf")) -> None:
        """Log `message` unless `subject` was the subject of a line not long ago."""
        now = self._clock()
        if self._quiet_until.get(subject, now) > now:
            return
        with self._lock:
            if self._quiet_until.get(subject, now) > now or len(self._quiet_until) >= _MOST_SUBJECTS:
                return
            self._quiet_until[subject] = now + again_after

        import logging

        logging.getLogger("gcache").warning(message, *args)

    def after_fork(self) -> None:
        """Make the child's lock its own."""
        self._lock = threading.Lock()
