"""From the return of `invalidate` in one process to the last stale hit in the memory of another.

The other process reads every tenth of a millisecond. Beside it stands one that reads without a pause
("pauseless"): there the listener has to wait for the interpreter, which lets another thread in every 5 ms,
twice for each message. Both processes ask the same clock, which counts for the whole machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from statistics import median, quantiles
from typing import Any

from benchmarks.results import Row
from benchmarks.server import HOST, valkey
from gcache import CacheLayer, GCache, GCacheConfig, GCacheKeyConfig, MetricsSink, RedisBus, RedisConfig
from gcache.core.events import Event, Hit
from gcache.instrumentation import NullSink

_ROUNDS = 1_000
_LIMIT_NS = 10e6
_PACE_SEC = 1e-4
_WARM_UP_SEC = 1.0  # by then it listens, and answers from memory
_BETWEEN_SEC = 0.003
_PATIENCE_SEC = 30
_VERSION, _SEEN, _STALE_AT, _HITS, _OVER = range(5)


class Hits:
    """A sink that adds up what memory has answered."""

    def __init__(self) -> None:
        self.sum = 0

    def record(self, event: Event) -> None:
        if isinstance(event, Hit) and event.layer == CacheLayer.LOCAL:
            self.sum += event.calls


def _cache(port: int, way: str, sink: MetricsSink) -> GCache:
    redis = RedisConfig(host=HOST, port=port)
    config = GCacheConfig(
        redis_config=redis, invalidation_bus=RedisBus(redis), urn_prefix=f"urn:bus:{way}", metrics=sink
    )
    return GCache(config)


class Reader:
    """Reads until it is over; notes what it saw last, and when it asked for the last stale answer."""

    def __init__(self, gcache: GCache, shared: Any) -> None:
        self._shared = shared
        self._cached = gcache.cached(
            "user_id",
            "user_id",
            "Read",
            track_for_invalidation=True,
            default_config=GCacheKeyConfig.enabled(60),
        )

    def read(self, pace_sec: float) -> None:
        cached = self._cached(self._load)
        while not self._shared[_OVER]:
            self._note(time.monotonic_ns(), cached(1))
            if pace_sec:
                time.sleep(pace_sec)

    async def aread(self, pace_sec: float) -> None:
        cached = self._cached(self._aload)
        while not self._shared[_OVER]:
            self._note(time.monotonic_ns(), await cached(1))
            time.sleep(pace_sec)  # noqa: ASYNC251  # asyncio.sleep takes a millisecond at least
            await asyncio.sleep(0)

    def _load(self, user_id: int) -> int:
        return int(self._shared[_VERSION])

    async def _aload(self, user_id: int) -> int:
        return self._load(user_id)

    def _note(self, asked_at: int, version: int) -> None:
        if version < self._shared[_VERSION]:
            self._shared[_STALE_AT] = asked_at
        else:
            self._shared[_SEEN] = version


def _read(port: int, shared: Any, way: str) -> None:
    hits = Hits()
    with _cache(port, way, hits) as gcache, gcache.enable():
        reader = Reader(gcache, shared)
        if way == "async":
            asyncio.run(reader.aread(_PACE_SEC))
        else:
            reader.read(_PACE_SEC if way == "sync" else 0)
    shared[_HITS] = hits.sum


def _wait_for(version: int, shared: Any) -> None:
    deadline = time.monotonic() + _PATIENCE_SEC
    while shared[_SEEN] != version:
        if time.monotonic() > deadline:
            raise RuntimeError("The benchmark is void: the reader never saw the new version.")
        time.sleep(0.0005)


def _lags_ns(port: int, way: str) -> list[float]:
    context = multiprocessing.get_context("spawn")
    shared: Any = context.Array("q", 5, lock=False)
    shared[_VERSION] = 1
    reader = context.Process(target=_read, args=(port, shared, way), daemon=True)
    reader.start()
    lags: list[float] = []
    try:
        with _cache(port, way, NullSink()) as gcache:
            _wait_for(1, shared)
            time.sleep(_WARM_UP_SEC)
            for version in range(2, _ROUNDS + 2):
                shared[_VERSION] = version
                gcache.invalidate("user_id", 1)
                returned_at = time.monotonic_ns()
                _wait_for(version, shared)
                lags.append(max(0.0, shared[_STALE_AT] - returned_at))
                time.sleep(_BETWEEN_SEC)
    finally:
        shared[_OVER] = 1
        reader.join(_PATIENCE_SEC)
    if shared[_HITS] < 5 * _ROUNDS:
        raise RuntimeError("The benchmark is void: the reader was not answered from memory.")
    return lags


def run() -> list[Row]:
    rows: list[Row] = []
    with valkey() as port:
        for way, target in (("sync", 1.0), ("async", 1.0), ("pauseless", None)):
            lags = _lags_ns(port, way)
            job = f"stale after invalidate elsewhere, {way}"
            rows.append(_row(f"{job}, median", median(lags), None))
            rows.append(_row(f"{job}, p99", quantiles(lags, n=100)[98], target))
    return rows


def _row(job: str, ns: float, target: float | None) -> Row:
    ratio = ns / _LIMIT_NS
    return Row(job, ns, _LIMIT_NS, ratio, target, "10 ms, the limit", ratio, ratio, _ROUNDS)
