"""What is said to the process that calls cached functions, and what it answers."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks.drills.subjects import SideName, Subject

_FILE = Path(__file__).with_name("inside") / "worker.py"
_SLACK_SEC = 30.0
PATIENCE_SEC = 10.0


class Silent(Exception):
    """The worker does not answer. The message says why before its colon, and has its last words behind."""


class Worker:
    """A process that makes one subject's calls, on one side."""

    def __init__(self, subject: Subject, side: SideName, options: Mapping[str, Any]) -> None:
        task = {"adapter": subject.adapter, "side": side, "options": dict(options)}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [*subject.command, str(_FILE), json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **subject.environment},
        )

    def warm(self) -> None:
        """Return once each warm key is answered by the cache. Raises Silent if that never comes."""
        if self._ask(10, do="warm", limit_sec=10)["sec"] is None:
            raise Silent(f"there are no hits without any fault: {self._last_words()}")

    def calls(self, count: int, limit_sec: float) -> dict[str, Any]:
        """Make `count` calls in turn, a hundredth of a second apart."""
        limits = {"limit_sec": limit_sec, "patience_sec": PATIENCE_SEC}
        return self._ask(limit_sec + PATIENCE_SEC, do="calls", count=count, pause_sec=0.01, **limits)

    def crowd(self, count: int, rounds: int) -> dict[str, Any]:
        """Make `count` calls at once."""
        patience_sec = 3 * PATIENCE_SEC
        return self._ask(2 * patience_sec, do="crowd", count=count, rounds=rounds, patience_sec=patience_sec)

    def recover(self, limit_sec: float) -> dict[str, Any]:
        """Call until hits have come again; `sec` is None if they do not within the limit."""
        return self._ask(limit_sec, do="recover", limit_sec=limit_sec)

    def set_clock(self, offset_sec: float) -> None:
        self._ask(0, do="clock", offset_sec=offset_sec)

    def limit_files(self, size: int) -> None:
        self._ask(0, do="file_limit", size=size)

    def _ask(self, wait_sec: float, **command: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Silent(f"its process ended: {self._last_words()}") from None
        ready, _, _ = select.select([self._process.stdout], [], [], wait_sec + _SLACK_SEC)
        if not ready:
            raise Silent(f"its process hung: {self._last_words()}")
        line = self._process.stdout.readline()
        if not line:
            raise Silent(f"its process ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:] or "It said nothing."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
