"""Many callers of one cold key at once, over a source that takes 50 ms: how often it runs, how long all wait.

The time is that from the first call to the last return. Tracked, in Valkey, ten keys each.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.harness import expect
from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from benchmarks.subject import Subject, subject
from gcache import CacheLayer, GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, RedisConfig
from gcache.instrumentation import NullSink

_SOURCE_SEC = 0.05
_ROUNDS = 10
_TASKS, _THREADS, _PROCESSES = 200, 64, 8
_PATIENCE_SEC = 30
_REMOTE = {"ttl_sec": {CacheLayer.REMOTE: 60}, "ramp": {CacheLayer.REMOTE: 100}}
_ACROSS_PROCESSES = {
    "no lease": GCacheKeyConfig(**_REMOTE),
    "with a lease": GCacheKeyConfig(**_REMOTE, lease_sec=5),
}


class Source:
    """Takes its time, and counts how often it was asked for each id."""

    def __init__(self) -> None:
        self._asked: list[str] = []

    def load(self, user_id: str) -> str:
        self._asked.append(user_id)
        time.sleep(_SOURCE_SEC)
        return user_id

    async def aload(self, user_id: str) -> str:
        self._asked.append(user_id)
        await asyncio.sleep(_SOURCE_SEC)
        return user_id

    def loads(self, user_id: str) -> int:
        return self._asked.count(user_id)


def run() -> list[Row]:
    with valkey() as port:
        redis = RedisConfig(host=HOST, port=port)
        with subject(CacheLayer.REMOTE, redis=redis) as subj:
            rows = [_in_tasks(subj), _in_threads(subj), _in_both(subj)]
        return rows + [_in_processes(port, way, config) for way, config in _ACROSS_PROCESSES.items()]


def _in_tasks(subj: Subject) -> Row:
    source = Source()
    cached = subj.cached(source.aload, "InTasks", track_for_invalidation=True)

    async def stampede(user_id: str) -> float:
        started = time.perf_counter()
        expect(set(await asyncio.gather(*[cached(user_id) for _ in range(_TASKS)])), {user_id})
        return time.perf_counter() - started

    with asyncio.Runner() as runner:
        return _repeated(f"{_TASKS} tasks", source, lambda user_id: runner.run(stampede(user_id)))


def _in_threads(subj: Subject) -> Row:
    source = Source()
    cached = subj.cached(source.load, "InThreads", track_for_invalidation=True)

    def call(user_id: str) -> None:
        with subj.cache.enable():
            expect(cached(user_id), user_id)

    return _repeated(
        f"{_THREADS} threads", source, lambda user_id: _together([lambda: call(user_id)] * _THREADS)
    )


def _in_both(subj: Subject) -> Row:
    """Sync callers in threads, and two loops of async ones, for one key."""
    source = Source()

    def call(user_id: str) -> None:
        with subj.cache.enable():
            expect(subj.cache.get(_key(user_id), lambda: source.load(user_id)), user_id)

    async def gathered(user_id: str) -> None:
        with subj.cache.enable():
            calls = [
                subj.cache.aget(_key(user_id), lambda: source.aload(user_id)) for _ in range(_TASKS // 2)
            ]
            expect(set(await asyncio.gather(*calls)), {user_id})

    def stampede(user_id: str) -> float:
        loops = [lambda: asyncio.run(gathered(user_id))] * 2
        return _together([lambda: call(user_id)] * _THREADS + loops)

    return _repeated(f"{_THREADS} threads and {_TASKS} tasks", source, stampede)


def _key(user_id: str) -> GCacheKey:
    return GCacheKey("user_id", user_id, "Stampede", track_for_invalidation=True)


def _together(calls: list[Callable[[], object]]) -> float:
    """Make each call in a thread of its own, all at once; return the seconds until the last ends."""
    line = threading.Barrier(len(calls) + 1)
    failures: list[BaseException] = []

    def make(call: Callable[[], object]) -> None:
        line.wait(_PATIENCE_SEC)
        try:
            call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    line.wait(_PATIENCE_SEC)
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    expect(failures, [])
    return time.perf_counter() - started


def _repeated(who: str, source: Source, stampede: Callable[[str], float]) -> Row:
    ids = [str(number) for number in range(_ROUNDS)]
    seconds = [stampede(user_id) for user_id in ids]
    loads = {source.loads(user_id) for user_id in ids}
    expect(loads, {1})
    return _row(f"{who}: 1 load", seconds)


def _row(what: str, seconds: list[float]) -> Row:
    ratios = sorted(each / _SOURCE_SEC for each in seconds)
    return Row(
        f"stampede, {what}",
        median(seconds) * 1e9,
        _SOURCE_SEC * 1e9,
        median(ratios),
        None,
        f"the source; worst {max(seconds) * 1000:.0f} ms",
        ratios[0],
        ratios[-1],
        len(ratios),
    )


def _in_processes(port: int, way: str, config: GCacheKeyConfig) -> Row:
    context = multiprocessing.get_context("spawn")
    line = context.Barrier(_PROCESSES)
    answers = context.SimpleQueue()
    arguments = (port, f"urn:stampede:{way.replace(' ', '-')}", config, line, answers)
    processes = [context.Process(target=_process, args=arguments, daemon=True) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    reports = [answers.get() for _ in processes]
    for process in processes:
        process.join(_PATIENCE_SEC)
        expect(process.exitcode, 0)
    calls = list(zip(*reports, strict=True))
    loads = median(sum(loads for _, _, loads in of_key) for of_key in calls)
    seconds = [(max(end for _, end, _ in each) - min(began for began, _, _ in each)) / 1e9 for each in calls]
    return _row(f"{_PROCESSES} processes, {way}: {loads:.0f} loads", seconds)


@contextmanager
def _cached_here(port: int, prefix: str, config: GCacheKeyConfig, source: Source) -> Iterator[Any]:
    settings = GCacheConfig(
        redis_config=RedisConfig(host=HOST, port=port), urn_prefix=prefix, metrics=NullSink()
    )
    with GCache(settings) as cache, cache.enable():
        yield cache.cached(
            "user_id", "user_id", "InProcesses", track_for_invalidation=True, default_config=config
        )(source.load)


def _process(port: int, prefix: str, config: GCacheKeyConfig, line: Any, answers: Any) -> None:
    """Call each key as soon as all processes are at the line; say when that was, and how often it loaded."""
    source, calls = Source(), list[tuple[int, int, int]]()
    with _cached_here(port, prefix, config, source) as cached:
        cached("warm up")
        for number in range(_ROUNDS):
            line.wait(_PATIENCE_SEC)
            started = time.monotonic_ns()
            cached(str(number))
            ended = time.monotonic_ns()
            line.wait(_PATIENCE_SEC)
            calls.append((started, ended, source.loads(str(number))))
    answers.put(calls)
