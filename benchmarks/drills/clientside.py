"""Faults of the machine that the cache itself runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.drills.scene import Fault, Scene

YEAR_SEC = 365 * 86_400.0


def clock_off_by(sec: float) -> Fault:
    """`time.time` of the process that calls is so far off; the server's clock is right.

    As it changes, and again as it is set right, what is warm and tracked is written anew and invalidated.
    """

    @contextmanager
    def off(scene: Scene) -> Iterator[None]:
        scene.worker.set_clock(sec)
        yield
        scene.worker.set_clock(0)

    return off


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """The file system has no byte left. Where we may mount none of our own, no file may grow instead."""
    if not scene.stage.is_mounted:
        scene.worker.limit_files(0)
        yield
        scene.worker.limit_files(-1)
        return
    filler = scene.stage.directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"." * 4096):
                pass
        except OSError:
            pass
    yield
    filler.unlink()
