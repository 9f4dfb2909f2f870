"""The Redis layers under the suite, on each kind of server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gcache import RedisConfig
from gcache.conformance import CacheLayerSuite

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server

# The answers that a busy machine gives late are no faults of the layer.
_PATIENT = {"socket_connect_timeout": 5, "socket_timeout": 5}


class TestRedisLayer(CacheLayerSuite):
    """Redis."""

    sides = ("sync", "async")
    atomic_retire = True
    bulk_add = True
    survives_restart = True
    faults = True

    @pytest.fixture
    def make_layer(self, valkey: Server) -> Callable[[], Any]:
        return lambda: _layer(port=valkey.port, redis_py_options=_PATIENT)

    @pytest.fixture
    def endpoint(self, valkey: Server) -> tuple[str, int]:
        return valkey.host, valkey.port

    @pytest.fixture
    def make_layer_at(self) -> Callable[[str, int], Any]:
        return lambda host, port: _layer(host=host, port=port)


class TestRedisLayerOnACluster(CacheLayerSuite):
    """Redis Cluster."""

    sides = ("sync", "async")
    atomic_retire = True
    bulk_add = True
    survives_restart = True

    @pytest.fixture
    def make_layer(self, valkey_cluster: Cluster) -> Callable[[], Any]:
        return lambda: _layer(port=valkey_cluster.nodes[0].port, cluster=True, redis_py_options=_PATIENT)


def _layer(**options: Any) -> Any:
    from gcache.backends.redis import RedisLayer

    return RedisLayer(RedisConfig(**{"host": "127.0.0.1"} | options))
