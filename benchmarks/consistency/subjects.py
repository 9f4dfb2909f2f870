"""Whose cache is on trial: ours, or the peer's in an environment of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gcache
from benchmarks.environments import python_with

OURS = "ours"
PEER_VERSION = "3.0.0"
_PEER_REQUIREMENTS = (f"gcache=={PEER_VERSION}", "hiredis")


@dataclass(frozen=True)
class Subject:
    """The command that runs a Python file with this subject's `gcache`, which lies under `home`."""

    name: str
    command: Sequence[str]
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def owns(self, file: str) -> bool:
        """Whether a module that was imported from `file` is this subject's."""
        return Path(file).resolve().is_relative_to(self.home.resolve())


def ours(*launcher: str) -> Subject:
    """Return the `gcache` that is importable here. `launcher` is a program to run workers with, if any."""
    home = Path(gcache.__file__).parent
    path = os.pathsep.join(filter(None, [str(home.parent), os.environ.get("PYTHONPATH")]))
    return Subject(OURS, [sys.executable, *launcher], home, {"PYTHONPATH": path})


def peer(directory: Path) -> Subject:
    """Return the peer, from a virtual environment in `directory`, which is made if it is not there yet."""
    python = python_with(_PEER_REQUIREMENTS, directory)
    return Subject(f"peer {PEER_VERSION}", [str(python), "-E"], directory)
