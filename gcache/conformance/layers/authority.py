"""A real chain with the layer at its end: no read gets what was invalidated before it began."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gcache.conformance._instance import KEY_TYPE, Instance, Instances, Source
from gcache.conformance._sides import Layer, Loops, Side
from gcache.conformance._together import PATIENCE_SEC, Child, in_background, in_processes
from gcache.conformance.clocks import Clock
from gcache.conformance.layers.layer import LayerPart, Layers
from gcache.conformance.layers.trial import Trial
from gcache.conformance.suite import needs
from gcache.conformance.waiting import wait_until
from gcache.core.keys import GCacheKey, UrnKeyBuilder

_READERS = 3


class Authority(LayerPart, topic="authority"):
    """What the layer is for: the place that all processes agree on."""

    @pytest.fixture
    def instances(self, layers: Layers, prefix: str) -> Iterator[Instances]:
        """What opens instances, all of one prefix."""
        instances = Instances(layers, prefix, self.shared)
        yield instances
        instances.close_all()

    @needs("authority")
    def test_read_through(self, instances: Instances) -> None:
        """A value that one process has loaded is a hit in that process and in the others.

        One load for all is what a shared layer is for.
        """
        source = Source()
        source.truth[1] = 7
        found = [read(1) for read in (instances.open().cached(source), instances.open().cached(source)) * 2]

        assert [7, 7, 7, 7] == found
        assert 1 == source.loads

    @needs("authority")
    def test_invalidated_everywhere(self, instances: Instances) -> None:
        """What one process invalidates, no process reads again: all use cases of the entity, and no other's.

        That is the promise which the whole toolkit is about.
        """
        one, other = instances.open(), instances.open()
        source = Source()
        reads = [one.cached(source, "A"), other.cached(source, "B")]
        before = [read(id) for read in reads * 2 for id in (1, 2)]
        source.truth = {1: 10, 2: 20}
        other.invalidate(1)
        after = [read(id) for read in reads for id in (1, 2)]

        assert [0] * 8 == before
        assert [10, 0, 10, 0] == after

    @needs("authority")
    def test_late_load(self, instances: Instances) -> None:
        """What a load brings that began before an invalidation and ended after it is served to nobody later.

        The old value is written when the invalidation is over. It must carry an epoch that stands no more.
        """
        slow, other = instances.open(), instances.open()
        source, loading, written = Source(), threading.Event(), threading.Event()
        read, read_elsewhere = slow.cached(source), other.cached(source, "Other")

        def wait_in_the_first_load() -> None:
            if not loading.is_set():
                loading.set()
                written.wait(PATIENCE_SEC)

        source.before_answer = wait_in_the_first_load
        with in_background(lambda: _and_leave(lambda: read(1), slow)) as result:
            loading.wait(PATIENCE_SEC)
            source.truth[1] = 1
            other.invalidate(1)
            read_elsewhere(1)
            written.set()
            late = result()

        assert 0 == late
        assert [1, 1] == [read(1), read(1)]

    @needs("authority")
    def test_buffer(self, instances: Instances) -> None:
        """While a buffer lasts nothing is cached, whatever invalidations with shorter ones come after it.

        The write that the buffer waits for has not been committed yet.
        """
        one, other = instances.open(), instances.open()
        source = Source()
        read = one.cached(source)
        read(1)
        other.invalidate(1, fallback_buffer_ms=600_000)
        one.invalidate(1)
        other.invalidate(1, fallback_buffer_ms=1)
        before = source.loads
        for _ in range(3):
            read(1)

        assert 3 == source.loads - before

    @needs("authority")
    def test_buffer_ends(self, instances: Instances, clock: Clock) -> None:
        """After a buffer the entity is cached again.

        A hold that stayed would keep the entity uncached for ever, and only the database would notice.
        """
        instance, source = instances.open(), Source()
        read = instance.cached(source)
        instance.invalidate(1, fallback_buffer_ms=50)

        def is_cached() -> bool:
            clock.advance(0.01)
            before = source.loads
            read(1)
            return before == source.loads

        wait_until(is_cached, sentence="the entity to be cached again", timeout_sec=PATIENCE_SEC)

    @needs("authority", "shared")
    def test_lost_epoch(self, instances: Instances, layer: Layer) -> None:
        """When a layer loses an epoch, its entries are misses, also after another one was planted.

        Layers evict what they like. An old entry must not come to life by the loss of what ended it.
        """
        instance, source = instances.open(), Source()
        read = instance.cached(source)
        read(1)
        source.truth[1] = 1
        epoch = UrnKeyBuilder(instances.prefix).epoch(KEY_TYPE, 1)
        removed = layer.delete([epoch])

        assert 1 == removed
        assert [1, 1] == [read(1), read(1)]

    @needs("authority", "shared")
    def test_garbage(self, instances: Instances, layer: Layer) -> None:
        """Bytes that core has not written are no value: the source answers, and the entry is written anew.

        What lies in a layer was written by other versions, other programs, and sometimes by enemies.
        """
        source = Source()
        read = instances.open().cached(source)
        name = UrnKeyBuilder(instances.prefix).build(
            GCacheKey(KEY_TYPE, 1, "Read", track_for_invalidation=True)
        )
        found: list[int] = []
        for garbage in (b"", b"garbage", bytes(range(256))):
            read(1)
            layer.put({name: garbage}, 600)
            found += [read(1), read(1)]

        assert [0] * 6 == found
        assert 4 == source.loads

    @needs("authority")
    def test_flush(self, instances: Instances) -> None:
        """flushall() ends everything of its own prefix, tracked or not, and nothing of another one.

        It is what an operator does when wrong values are out.
        """
        mine = instances.open()
        theirs = instances.open(prefix=f"{instances.prefix}x")
        source, other = Source(), Source()
        reads = [mine.cached(source, "A"), mine.cached(source, "B", tracked=False)]
        read_theirs = theirs.cached(other)
        for read in (*reads, read_theirs):
            read(1)
        mine.flushall()
        for read in (*reads, read_theirs):
            read(1)

        assert 4 == source.loads
        assert 1 == other.loads

    @needs("authority")
    def test_memory_in_front(self, instances: Instances) -> None:
        """With a memory layer before it, an invalidation ends what the memory of its own process has.

        This is the chain that most applications have.
        """
        instance, source = instances.open(memory=True), Source()
        read = instance.cached(source)
        before = [read(1), read(1)]
        source.truth[1] = 1
        instance.invalidate(1)

        assert [0, 0] == before
        assert [1, 1] == [read(1), read(1)]

    @needs("authority")
    def test_readers_at_once(self, instances: Instances, layers: Layers) -> None:
        """Processes that meet at an entity without an epoch agree on one, so that what they store is a hit.

        If each went on with its own epoch, each would end the entry of the one before.
        """
        source = Source()
        reads = [instances.open().cached(source, f"Case{n}") for n in range(4)]
        for id in range(10):
            layers.in_threads(4, lambda number, id=id: reads[number](id))  # type: ignore[misc]
        before = source.loads
        for id in range(10):
            for read in reads:
                read(id)

        assert before == source.loads

    @needs("authority")
    def test_called_from_the_other_side(self, layers: Layers, prefix: str) -> None:
        """Sync and async functions are cached in the layer alike, whichever sides it has.

        Core bridges what is missing: a blocking layer runs in threads, an awaitable one on a loop of core's.
        """
        side: Side = "async" if layers.side == "sync" else "sync"
        loops, source = Loops(), Source()
        instance = Instance([layers.make()], prefix.rstrip(":"), side, loops)
        read = instance.cached(source)
        found = [read(1), read(1)]
        source.truth[1] = 1
        instance.invalidate(1)
        found += [read(1), read(1)]
        instance.close()
        loops.close()

        assert [0, 0, 1, 1] == found
        assert 2 == source.loads

    @needs("authority")
    def test_no_thread_reads_what_was_invalidated(self, instances: Instances, layers: Layers) -> None:
        """Of many reads beside a writer, in threads, none gets what had been invalidated before it began.

        Whatever the order in which the layer's answers arrive.
        """
        reader = instances.open()
        trial = Trial(instances.open())
        read = reader.cached(trial.load)

        def work(number: int) -> int:
            return trial.write() if number == 0 else trial.read(read)

        _, *stale = layers.in_threads(1 + _READERS, work)

        assert [0] * _READERS == stale

    @needs("authority", "shared")
    def test_no_process_reads_what_was_invalidated(self, instances: Instances) -> None:
        """Of many reads beside a writer, in processes, none gets what had been invalidated before it began.

        Processes have nothing in common but the layer.
        """
        trial = Trial(instances.open())

        def work(number: int) -> int:
            return trial.read(instances.open().cached(trial.load))

        writer = Child(trial.write)
        stale = in_processes(_READERS, work)
        writer.result()

        assert [0] * _READERS == stale


def _and_leave(work: Callable[[], Any], instance: Instance) -> Any:
    try:
        return work()
    finally:
        instance.leave_thread()
