"""What the folder holds, how much of it, and what happens when it cannot be used."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import diskcache
import pytest

from gcache import EntryTooLarge, GCacheClosed, GCacheConfigError
from gcache_diskcache import DiskLayer

MIB = 2**20


def rows(folder: Path) -> int:
    """How many entries the database has, expired ones too."""
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        [count] = db.execute("SELECT count(*) FROM Cache").fetchone()
    return int(count)


def size_of(folder: Path) -> int:
    """The bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class TestSize:
    @pytest.mark.parametrize("value_bytes", [100, 10_000, MIB])
    def test_the_folder_is_bounded(self, layer: DiskLayer, folder: Path, value_bytes: int) -> None:
        """However much is put, and in whatever pieces, the database stays within the size."""
        largest = 0
        for start in range(0, 40 * MIB // value_bytes, 50):
            layer.put(
                {f"key:{start}:{n}": bytes(value_bytes) for n in range(min(50, 8 * MIB // value_bytes))}, 600
            )
            largest = max(largest, (folder / "cache.db").stat().st_size)
            if start > 20_000:
                break

        assert largest <= 16 * MIB

    def test_the_oldest_makes_room(self, layer: DiskLayer) -> None:
        """What was stored longest ago goes first, whatever was read meanwhile."""
        for n in range(40):
            layer.put({f"key:{n}": bytes(MIB)}, 600)
            layer.get(["key:0"])
        there = [n for n in range(40) if layer.get([f"key:{n}"]) != [None]]

        assert 5 < len(there) < 17
        assert list(range(40 - len(there), 40)) == there

    def test_expired_entries_go(self, layer: DiskLayer, folder: Path) -> None:
        """Each put removes a few of those that have expired, so that they do not stay for ever."""
        layer.put({f"short:{n}": b"value" for n in range(100)}, 600)
        with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as db:
            db.execute("UPDATE Cache SET expire_time = 1")
        before = rows(folder)
        for n in range(20):
            layer.put({f"long:{n}": b"value"}, 600)

        assert 100 == before
        assert 20 == rows(folder)

    def test_no_files_beside_the_database(self, layer: DiskLayer, folder: Path) -> None:
        """Values of any size lie within the database, so none can be lost or exchanged alone."""
        layer.put({"small": b"value", "large": bytes(MIB)}, 600)

        assert {"cache.db"} == {
            file.name.removesuffix("-wal").removesuffix("-shm") for file in folder.iterdir()
        }

    def test_too_large(self, layer: DiskLayer) -> None:
        """The error names the entry and says what to do; nothing of what was put along with it is stored."""
        with pytest.raises(EntryTooLarge, match=r"'large' has 1048577 bytes.*give it a larger size"):
            layer.put({"small": b"value", "large": bytes(MIB + 1)}, 600)

        assert [None, None] == list(layer.get(["small", "large"]))

    def test_full_disk(self, layer: DiskLayer, folder: Path) -> None:
        """Where the disk takes no more, put raises, and what is there is read as before."""
        layer.put({"before": b"value"}, 600)
        program = (
            "import resource, sys\n"
            "from gcache_diskcache import DiskLayer\n"
            "layer = DiskLayer(sys.argv[1], size=2**24)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * MIB}, {resource.RLIM_INFINITY}))\n"
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "failures = []\n"
            "for n in range(6):\n"
            "    try:\n"
            "        layer.put({f'key:{n}': bytes(2**20)}, 600)\n"
            "    except Exception as error:\n"
            "        failures.append(n)\n"
            "found = layer.get(['before', *(f'key:{n}' for n in range(6))])\n"
            "print(len(failures), [value and len(value) for value in found])\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
        )
        failures, found = run.stdout.split(" ", 1)

        assert 0 < int(failures) < 6
        assert {5, MIB, None} == set(eval(found))
        assert [b"value"] == list(layer.get(["before"]))


class TestTrouble:
    def test_busy(self, layer: DiskLayer, folder: Path) -> None:
        """While another process has the database for long, writing raises, and reading goes on."""
        layer.put({"key": b"value"}, 600)
        with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(diskcache.Timeout):
                layer.put({"key": b"new"}, 600)
            found = list(layer.get(["key"]))
            other.execute("ROLLBACK")

        assert [b"value"] == found

    def test_closed(self, folder: Path) -> None:
        """A closed layer says so, and does not open again by itself."""
        layer = DiskLayer(str(folder))
        layer.close()

        with pytest.raises(GCacheClosed, match="make another"):
            layer.get(["key"])

    def test_no_folder(self, tmp_path: Path) -> None:
        """A path that cannot be a folder is an error at once, which names it."""
        (tmp_path / "file").write_text("")

        with pytest.raises(GCacheConfigError, match=r"file/folder.*name one that this user may write to"):
            DiskLayer(str(tmp_path / "file" / "folder"))

    @pytest.mark.parametrize("options", [{"size": 1000}, {"timeout_sec": 0}, {"timeout_sec": float("nan")}])
    def test_what_cannot_be_meant(self, folder: Path, options: dict[str, float]) -> None:
        """A size or a deadline that nothing can be done with is an error that says what to give."""
        with pytest.raises(GCacheConfigError, match="give at least 1048576 bytes"):
            DiskLayer(str(folder), **options)  # type: ignore[arg-type]

        assert not folder.exists()

    def test_not_a_database(self, folder: Path) -> None:
        """A damaged database is an error at once, and not overwritten."""
        folder.mkdir()
        (folder / "cache.db").write_bytes(b"no database" * 1000)

        with pytest.raises(GCacheConfigError, match="not a database"):
            DiskLayer(str(folder))
        assert (folder / "cache.db").read_bytes().startswith(b"no database")
