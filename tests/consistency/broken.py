"""Runs a Python file with a `gcache` that is broken on purpose: `broken.py KIND FILE [argument ...]`."""

from __future__ import annotations

import runpy
import sys
import threading
from typing import Any

import gcache

LATE_SEC = 0.05

_invalidate = gcache.GCache.invalidate


def deaf(*_: Any) -> None:
    """Tell nobody."""


def late(*call: Any) -> None:
    """Return at once, and tell the authority in a while."""
    threading.Timer(LATE_SEC, _invalidate, call).start()


async def adeaf(*call: Any) -> None:
    deaf(*call)


async def alate(*call: Any) -> None:
    late(*call)


if __name__ == "__main__":
    kind = sys.argv[1]
    setattr(gcache.GCache, "invalidate", {"deaf": deaf, "late": late}[kind])  # noqa: B010
    setattr(gcache.GCache, "ainvalidate", {"deaf": adeaf, "late": alate}[kind])  # noqa: B010
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
