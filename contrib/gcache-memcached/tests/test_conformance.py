"""The layer keeps what gcache's suite asks of layers, on one server and on three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from memcached_process import Memcached

from gcache.conformance import CacheLayerSuite
from gcache_memcached import MemcachedLayer


@pytest.fixture(scope="module")
def three() -> Iterator[list[Memcached]]:
    """Three servers for all of these tests; what one leaves there is nothing to the next."""
    with ExitStack() as stack:
        yield [stack.enter_context(Memcached()) for _ in range(3)]


class TestMemcachedLayer(CacheLayerSuite):
    """memcached."""

    atomic_retire = True
    survives_restart = True
    counts_clears = False
    faults = True
    max_value_bytes = 2**20 - 512
    late_sec = 2.0

    @pytest.fixture
    def make_layer(self, three: list[Memcached]) -> Callable[[], Any]:
        return lambda: MemcachedLayer([three[0].address])

    @pytest.fixture
    def endpoint(self, three: list[Memcached]) -> tuple[str, int]:
        return "127.0.0.1", three[0].port

    @pytest.fixture
    def make_layer_at(self) -> Callable[[str, int], Any]:
        return lambda host, port: MemcachedLayer([(host, port)])


class TestThreeServers(CacheLayerSuite):
    """memcached, three servers."""

    atomic_retire = True
    survives_restart = True
    counts_clears = False
    max_value_bytes = 2**20 - 512
    late_sec = 2.0

    @pytest.fixture
    def make_layer(self, three: list[Memcached]) -> Callable[[], Any]:
        return lambda: MemcachedLayer([server.address for server in three])
