"""The interpreter ends at once, and without a word, in whatever state the cache is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.process import Server

LIMIT_SEC = 20
ROOT = Path(__file__).parents[2]
STATES = [
    "unclosed",
    "closed_twice",
    "skipped",
    "stuck_layer",
    "stuck_limited_layer",
    "stuck_awaited_layer",
    "stuck_provider",
    "stuck_load",
    "stuck_block",
    "busy_threads",
    "interrupted",
    "interrupted_while_waiting",
    "at_the_end",
]
BOTH = "sync", "async"


def ended(state: str, *sides: str, port: int = 0) -> tuple[int, list[str], str]:
    """Return what a process in this state gave and said in the end. Raises TimeoutExpired if it hangs."""
    command = [sys.executable, "-m", "tests.core.exiting", str(port), state, *sides]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SEC, check=False)
    return run.returncode, run.stdout.split(), run.stderr


@pytest.mark.parametrize("state", STATES)
def test_states(state: str) -> None:
    """Nothing that is stuck, open or interrupted keeps the interpreter, or makes it complain."""
    assert (0, [*BOTH], "") == ended(state, *BOTH)


@pytest.mark.parametrize("side", BOTH)
def test_sys_exit(side: str) -> None:
    """A source that ends the process ends it with its code."""
    assert (3, [], "") == ended("sys_exit", side)


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_pending(valkey: Server, fault: str) -> None:
    """Invalidations that a server has not heard do not wait for it at the end."""
    valkey.empty()
    getattr(valkey, fault)()

    assert (0, [*BOTH], "") == ended("pending", *BOTH, port=valkey.port)


def test_listening(server: Server) -> None:
    """A process that hears of invalidations stops to when it ends."""
    assert (0, [*BOTH], "") == ended("listening", *BOTH, port=server.port)
