"""A hit in Redis from an event loop, one caller: its local layer off, against redis-py."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from benchmarks.floors import TTL_SEC
from benchmarks.harness import arace, calls, compare, expect
from benchmarks.peers.turns import NOBODY, Peers
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import USERS, aprofile, profile, subject
from gcache import CacheLayer, RedisConfig

JOB, FLOOR = "Redis hit, async", "redis.asyncio.Redis.get and pickle.loads"


async def _run(port: int, peers: Peers) -> list[Row]:
    options: dict[str, Any] = {"socket_timeout": 0.5, "max_connections": 64, "retry": Retry(NoBackoff(), 0)}
    config = RedisConfig(host=HOST, port=port, redis_py_options=options)
    with subject(CacheLayer.REMOTE, redis=config) as subj, peers.join("redis_hit_async", port) as opponents:
        async with redis.asyncio.Redis(host=HOST, port=port, socket_connect_timeout=0.5, **options) as client:
            untracked = subj.cached(aprofile, "RedisHit")
            tracked = subj.cached(aprofile, "RedisHitTracked", track_for_invalidation=True)

            async def floor(user_id: str) -> object:
                stored: Any = await client.get(f"raw:{user_id}")
                return pickle.loads(stored)

            for user in USERS:
                await client.set(f"raw:{user}", pickle.dumps(profile(user), 5), px=int(TTL_SEC * 1000))
                for function in (untracked, tracked, untracked, tracked, floor):
                    expect(await function(user), profile(user))
            contestants = [
                calls(*[f"await call({user!r})" for user in USERS], call=call)
                for call in (untracked, tracked, floor)
            ]
            await arace(*contestants, *opponents.contestants)
            ours, ours_tracked, theirs = contestants
            subj.expect_hits("RedisHit", "remote", ours.total_calls + len(USERS))
            subj.expect_hits("RedisHitTracked", "remote", ours_tracked.total_calls + len(USERS))
            await subj.cache.aclose()
            return [
                compare(JOB, ours, theirs, 1.15, FLOOR),
                compare(f"{JOB}, tracked", ours_tracked, theirs, 1.25, FLOOR),
                *opponents.rows(JOB, ours, {}),
            ]


def run(peers: Peers = NOBODY) -> list[Row]:
    with valkey() as port:
        return asyncio.run(_run(port, peers))
