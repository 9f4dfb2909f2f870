"""A few quick drills from end to end, and what shows that a drill can be failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.servers.availability import require

pytest.importorskip("redis")
pytest.importorskip("trustme")

from benchmarks.drills import __main__ as program
from benchmarks.drills import subjects
from benchmarks.drills.catalogue import DRILLS, Drill
from benchmarks.drills.conduct import Pass, Row, conduct
from benchmarks.drills.subjects import Subject

BROKEN = str(Path(__file__).with_name("broken.py"))
BY_NAME = {drill.name: drill for drill in DRILLS}


@pytest.fixture(autouse=True)
def _needs_valkey() -> None:
    require("valkey")


def one_side(subject: Subject, side: Any = "sync") -> Subject:
    return replace(subject, sides=(side,))


def only_pass(drill: Drill, subject: Subject) -> Pass:
    [only] = conduct(drill, subject).passes
    return only


@pytest.mark.parametrize("side", ["sync", "async"])
def test_without_a_fault_the_cache_answers(side: str) -> None:
    """Where nothing is wrong most calls are hits, and every call made is right."""
    done = only_pass(BY_NAME["nothing"], one_side(subjects.ours(), side))

    assert "" == done.silent
    assert (0, 0) == (done.hurt, done.hurt_after)
    assert 0 < done.calls
    assert 50 < done.hit_percent


@pytest.mark.parametrize("side", ["sync", "async"])
def test_a_refusing_server_is_felt_and_hurts_nobody(side: str) -> None:
    """The fault reaches the subject, as nothing is a hit, and is over at the end, as hits come again."""
    done = only_pass(BY_NAME["refused"], one_side(subjects.ours(), side))

    assert "" == done.silent
    assert (0, 0) == (done.hurt, done.hurt_after)
    assert 0 == done.hit_percent
    assert done.back_sec is not None


def test_flipped_bits_are_felt_and_hurt_nobody() -> None:
    """Bits the other way round cost calls hits, and nothing else."""
    done = only_pass(BY_NAME["bit-flipped entries"], one_side(subjects.ours()))

    assert "" == done.silent
    assert (0, 0) == (done.hurt, done.hurt_after)
    assert done.hit_percent < 74


@pytest.mark.parametrize("side", ["sync", "async"])
@pytest.mark.parametrize(("kind", "failed", "wrong"), [("raises", True, False), ("wrong", False, True)])
def test_broken_cache_is_found_out(side: str, kind: str, failed: bool, wrong: bool) -> None:
    """A drill is one that a cache can fail: by raising, or by giving another key's value."""
    row = conduct(BY_NAME["nothing"], one_side(subjects.ours(BROKEN, kind), side))
    [done] = row.passes

    assert (failed, wrong) == (done.failed > 0, done.wrong > 0)
    assert not row.is_harmless


def test_hurt_callers_make_the_program_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, and the drill is named."""
    broken = one_side(subjects.ours(BROKEN, "raises"))
    monkeypatch.setattr(subjects, "ours", lambda: broken)
    monkeypatch.setattr("sys.argv", ["drills", "nothing"])
    monkeypatch.chdir(tmp_path)
    code = program.main()

    assert 1 == code
    assert "Callers were hurt: nothing" in capsys.readouterr().out


def test_what_cannot_be_drilled_is_no_success() -> None:
    """A subject that does not even start hurts, rather than counting as unhurt."""
    row = conduct(BY_NAME["nothing"], Subject("none", ["false"], "with_ours", ("sync",)))

    assert not row.is_harmless


@pytest.mark.parametrize(
    "what", [{"failed": 1}, {"wrong": 1}, {"stuck": 1}, {"hurt_after": 1}, {"silent": "gone"}, {"calls": 0}]
)
def test_each_hurt_counts(what: dict[str, Any]) -> None:
    """A single call that fails, hangs or is wrong, during the fault or after it, makes a drill fail."""
    unhurt = Pass("sync", calls=100)
    row = Row(BY_NAME["nothing"], subjects.ours(), (unhurt, unhurt))

    assert row.is_harmless
    assert not replace(row, passes=(unhurt, replace(unhurt, **what))).is_harmless
