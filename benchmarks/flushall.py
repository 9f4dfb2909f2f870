"""`flushall` of a million keys among two million, sync and async, and what others feel of it meanwhile.

The server's own account is in the log of slow commands: a command that takes long keeps all others waiting.
Beside it stands a server with nothing to do: what it keeps a PING waiting is the machine's doing.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import redis

from benchmarks.harness import expect, void_unless, within
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import Subject, subject
from gcache import CacheLayer, RedisConfig

_OURS = _OTHERS = 1_000_000
_AT_ONCE = 20_000
_MOST_SEC, _MOST_PAUSE_SEC, _MOST_BYTES = 20, 0.010, 4_000_000
_WATCHER = Path(__file__).with_name("watcher.py")
# Tracked ones have braces, and every other key is a stranger's.
_FILL = """
for number = ARGV[1], ARGV[2] do
    local braces = number % 2 == 0
    local open, close = braces and '{' or '', braces and '}' or ''
    local key = open .. 'urn:bench:user_id:' .. string.format('%d', number) .. close .. '?page=1#Flushed'
    redis.call('SET', key, ARGV[3], 'PX', 3600000)
    redis.call('SET', 'session:' .. string.format('%d', number), ARGV[3])
end
"""


def run() -> list[Row]:
    rows: list[Row] = []
    with valkey() as port, valkey() as idle:
        for side, flush in (("sync", _flush), ("async", _aflush)):
            rows += _rows(side, port, idle, flush)
    return rows


def _flush(subj: Subject) -> None:
    subj.cache.flushall()


def _aflush(subj: Subject) -> None:
    async def flush() -> None:
        await subj.cache.aflushall()
        await subj.cache.aclose()

    asyncio.run(flush())


def _rows(side: str, port: int, idle: int, flush: Callable[[Subject], None]) -> list[Row]:
    config = RedisConfig(host=HOST, port=port)
    with (
        redis.Redis(HOST, port, socket_timeout=60) as client,
        subject(CacheLayer.REMOTE, redis=config) as subj,
    ):
        _fill(client)
        with _watched(port, idle) as seen:
            started = perf_counter()
            flush(subj)
            took_sec = perf_counter() - started
        expect(client.dbsize(), _OTHERS)
        slow: Any = client.slowlog_get(128)
        slowest_sec = max((each["duration"] for each in slow), default=0) / 1e6
        client.flushdb()
    job, grown = f"flushall of 1,000,000 keys, {side}", max(0, seen["bytes_most"] - seen["bytes_first"])
    busy_ns, idle_ns = (sec * 1e9 for sec in seen["longest_sec"])
    limit = f"10 ms; idle server {idle_ns / 1e6:.1f} ms"
    return [
        within(job, took_sec * 1e9, _MOST_SEC * 1e9, "ns", "20 s"),
        within(
            f"{job}: longest PING",
            busy_ns,
            _MOST_PAUSE_SEC * 1e9,
            "ns",
            limit,
        ),
        within(f"{job}: slowest command", slowest_sec * 1e9, _MOST_PAUSE_SEC * 1e9, "ns", "10 ms"),
        within(f"{job}: memory gained", grown / 1000, _MOST_BYTES / 1000, "kB", "4 MB"),
    ]


def _fill(client: redis.Redis) -> None:
    value = b"v" * 200
    for first in range(0, _OURS, _AT_ONCE):
        client.eval(_FILL, 0, first, first + _AT_ONCE - 1, value)
    expect(client.dbsize(), _OURS + _OTHERS)
    client.config_set("slowlog-log-slower-than", 500)
    client.slowlog_reset()


@contextmanager
def _watched(*ports: int) -> Iterator[dict[str, Any]]:
    """Watch the servers and this process during the block; afterwards what was seen is in what it gave."""
    seen: dict[str, Any] = {}
    command = [sys.executable, str(_WATCHER), str(os.getpid()), *map(str, ports)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as watcher:
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        expect(watcher.stdout.readline(), "watching\n")
        yield seen
        watcher.stdin.close()
        seen.update(json.loads(watcher.stdout.readline()))
    void_unless(min(seen["longest_sec"]) > 0, "nobody looked")
