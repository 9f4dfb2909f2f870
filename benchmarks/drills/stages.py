"""What stands behind the cache in a drill: servers, and a proxy before them that can misbehave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
import trustme

from gcache.conformance.ports import HOST
from gcache.conformance.proxy import FaultProxy
from tests.servers.cluster import Cluster
from tests.servers.memcached import Memcached
from tests.servers.process import Server
from tests.servers.tls import TlsServer

USER, PASSWORD = "app", "the password at first"


@dataclass(frozen=True)
class Stage:
    """The parts of one drill, as many as it has, and the `options` that tell the subject where they are."""

    options: Mapping[str, Any]
    _server: Server | None = None
    _proxy: FaultProxy | None = None
    _memcached: FreezableMemcached | None = None
    _cluster: Cluster | None = None
    directory: Path = field(default=Path())
    is_mounted: bool = False

    @property
    def server(self) -> Server:
        assert self._server
        return self._server

    @property
    def proxy(self) -> FaultProxy:
        assert self._proxy
        return self._proxy

    @property
    def memcached(self) -> FreezableMemcached:
        assert self._memcached
        return self._memcached

    @property
    def cluster(self) -> Cluster:
        assert self._cluster
        return self._cluster


@contextmanager
def valkey(*options: str) -> Iterator[Stage]:
    """A Valkey server behind a proxy."""
    with Server("valkey", *options) as server, FaultProxy(server.port) as proxy:
        yield Stage({"host": HOST, "port": proxy.port}, server, proxy)


@contextmanager
def valkey_with_user() -> Iterator[Stage]:
    """A Valkey server on which the subject is a user who may do anything, so far."""
    with valkey() as stage:
        stage.server.command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
        options = {**stage.options, "username": USER, "password": PASSWORD}
        yield Stage(options, stage.server, stage.proxy)


class ServerWithExpiredTwin(TlsServer):
    """A TLS server that has a second certificate, of the same authority, which ended yesterday."""

    def _write_certificates(self) -> None:
        authority = trustme.CA()
        yesterday = datetime.now(UTC) - timedelta(days=1)
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._write("server", authority.issue_cert(HOST))
        self._write(
            "expired",
            authority.issue_cert(HOST, not_before=yesterday - timedelta(days=1), not_after=yesterday),
        )

    def show(self, name: str) -> None:
        """Show the certificate `name` to whoever connects from now on."""
        words = [("tls-cert-file", f"{name}.pem"), ("tls-key-file", f"{name}.key")]
        pairs = [word for option, file in words for word in (option, str(self.directory / file))]
        with self.client(ssl_check_hostname=False, ssl_cert_reqs="none") as client:
            client.execute_command("CONFIG", "SET", *pairs)

    def _write(self, name: str, certificate: trustme.LeafCert) -> None:
        certificate.private_key_pem.write_to_path(str(self.directory / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(self.directory / f"{name}.pem"))


@contextmanager
def redis_with_tls() -> Iterator[Stage]:
    """A Redis server that speaks TLS only, with a certificate that is good, so far."""
    with ServerWithExpiredTwin() as server, FaultProxy(server.port) as proxy:
        server.command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "allkeys", "allchannels", "+@all")
        options = {"host": HOST, "port": proxy.port, "username": USER, "password": PASSWORD}
        yield Stage({**options, "ca_file": str(server.ca_file)}, server, proxy)


class LoadingServer(Server):
    """A Valkey that can be started again in the midst of loading, where it answers LOADING to all."""

    _KEYS = 100_000
    _EVENTS_EVERY_BYTES = 1024

    def __init__(self) -> None:
        super().__init__("valkey", "--enable-debug-command", "yes")

    def reload_slowly(self, load_sec: float) -> None:
        """Save what it has with much else, and start again, `load_sec` seconds from having loaded that."""
        self.command("DEBUG", "POPULATE", self._KEYS)
        self.command("SAVE")
        delay_microsec = int(load_sec * 1e6 / self._KEYS)
        self._options += ["--key-load-delay", str(delay_microsec)]
        self._options += ["--loading-process-events-interval-bytes", str(self._EVENTS_EVERY_BYTES)]
        self.restart()

    def finish(self) -> None:
        """Load the rest at full speed."""
        self.command("CONFIG", "SET", "key-load-delay", "0")
        self._options.clear()

    def is_loading(self) -> bool:
        with self.client() as client:
            return bool(client.info("persistence")["loading"])

    def _answers(self) -> bool:
        try:
            return super()._answers() or self.is_loading()
        except redis.RedisError:
            return False


@contextmanager
def loading_valkey() -> Iterator[Stage]:
    with LoadingServer() as server, FaultProxy(server.port) as proxy:
        yield Stage({"host": HOST, "port": proxy.port}, server, proxy)


@contextmanager
def valkey_cluster() -> Iterator[Stage]:
    """A Cluster of three Valkey primaries; the subject knows one of them."""
    with Cluster("valkey") as cluster:
        options = {"host": HOST, "port": cluster.nodes[0].port, "cluster": True}
        yield Stage(options, _cluster=cluster)


class FreezableMemcached(Memcached):
    """A memcached that can be stopped where it stands."""

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def memcached() -> Iterator[Stage]:
    """A memcached behind a proxy, as the last layer."""
    with FreezableMemcached() as server, FaultProxy(server.port) as proxy:
        options = {"layer": f"memcached://{HOST}:{proxy.port}"}
        yield Stage(options, _proxy=proxy, _memcached=server)


@contextmanager
def disk() -> Iterator[Stage]:
    """A folder as the last layer: on a file system of 8 MiB, where we may mount one."""
    directory = Path(tempfile.mkdtemp(prefix="gcache-drill-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(directory)]
    is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        options = {"layer": f"disk://{directory}/cache?size=4MiB"}
        yield Stage(options, directory=directory, is_mounted=is_mounted)
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)
        shutil.rmtree(directory, ignore_errors=True)
