"""One of the processes: threads, event loops, loops that come and go, and children that are forked."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.soak.callers import KEY_TYPE, TTL_SEC, Callers, Tally
from benchmarks.soak.children import fork_and_judge
from benchmarks.soak.database import Database
from benchmarks.soak.vitals import open_files
from gcache import (
    GCache,
    GCacheConfig,
    GCacheKeyConfig,
    InvalidationPending,
    RedisBus,
    RedisConfig,
)
from gcache.conformance.waiting import wait_until
from gcache.instrumentation import NullSink

PARTS = 5  # those who write: a thread, two loops, the thread of short loops, and children
ENTITIES_EACH = 6
_READERS, _LOOPS, _TASKS = 3, 2, 3
_PAUSE_SEC, _WRITE_PAUSE_SEC = 0.01, 0.04
_PATIENCE_SEC = 30.0
_KINDS = list(TTL_SEC)


class Task(NamedTuple):
    """Who a process is among `processes`, and where the proxy and the database are."""

    place: int
    processes: int
    port: int
    path: str
    seed: int

    @property
    def entities(self) -> int:
        return self.processes * PARTS * ENTITIES_EACH


class Worker:
    """Everything that this process does. Each part that writes has entities of its own."""

    def __init__(self, task: Task, database: Database) -> None:
        self._task = task
        self._database = database
        self._tally = Tally()
        self._is_over, self._is_written = threading.Event(), threading.Event()
        self._gcache = instance(task.port, "urn:soak", self._tally)
        self._callers = Callers(self._gcache, self._database, self._tally)
        jobs: list[Callable[[], object]] = [self._read_in_thread] * _READERS
        jobs += [partial(asyncio.run, self._live_in_loop(part)) for part in range(1, 1 + _LOOPS)]
        jobs += [self._write_in_thread, self._run_short_loops, self._fork]
        self._threads = [
            threading.Thread(target=self._do, args=(job,), name=f"soak-{number}", daemon=True)
            for number, job in enumerate(jobs)
        ]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def settle(self) -> dict[str, float]:
        """Return how long it took to have hits again, and to have told of all that was pending."""
        healed = time.monotonic()
        times = {}
        before = self._tally.counts["hits remote"] + 2
        with suppress(TimeoutError):
            wait_until(lambda: self._tally.counts["hits remote"] > before, sentence="hits", timeout_sec=30)
        times["hits"] = time.monotonic() - healed
        self._is_written.set()
        with suppress(TimeoutError):
            wait_until(lambda: not self._tally.pending, sentence="all are told", timeout_sec=30)
        times["told"] = time.monotonic() - healed
        if self._tally.pending:
            self._tally.complain(f"{self._tally.pending} invalidations are pending after 30 s of health")
        for part in range(PARTS):
            for entity in self._entities(part):
                if not self._callers.write(entity):
                    self._tally.complain(f"entity {entity} cannot be invalidated, though all is well")
        return times

    def check(self) -> None:
        """Read everything: nothing that is tracked may be old, whoever wrote it."""
        try:
            wait_until(self._all_is_new, sentence="memory has heard of everything")
        except TimeoutError as error:
            self._tally.complain(str(error))
        self._is_over.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SEC)
            if thread.is_alive():
                self._tally.complain(f"the thread {thread.name} does not end")

    def close(self, files: dict[int, str], threads: set[threading.Thread]) -> list[str]:
        """Close the instance; return what is left over of it."""
        if self._task.place % 2:
            asyncio.run(self._aclose())
        else:
            self._gcache.close()
        with suppress(TimeoutError):
            wait_until(
                lambda: not _new_files(files) and set(threading.enumerate()) <= threads,
                sentence="all is let go of",
                timeout_sec=20,
            )
        left = [f"the thread {thread.name}" for thread in set(threading.enumerate()) - threads]
        return left + [f"the file {name}" for name in _new_files(files)]

    def report(self) -> dict[str, Any]:
        tally = self._tally
        return {"counts": tally.counts, "slowest": tally.slowest, "complaints": tally.complaints}

    async def _aclose(self) -> None:
        with self._gcache.enable():
            await self._callers.aread("far", 0)
        await self._gcache.aclose()

    def _do(self, job: Callable[[], object]) -> None:
        try:
            with self._gcache.enable():
                job()
        except BaseException:
            self._tally.failed("a thread")

    def _entities(self, part: int) -> range:
        first = (self._task.place * PARTS + part) * ENTITIES_EACH
        return range(first, first + ENTITIES_EACH)

    def _any(self) -> tuple[str, int]:
        return random.choice(_KINDS), random.randrange(self._task.entities)

    def _read_in_thread(self) -> None:
        while not self._is_over.wait(random.uniform(0, 2 * _PAUSE_SEC)):
            self._callers.read(*self._any())

    def _write_in_thread(self) -> None:
        while not self._is_written.wait(random.uniform(0, 2 * _WRITE_PAUSE_SEC)):
            self._callers.write(random.choice(self._entities(0)))

    async def _live_in_loop(self, part: int) -> None:
        await asyncio.gather(self._write_in_task(part), *[self._read_in_task() for _ in range(_TASKS)])
        deadline = time.monotonic() + 5
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            if time.monotonic() > deadline:
                self._tally.complain(f"tasks are left in a loop: {others}")
                return
            await asyncio.sleep(0.05)

    async def _read_in_task(self) -> None:
        while not self._is_over.is_set():
            await self._callers.aread(*self._any())
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE_SEC))

    async def _write_in_task(self, part: int) -> None:
        while not self._is_written.is_set():
            await self._callers.awrite(random.choice(self._entities(part)))
            await asyncio.sleep(random.uniform(0, 2 * _WRITE_PAUSE_SEC))

    def _run_short_loops(self) -> None:
        """Run a loop for a few reads and a write, again and again; every tenth has an instance of its own."""
        number = 0
        while not self._is_written.wait(0.2):
            number += 1
            asyncio.run(self._live_shortly())
            self._tally.add("loops")
            if number % 10 == 0:
                asyncio.run(self._have_own_instance(number))
                self._tally.add("instances")

    async def _live_shortly(self) -> None:
        reads = [asyncio.create_task(self._reading(*self._any())) for _ in range(5)]
        await self._callers.awrite(random.choice(self._entities(1 + _LOOPS)))
        if random.random() < 0.5:
            reads[0].cancel()
            self._tally.add("cancelled")
        await asyncio.gather(*reads[1:])

    async def _reading(self, kind: str, entity: int) -> None:
        await self._callers.aread(kind, entity)

    async def _have_own_instance(self, number: int) -> None:
        prefix = f"urn:short:{self._task.place}:{number}"
        async with instance(self._task.port, prefix, NullSink()) as own:
            config = GCacheKeyConfig.enabled(1)
            cached = own.cached(KEY_TYPE, "entity", track_for_invalidation=True, default_config=config)
            get = cached(self._identity)
            with own.enable():
                if [await get(0), await get(1), await get(1)] != [0, 1, 1]:
                    self._tally.complain("an instance of its own answered wrongly")
            with suppress(InvalidationPending):
                await own.ainvalidate(KEY_TYPE, 1)

    async def _identity(self, entity: int) -> int:
        return entity

    def _fork(self) -> None:
        while not self._is_written.wait(random.uniform(1, 4)):
            fork_and_judge(self._callers, self._entities(PARTS - 1), self._task.entities)
            self._tally.add("children")

    def _all_is_new(self) -> bool:
        with self._gcache.enable():
            return all(
                (row := self._callers.read(kind, entity)) is not None
                and row.version == self._database.version(entity)
                for kind in ("far", "near")
                for entity in range(self._task.entities)
            )


def instance(port: int, prefix: str, sink: Any) -> GCache:
    """Return an instance as an application would make it: memory, Redis, the bus, and defaults."""
    redis = RedisConfig(host="127.0.0.1", port=port)
    return GCache(
        GCacheConfig(redis_config=redis, invalidation_bus=RedisBus(redis), urn_prefix=prefix, metrics=sink)
    )


def _new_files(before: dict[int, str]) -> list[str]:
    return [name for number, name in open_files().items() if number not in before]


def work(task: Task, line: Any) -> None:
    """Do everything as told over `line`; answer "settle" with times, and "close" with what is left over."""
    sys.setswitchinterval(0.001)  # more interleavings
    random.seed(task.seed + task.place)
    logging.getLogger("gcache").setLevel(logging.ERROR)  # each fault is worth a warning
    asyncio.run(asyncio.sleep(0))
    database = Database(Path(task.path), task.entities)
    threads, files = set(threading.enumerate()), open_files()
    worker = Worker(task, database)
    worker.begin()
    line.send("begun")
    line.recv()
    line.send(worker.settle())
    line.recv()
    worker.check()
    left = worker.close(files, threads)
    line.send({**worker.report(), "left": left})
    line.recv()
