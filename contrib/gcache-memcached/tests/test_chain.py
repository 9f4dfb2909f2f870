"""The layer in a chain: in the middle, and as what all processes agree on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from memcached_process import Memcached

from gcache import GCache, GCacheConfig, GCacheKeyConfig, InvalidationPending
from gcache.backends.memory import MemoryLayer
from gcache_memcached import MemcachedLayer

OTHER_PROCESS = Path(__file__).with_name("other_process.py")
Open = Callable[..., GCache]


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
        yield lambda *layers, prefix="urn:ours": stack.enter_context(
            GCache(GCacheConfig(layers=layers, urn_prefix=prefix))
        )


def in_another_process(servers: list[Memcached], *words: str) -> str:
    """Return what `other_process.py` says to `words`, on the same servers and under the same prefix."""
    command = [sys.executable, str(OTHER_PROCESS), ",".join(server.address for server in servers), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def reader(gcache: GCache, source: Source, is_async: bool, tracked: bool = True) -> Callable[[], int]:
    """Return what reads number 7 through the cache, from a thread or from an event loop."""
    decorate = gcache.cached(
        "number", "id", "Read", track_for_invalidation=tracked, default_config=GCacheKeyConfig.enabled(60)
    )
    if not is_async:

        @decorate
        def read(id: int) -> int:
            return source()

        return lambda: gcache.enable()(read)(7)

    @decorate
    async def aread(id: int) -> int:
        return source()

    return lambda: asyncio.run(gcache.enable()(aread)(7))


@pytest.mark.parametrize("is_async", [False, True])
def test_authority_of_two_processes(servers: list[Memcached], open_gcache: Open, is_async: bool) -> None:
    """What one process loads the other is served, and what either invalidates is gone for both."""
    source = Source()
    gcache = open_gcache(MemcachedLayer([server.address for server in servers]))
    read = reader(gcache, source, is_async)
    first, theirs = read(), in_another_process(servers, "read", "99")
    source.number = 2
    again = read()
    in_another_process(servers, "invalidate")
    after_theirs = read()
    gcache.invalidate("number", 7)
    after_ours = in_another_process(servers, "read", "3")

    assert (1, "1", 1) == (first, theirs, again)
    assert (2, "3") == (after_theirs, after_ours)
    assert 2 == source.loads


@pytest.mark.parametrize("is_async", [False, True])
def test_a_buffer_holds_for_both(servers: list[Memcached], open_gcache: Open, is_async: bool) -> None:
    """While a buffer of one process stands, the other caches nothing either; then it does again."""
    source = Source()
    gcache = open_gcache(MemcachedLayer([server.address for server in servers]))
    read = reader(gcache, source, is_async)
    read()
    in_another_process(servers, "invalidate", "600000")
    held = [read(), read()]
    loads = source.loads
    other = MemcachedLayer([server.address for server in servers])
    other.delete(["{urn:ours:number:7}#epoch"])
    other.close()
    after = [read(), read()]

    assert [1] * 4 == held + after
    assert 3 == loads
    assert 4 == source.loads


@pytest.mark.parametrize("is_async", [False, True])
def test_middle_of_a_chain(
    server: Memcached, servers: list[Memcached], open_gcache: Open, is_async: bool
) -> None:
    """Between memory and an authority, it answers what memory has forgotten."""
    source = Source()
    memory: MemoryLayer[Any] = MemoryLayer()
    middle = MemcachedLayer([server.address], name="near")
    far = MemcachedLayer([each.address for each in servers], name="far")
    read = reader(open_gcache(memory, middle, far), source, is_async, tracked=False)
    read()
    memory.clear("")
    far.clear("")
    source.number = 2

    assert 1 == read()
    assert 1 == source.loads


def test_flushall_leaves_other_prefixes(servers: list[Memcached], open_gcache: Open) -> None:
    """Of two applications on the same servers, one flushes, and the other keeps what it has."""
    addresses = [server.address for server in servers]
    sources = Source(), Source()
    ours, theirs = (
        open_gcache(MemcachedLayer(addresses), prefix=prefix) for prefix in ("urn:ours", "urn:theirs")
    )
    reads = [reader(gcache, source, False) for gcache, source in zip((ours, theirs), sources, strict=True)]
    for read in reads:
        read()
    ours.flushall()
    for read in reads:
        read()

    assert (2, 1) == (sources[0].loads, sources[1].loads)


def test_a_server_that_is_away(server: Memcached, open_gcache: Open) -> None:
    """The source answers while it is away; an invalidation is owed meanwhile, and nothing old comes back."""
    source = Source()
    gcache = open_gcache(MemcachedLayer([server.address]))
    read = reader(gcache, source, False)
    read()
    server.kill()
    source.number = 2
    with pytest.raises(InvalidationPending):
        gcache.invalidate("number", 7)
    during = read()
    server.start()

    assert 2 == during
    assert 2 == read()
