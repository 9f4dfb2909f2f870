"""One Valkey or Redis server process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gcache.conformance.ports import HOST, free_port
from gcache.conformance.waiting import wait_until
from tests.servers.availability import Kind, binary, require

if TYPE_CHECKING:
    from types import TracebackType

_START_ATTEMPTS = 10


class Server:
    """A server process with a port and a directory of its own; nothing is kept on disk.

    Further `options` go to the program as they stand: `Server("redis", "--maxmemory", "10mb")`.
    """

    host = HOST
    port: int
    kind: Kind

    def __init__(self, kind: Kind, *options: str) -> None:
        require(kind)
        self.kind = kind
        self.port = 0
        self.frozen = False
        self.directory = Path(tempfile.mkdtemp(prefix=f"gcache-{kind}-"))
        self._options = list(options)
        self._port_option = "--port"
        self._client_options: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return once the server answers, on its former port or else on a free one."""
        former_port = self.port
        for _ in range(_START_ATTEMPTS):
            self.port = former_port or free_port()
            self._launch()
            if self.running:
                return
            if former_port or "Address already in use" not in self.log():
                break
        raise RuntimeError(f"{self.kind} did not start on port {self.port}; its log:\n{self.log()}")

    def kill(self) -> None:
        """SIGKILL; its data is gone, its port and directory stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.frozen = False

    def restart(self) -> None:
        """Kill it and start it again, empty, on the same port."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the process where it stands: the kernel still accepts connections, nothing answers."""
        if self._process is None or self.frozen:
            return
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        self.frozen = True

    def thaw(self) -> None:
        """Let a frozen process go on; it then answers all that has queued up."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.frozen = False

    def stop(self) -> None:
        """End it for good and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def revive(self) -> None:
        """Thaw or start it where a test left it frozen or dead."""
        self.thaw()
        if not self.running:
            self.start()

    def empty(self) -> None:
        """Revive it and drop every key."""
        self.revive()
        self.command("FLUSHALL")

    def client(self, **options: Any) -> redis.Redis:
        """A client for the test's own use: it waits 2 seconds at most and never retries. Close it."""
        defaults: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "socket_timeout": 2.0,
            "socket_connect_timeout": 2.0,
            "retry": Retry(NoBackoff(), 0),
        }
        return redis.Redis(**(defaults | self._client_options | options))

    def command(self, *words: str | int) -> Any:
        """The server's unparsed answer to one command."""
        with self.client() as client:
            return client.execute_command(*words)

    def log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")

    def _launch(self) -> None:
        program = binary(self.kind)
        assert program is not None
        listen = ["--port", "0", self._port_option, str(self.port), "--bind", HOST]
        transient = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(self.directory)]
        with (self.directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, *listen, *transient, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: not self.running or self._answers(), sentence=f"{self.kind} on {self.port}")
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        """Whether this very process answers, and not a stranger on the same port."""
        assert self._process is not None
        try:
            with self.client() as client:
                return bool(client.ping()) and client.info("server")["process_id"] == self._process.pid
        except redis.RedisError:
            return False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
