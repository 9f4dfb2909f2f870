"""The thread that sweeps memory layers: what it does while nobody puts, and when it ends."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from gcache import MemoryLayer
from gcache.backends import memory
from gcache.backends._sweeper import Sweeper
from gcache.conformance.waiting import wait_until
from tests.core.stage import Clock, in_threads


@pytest.fixture
def sweeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweeper]:
    """The process's sweeper, in a hurry."""
    sweeper = Sweeper(pause_sec=0.001)
    monkeypatch.setattr(memory, "_sweeper", sweeper)
    yield sweeper
    for layer in sweeper._known():
        layer.close()  # type: ignore[attr-defined]
    wait_until(lambda: sweeper.thread is None, sentence="the sweeper has ended")


@pytest.fixture
def layer(sweeper: Sweeper, clock: Clock) -> MemoryLayer[Any]:
    return MemoryLayer(clock=clock.monotonic)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_idle(layer: MemoryLayer[Any], sweeper: Sweeper, clock: Clock) -> None:
    """What has expired leaves though nobody puts or asks, and what lives stays."""
    layer.put({str(number): number for number in range(5000)}, 5)
    layer.put({"alive": 1}, 50)
    clock.advance(5)

    wait_until(lambda: len(layer) == 1, sentence="what has expired has left")
    assert ([1], True) == (layer.get(["alive"]), sweeper.thread is not None)


def test_ends_with_the_last_entry(layer: MemoryLayer[Any], sweeper: Sweeper, clock: Clock) -> None:
    """The thread ends when nothing is held any more, and the next put starts one anew."""
    for _ in range(3):
        layer.put({"a": 1}, 5)
        assert sweeper.thread is not None
        clock.advance(5)

        wait_until(lambda: sweeper.thread is None, sentence="the sweeper has ended")
        assert 0 == len(layer)


def test_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the last layer that holds anything ends the thread at once, not after its pause."""
    patient = Sweeper(pause_sec=3600)
    monkeypatch.setattr(memory, "_sweeper", patient)
    layer: MemoryLayer[int] = MemoryLayer()
    layer.put({"a": 1}, 5)
    thread: Any = patient.thread

    layer.close()

    wait_until(lambda: not thread.is_alive(), sentence="the sweeper has ended")
    assert patient.thread is None


def test_one_for_all(sweeper: Sweeper, clock: Clock) -> None:
    """Any number of layers and threads that put have one sweeper between them."""
    layers = [MemoryLayer[int](str(number), clock=clock.monotonic) for number in range(8)]

    in_threads(8, lambda number: [layers[number].put({str(key): key}, 5) for key in range(100)])
    targets = [getattr(thread, "_target", None) for thread in threading.enumerate()]
    clock.advance(5)

    assert 1 == targets.count(sweeper._work)
    wait_until(lambda: sum(map(len, layers)) == 0, sentence="all layers are swept")


def test_none_wanted(sweeper: Sweeper, clock: Clock) -> None:
    """With `sweep=False` no thread is started, and what has expired waits for the next puts."""
    layer: MemoryLayer[int] = MemoryLayer(clock=clock.monotonic, sweep=False)

    layer.put({"a": 1}, 5)

    assert (None, []) == (sweeper.thread, sweeper._known())


def test_keeps_no_layer_alive(sweeper: Sweeper) -> None:
    """A layer that nobody refers to any more is freed with all that it holds, and ends the thread."""
    layer: MemoryLayer[Any] = MemoryLayer()
    layer.put({str(number): number for number in range(10_000)}, 3600)
    watched = weakref.ref(layer)

    del layer

    def is_freed() -> bool:
        gc.collect()
        return watched() is None

    wait_until(is_freed, sentence="the layer is freed")
    wait_until(lambda: sweeper.thread is None, sentence="the sweeper has ended")


class _FilledLate:
    """A layer that is empty when the thread looks first, and holds something just as it leaves."""

    def __init__(self) -> None:
        self.sizes = [0, 1, 1, 1]
        self.sweeps = 0

    def __len__(self) -> int:
        return self.sizes.pop(0) if self.sizes else 0

    def sweep(self, looks: int) -> int:
        self.sweeps += 1
        return 0


def test_put_while_it_leaves() -> None:
    """A thread that was about to end stays for what is put in that moment."""
    sweeper, layer = Sweeper(pause_sec=0.001), _FilledLate()
    sweeper.know(layer)

    sweeper.start()

    wait_until(lambda: sweeper.thread is None and not layer.sizes, sentence="the sweeper has ended")
    assert 1 <= layer.sweeps


def test_broken_clock(sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ends by an error is not taken for one that runs: the next put starts another."""
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    is_broken = [False]

    def clock() -> float:
        if is_broken[0] and threading.current_thread().name == "gcache-memory":
            raise OSError
        return 0.0

    layer: MemoryLayer[int] = MemoryLayer(clock=clock)
    is_broken[0] = True
    layer.put({"a": 1}, 5)
    wait_until(lambda: bool(failures) and sweeper.thread is None, sentence="the thread has failed")
    is_broken[0] = False
    layer.put({"a": 1}, 5)

    assert sweeper.thread is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork(layer: MemoryLayer[Any], sweeper: Sweeper, clock: Clock) -> None:
    """A child has no thread until it puts, and then sweeps what it inherited as well."""
    from tests.core.test_processes import in_child

    layer.put({"a": 1}, 5)

    def child() -> None:
        assert sweeper.thread is None
        layer.put({"b": 1}, 5)
        clock.advance(5)
        wait_until(lambda: len(layer) == 0, sentence="the child sweeps")

    in_child(child)
