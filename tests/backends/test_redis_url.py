"""Redis layers made of a URL."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("redis")

from gcache import GCacheConfigError, RedisConfig
from gcache.backends import _redis_clients, redis
from gcache.discovery import layer_from

if TYPE_CHECKING:
    from tests.servers.cluster import Cluster
    from tests.servers.process import Server
    from tests.servers.tls import TlsServer


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> list[RedisConfig]:
    """The configurations of the layers that are made in the test."""
    made: list[RedisConfig] = []
    clients = _redis_clients.Clients
    monkeypatch.setattr(redis.clients, "Clients", lambda config: made.append(config) or clients(config))
    return made


def test_a_url_says_what_a_configuration_does(configured: list[RedisConfig]) -> None:
    """Host, login, database, Cluster, replicas and both timeouts have their place in it."""
    layer: Any = layer_from(
        "redis://user:p%40ss@far:7000/2?name=remoter&invalidate_wait_replicas=1&timeout_sec=0.3"
        "&connect_timeout_sec=0.1"
    )

    options = {"db": 2, "socket_timeout": 0.3, "socket_connect_timeout": 0.1}
    assert ("remoter", 1) == (layer.name, layer.wait_replicas)
    assert [
        RedisConfig(
            host="far",
            port=7000,
            username="user",
            password="p@ss",
            invalidate_wait_replicas=1,
            redis_py_options=options,
        )
    ] == configured


@pytest.mark.parametrize("text", ["redis", "redis://", "redis:///", "redis:///0", "redis://localhost/"])
def test_a_short_url_means_the_defaults(configured: list[RedisConfig], text: str) -> None:
    """What is not said is as in RedisConfig, and the layer is called remote."""
    assert "remote" == layer_from(text).name
    assert [RedisConfig()] == configured


def test_a_url_may_be_a_cluster_behind_tls(configured: list[RedisConfig]) -> None:
    """`rediss` is TLS, which takes files, and one node stands for its Cluster."""
    layer_from("rediss://[::1]:7001?cluster=yes&ssl_ca_certs=/etc/ca.pem&ssl_certfile=c&ssl_keyfile=k")

    files = {"ssl_ca_certs": "/etc/ca.pem", "ssl_certfile": "c", "ssl_keyfile": "k"}
    assert [
        RedisConfig(host="::1", port=7001, protocol="rediss", cluster=True, redis_py_options=files)
    ] == configured


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis://a,b", "names 2 hosts: name one"),
        ("redis://a/two", "no number of a database"),
        ("redis://a/-1", "no number of a database"),
        ("redis:///u:hunter2@host", "no number of a database"),
        ("redis://a/2?cluster=true", "database 0 only"),
        ("redis://a?timeout_sec=0", "above 0"),
        ("redis://a?connect_timeout_sec=-1", "above 0"),
        ("redis://a?invalidate_wait_replicas=-1", "invalidate_wait_replicas is -1"),
        ("redis://a?db=2", "no option 'db': it knows name, cluster, "),
        ("redis://a?ssl_ca_certs=x", "no option 'ssl_ca_certs'"),
    ],
)
def test_what_no_redis_can_be_is_refused(text: str, said: str) -> None:
    """The error says what is meant, and nothing of a password."""
    with pytest.raises(GCacheConfigError, match=said) as raised:
        layer_from(text)

    assert "hunter2" not in str(raised.value)


def test_databases_are_apart(server: Server) -> None:
    """Two databases of one server are two layers."""
    layers: list[Any] = [layer_from(f"redis://{server.host}:{server.port}/{number}") for number in (1, 2)]

    layers[0].put({"a": b"1"}, 60)

    assert [[b"1"], [None]] == [layer.get(["a"]) for layer in layers]
    for layer in layers:
        layer.close()


def test_a_cluster_is_found_through_a_node(cluster: Cluster) -> None:
    """One node of a URL leads to all of them."""
    layer: Any = layer_from(f"{cluster.url}?cluster=true")
    keys = [f"key-{number}" for number in range(20)]

    layer.put(dict.fromkeys(keys, b"1"), 60)

    assert [b"1"] * 20 == layer.get(keys)
    layer.close()


def test_a_login_is_spoken_behind_tls(tls_server: TlsServer) -> None:
    """A URL with an escaped password and the authority's file reaches a server that speaks TLS only."""
    layer: Any = layer_from(f"{tls_server.url}?ssl_ca_certs={tls_server.ca_file}")
    key = f"{tls_server.key_prefix}a"

    layer.put({key: b"1"}, 60)

    assert [b"1"] == layer.get([key])
    layer.close()


def test_without_redis_py_the_extra_is_named() -> None:
    """The error says what to install; a memory layer is made all the same."""
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from gcache import MissingExtra\n"
        "from gcache.discovery import layer_from\n"
        "layer_from('memory')\n"
        "try:\n    layer_from('rediss://user:hunter2@host')\n"
        "except MissingExtra as error:\n    print(error)\n"
    )

    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert "gcache-toolkit[redis]" in printed.stdout
    assert "hunter2" not in printed.stdout
