"""One memcached process."""

from __future__ import annotations

import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Self

from gcache.conformance.ports import HOST, free_port
from gcache.conformance.waiting import wait_until

if TYPE_CHECKING:
    from types import TracebackType


class Memcached:
    """A memcached with a port of its own, which it keeps when it is killed and started again."""

    host = HOST

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it takes connections."""
        program = shutil.which("memcached")
        assert program is not None
        command = [program, "-l", HOST, "-p", str(self.port), "-U", "0", "-u", "nobody"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._listens, sentence=f"memcached to listen on {self.port}")

    def kill(self) -> None:
        """SIGKILL; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def items(self) -> int:
        """How many items it holds."""
        with socket.create_connection((HOST, self.port), timeout=2) as line:
            line.sendall(b"stats\r\nquit\r\n")
            with line.makefile() as answer:
                return next(int(row.split()[2]) for row in answer if row.startswith("STAT curr_items"))

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
