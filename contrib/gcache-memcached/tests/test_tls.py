"""TLS, on a server that speaks nothing else."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from memcached_process import Memcached
from pymemcache.exceptions import MemcacheError

from conftest import MakeLayer, Start
from gcache.discovery import layer_from
from gcache_memcached import MemcachedLayer


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA, tmp_path: Path, start: Start) -> Memcached:
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    pem = tmp_path / "server.pem"
    return start("-Z", "-o", f"ssl_chain_cert={pem},ssl_key={pem}")


def test_a_trusted_server_is_used(authority: trustme.CA, tls_server: Memcached) -> None:
    """With a context that trusts the server's certificate the layer works, also over idle connections."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    layer = MemcachedLayer([tls_server.address], tls=context)
    layer.put({"key": b"value"}, 60)
    [connections] = layer._servers.values()
    [client] = [client for client in connections._clients.queue if client.sock is not None]
    sock = client.sock
    found = [layer.get(["key"]) for _ in range(5)]
    kept = sock is client.sock
    layer.close()

    assert [[b"value"]] * 5 == found
    assert kept


def test_a_url_names_the_authority(authority: trustme.CA, tls_server: Memcached, tmp_path: Path) -> None:
    """`tls=true` with `ca` connects to a server whose certificate that authority has signed."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    layer = layer_from(f"memcached://{tls_server.address}?tls=true&ca={tmp_path}/ca.pem")
    layer.put({"key": b"value"}, 60)
    found = layer.get(["key"])
    layer.close()

    assert [b"value"] == found


def test_a_stranger_is_refused(tls_server: Memcached) -> None:
    """A server whose certificate nobody vouches for is an error, and is sent nothing."""
    layer = layer_from(f"memcached://{tls_server.address}?tls=true")
    with pytest.raises(ssl.SSLCertVerificationError):
        layer.put({"key": b"value"}, 60)


def test_plain_text_is_no_way_in(tls_server: Memcached, layer_on: MakeLayer) -> None:
    """Without TLS the same server is an error, and not a server without entries."""
    layer = layer_on(tls_server)
    with pytest.raises((OSError, MemcacheError)):
        layer.get(["key"])
