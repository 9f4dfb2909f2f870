"""Whose cache is drilled: ours, or a peer's in an environment of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import gcache
from benchmarks.environments import python_with

SideName = Literal["sync", "async"]
_BOTH: tuple[SideName, ...] = ("sync", "async")


@dataclass(frozen=True)
class Subject:
    """The command that runs a Python file where this subject is installed, and the file that sets it up."""

    name: str
    command: Sequence[str]
    adapter: str
    sides: Sequence[SideName] = _BOTH
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_ours(self) -> bool:
        return self.adapter == "with_ours"


@dataclass(frozen=True)
class Peer:
    """What to install for a peer, which is `pinned` so that the same thing is measured again."""

    pinned: str
    adapter: str
    sides: Sequence[SideName] = _BOTH
    needs: Sequence[str] = ("hiredis",)

    @property
    def name(self) -> str:
        return self.pinned.replace("==", " ").replace("[redis]", "")


PEERS = (
    Peer("gcache==3.0.0", "with_gcache"),
    Peer("cashews[redis]==7.6.0", "with_cashews", ("async",)),
    Peer("dogpile.cache==1.5.0", "with_dogpile", ("sync",), needs=("redis==8.1.0", "hiredis")),
)


def ours(*launcher: str) -> Subject:
    """Return the `gcache` that is importable here. `launcher` is a program to run the worker with, if any."""
    home = Path(gcache.__file__).parent.parent
    path = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    return Subject("ours", [sys.executable, *launcher], "with_ours", environment={"PYTHONPATH": path})


def installed(peer: Peer, directory: Path) -> Subject:
    """Return a peer, from a virtual environment under `directory`, which is made if it is not there yet."""
    python = python_with([peer.pinned, *peer.needs], directory / peer.name.replace(" ", "-"))
    return Subject(peer.name, [str(python), "-E"], peer.adapter, peer.sides)
