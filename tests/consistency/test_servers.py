"""The servers that the benchmark starts where tests/ is not at hand."""

from __future__ import annotations

import pytest

from tests.servers.availability import require

redis = pytest.importorskip("redis")


def test_cluster_serves_keys_of_every_slot() -> None:
    """The Cluster is whole as soon as its port is given, and shares its keys out over three nodes."""
    require("valkey")
    from benchmarks.server import HOST, cluster

    with cluster() as port, redis.RedisCluster(HOST, port) as client:
        written = [client.set(f"key {number}", number) for number in range(60)]
        sizes = client.dbsize(target_nodes=redis.RedisCluster.PRIMARIES)

    assert [True] * 60 == written
    assert 60 == sizes


@pytest.mark.parametrize("kind", ["valkey", "redis"])
def test_server_is_of_its_kind(kind: str) -> None:
    """Each context manager runs the program that it is named for."""
    require("valkey")
    require("redis")
    from benchmarks import server

    start = {"valkey": server.valkey, "redis": server.redis_server}[kind]
    with start() as port, redis.Redis(server.HOST, port) as client:
        program = client.info("server").get("server_name", "redis")

    assert kind == program
