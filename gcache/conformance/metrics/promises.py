"""The suite for metrics sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gcache.conformance._blocking import kept_waiting
from gcache.conformance._together import Child, in_background, in_threads
from gcache.conformance.metrics.samples import KINDS, samples
from gcache.conformance.metrics.sink import SinkPart, new_name, one_of_each, sink_failures, told_of, use
from gcache.conformance.suite import needs
from gcache.core import events
from gcache.core.protocols import ScrapedSink
from gcache.instrumentation.fanout import FanoutSink


class MetricsSinkSuite(SinkPart, topic="metrics"):
    """All that a metrics sink promises. Give it the fixture `sink`, one without any counts yet."""

    def test_every_event(self, sink: Any) -> None:
        """Every class of events is taken, without an exception.

        What a sink raises is logged once, and all figures that it does not take are missing from then on.
        """
        assert [] == [told for event in one_of_each() if (told := told_of(sink, event)) is not None]

    def test_awkward_texts(self, sink: Any) -> None:
        """Texts may be empty, long, of several lines, and full of what separates things elsewhere.

        A use case is named by a developer, a key type by another, and errors by libraries.
        """
        assert [] == [told for event in samples() if (told := told_of(sink, event)) is not None]

    def test_returns_nothing(self, sink: Any) -> None:
        """`record` returns None: it is no coroutine, and tells nothing.

        Core calls it from threads as from loops, and does not look at what it returns.
        """
        assert [None] * len(KINDS) == [sink.record(event) for event in one_of_each()]

    def test_sides_are_declared(self, sink: Any) -> None:
        """A sink has `before_collect` exactly if it declares `scraped`.

        Core gives its callback to every sink that has it. One that is not tried here may be broken.
        """
        assert self.scraped == isinstance(sink, ScrapedSink)

    def test_many_threads(self, sink: Any) -> None:
        """Eight threads record at once, and nothing is raised.

        Every thread of an application records, and none waits for another.
        """
        every = list(samples())

        def work(_: int) -> list[str]:
            return [told for event in every if (told := told_of(sink, event)) is not None]

        assert [[]] * 8 == in_threads(8, work)

    @needs("counts")
    def test_exact(self, sink: Any, totals: Callable[[Any], float]) -> None:
        """Eight threads that count the same things lose none and count none twice; `calls` are added up.

        Core counts each call once. Whoever compares hits with misses relies on it.
        """
        name = new_name()
        hit, miss = events.Hit(name, "kind", "layer", 3), events.Miss(name, "kind", "layer", "absent", 5)
        disabled = events.Disabled(name, "kind", "context", 7)
        error = events.Error(name, "kind", "layer", "OSError", False)

        def work(_: int) -> None:
            for _ in range(200):
                sink.record(hit)
                sink.record(miss)
                sink.record(disabled)
                sink.record(error)
                sink.record(hit._replace(calls=1))

        in_threads(8, work)

        assert (6400, 8000, 11200, 1600) == (totals(hit), totals(miss), totals(disabled), totals(error))

    @needs("counts")
    def test_told_apart(self, sink: Any, totals: Callable[[Any], float]) -> None:
        """Events that differ in a name, a reason, a layer or the source's being at fault are counted apart.

        Each of them is a question that somebody asks at night.
        """
        name = new_name()
        told_apart = [
            *(events.Hit(name, "kind", "a"), events.Hit(name, "kind", "b"), events.Hit(name, "other", "a")),
            *(events.Miss(name, "kind", "a", "absent"), events.Miss(name, "kind", "a", "expired")),
            *(events.Disabled(name, "kind", "context"), events.Disabled(name, "kind", "ramped_down")),
            *(events.Error(name, "kind", "a", "OSError", fault) for fault in (False, True)),
            *(events.Invalidation(name, "a"), events.Invalidation(name, "b")),
        ]
        for count, event in enumerate(told_apart, 1):
            for _ in range(count):
                sink.record(event)

        assert list(range(1, len(told_apart) + 1)) == [totals(event) for event in told_apart]

    def test_nobody_waits(self, sink: Any) -> None:
        """`record` sleeps not, connects to nothing, looks up no name and runs no program in its thread.

        It is called on the way of every call that is not a hit in memory, also on event loops.
        """
        assert [] == kept_waiting(lambda: [told_of(sink, event) for event in samples()])

    def test_fork(self, sink: Any) -> None:
        """After a fork, parent and child both record.

        Servers make their parts, and then fork.
        """
        sink.record(events.Hit("GetUser", "kind", "layer"))

        def work() -> list[str]:
            return [told for event in samples() if (told := told_of(sink, event)) is not None]

        child = Child(work)
        ours, theirs = work(), child.result()

        assert [] == ours
        assert [] == theirs

    @needs("scraped")
    def test_reading(self, sink: Any, read: Callable[[], object]) -> None:
        """After every event was recorded, with every text, the sink can be read.

        One odd name must not take all figures away.
        """
        for event in samples():
            sink.record(event)

        read()

    @needs("scraped")
    def test_before_collect(self, sink: Any, read: Callable[[], object]) -> None:
        """At each reading all callbacks are called, of several instances, and in spite of one that raises.

        Core delivers sums there that are due; without it, figures lag behind.
        """
        called: set[str] = set()

        def fail() -> None:
            raise RuntimeError("this one fails")

        sink.before_collect(lambda: called.add("one"))
        sink.before_collect(fail)
        sink.before_collect(lambda: called.add("another"))
        for _ in range(2):
            called.clear()
            read()

            assert {"one", "another"} == called

    @needs("scraped")
    def test_recorded_within_a_reading(self, sink: Any, read: Callable[[], object]) -> None:
        """A callback can record, and so can others while it is at work.

        That is all that core's callback does. A lock that a reading holds meanwhile is waited for in vain.
        """
        recorded = threading.Event()
        reached = threading.Event()

        def callback() -> None:
            for event in one_of_each():
                sink.record(event)
            reached.set()
            recorded.wait()

        def record_elsewhere() -> None:
            reached.wait()
            for event in one_of_each():
                sink.record(event)

        sink.before_collect(callback)
        with in_background(read) as reading, in_background(record_elsewhere) as elsewhere:
            try:
                elsewhere()
            finally:
                recorded.set()
                reached.set()
            reading()

    @needs("scraped", "counts")
    def test_delivered_before_it_is_read(
        self, sink: Any, read: Callable[[], object], totals: Callable[[Any], float]
    ) -> None:
        """What a callback records is in the reading that it was called for.

        Core adds up the hits of the memory layer, and hands them over then.
        """
        hit = events.Hit(new_name(), "kind", "layer", 5)
        due = [hit]
        sink.before_collect(lambda: sink.record(due.pop()) if due else None)
        read()

        assert [] == due
        assert 5 == totals(hit)

    @needs("several")
    def test_two_sinks(self, sink: Any, another_sink: Any) -> None:
        """Two sinks live side by side, alone and in a FanoutSink, and both take everything.

        An application may have two instances of GCache.
        """
        told = [
            told
            for each in (sink, another_sink, FanoutSink(sink, another_sink))
            for event in samples()
            if (told := told_of(each, event)) is not None
        ]

        assert [] == told

    def test_end_to_end(self, sink: Any) -> None:
        """In a GCache, with hits, misses, failures and invalidations, no failure of the sink is logged.

        Core lets no exception of a sink through, so that a log line is all that shows one.
        """
        with sink_failures() as failures:
            use(sink, new_name())

        assert [] == failures

    @needs("counts")
    def test_counted_end_to_end(self, sink: Any, totals: Callable[[Any], float]) -> None:
        """In a GCache that was closed, every call has been counted once: as a hit, as a miss or as disabled.

        The figures are to be right to the last one, also in a process that ends.
        """
        name = new_name()
        use(sink, name)

        assert 30 == totals(events.Hit(name, "user_id", "dictionary"))
        assert 11 == totals(events.Miss(name, "user_id", "dictionary", "absent"))
        assert 5 == totals(events.Disabled(name, "user_id", "context"))
        assert 1 == totals(events.Error(name, "user_id", "", "KeyError", True))
