"""Faults between the cache and its server, made by the proxy that stands between them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.drills.scene import Fault, Scene
from gcache.conformance.proxy import FaultProxy


@contextmanager
def nothing(scene: Scene) -> Iterator[None]:
    """All is well."""
    yield


@contextmanager
def refused(scene: Scene) -> Iterator[None]:
    """Nobody listens."""
    scene.stage.proxy.refuse()
    yield
    scene.stage.proxy.pass_through()


@contextmanager
def black_hole(scene: Scene) -> Iterator[None]:
    """Connections are accepted, what is sent is read, and nothing comes back."""
    scene.stage.proxy.black_hole()
    yield
    scene.stage.proxy.pass_through()
    scene.stage.proxy.drop_connections()


@contextmanager
def closed_at_once(scene: Scene) -> Iterator[None]:
    """Connections are accepted, and closed without a word."""
    proxy = scene.stage.proxy
    proxy.refuse()
    with _Slammer(proxy):
        yield
    proxy.pass_through()


def slow_by(sec: float) -> Fault:
    """Each answer comes `sec` seconds late."""

    @contextmanager
    def slow(scene: Scene) -> Iterator[None]:
        scene.stage.proxy.delay(sec)
        yield
        scene.stage.proxy.pass_through()

    return slow


@contextmanager
def cut(scene: Scene) -> Iterator[None]:
    """Each connection ends three bytes into its first answer."""
    scene.stage.proxy.cut_after(3)
    yield
    scene.stage.proxy.pass_through()


class _Slammer:
    """Listens in a proxy's place, and closes what it accepts."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._listener = socket.create_server((proxy.host, proxy.port))
        self._thread = threading.Thread(target=self._slam)

    def _slam(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.close()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
