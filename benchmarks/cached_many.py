"""1,000 ids at once, of which Redis has half, against MGET, the same source, and a pipeline of SETs."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.floors import TTL_SEC
from benchmarks.harness import Contestant, arace, compare, expect, race
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import Subject, profile, subject
from gcache import CacheLayer, RedisConfig

_IDS = [str(number) for number in range(1_000)]
_CACHED, _GONE = _IDS[::2], _IDS[1::2]
_EXPECTED = {user_id: profile(user_id) for user_id in _IDS}
_TTL_MS = int(TTL_SEC * 1000)
_MOST_SEC = 0.003
_ROUNDS = 60
_FLOOR = "MGET, pickle, the source, and a pipeline of SETs with redis-py"


def profiles(user_ids: list[str]) -> dict[str, dict[str, object]]:
    """Return what a query for these would."""
    return {user_id: profile(user_id) for user_id in user_ids}


async def aprofiles(user_ids: list[str]) -> dict[str, dict[str, object]]:
    return profiles(user_ids)


def _config(port: int) -> RedisConfig:
    return RedisConfig(host=HOST, port=port, redis_py_options={"socket_timeout": 5})


def _missing(stored: list[bytes | None], found: dict[str, Any]) -> list[str]:
    for user_id, data in zip(_IDS, stored, strict=True):
        if data is not None:
            found[user_id] = pickle.loads(data)
    return [user_id for user_id in _IDS if user_id not in found]


def _floor(client: Any) -> Callable[[list[str]], Any]:
    def read(user_ids: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        missing = _missing(client.mget([f"raw:{user_id}" for user_id in user_ids]), found)
        brought = profiles(missing)
        with client.pipeline(transaction=False) as pipeline:
            for user_id, value in brought.items():
                pipeline.set(f"raw:{user_id}", pickle.dumps(value, 5), px=_TTL_MS)
            pipeline.execute()
        return found | brought

    return read


def _afloor(client: Any) -> Callable[[list[str]], Any]:
    async def read(user_ids: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        missing = _missing(await client.mget([f"raw:{user_id}" for user_id in user_ids]), found)
        brought = await aprofiles(missing)
        async with client.pipeline(transaction=False) as pipeline:
            for user_id, value in brought.items():
                pipeline.set(f"raw:{user_id}", pickle.dumps(value, 5), px=_TTL_MS)
            await pipeline.execute()
        return found | brought

    return read


def _halved(call: Callable[[list[str]], Any], client: redis.Redis, gone: list[str]) -> Contestant:
    """Return a contestant whose calls find half of what they ask for: the rest is taken away before each."""

    def run(times: int) -> float:
        seconds = 0.0
        for _ in range(times):
            client.unlink(*gone)
            started = time.perf_counter()
            call(_IDS)
            seconds += time.perf_counter() - started
        return seconds

    return Contestant(run, round_sec=0)


def _ahalved(call: Callable[[list[str]], Any], client: redis.Redis, gone: list[str]) -> Contestant:
    async def run(times: int) -> float:
        seconds = 0.0
        for _ in range(times):
            client.unlink(*gone)
            started = time.perf_counter()
            await call(_IDS)
            seconds += time.perf_counter() - started
        return seconds

    return Contestant(run, round_sec=0)


def _ours(subj: Subject, function: Any, use_case: str, tracked: bool) -> Any:
    return subj.cache.cached_many(
        "user_id", ids_arg="user_ids", use_case=use_case, track_for_invalidation=tracked
    )(function)


def _gone(subj: Subject, function: Any) -> list[str]:
    return [subj.cache._engine.keys.build(key) for key in function.keys(_GONE)]


def _rows(side: str, contestants: list[Contestant]) -> list[Row]:
    untracked, tracked, floor = contestants
    job = f"1,000 ids at once, half in Redis, {side}"
    return [
        compare(job, untracked, floor, None, _FLOOR),
        compare(f"{job}, tracked", tracked, floor, None, _FLOOR),
        _within(f"{job}: in all", untracked),
        _within(f"{job}, tracked: in all", tracked),
    ]


def _within(job: str, contestant: Contestant) -> Row:
    """Return how a whole call compares with what it may take beyond its source."""
    started = time.perf_counter()
    profiles(_GONE)
    limit_ns = (_MOST_SEC + time.perf_counter() - started) * 1e9
    ratios = [ns / limit_ns for ns in contestant.ns]
    low, _, high = quantiles(ratios, n=4)
    limit_is = f"{_MOST_SEC * 1000:.0f} ms and the source"
    return Row(job, median(contestant.ns), limit_ns, median(ratios), 1, limit_is, low, high, len(ratios))


def _run_sync(port: int, client: redis.Redis) -> list[Row]:
    with subject(CacheLayer.REMOTE, redis=_config(port)) as subj:
        ours = [_ours(subj, profiles, f"Many{tracked}", tracked) for tracked in (False, True)]
        floor = _floor(client)
        for function in (*ours, floor):
            expect([function(_IDS), function(_IDS)], [_EXPECTED] * 2)
        contestants = [_halved(function, client, _gone(subj, function)) for function in ours]
        contestants.append(_halved(floor, client, [f"raw:{user_id}" for user_id in _GONE]))
        race(*contestants, rounds=_ROUNDS)
        for tracked, contestant in zip((False, True), contestants, strict=False):
            hits = len(_CACHED) * contestant.total_calls + len(_IDS)
            subj.expect_hits(f"Many{tracked}", "remote", hits)
        return _rows("sync", contestants)


async def _run_async(port: int, client: redis.Redis) -> list[Row]:
    options: dict[str, Any] = {"socket_timeout": 5, "retry": AsyncRetry(NoBackoff(), 0)}
    with subject(CacheLayer.REMOTE, redis=_config(port)) as subj:
        async with redis.asyncio.Redis(host=HOST, port=port, **options) as aclient:
            ours = [_ours(subj, aprofiles, f"AsyncMany{tracked}", tracked) for tracked in (False, True)]
            floor = _afloor(aclient)
            for function in (*ours, floor):
                expect([await function(_IDS), await function(_IDS)], [_EXPECTED] * 2)
            contestants = [_ahalved(function, client, _gone(subj, function)) for function in ours]
            contestants.append(_ahalved(floor, client, [f"raw:{user_id}" for user_id in _GONE]))
            await arace(*contestants, rounds=_ROUNDS)
            for tracked, contestant in zip((False, True), contestants, strict=False):
                hits = len(_CACHED) * contestant.total_calls + len(_IDS)
                subj.expect_hits(f"AsyncMany{tracked}", "remote", hits)
            await subj.cache.aclose()
        return _rows("async", contestants)


def run() -> list[Row]:
    retry = Retry(NoBackoff(), 0)
    with valkey() as port, redis.Redis(HOST, port, socket_timeout=5, retry=retry) as client:
        return _run_sync(port, client) + asyncio.run(_run_async(port, client))
