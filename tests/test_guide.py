"""The guide for adapters, done as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from gcache import cli
from gcache.conformance import CacheLayerSuite
from gcache.conformance.suite import Suite
from tests import guide

ROOT = Path(__file__).parent.parent


def made(name: str, into: Path) -> Path:
    """Return the folder of a new adapter, with what installing it would tell of its entry point."""
    folder = cli.new_adapter(name, into)
    told = folder / "src" / f"gcache_{name}-0.1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gcache-{name}\nVersion: 0.1.0\n")
    (told / "entry_points.txt").write_text(f"[gcache.layers]\n{name} = gcache_{name}:from_url\n")
    return folder


def run_tests(folder: Path) -> tuple[int, str]:
    """Return exit code and output of pytest in `folder`."""
    paths = os.pathsep.join([str(folder / "src"), str(ROOT)])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def test_the_example_passes_the_suite(tmp_path: Path) -> None:
    """The layer on SQLite, put together from the guide's own lines, is one that the suite finds right."""
    folder = made("sqlite", tmp_path)
    files = guide.fill_in(folder)
    code, output = run_tests(folder)

    assert 4 == len(files)
    assert 0 == code, output
    assert re.search(r"\d{2,} passed", output)


def test_a_new_adapter_passes_the_suite(tmp_path: Path) -> None:
    """What `gcache new-adapter` makes works before a line of it is changed, and goes by its name alone."""
    folder = made("mango", tmp_path)
    code, output = run_tests(folder)
    left = [path for path in folder.rglob("*.*") if path.is_file() and b"xample" in path.read_bytes()]

    assert 0 == code, output
    assert [] == left
    assert (folder / "src" / "gcache_mango" / "py.typed").is_file()


@pytest.mark.parametrize("name", ["", "Mango", "man-go", "1mango", "../mango", "man go", "mångo"])
def test_a_name_that_will_not_do(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no name of a package is refused, and what one looks like is said."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["new-adapter", name, "--into", str(tmp_path)])

    assert 2 == ended.value.code
    assert "lower-case letters and digits" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the folder is already, nothing in it is touched."""
    (tmp_path / "gcache-mango").mkdir()
    code = cli.main(["new-adapter", "mango", "--into", str(tmp_path)])

    assert 1 == code
    assert "is there already" in capsys.readouterr().err
    assert [] == list((tmp_path / "gcache-mango").iterdir())


def test_next_steps_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says where it has put what, and what to do with it."""
    code = cli.main(["new-adapter", "mango", "--into", str(tmp_path)])
    said = capsys.readouterr().out

    assert 0 == code
    assert f"cd {tmp_path / 'gcache-mango'} && pip install -e '.[test]' && pytest" in said
    assert "src/gcache_mango/layer.py" in said


def test_every_capability_is_explained() -> None:
    """The guide names everything that a layer can declare, with its default."""
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \| (.+?) \|", guide.GUIDE.read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: default for names, default in rows for name in re.findall(r"\w+", names)}
    declared = {
        name: getattr(CacheLayerSuite, name)
        for part in CacheLayerSuite.__mro__
        if part is not Suite
        for name in vars(part).get("__annotations__", {})
        if name not in ("topics", "expected_failures")
    }

    assert set(declared) == set(told)
    assert {name: str(value) for name, value in declared.items() if isinstance(value, bool)} == {
        name: told[name] for name, value in declared.items() if isinstance(value, bool)
    }
