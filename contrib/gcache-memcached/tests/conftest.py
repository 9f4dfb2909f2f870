"""Servers and layers for one test each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from memcached_process import Memcached

from gcache_memcached import MemcachedLayer

Start = Callable[..., Memcached]
MakeLayer = Callable[..., MemcachedLayer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a memcached with the given options."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(Memcached(*options))


@pytest.fixture
def server(start: Start) -> Memcached:
    return start()


@pytest.fixture
def servers(start: Start) -> list[Memcached]:
    return [start(), start(), start()]


@pytest.fixture
def layer_on() -> Iterator[MakeLayer]:
    """Makes a layer on the given servers, as one more process would."""
    with ExitStack() as stack:

        def layer_on(*servers: Memcached, **options: Any) -> MemcachedLayer:
            layer = MemcachedLayer([server.address for server in servers], **options)
            stack.callback(layer.close)
            return layer

        yield layer_on


@pytest.fixture
def layer(server: Memcached, layer_on: MakeLayer) -> MemcachedLayer:
    return layer_on(server)
