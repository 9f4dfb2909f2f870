"""One of the processes that read and write one set of entities, through whichever `gcache` it imports.

It uses nothing but the API that all implementations share, and imports nothing else of this project, so
that this very file runs on any of them. Its argument is a Task in JSON. On stdout it says "ready", waits
for a line, reads its share, says "done", and writes on until another line comes. Then it leaves its
readings and invalidations behind, as 64-bit integers, three a record, and a summary.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import random
import sys
import threading
import time
import traceback
from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from itertools import count
from pathlib import Path

import gcache
from gcache import CacheLayer, GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, RedisConfig

_KEY_TYPE = "entity_id"
_TTL_SEC = 60
_LOAD_SEC = 0.002
_CLIENT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 1, "max_connections": 100}
_DISTRIBUTIONS = ("gcache", "gcache-toolkit", "redis", "hiredis")


@dataclass(frozen=True)
class Traffic:
    """How much is done at once. A loop runs `tasks` readers; each thread that writes, and each loop, owns
    `entities` of the entities, so that every entity has one writer. Writes to different entities are
    `pause_ms` apart in the mean; every other write is followed by one to the same entity at once.
    """

    reads: int
    processes: int = 3
    threads: int = 2
    loops: int = 2
    tasks: int = 4
    entities: int = 4
    pause_ms: float = 30
    buffer_ms: int = 0

    @property
    def reads_each(self) -> int:
        """The share of one process, rounded up."""
        return -(-self.reads // self.processes)

    @property
    def writers(self) -> int:
        return self.processes * (1 + self.loops)

    @property
    def all_entities(self) -> int:
        return self.writers * self.entities


@dataclass(frozen=True)
class Task:
    """What one process does, and where: its `place` among the others, and the directory they share."""

    traffic: Traffic
    place: int
    directory: str
    port: int
    cluster: bool
    prefix: str

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Task:
        fields = json.loads(text)
        return cls(**{**fields, "traffic": Traffic(**fields["traffic"])})


class Source:
    """The truth: a version for each entity, in memory that all processes share.

    An aligned 64-bit integer is read or written in one step on the machines of today.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._versions = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self._loads = count()

    def load(self, entity: str) -> int:
        next(self._loads)  # one step, whatever the thread
        return self._versions[int(entity)]

    def total_loads(self) -> int:
        """Return how often this process has asked, when it no longer does."""
        return next(self._loads)

    def commit(self, entity: int) -> int:
        self._versions[entity] += 1
        return self._versions[entity]


class Journal:
    """What one thread or task has seen; nobody else writes to it."""

    def __init__(self) -> None:
        self.readings = array("q")
        self.invalidations = array("q")
        self.raised = 0


async def _remote_only(_key: GCacheKey) -> GCacheKeyConfig:
    return GCacheKeyConfig(ttl_sec={CacheLayer.REMOTE: _TTL_SEC}, ramp={CacheLayer.REMOTE: 100})


