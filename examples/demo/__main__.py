"""Runs the show; the exit code is 0 when every promise was kept."""

from __future__ import annotations

import signal
import sys

from .show import show


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return 0 if show() else 1
    except KeyboardInterrupt:
        print("\nInterrupted: the server and the second process have been stopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
