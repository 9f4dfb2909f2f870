"""Peers that take turns: those that do the job have a row, those that do not are named with the reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.environments import NotInstalledError, python_with
from benchmarks.harness import calls, race
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.turns import Opponents, Peers
from benchmarks.results import Row

CACHING = "import functools\ndef cached(source, port): return functools.cache(source)\n"
NOT_CACHING = "def cached(source, port): return source\n"
FORGETFUL = """
import functools
def cached(source, port):
    known, calls = functools.cache(source), []
    def call(user_id):
        calls.append(user_id)
        return known(user_id) if len(calls) <= 40 else source(user_id)
    return call
"""
DYING = """
import functools, os
def cached(source, port):
    known, calls = functools.cache(source), []
    def call(user_id):
        calls.append(user_id)
        return known(user_id) if len(calls) <= 40 else os._exit(3)
    return call
"""
WRONG = "def cached(source, port): return lambda user_id: source('somebody else')\n"


def race_with(adapter: str, folder: Path) -> tuple[list[Row], dict[str, str]]:
    """Run a short race of a constant against a peer whose adapter has this code."""
    (folder / "adapter.py").write_text(adapter)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    peers = Peers({Peer("peer==1.0", "adapter", ("local_hit",)): python}, {})
    with peers.join("local_hit") as opponents:
        ours = calls("call()", call=lambda: None)
        race(ours, *opponents.contestants, rounds=2)
        return opponents.rows("a job", ours, {"peer 1.0": 1.0}), peers.notes


def test_a_peer_gets_a_row(tmp_path: Path) -> None:
    """It is timed in its own process, and compared with ours turn by turn."""
    rows, notes = race_with(CACHING, tmp_path)

    assert {} == notes
    assert [("a job", "peer 1.0", 1.0, True)] == [
        (row.job, row.floor_is, row.target, row.is_peer) for row in rows
    ]
    assert 0 < rows[0].floor_ns


@pytest.mark.parametrize(
    ("adapter", "why"),
    [
        (NOT_CACHING, "left out: ValueError: 20 ids were asked for twice, and the source ran 40 times"),
        (WRONG, "left out: ValueError: a call returned something else than the function"),
        (
            "import nowhere",
            "left out: ModuleNotFoundError: No module named 'nowhere'",
        ),
    ],
)
def test_a_peer_that_does_not_do_the_job_is_left_out(tmp_path: Path, adapter: str, why: str) -> None:
    """What would be measured is not what the job is about, so it is told instead."""
    rows, notes = race_with(adapter, tmp_path)

    assert [] == rows
    assert {"peer 1.0, local_hit": why} == notes


@pytest.mark.parametrize(("adapter", "why"), [(FORGETFUL, "its source ran"), (DYING, "its process ended")])
def test_a_peer_that_fails_amid_the_race_is_told_of(tmp_path: Path, adapter: str, why: str) -> None:
    """Ours is measured all the same, and there is no row that looks like a peer's hit."""
    rows, notes = race_with(adapter, tmp_path)

    assert [] == rows
    assert why in notes["peer 1.0, a job"]


def test_without_peers_nobody_takes_part() -> None:
    """A race without peers is what it is without them."""
    with Peers({}, {}).join("local_hit") as opponents:
        assert isinstance(opponents, Opponents)
        assert [] == opponents.contestants


def test_what_cannot_be_installed_is_told(tmp_path: Path) -> None:
    """pip's last word is the reason that the output gives."""
    with pytest.raises(NotInstalledError, match="nowhere"):
        python_with([str(tmp_path / "nowhere")], tmp_path / "environment")
