"""The servers as fixtures.

The imports stand inside: without redis installed, the tests that need no server still run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.availability import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcache.conformance.proxy import FaultProxy
    from tests.servers.cluster import Cluster
    from tests.servers.memcached import Memcached
    from tests.servers.process import Server
    from tests.servers.tls import TlsServer


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey server, shared: as the test before left it. Prefer `server`."""
    require("valkey")
    from tests.servers.process import Server

    with Server("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis server, shared: as the test before left it. Prefer `server`."""
    require("redis")
    from tests.servers.process import Server

    with Server("redis") as server:
        yield server


@pytest.fixture
def memcached() -> Iterator[Memcached]:
    """A memcached for this test alone."""
    require("memcached")
    from tests.servers.memcached import Memcached

    with Memcached() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[Cluster]:
    """Three Valkey primaries, shared: as the test before left them. Prefer `cluster`."""
    require("valkey")
    from tests.servers.cluster import Cluster

    with Cluster("valkey") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def tls_redis() -> Iterator[TlsServer]:
    """A Redis server that speaks TLS only, shared: as the test before left it. Prefer `tls_server`."""
    require("tls")
    from tests.servers.tls import TlsServer

    with TlsServer() as server:
        yield server


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Server:
    """A running, empty server of each kind; tests may kill or freeze it, but not reconfigure it."""
    shared: Server = request.getfixturevalue("valkey" if request.param == "valkey" else "redis_server")
    shared.empty()
    return shared


@pytest.fixture
def cluster(valkey_cluster: Cluster) -> Cluster:
    """A running, empty cluster; tests may kill or freeze its nodes, which costs the next test seconds."""
    valkey_cluster.empty()
    return valkey_cluster


@pytest.fixture
def tls_server(tls_redis: TlsServer) -> TlsServer:
    """A running, empty server that speaks TLS only."""
    tls_redis.empty()
    return tls_redis


@pytest.fixture(params=["valkey", "redis"])
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each kind for this test alone, to do anything to."""
    require(request.param)
    from tests.servers.process import Server

    with Server(request.param) as server:
        yield server


@pytest.fixture
def fault_proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy in front of `server`, passing everything through until told otherwise."""
    from gcache.conformance.proxy import FaultProxy

    with FaultProxy(server.port) as proxy:
        yield proxy
