"""The Redis bus under the suite, on each kind of server, and a bus within one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gcache import RedisConfig
from gcache.conformance import InvalidationBusSuite
from tests.conformance.broken_buses import Sound

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server


class TestRedisBus(InvalidationBusSuite):
    sides = ("sync", "async")
    faults = True

    @pytest.fixture
    def make_bus(self, valkey: Server) -> Callable[[], Any]:
        return lambda: _bus(port=valkey.port)

    @pytest.fixture
    def endpoint(self, valkey: Server) -> tuple[str, int]:
        return valkey.host, valkey.port

    @pytest.fixture
    def make_bus_at(self) -> Callable[[str, int], Any]:
        quickly = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
        return lambda host, port: _bus(host=host, port=port, redis_py_options=quickly)


class TestRedisBusOnACluster(InvalidationBusSuite):
    sides = ("sync", "async")

    @pytest.fixture
    def make_bus(self, valkey_cluster: Cluster) -> Callable[[], Any]:
        return lambda: _bus(port=valkey_cluster.nodes[0].port, cluster=True)


class TestBusOfOneProcess(InvalidationBusSuite):
    """What the broken buses are made of."""

    shared = False

    @pytest.fixture
    def make_bus(self) -> Callable[[], Any]:
        listeners: list[Any] = []
        return lambda: Sound(listeners)


def _bus(**options: Any) -> Any:
    from gcache.backends.redis_bus import RedisBus

    return RedisBus(RedisConfig(**{"host": "127.0.0.1"} | options))
