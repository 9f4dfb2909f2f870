"""Several processes at one folder: beside each other, after each other, and forked."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gcache_diskcache import DiskLayer

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
# Python says so from 3.12 on; that the child works all the same is what is tested here.
knowingly = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

PREAMBLE = "import sys; from gcache_diskcache import DiskLayer; layer = DiskLayer(sys.argv[1])\n"


def elsewhere(folder: Path, program: str) -> str:
    """Run `program` in a process of its own, with a `layer` on `folder`; return what it prints."""
    program = f"{PREAMBLE}{program}\nlayer.close()"
    run = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=60
    )
    assert "" == run.stderr
    return run.stdout.strip()


class Child:
    """A forked child that runs `work` up to each `pause` of it."""

    def __init__(self, work: Callable[[Callable[[], None]], object]) -> None:
        from_child, to_parent = os.pipe()
        from_parent, to_child = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(from_child)
            os.close(to_child)

            def pause() -> None:
                os.write(to_parent, b".")
                os.read(from_parent, 1)

            status = 1
            try:
                work(pause)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(to_parent)
        os.close(from_parent)
        self._from_child, self._to_child = from_child, to_child

    def wait(self) -> None:
        """Return once the child pauses, or has ended."""
        os.read(self._from_child, 1)

    def go_on(self) -> None:
        os.write(self._to_child, b".")

    def end(self) -> int:
        """Wait for the child's end, and return its status."""
        _, status = os.waitpid(self._pid, 0)
        os.close(self._from_child)
        os.close(self._to_child)
        return os.waitstatus_to_exitcode(status)


def test_one_of_many_adds(folder: Path) -> None:
    """Of several processes that add the same keys at the same time, one is told for each that it did."""
    DiskLayer(str(folder)).close()
    program = f"{PREAMBLE}print(*(n for n in range(200) if layer.add(f'key:{{n}}', b'value', 600)))"
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [int(number) for process in started for number in process.communicate(timeout=60)[0].split()]

    assert list(range(200)) == sorted(told)


def test_all_make_the_folder(folder: Path) -> None:
    """Processes that start at once with no folder there make one, and all use it."""
    program = (
        f"{PREAMBLE}layer.put({{sys.argv[2]: b'value'}}, 600); print(layer.get([sys.argv[2]])); layer.close()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder), str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(6)
    ]
    printed = [process.communicate(timeout=60)[0].strip() for process in started]
    with closing(DiskLayer(str(folder))) as layer:
        found = layer.get([str(n) for n in range(6)])

    assert ["[b'value']"] * 6 == printed
    assert [b"value"] * 6 == found


def test_killed(folder: Path) -> None:
    """What was stored is there after the process that stored it was killed, and what it was at is not."""
    program = f"{PREAMBLE}layer.put({{'whole': b'value'}}, 600)\n" + (
        "with layer._folder.transaction():\n"
        "    layer._folder.set('half', b'value')\n"
        "    import os; os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(folder)], timeout=60)
    with closing(DiskLayer(str(folder))) as layer:
        found = layer.get(["whole", "half"])

    assert -9 == run.returncode
    assert [b"value", None] == found


def test_a_folder_that_was_removed(layer: DiskLayer, folder: Path) -> None:
    """A process whose folder was removed uses the one that others have made since, and not what is gone."""
    layer.put({"key": b"old"}, 600)
    layer.add("epoch", b"old", 600)
    shutil.rmtree(folder)
    elsewhere(folder, "layer.retire('epoch', '', 0); layer.put({'key': b'new'}, 600)")

    assert [b"new", None] == list(layer.get(["key", "epoch"]))


def test_a_folder_that_is_gone(layer: DiskLayer, folder: Path) -> None:
    """A folder that was removed is made again when it is needed, empty."""
    layer.put({"key": b"old"}, 600)
    shutil.rmtree(folder)
    found = list(layer.get(["key"]))
    layer.put({"key": b"new"}, 600)

    assert [None] == found
    assert "[b'new']" == elsewhere(folder, "print(layer.get(['key']))")


@forks
@knowingly
def test_a_child_outlives_its_parents_layer(layer: DiskLayer, folder: Path) -> None:
    """Parent and child are two processes like any others, also when the parent closes its layer first."""
    layer.put({"key": b"value"}, 600)

    def work(pause: Callable[[], None]) -> None:
        layer.put({"first": b"value"}, 600)
        pause()
        assert [b"value"] == list(layer.get(["other"]))
        layer.put({"second": b"value"}, 600)
        pause()
        assert [None] == list(layer.get(["key"]))

    child = Child(work)
    child.wait()
    layer.close()
    first = elsewhere(folder, "print(layer.get(['first'])); layer.put({'other': b'value'}, 600)")
    child.go_on()
    child.wait()
    second = elsewhere(folder, "print(layer.get(['second'])); layer.retire('key', '', 0)")
    child.go_on()

    assert 0 == child.end()
    assert ("[b'value']", "[b'value']") == (first, second)


@forks
@knowingly
def test_forking_beside_threads_that_write(layer: DiskLayer, folder: Path) -> None:
    """A child that is forked while other threads write can use the layer, and harms nothing."""
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            layer.put({"key": bytes(200_000)}, 600)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        statuses = [
            Child(lambda pause, n=n: layer.put({f"child:{n}": b"value"}, 600)).end()  # type: ignore[misc]
            for n in range(10)
        ]
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    with closing(sqlite3.connect(folder / "cache.db")) as db:
        [[verdict]] = db.execute("PRAGMA integrity_check")

    assert [0] * 10 == statuses
    assert [b"value"] * 10 == list(layer.get([f"child:{n}" for n in range(10)]))
    assert "ok" == verdict
