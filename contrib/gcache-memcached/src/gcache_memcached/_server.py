"""The connections to one server."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Any

from gcache import GCacheClosed


class Server:
    """Lends `most` connections, each to one caller at a time, and never with an answer left in it.

    `make` returns a client of pymemcache, which connects when it is used first, and anew after `close`.
    """

    def __init__(self, make: Callable[[], Any], most: int, patience_sec: float) -> None:
        self._make, self._most, self._patience_sec = make, most, patience_sec
        self._is_closed = False
        self._clients: LifoQueue[Any] = LifoQueue()
        self._begin()

    @contextmanager
    def connection(self) -> Generator[Any]:
        """Lend a connection, and close it if an exception passes: an answer may still be on the way.

        Raises TimeoutError if all are in use for too long, GCacheClosed after `close`.
        """
        if self._is_closed:
            raise GCacheClosed("This MemcachedLayer was closed: make a new one.")
        if self._pid != os.getpid():  # the sockets are the parent's
            self._begin()
        clients = self._clients
        try:
            client = clients.get(timeout=self._patience_sec)
        except Empty:
            raise TimeoutError(f"All {self._most} connections are in use: raise max_connections.") from None
        try:
            if client.sock is not None and _has_input(client.sock):
                client.close()
            yield client
        except BaseException:
            client.close()
            raise
        finally:
            clients.put(client)
            if self._is_closed:
                client.close()

    def close(self) -> None:
        self._is_closed = True
        self._hang_up()

    def _begin(self) -> None:
        self._hang_up()
        clients: LifoQueue[Any] = LifoQueue()
        for _ in range(self._most):
            clients.put(self._make())
        self._clients, self._pid = clients, os.getpid()

    def _hang_up(self) -> None:
        for client in self._clients.queue:
            client.close()


def _has_input(sock: Any) -> bool:
    """Tell whether something has come over an idle connection: its end, as a rule. Windows cannot tell."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
