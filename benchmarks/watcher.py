"""A process that watches a server and a process: how long the one is silent, how large the other gets.

`python watcher.py PORT PID` sends PING after PING until its stdin ends, then prints JSON: the longest that an
answer took, how many there were, and the resident memory of PID at first and at most (0 where there is no
/proc). It is a process of its own, so that no thread of ours can keep it from looking.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from pathlib import Path

_LOOK_SEC = 0.01


def main() -> None:
    server, statm = ("127.0.0.1", int(sys.argv[1])), Path("/proc", sys.argv[2], "statm")
    longest_sec, pings, first = 0.0, 0, _resident(statm)
    most, looked = first, 0.0
    with socket.create_connection(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("watching", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            started = time.perf_counter()
            connection.sendall(b"PING\r\n")
            connection.recv(64)
            now = time.perf_counter()
            longest_sec, pings = max(longest_sec, now - started), pings + 1
            if now - looked > _LOOK_SEC:
                most, looked = max(most, _resident(statm)), now
            time.sleep(0.0002)
    told = {"longest_sec": longest_sec, "pings": pings, "bytes_first": first, "bytes_most": most}
    print(json.dumps(told), flush=True)


def _resident(statm: Path) -> int:
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


if __name__ == "__main__":
    main()
