"""Loopback ports nobody listens on."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"

_BUS_OFFSET = 10_000
# With the bus 10,000 higher, both stay below the ports Linux and macOS hand to outgoing connections.
_PORTS = range(12_000, 22_000)
# Not the `random` module's own generator, which test plugins seed.
_random = random.SystemRandom()


def free_port() -> int:
    """A port that is free now, as is the one a cluster node would use for its bus."""
    while True:
        port = _random.choice(_PORTS)
        if _is_free(port) and _is_free(port + _BUS_OFFSET):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
