"""Hits in Redis from eight threads on one toolkit, against eight threads on one client of redis-py."""

from __future__ import annotations

import contextvars
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

from benchmarks.floors import TTL_SEC
from benchmarks.harness import Contestant, compare, expect, race
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import USERS, profile, subject
from gcache import CacheLayer, RedisConfig

_THREADS, _ROUNDS, _PASSES = 8, 40, 5
_JOB, _FLOOR = f"Redis hits, sync, {_THREADS} threads", "redis.Redis.get and pickle.loads"


def _in_threads(call: Callable[[str], object], users: Sequence[str]) -> Contestant:
    """Return a contestant of eight threads, each of which calls for every user, five times over."""

    def caller(begin: threading.Barrier) -> None:
        begin.wait()
        for _ in range(_PASSES):
            for user in users:
                call(user)

    def run(_times: int) -> float:
        begin = threading.Barrier(_THREADS + 1)
        # Each thread in a context of its own, which like this one says that the cache is on.
        contexts = [contextvars.copy_context() for _ in range(_THREADS)]
        threads = [threading.Thread(target=context.run, args=(caller, begin)) for context in contexts]
        for thread in threads:
            thread.start()
        begin.wait()
        started = time.perf_counter()
        for thread in threads:
            thread.join()
        return time.perf_counter() - started

    return Contestant(run, _THREADS * _PASSES * len(users), round_sec=0)


def run() -> list[Row]:
    with valkey() as port:
        config = RedisConfig(host=HOST, port=port)
        with redis.Redis(HOST, port) as client, subject(CacheLayer.REMOTE, redis=config) as subj:
            untracked = subj.cached(profile, "RedisThreads")
            tracked = subj.cached(profile, "RedisThreadsTracked", track_for_invalidation=True)

            def floor(user_id: str) -> object:
                stored: Any = client.get(f"raw:{user_id}")
                return pickle.loads(stored)

            for user in USERS:
                client.set(f"raw:{user}", pickle.dumps(profile(user), 5), px=int(TTL_SEC * 1000))
                for call in (untracked, tracked, untracked, tracked, floor):
                    expect(call(user), profile(user))
            contestants = [_in_threads(call, USERS) for call in (untracked, tracked, floor)]
            race(*contestants, rounds=_ROUNDS)
            ours, ours_tracked, theirs = contestants
            subj.expect_hits("RedisThreads", "remote", ours.total_calls + len(USERS))
            subj.expect_hits("RedisThreadsTracked", "remote", ours_tracked.total_calls + len(USERS))
            return [
                compare(_JOB, ours, theirs, 1.0, _FLOOR),
                compare(f"{_JOB}, tracked", ours_tracked, theirs, 1.0, _FLOOR),
            ]