class Worker:
    """The readers and writers of this process."""

    def __init__(self, task: Task) -> None:
        self._task, self._traffic = task, task.traffic
        self._source = source = Source(Path(task.directory, "source"))
        self._journals: list[Journal] = []
        self._tickets = count()
        self._all_read, self._ended = threading.Event(), threading.Event()
        self._cache = GCache(
            GCacheConfig(
                cache_config_provider=_remote_only,
                redis_config=RedisConfig(
                    host="127.0.0.1", port=task.port, cluster=task.cluster, redis_py_options=_CLIENT_OPTIONS
                ),
                urn_prefix=task.prefix,
            )
        )

        @self._cache.cached(key_type=_KEY_TYPE, id_arg="entity", use_case="Read", track_for_invalidation=True)
        def read(entity: str) -> int:
            version = source.load(entity)
            time.sleep(random.uniform(0, _LOAD_SEC))
            return version

        @self._cache.cached(
            key_type=_KEY_TYPE, id_arg="entity", use_case="ReadAsync", track_for_invalidation=True
        )
        async def aread(entity: str) -> int:
            version = source.load(entity)
            await asyncio.sleep(random.uniform(0, _LOAD_SEC))
            return version

        self._read, self._aread = read, aread

    def work(self) -> None:
        """Do everything, as told by the lines of stdin."""
        jobs: list[Callable[[], object]] = [self._read_in_thread] * self._traffic.threads
        jobs.append(partial(self._write_in_thread, 0))
        jobs += [partial(self._run_loop, part) for part in range(1, 1 + self._traffic.loops)]
        threads = [threading.Thread(target=_or_die, args=(job,)) for job in jobs]
        print("ready", flush=True)
        sys.stdin.readline()
        for thread in threads:
            thread.start()
        self._all_read.wait()
        print("done", flush=True)
        sys.stdin.readline()
        self._ended.set()
        for thread in threads:
            thread.join()
        self._leave_records()

    def _read_in_thread(self) -> None:
        journal = self._new_journal()
        with self._cache.enable():
            for entity in self._entities_to_read():
                started_ns = time.monotonic_ns()
                try:
                    version = self._read(str(entity))
                except Exception:
                    _note_failure(journal)
                else:
                    journal.readings.extend((entity, started_ns, version))

    async def _read_in_task(self) -> None:
        journal = self._new_journal()
        with self._cache.enable():
            for entity in self._entities_to_read():
                started_ns = time.monotonic_ns()
                try:
                    version = await self._aread(str(entity))
                except Exception:
                    _note_failure(journal)
                else:
                    journal.readings.extend((entity, started_ns, version))

    def _write_in_thread(self, part: int) -> None:
        journal = self._new_journal()
        for entity, pause_sec in self._entities_to_write(part):
            time.sleep(pause_sec)
            version = self._source.commit(entity)
            try:  # by position: implementations do not agree on the name of the buffer
                self._cache.invalidate(_KEY_TYPE, str(entity), self._traffic.buffer_ms)
            except Exception:
                _note_failure(journal)
            else:
                journal.invalidations.extend((entity, time.monotonic_ns(), version))

    async def _write_in_task(self, part: int) -> None:
        journal = self._new_journal()
        for entity, pause_sec in self._entities_to_write(part):
            await asyncio.sleep(pause_sec)
            version = self._source.commit(entity)
            try:
                await self._cache.ainvalidate(_KEY_TYPE, str(entity), self._traffic.buffer_ms)
            except Exception:
                _note_failure(journal)
            else:
                journal.invalidations.extend((entity, time.monotonic_ns(), version))

    def _run_loop(self, part: int) -> None:
        async def run() -> None:
            readers = [self._read_in_task() for _ in range(self._traffic.tasks)]
            await asyncio.gather(self._write_in_task(part), *readers)

        asyncio.run(run())

    def _entities_to_read(self) -> Iterator[int]:
        """Entities of all processes, until this one has read its share."""
        while next(self._tickets) < self._traffic.reads_each:
            yield random.randrange(self._traffic.all_entities)
        self._all_read.set()

    def _entities_to_write(self, part: int) -> Iterator[tuple[int, float]]:
        """The own entities of a writer, each with the seconds to wait before."""
        first = (self._task.place * (1 + self._traffic.loops) + part) * self._traffic.entities
        while not self._ended.is_set():
            entity = first + random.randrange(self._traffic.entities)
            yield entity, random.uniform(0, 2 * self._traffic.pause_ms / 1000)
            if random.random() < 0.5:
                yield entity, random.uniform(0, 2 * _LOAD_SEC)

    def _new_journal(self) -> Journal:
        journal = Journal()
        self._journals.append(journal)
        return journal

    def _leave_records(self) -> None:
        for name in ("readings", "invalidations"):
            with Path(self._task.directory, f"{name}-{self._task.place}").open("wb") as file:
                for journal in self._journals:
                    getattr(journal, name).tofile(file)
        summary = {
            "loads": self._source.total_loads(),
            "raised": sum(journal.raised for journal in self._journals),
            "gcache": gcache.__file__,
            "packages": dict(_versions()),
        }
        Path(self._task.directory, f"summary-{self._task.place}").write_text(json.dumps(summary))


def _note_failure(journal: Journal) -> None:
    if not journal.raised:
        traceback.print_exc()
    journal.raised += 1


def _versions() -> Iterator[tuple[str, str]]:
    for name in _DISTRIBUTIONS:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _or_die(job: Callable[[], object]) -> None:
    """Run `job`; what it raises ends the process, for a worker that lacks one measures something else."""
    try:
        job()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    Worker(Task.parse(sys.argv[1])).work()
