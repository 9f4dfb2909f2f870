"""What is made of a run: a file, tables, and a page that tells losses as plainly as wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import page, results
from benchmarks.markers import rewritten
from benchmarks.reasons import REASONS, reason
from benchmarks.results import Row

ROOT = Path(__file__).parent.parent.parent
WHERE: dict[str, Any] = {
    "cpu": "a CPU",
    "cpus": 2,
    "system": "Linux x86_64",
    "load_average": [0.1, 0.1, 0.1],
    "python": "CPython 3.11.7",
    "packages": {"attrs": "26.1.0"},
    "absent": {"slowcache 1.0": "not installed: no such version"},
}


def row(job: str = "a job", ratio: float = 1.5, target: float | None = 2.0, **more: Any) -> Row:
    return Row(job, 100 * ratio, 100, ratio, target, "a closure", ratio, ratio, 120, **more)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The page is made of the file, so nothing of a row is lost on the way."""
    rows = [("local_hit", row()), ("hit_ratio", row("hits", 0.4, None, unit="%")), ("x", row(is_peer=True))]
    results.write(tmp_path / "bench.json", {"cpu": "a CPU"}, rows, {"slowcache 1.0": "not installed"})

    where, found = results.read(tmp_path / "bench.json")

    assert rows == found
    assert {"cpu": "a CPU", "absent": {"slowcache 1.0": "not installed"}} == where


def test_a_missed_target_is_bold_and_has_its_reason() -> None:
    """Who reads the page sees what is missed, and why, as long as that is so."""
    job, why = next(iter(REASONS.items()))

    missed = page.tables(WHERE, [("hit_ratio", row(f"{job} x", 2.5))])
    met = page.tables(WHERE, [("hit_ratio", row(f"{job} x", 1.5))])

    assert "**missed**" in missed
    assert f"- **Missed: {job} x.** {why}" in missed
    assert "**0 of 1 targets are met, 1 are missed.**" in missed
    assert "issed:" not in met
    assert "**1 of 1 targets are met, 0 are missed.**" in met


def test_a_target_missed_for_no_known_reason_says_so() -> None:
    """A gap is not filled with silence."""
    assert "No reason is known yet." == reason("a job that nobody has looked into")


@pytest.mark.parametrize(("ratio", "said"), [(1.5, "| **1.50 x slower** |"), (0.25, "| 4 x faster |")])
def test_a_peer_that_is_faster_is_said_to_be(ratio: float, said: str) -> None:
    """Nobody has to think which way a ratio goes."""
    assert said in page.tables(WHERE, [("local_hit", row(ratio=ratio, target=None, is_peer=True))])


def test_every_row_is_shown() -> None:
    """A job that no group of the page names is not dropped, nor is the peer that did not take part."""
    text = page.tables(WHERE, [("local_hit", row("one")), ("brand_new", row("another"))])

    assert "| one | 150 ns | 100 ns | 1.50 | 2.00 | met | a closure |" in text
    assert "| another |" in text
    assert "- slowcache 1.0: not installed: no such version" in text


def test_machine_and_versions_are_stated() -> None:
    """A ratio without what it was measured on is worth nothing."""
    text = page.tables(WHERE, [("local_hit", row())])

    assert all(said in text for said in ("a CPU", "2 CPUs", "CPython 3.11.7", "attrs 26.1.0"))


@pytest.mark.parametrize(
    ("figure", "unit", "said"),
    [
        (137.2, "ns", "137 ns"),
        (62_000, "ns", "62.0 µs"),
        (12.3e6, "ns", "12.3 ms"),
        (3.93e9, "ns", "3.9 s"),
        (124, "bytes", "124 bytes"),
        (76.556, "%", "76.56 %"),
        (33, "", "33"),
    ],
)
def test_figures_carry_their_units(figure: float, unit: str, said: str) -> None:
    """Each figure is written with a unit that leaves it a few digits."""
    assert said == results.readable(figure, unit)


def test_a_page_is_rewritten_between_its_markers() -> None:
    """What stands around the markers stays, what stood between them goes."""
    text = "before\n<!-- drills: begin -->\nold\n<!-- drills: end -->\nafter\n"

    assert "before\n<!-- drills: begin -->\n\nnew\n<!-- drills: end -->\nafter\n" == rewritten(
        text, "drills", "new"
    )
    with pytest.raises(ValueError, match="drills: begin"):
        rewritten("no markers", "drills", "new")


def test_the_page_can_be_written() -> None:
    """The page in the repository has the markers, and the chart that it shows is there and small."""
    text = (ROOT / "docs" / "performance.md").read_text()

    assert "new" in rewritten(text, "bench", "new")
    assert 0 < (ROOT / "docs" / "performance.png").stat().st_size < 100_000
