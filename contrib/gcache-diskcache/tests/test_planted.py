"""What somebody else has put into the folder is neither believed nor run."""

from __future__ import annotations

import os
import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gcache_diskcache import DiskLayer, ForeignRow

RAW, BINARY, TEXT, PICKLE = 1, 2, 3, 4


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


def plant(folder: Path, **columns: Any) -> None:
    """Change the row of `key`."""
    names = ", ".join(f"{name} = ?" for name in columns)
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as db:
        db.execute(f"UPDATE Cache SET {names}", tuple(columns.values()))


@pytest.mark.parametrize("mode", [0, BINARY, TEXT, PICKLE, 99, "4", None])
def test_no_pickle_is_loaded(layer: DiskLayer, folder: Path, tmp_path: Path, mode: object) -> None:
    """A row that says it is anything but plain bytes is an error, and is not unpickled."""
    trace = tmp_path / "trace"
    layer.put({"key": b"value"}, 600)
    plant(folder, mode=mode, value=pickle.dumps(Payload(trace)))

    with pytest.raises(ForeignRow, match="find out who else can write there"):
        layer.get(["key"])
    assert not trace.exists()


def test_no_pickled_key_is_loaded(layer: DiskLayer, folder: Path, tmp_path: Path) -> None:
    """A key that says it is a pickle is found by nobody, and cleared without being unpickled."""
    trace = tmp_path / "trace"
    layer.put({"key": b"value"}, 600)
    plant(folder, raw=0, key=pickle.dumps(Payload(trace)))
    found = list(layer.get(["key"]))
    layer.clear("")

    assert [None] == found
    assert not trace.exists()


@pytest.mark.parametrize("value", [1, 1.5, "text", None])
def test_other_types(layer: DiskLayer, folder: Path, value: object) -> None:
    """What is no bytes is an error."""
    layer.put({"key": b"value"}, 600)
    plant(folder, value=value)

    with pytest.raises(ForeignRow):
        layer.get(["key"])


@pytest.mark.parametrize("end", ["read", "delete", "overwrite", "clear", "cull"])
def test_no_file_is_read_or_removed(layer: DiskLayer, folder: Path, tmp_path: Path, end: str) -> None:
    """A row that names a file reaches none: not by reading it, nor when the row goes."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    layer.put({"key": b"value"}, 600)
    plant(
        folder,
        mode=BINARY,
        filename="../secret",
        value=None,
        **({"expire_time": 1.0} if end == "cull" else {}),
    )
    if end == "read":
        with pytest.raises(ForeignRow):
            layer.get(["key"])
    elif end == "delete":
        layer.delete(["key"])
    elif end == "clear":
        layer.clear("")
    else:
        layer.put({"key" if end == "overwrite" else "other": b"new"}, 600)

    assert b"secret" == secret.read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size_limit", 1),
        ("size", "junk"),
        ("statistics", 1),
        ("eviction_policy", "none"),
        ("sqlite_busy_timeout", 60_000),
        ("sqlite_journal_mode", "delete"),
        ("disk__directory", "/"),
        ("_path", "/"),
        ("get", "x"),
    ],
)
def test_settings_are_not_believed(folder: Path, name: str, value: object) -> None:
    """What a folder says of settings changes nothing, be they those of diskcache, of SQLite or of neither."""
    DiskLayer(str(folder)).close()
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as db:
        db.execute("INSERT OR REPLACE INTO Settings VALUES (?, ?)", (name, value))
    with closing(DiskLayer(str(folder))) as layer:
        layer.put({"key": b"value"}, 600)
        found = list(layer.get(["key"]))
        [[wait_ms]] = layer._folder._con.execute("PRAGMA busy_timeout")
        [[journal]] = layer._folder._con.execute("PRAGMA journal_mode")

    assert [b"value"] == found
    assert (0, "wal") == (wait_ms, journal)


def test_a_foreign_row_is_no_obstacle(layer: DiskLayer, folder: Path) -> None:
    """What cannot be read can be invalidated all the same, and written anew."""
    layer.put({"key": b"value"}, 600)
    plant(folder, mode=PICKLE)
    layer.retire("key", "", 0)
    retired = list(layer.get(["key"]))
    layer.put({"key": b"value"}, 600)
    plant(folder, mode=PICKLE)
    layer.put({"key": b"new"}, 600)

    assert [None] == retired
    assert [b"new"] == list(layer.get(["key"]))


def test_other_users_are_kept_out(layer: DiskLayer, folder: Path) -> None:
    """A folder that the layer makes is its user's alone."""
    assert 0o700 == folder.stat().st_mode & 0o777
