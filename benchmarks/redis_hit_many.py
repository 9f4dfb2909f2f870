"""Hits in Redis from many tasks of one event loop at once, against redis-py."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from benchmarks.floors import TTL_SEC
from benchmarks.harness import Contestant, arace, compare, expect
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import aprofile, profile, subject
from gcache import CacheLayer, RedisConfig

_CALLERS = (50, 200)
_MOST_RATIO = 0.2  # five times the throughput
_ROUNDS, _CALLS_EACH = 30, 10


def _at_once(call: Callable[[str], Awaitable[object]], users: list[str]) -> Contestant:
    """Return a contestant of as many tasks as there are users, each of which calls one after another."""

    async def caller(user: str) -> None:
        for _ in range(_CALLS_EACH):
            await call(user)

    async def run(times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            await asyncio.gather(*[caller(user) for user in users])
        return time.perf_counter() - started

    return Contestant(run, len(users) * _CALLS_EACH, round_sec=0)


async def _run(port: int) -> list[Row]:
    options: dict[str, Any] = {"socket_timeout": 5, "max_connections": 256, "retry": Retry(NoBackoff(), 0)}
    rows: list[Row] = []
    with subject(CacheLayer.REMOTE, redis=RedisConfig(host=HOST, port=port)) as subj:
        async with redis.asyncio.Redis(host=HOST, port=port, **options) as client:

            async def floor(user_id: str) -> object:
                stored: Any = await client.get(f"raw:{user_id}")
                return pickle.loads(stored)

            for count in _CALLERS:
                users = [str(number) for number in range(count)]
                use_case = f"RedisHitMany{count}"
                ours = subj.cached(aprofile, use_case, track_for_invalidation=True)
                for user in users:
                    await client.set(f"raw:{user}", pickle.dumps(profile(user), 5), px=int(TTL_SEC * 1000))
                    expect([await ours(user), await ours(user), await floor(user)], [profile(user)] * 3)
                here, there = _at_once(ours, users), _at_once(floor, users)
                await arace(here, there, rounds=_ROUNDS)
                subj.expect_hits(use_case, "remote", here.total_calls + count)
                job = f"Redis hits, async, tracked, {count} callers"
                rows.append(
                    compare(job, here, there, _MOST_RATIO, "redis.asyncio.Redis.get and pickle.loads")
                )
            await subj.cache.aclose()
    return rows


def run() -> list[Row]:
    with valkey() as port:
        return asyncio.run(_run(port))
