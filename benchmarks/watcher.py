"""A process that watches servers and a process: how long the ones are silent, how large the other gets.

`python watcher.py PID PORT ...` sends PING after PING to each server until its stdin ends, then prints JSON:
for each server the longest that an answer took, and the resident memory of PID at first and at most (0 where
there is no /proc). It is a process of its own, so that no thread of ours can keep it from looking.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

_LOOK_SEC, _PAUSE_SEC = 0.01, 0.0002


def main() -> None:
    statm, ports = Path("/proc", sys.argv[1], "statm"), [int(port) for port in sys.argv[2:]]
    longest_sec = [0.0] * len(ports)
    first = most = _resident(statm)
    looked = 0.0
    with ExitStack() as stack:
        connections = [stack.enter_context(_connection(port)) for port in ports]
        print("watching", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            for place, connection in enumerate(connections):
                longest_sec[place] = max(longest_sec[place], _ping(connection))
            if time.monotonic() - looked > _LOOK_SEC:
                most, looked = max(most, _resident(statm)), time.monotonic()
            time.sleep(_PAUSE_SEC)
    print(json.dumps({"longest_sec": longest_sec, "bytes_first": first, "bytes_most": most}), flush=True)


def _connection(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _ping(connection: socket.socket) -> float:
    started = time.perf_counter()
    connection.sendall(b"PING\r\n")
    connection.recv(64)
    return time.perf_counter() - started


def _resident(statm: Path) -> int:
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


if __name__ == "__main__":
    main()
