"""The layer in a chain: as what all processes agree on, and in the middle."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gcache import GCache, GCacheConfig, GCacheKeyConfig, MemoryLayer
from gcache_diskcache import DiskLayer

Call = Callable[[], int]
Open = Callable[..., GCache]

INVALIDATE = """
import sys
from gcache import GCache, GCacheConfig
from gcache_diskcache import DiskLayer
with GCache(GCacheConfig(layers=[DiskLayer(sys.argv[1])])) as gcache:
    gcache.invalidate("number", 7, fallback_buffer_ms=int(sys.argv[2]))
"""


class Source:
    """A table with one number, that counts how often it is asked."""

    def __init__(self) -> None:
        self.number = 1
        self.loads = 0

    def __call__(self) -> int:
        self.loads += 1
        return self.number


@pytest.fixture
def open_gcache() -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda *layers: stack.enter_context(GCache(GCacheConfig(layers=list(layers))))


@pytest.fixture(params=["sync", "async"])
def reader(request: pytest.FixtureRequest) -> Callable[..., Call]:
    """Make what reads number 7 through a cache, from a thread or from event loops that follow each other."""

    def make(gcache: GCache, source: Source, tracked: bool = True) -> Call:
        config = GCacheKeyConfig.enabled(600)
        decorate = gcache.cached(
            "number", "id", "Read", track_for_invalidation=tracked, default_config=config
        )

        def read(id: int) -> int:
            return source()

        async def aread(id: int) -> int:
            return source()

        cached: Any = decorate(read) if request.param == "sync" else decorate(aread)

        def call() -> int:
            with gcache.enable():
                return int(cached(7) if request.param == "sync" else asyncio.run(cached(7)))

        return call

    return make


def invalidate_elsewhere(folder: Path, buffer_ms: int = 0) -> None:
    """Have another process invalidate number 7."""
    subprocess.run([sys.executable, "-c", INVALIDATE, str(folder), str(buffer_ms)], check=True, timeout=60)


def called(call: Call, source: Source, numbers: Sequence[int]) -> list[int]:
    """Return what `call` gives while the table says one of `numbers` after the other."""
    given = []
    for source.number in numbers:
        given.append(call())
    return given


def test_invalidated_elsewhere(open_gcache: Open, reader: Callable[..., Call], folder: Path) -> None:
    """What another process has invalidated is loaded anew, once."""
    source = Source()
    call = reader(open_gcache(DiskLayer(str(folder))), source)
    before = called(call, source, [1, 2])
    invalidate_elsewhere(folder)
    after = called(call, source, [3, 4])

    assert [1, 1] == before
    assert [3, 3] == after


def test_buffered_elsewhere(open_gcache: Open, reader: Callable[..., Call], folder: Path) -> None:
    """While another process has an entity held, every call loads, and nothing is stored."""
    source = Source()
    call = reader(open_gcache(DiskLayer(str(folder))), source)
    call()
    invalidate_elsewhere(folder, buffer_ms=600_000)

    assert [2, 3, 4] == called(call, source, [2, 3, 4])


def test_restarted(open_gcache: Open, reader: Callable[..., Call], folder: Path) -> None:
    """What was stored answers after a restart, tracked as it is."""
    source = Source()
    with GCache(GCacheConfig(layers=[DiskLayer(str(folder))])) as first:
        reader(first, source)()
    again = reader(open_gcache(DiskLayer(str(folder))), source)

    assert [1] == called(again, source, [2])
    assert 1 == source.loads


def test_in_the_middle(open_gcache: Open, reader: Callable[..., Call], folder: Path, tmp_path: Path) -> None:
    """Between memory and another authority it answers what memory has lost, and untracked use cases alone."""
    source, memory = Source(), MemoryLayer()
    authority = DiskLayer(str(tmp_path / "authority"), name="authority")
    gcache = open_gcache(memory, DiskLayer(str(folder)), authority)
    call = reader(gcache, source, tracked=False)
    call()
    memory.clear("")
    authority.clear("")

    assert [1, 1] == called(call, source, [2, 3])


def test_a_folder_that_was_removed(open_gcache: Open, reader: Callable[..., Call], folder: Path) -> None:
    """Whoever removes the folder to empty the cache gets an empty cache, and it is invalidated as before."""
    source = Source()
    call = reader(open_gcache(DiskLayer(str(folder))), source)
    call()
    shutil.rmtree(folder)
    before = called(call, source, [2, 3])
    invalidate_elsewhere(folder)

    assert [2, 2] == before
    assert [4, 4] == called(call, source, [4, 5])
