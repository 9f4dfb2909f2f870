"""The layer as text."""

from __future__ import annotations

from typing import Any

import pytest
from memcached_process import Memcached

from gcache import GCacheConfigError
from gcache.discovery import layer_from
from gcache_memcached import MemcachedLayer


def test_a_url_makes_the_layer(servers: list[Memcached]) -> None:
    """It is found by its scheme, and its hosts and options arrive."""
    hosts = ",".join(server.address for server in servers)
    options = "name=near&connect_timeout_sec=0.1&timeout_sec=0.2&max_connections=3&max_value_bytes=2MiB"
    layer: Any = layer_from(f"memcached://{hosts}?{options}")
    layer.put({"key": b"value"}, 60)
    found = layer.get(["key"])
    layer.close()

    assert [b"value"] == found
    assert isinstance(layer, MemcachedLayer)
    assert ("near", 2 * 2**20, 3) == (layer.name, layer.max_value_bytes, len(layer._servers))


def test_a_port_is_not_needed() -> None:
    """The port is memcached's own where none is given, and a layer is made without a server there."""
    layer: Any = layer_from("memcached://cache-a,cache-b:11212,[::1]")

    assert [("cache-a", 11211), ("cache-b", 11212), ("::1", 11211)] == [
        server._make.args[0] for server in layer._servers.values()
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("memcached://", "list each once"),
        ("memcached://a,a:11211", "list each once"),
        ("memcached://user:secret@a", "login"),
        ("memcached://a/path", "path"),
        ("memcached://a?timeout=1", "timeout_sec"),
        ("memcached://a?max_connections=0", "max_connections"),
        ("memcached://a?timeout_sec=0", "timeout_sec"),
        ("memcached://a?tls=true&ca=/no/such/file", "ca"),
    ],
)
def test_a_url_that_cannot_be_meant(text: str, sentence: str) -> None:
    """What is wrong is said when the layer is made, with the name of the part."""
    with pytest.raises(GCacheConfigError, match=sentence):
        layer_from(text)
