"""What a process holds on to, as Linux tells it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Vitals(NamedTuple):
    """One look at a process, `at` seconds after the start."""

    at: float
    rss_mb: float
    threads: int
    files: int


def look(pid: int, at: float) -> Vitals:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return Vitals(at, pages * _PAGE / 2**20, threads, len(os.listdir(f"/proc/{pid}/fd")))


def open_files() -> dict[int, str]:
    """Return what each open descriptor of this process stands for."""
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself is gone again
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def rss_mb(looks: Sequence[Vitals], begin: float, end: float) -> float:
    """Return the median between two times."""
    return median(each.rss_mb for each in looks if begin <= each.at <= end)
