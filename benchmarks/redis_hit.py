"""A hit in Redis from a thread, against redis-py: its local layer off, or on with no room for the entry."""

from __future__ import annotations

import pickle
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.floors import TTL_SEC
from benchmarks.harness import calls, compare, expect, race
from benchmarks.peers.turns import NOBODY, Peers
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import USERS, profile, subject
from gcache import CacheLayer, RedisConfig

JOB, FLOOR = "Redis hit, sync", "redis.Redis.get and pickle.loads"
_OPTIONS: dict[str, Any] = {"socket_timeout": 0.5, "max_connections": 64, "retry": Retry(NoBackoff(), 0)}
_BOTH = (CacheLayer.LOCAL, CacheLayer.REMOTE)


def run(peers: Peers = NOBODY) -> list[Row]:
    with valkey() as port:
        config = RedisConfig(host=HOST, port=port, redis_py_options=_OPTIONS)
        with (
            redis.Redis(HOST, port, socket_connect_timeout=0.5, **_OPTIONS) as client,
            subject(CacheLayer.REMOTE, redis=config, max_entries=1) as subj,
            peers.join("redis_hit", port) as opponents,
        ):
            untracked = subj.cached(profile, "RedisHit")
            tracked = subj.cached(profile, "RedisHitTracked", track_for_invalidation=True)
            filling = subj.cached(profile, "RedisHitFilling", _BOTH, track_for_invalidation=True)

            def floor(user_id: str) -> object:
                return pickle.loads(client.get(f"raw:{user_id}"))

            for user in USERS:
                client.set(f"raw:{user}", pickle.dumps(profile(user), 5), px=int(TTL_SEC * 1000))
                for function in (untracked, tracked, filling, untracked, tracked, floor):
                    expect(function(user), profile(user))
            contestants = [
                calls(*[f"call({user!r})" for user in USERS], call=call)
                for call in (untracked, tracked, filling, floor)
            ]
            race(*contestants, *opponents.contestants)
            ours, ours_tracked, ours_filling, theirs = contestants
            subj.expect_hits("RedisHit", "remote", ours.total_calls + len(USERS))
            subj.expect_hits("RedisHitTracked", "remote", ours_tracked.total_calls + len(USERS))
            subj.expect_hits("RedisHitFilling", "remote", ours_filling.total_calls)
            return [
                compare(JOB, ours, theirs, 1.15, FLOOR),
                compare(f"{JOB}, tracked", ours_tracked, theirs, 1.25, FLOOR),
                compare(f"{JOB}, tracked, and filled into memory", ours_filling, theirs, None, FLOOR),
                *opponents.rows(JOB, ours, {}),
            ]
