"""The layer suite as an author would give it to the reference layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from gcache.conformance import CacheLayerSuite, Clock
from tests.conformance.reference import MAX_KEY_BYTES, MAX_VALUE_BYTES, LineServer, Store

_SHORT_SEC = 0.25


class ReferenceSuite(CacheLayerSuite):
    """Takes the layer, and what the server keeps entries in, from whoever subclasses it."""

    open_layer: ClassVar[Callable[..., Any]]
    open_store: ClassVar[Callable[[], Store]] = Store

    survives_restart = True
    atomic_retire = True
    bulk_add = True
    pickles = True
    controlled_clock = True
    faults = True
    max_key_bytes = MAX_KEY_BYTES
    max_value_bytes = MAX_VALUE_BYTES
    max_entries = Store.max_entries
    max_bytes = Store.max_bytes
    deadline_sec = 2 * _SHORT_SEC

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[LineServer]:
        server = LineServer(cls.open_store())
        yield server
        server.stop()

    @pytest.fixture
    def make_layer(self, server: LineServer, clock: Clock) -> Callable[[], Any]:
        server.store.clock = clock
        return lambda: type(self).open_layer(server.host, server.port)

    @pytest.fixture
    def endpoint(self, server: LineServer) -> tuple[str, int]:
        return server.host, server.port

    @pytest.fixture
    def make_layer_at(self) -> Callable[[str, int], Any]:
        return lambda host, port: type(self).open_layer(host, port, _SHORT_SEC)
