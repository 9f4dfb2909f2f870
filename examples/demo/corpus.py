"""The source of truth: a SQLite database of every identifier in the standard library's own source code."""

from __future__ import annotations

import keyword
import sqlite3
import sysconfig
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_LIBRARY = Path(sysconfig.get_path("stdlib"))
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
_TABLES = "CREATE TABLE uses (place INTEGER PRIMARY KEY, name TEXT, file TEXT, line INTEGER)"
_INDEX = "CREATE INDEX uses_by_name ON uses (name, file, line)"


class Corpus(NamedTuple):
    """What the database holds: how many files, how many uses of how many different names."""

    files: int
    uses: int
    names: int


def source_files() -> list[Path]:
    """Return the modules of the running Python's standard library without their tests, sorted."""
    return sorted(
        path for path in _LIBRARY.rglob("*.py") if _LEFT_OUT.isdisjoint(path.relative_to(_LIBRARY).parts)
    )


def build(database: Path, files: list[Path], report: Callable[[int], None]) -> Corpus:
    """Write every use of every identifier in `files` to `database`, in reading order."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(_TABLES)
        for done, path in enumerate(files, start=1):
            connection.executemany("INSERT INTO uses (name, file, line) VALUES (?, ?, ?)", _uses(path))
            report(done)
        connection.execute(_INDEX)
    counts = connection.execute("SELECT count(DISTINCT file), count(*), count(DISTINCT name) FROM uses")
    corpus = Corpus(*counts.fetchone())
    connection.close()
    return corpus


def _uses(path: Path) -> Iterator[tuple[str, str, int]]:
    file = path.relative_to(_LIBRARY).as_posix()
    with tokenize.open(path) as lines:
        for token in tokenize.generate_tokens(lines.readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                yield token.string, file, token.start[0]
