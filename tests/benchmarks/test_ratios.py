"""The check for what has become slower: it compares ratios, and is not tripped by a moment's noise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("redis")

from benchmarks import ratios, results
from benchmarks.ratios import Known
from benchmarks.results import Row


def outcomes(job: str, *values: float) -> Iterator[list[Row]]:
    return iter([Row(job, 1, 1, value, None, "", value, value, 120) for value in [value]] for value in values)


@pytest.fixture
def baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = results.circumstances()
    kept = {
        "cpu": where["cpu"],
        "python": where["python"],
        "ratios": {"a hit": {"ratio": 2.0, "apart": 0.02}},
    }
    (tmp_path / "baseline.json").write_text(json.dumps(kept))
    monkeypatch.setattr(ratios, "BASELINE", tmp_path / "baseline.json")
    monkeypatch.setattr("sys.argv", ["ratios", "local_hit"])


@pytest.mark.usefixtures("baseline")
class TestCheck:
    def test_a_slower_hit_fails_and_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Slower by more than the tolerance in run after run is a failure, with the old ratio and the new."""
        runs = outcomes("a hit", *[2.3] * 9)
        monkeypatch.setattr(ratios, "measured", lambda _name, _peers: next(runs))

        code = ratios.main()

        assert 1 == code
        assert "a hit was 2.000 times its floor and is 2.300 times now." in capsys.readouterr().out

    def test_a_moment_of_noise_does_not_fail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the first runs are slow and those after them are not, nothing has become slower."""
        runs = outcomes("a hit", 2.5, 2.5, 2.5, *[2.0] * 6)
        monkeypatch.setattr(ratios, "measured", lambda _name, _peers: next(runs))

        assert 0 == ratios.main()

    @pytest.mark.parametrize("now", [0.5, 2.0, 2.19])
    def test_within_the_tolerance_it_passes_at_once(
        self, monkeypatch: pytest.MonkeyPatch, now: float
    ) -> None:
        """Faster is no failure, and nothing is run more often than it takes."""
        runs = outcomes("a hit", now, now, now)
        monkeypatch.setattr(ratios, "measured", lambda _name, _peers: next(runs))

        assert 0 == ratios.main()


def test_a_job_that_is_new_is_not_slower() -> None:
    """Without a baseline there is nothing to compare with."""
    [found] = ratios.compared({}, {"a new hit": [9.0]})

    assert not found.is_slower


def test_the_median_of_the_runs_counts() -> None:
    """One run out of line does not move the outcome."""
    [found] = ratios.compared({"a hit": Known(2.0, 0.02)}, {"a hit": [2.0, 9.0, 2.1]})

    assert 2.1 == found.now


@pytest.mark.parametrize(("apart", "most"), [(0.02, 2.2), (0.5, 3.0)])
def test_the_tolerance_is_what_runs_lie_apart(apart: float, most: float) -> None:
    """A job that noise moves further than a tenth is not failed for that."""
    assert most == Known(2.0, apart).most


def test_the_committed_baseline_has_every_job() -> None:
    """What is checked is what the baseline knows: as many jobs, and their names in words."""
    committed = json.loads((Path(ratios.__file__).with_name("baseline.json")).read_text())

    assert {"local hit, sync", "local hit, async", "Redis hit, sync"} <= set(committed["ratios"])
