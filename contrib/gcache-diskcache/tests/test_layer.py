"""What the folder holds, how much of it, and what happens when it cannot be used."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

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
        """However much is put, and in whatever pieces, the folder stays within the size, its journal too."""
        largest = 0
        for start in range(0, 40 * MIB // value_bytes, 50):
            layer.put(
                {f"key:{start}:{n}": bytes(value_bytes) for n in range(min(50, MIB // value_bytes))}, 600
            )
            largest = max(largest, size_of(folder))
            if start > 20_000:
                break

        assert largest <= 16 * MIB

    def test_small_entries_make_room_for_large_ones(self, layer: DiskLayer, folder: Path) -> None:
        """As much goes as comes, however many entries that are."""
        for start in range(0, 15_000, 500):
            layer.put({f"small:{n}": bytes(1000) for n in range(start, start + 500)}, 600)
        largest = 0
        for n in range(30):
            layer.put({f"large:{n}": bytes(MIB)}, 600)
            largest = max(largest, size_of(folder))

        assert largest <= 16 * MIB

    def test_what_is_added_makes_room_too(self, layer: DiskLayer, folder: Path) -> None:
        """The folder is bounded whichever way entries come."""
        largest = 0
        for n in range(40):
            layer.add(f"key:{n}", bytes(MIB), 600)
            largest = max(largest, size_of(folder))

        assert largest <= 16 * MIB

    def test_nothing_but_holds(self, layer: DiskLayer, folder: Path) -> None:
        """Where nothing may be evicted, putting goes on."""
        for n in range(12):
            layer.put({f"key:{n}": bytes(MIB)}, 600)
        with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as db:
            db.execute("UPDATE Cache SET tag = 'hold'")
        layer.put({"new": bytes(MIB)}, 600)

        assert [bytes(MIB)] * 2 == list(layer.get(["key:0", "new"]))

    def test_a_size_that_was_lowered(self, layer: DiskLayer, folder: Path) -> None:
        """A folder that is larger than its size shrinks as it is written to, a MiB or so at a time."""
        for n in range(12):
            layer.put({f"key:{n}": bytes(MIB)}, 600)
        layer.close()
        with closing(DiskLayer(str(folder), size=4 * MIB)) as smaller:
            sizes = []
            for n in range(20):
                smaller.put({f"new:{n}": b"value"}, 600)
                sizes.append(size_of(folder))

        assert 12 * MIB < sizes[0]
        assert sizes[-1] <= 4 * MIB

    def test_clearing_leaves_no_journal(self, folder: Path) -> None:
        """What is cleared goes in small steps: the journal is no larger at the end than by its bounds."""
        with closing(DiskLayer(str(folder), size=128 * MIB)) as layer:
            for n in range(80):
                layer.put({f"key:{n}": bytes(MIB)}, 600)
            layer.put({"other": b"value"}, 600)
            removed = layer.clear("key:")
            journal = (folder / "cache.db-wal").stat().st_size

            assert 80 == removed
            assert [b"value"] == list(layer.get(["other"]))
        assert journal <= 24 * MIB

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


@pytest.mark.parametrize(
    ("act", "synchronous"),
    [
        (lambda layer: layer.put({"key": b"value"}, 600), 1),
        (lambda layer: layer.add("key", b"value", 600), 1),
        (lambda layer: layer.delete(["key"]), 2),
        (lambda layer: layer.clear("key"), 2),
        (lambda layer: layer.retire("key", "", 0), 2),
    ],
)
def test_a_loss_of_power(layer: DiskLayer, act: Callable[[DiskLayer], object], synchronous: int) -> None:
    """What is stored may be lost with the power, which costs misses; what is forgotten is on the disk."""
    act(layer)

    assert [(synchronous,)] == layer._folder._con.execute("PRAGMA synchronous").fetchall()


class TestTrouble:
    def test_busy(self, layer: DiskLayer, folder: Path) -> None:
        """While another process has the database for long, writing raises, and reading goes on."""
        layer.put({"key": b"value"}, 600)
        with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimeoutError, match="Others have had"):
                layer.put({"key": b"new"}, 600)
            found = list(layer.get(["key"]))
            other.execute("ROLLBACK")

        assert [b"value"] == found

    def test_what_fails_leaves_nothing(self, layer: DiskLayer, folder: Path) -> None:
        """A put that fails in its midst stores nothing of it, and does not stand in anybody's way."""
        with pytest.raises(TypeError, match="stores bytes"):
            layer.put({"bytes": b"value", "text": "value"}, 600)  # type: ignore[dict-item]
        with closing(DiskLayer(str(folder), size=16 * MIB)) as other:
            other.put({"other": b"value"}, 600)

        assert [None, None, b"value"] == list(layer.get(["bytes", "text", "other"]))

    def test_reading_while_a_thread_waits_to_write(self, folder: Path) -> None:
        """A thread that waits for another process to have written keeps no other thread from reading."""
        put = []
        with (
            closing(DiskLayer(str(folder), timeout_sec=20)) as layer,
            closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as other,
        ):
            layer.put({"key": b"value"}, 600)
            other.execute("BEGIN IMMEDIATE")
            writer = threading.Thread(target=lambda: put.append(layer.put({"key": b"new"}, 600)))
            writer.start()
            found = [layer.get(["key"]) for _ in range(1000)]
            had_waited = not put
            other.execute("ROLLBACK")
            writer.join()
            after = layer.get(["key"])

        assert had_waited
        assert [[b"value"]] * 1000 == found
        assert [b"new"] == after

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
        with pytest.raises(GCacheConfigError, match="give at least 2097152 bytes"):
            DiskLayer(str(folder), **options)  # type: ignore[arg-type]

        assert not folder.exists()

    def test_not_a_database(self, folder: Path) -> None:
        """A damaged database is an error at once, and not overwritten."""
        folder.mkdir()
        (folder / "cache.db").write_bytes(b"no database" * 1000)

        with pytest.raises(GCacheConfigError, match="not a database"):
            DiskLayer(str(folder))
        assert (folder / "cache.db").read_bytes().startswith(b"no database")
