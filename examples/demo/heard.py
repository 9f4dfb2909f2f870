"""What gcache writes to its log, taken down to be shown later and not in the midst of a timed call."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heard() -> Iterator[list[str]]:
    """Give the list that collects what the logger "gcache" says in the `with` block."""
    ear = _Ear()
    logging.getLogger("gcache").addHandler(ear)
    try:
        yield ear.lines
    finally:
        logging.getLogger("gcache").removeHandler(ear)


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
