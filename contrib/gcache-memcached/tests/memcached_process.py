"""Processes of memcached, on free ports of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from typing import Any

import pytest
from pymemcache import Client

from gcache.conformance.ports import HOST, free_port
from gcache.conformance.waiting import wait_until


def program() -> str:
    """Return the path of memcached. Without one the test is skipped, or fails where servers are required."""
    path = shutil.which("memcached")
    if path is not None:
        return path
    reason = "memcached is not installed: apt install memcached"
    if os.environ.get("GCACHE_REQUIRE_SERVERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Memcached:
    """One process, whose `options` go to the program as they stand."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._program = program()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Return once it listens, on its former port if it had one."""
        for _ in range(10):
            if self._starts_on(self.port or free_port()):
                return
        raise RuntimeError(f"memcached did not start with {self._options}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Kill it, and start it again on the same port, empty."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the process where it stands: the kernel goes on accepting connections, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Any:
        """Return a client for the test's own use. Close it."""
        return Client((HOST, self.port), connect_timeout=2, timeout=2, default_noreply=False)

    def do(self, method: str, *args: Any) -> Any:
        """Return what a client's `method` returns."""
        client = self.client()
        try:
            return getattr(client, method)(*args)
        finally:
            client.close()

    def _starts_on(self, port: int) -> bool:
        command = [self._program, "-l", HOST, "-p", str(port), "-U", "0", *self._options]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process, self.port = process, port
        wait_until(lambda: process.poll() is not None or _listens(port), sentence=f"memcached on {port}")
        return process.poll() is None

    def __enter__(self) -> Memcached:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False
