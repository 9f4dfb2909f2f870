"""Hits in Redis from many tasks of one event loop at once, against redis-py, and the connections it takes.

What the server counts is what it has for ours: neither redis-py nor a peer has connected to it by then.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from benchmarks.floors import TTL_SEC
from benchmarks.harness import Contestant, arace, compare, expect, within
from benchmarks.peers.catalogue import CALLS_EACH, MANY
from benchmarks.peers.inside.calling import at_once
from benchmarks.peers.turns import NOBODY, Opponents, Peers
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import Subject, aprofile, profile, subject
from gcache import CacheLayer, RedisConfig

JOB, FLOOR = "Redis hits, async, tracked", "redis.asyncio.Redis.get and pickle.loads"
MORE = [str(number) for number in range(200)]
_MOST_RATIO = 0.2  # five times the throughput
_ROUNDS = 30


def _contestant(call: Callable[[str], Awaitable[object]], users: Sequence[str]) -> Contestant:
    return Contestant(at_once(call, users, CALLS_EACH), len(users) * CALLS_EACH, round_sec=0)


async def _race(
    subj: Subject, client: redis.asyncio.Redis, users: Sequence[str], opponents: Opponents
) -> list[Row]:
    use_case, job = f"RedisHitMany{len(users)}", f"{JOB}, {len(users)} callers"
    cached = subj.cached(aprofile, use_case, track_for_invalidation=True)

    async def floor(user_id: str) -> object:
        stored: Any = await client.get(f"raw:{user_id}")
        return pickle.loads(stored)

    for user in users:
        await client.set(f"raw:{user}", pickle.dumps(profile(user), 5), px=int(TTL_SEC * 1000))
        expect([await cached(user), await cached(user), await floor(user)], [profile(user)] * 3)
    ours, theirs = _contestant(cached, users), _contestant(floor, users)
    await arace(ours, theirs, *opponents.contestants, rounds=_ROUNDS)
    subj.expect_hits(use_case, "remote", ours.total_calls + len(users))
    return [compare(job, ours, theirs, _MOST_RATIO, FLOOR), *opponents.rows(job, ours, {})]


async def _connections(port: int) -> list[Row]:
    """Let all callers read keys of their own at once, and ask the server how many connections that took."""
    with subject(CacheLayer.REMOTE, redis=RedisConfig(host=HOST, port=port)) as subj:
        cached = subj.cached(aprofile, "Connections", track_for_invalidation=True)
        for _ in range(2):
            expect(await asyncio.gather(*map(cached, MORE)), [profile(user) for user in MORE])
        subj.expect_hits("Connections", "remote", len(MORE))
        async with redis.asyncio.Redis(host=HOST, port=port) as client:
            answer: Any = await client.info("clients")
        await subj.cache.aclose()
    job = f"connections of {len(MORE)} callers at once"
    return [within(job, answer["connected_clients"] - 1, len(MORE), "", "one for each caller")]


async def _run(port: int, peers: Peers) -> list[Row]:
    options: dict[str, Any] = {"socket_timeout": 5, "max_connections": 256, "retry": Retry(NoBackoff(), 0)}
    rows = await _connections(port)
    with subject(CacheLayer.REMOTE, redis=RedisConfig(host=HOST, port=port)) as subj:
        async with redis.asyncio.Redis(host=HOST, port=port, **options) as client:
            with peers.join("redis_hit_many", port, round_sec=0) as opponents:
                rows += await _race(subj, client, MANY, opponents)
            # The pools of some peers end at fewer connections than 200 callers open.
            with NOBODY.join("redis_hit_many") as nobody:
                rows += await _race(subj, client, MORE, nobody)
            await subj.cache.aclose()
    return rows


def run(peers: Peers = NOBODY) -> list[Row]:
    with valkey() as port:
        return asyncio.run(_run(port, peers))
