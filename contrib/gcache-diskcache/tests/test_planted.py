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


def test_settings_are_not_believed(folder: Path) -> None:
    """A folder's own settings do not change those of the layer, nor any other attribute of it."""
    DiskLayer(str(folder)).close()
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as db:
        for name, value in (("size_limit", 1), ("cull_limit", 0), ("_disk", "x"), ("_wait_sec", 1e9)):
            db.execute("INSERT OR REPLACE INTO Settings VALUES (?, ?)", (name, value))
    layer = DiskLayer(str(folder), size=2**24)
    layer.put({"key": b"value"}, 600)
    opened = layer._folder
    seen = opened.size_limit, opened.cull_limit, opened._wait_sec
    found = list(layer.get(["key"]))
    layer.close()

    assert (2**24 - 2**21, 10, 0.5) == seen
    assert [b"value"] == found


def test_other_users_are_kept_out(layer: DiskLayer, folder: Path) -> None:
    """A folder that the layer makes is its user's alone."""
    assert 0o700 == folder.stat().st_mode & 0o777
