"""What an author says of a sink, and what can be done with one."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import pytest

from gcache.conformance._dictionary import DictionaryLayer
from gcache.conformance.metrics.samples import KINDS, samples
from gcache.conformance.suite import Suite, forgotten
from gcache.core.config import GCacheConfig
from gcache.core.key_config import GCacheKeyConfig
from gcache.toolkit import GCache

_FAILURE = "The metrics sink fails"


class SinkPart(Suite):
    """The capabilities that a sink declares, and the fixtures of its suite."""

    scraped: ClassVar[bool] = False
    """The sink has `before_collect`, and the fixture `read` reads it as whoever collects from it does."""

    counts: ClassVar[bool] = False
    """The fixture `totals` tells what was counted, so that it can be compared with what happened."""

    several: ClassVar[bool] = False
    """The fixture `another_sink` gives a second sink, as a second part of the application would make it."""

    @pytest.fixture
    def sink(self) -> Any:
        """The sink that is tried."""
        forgotten(
            self,
            "sink",
            """
            @pytest.fixture
            def sink(self):
                return MySink()
            """,
        )

    @pytest.fixture
    def another_sink(self) -> Any:
        """A second sink beside `sink`."""
        forgotten(
            self,
            "another_sink",
            """
            @pytest.fixture
            def another_sink(self):
                return MySink()
            """,
        )

    @pytest.fixture
    def read(self) -> Callable[[], object]:
        """A function that reads the sink."""
        forgotten(
            self,
            "read",
            """
            @pytest.fixture
            def read(self, sink):
                return sink.collect
            """,
        )

    @pytest.fixture
    def totals(self) -> Callable[[Any], float]:
        """A function that returns how often events like the one it is given were counted until now.

        That is the sum of their `calls` where they have it, whatever the `calls` of the one given. It is
        asked for events of the classes Hit, Disabled, Miss, Error and Invalidation.
        """
        forgotten(
            self,
            "totals",
            """
            @pytest.fixture
            def totals(self, sink):
                return lambda event: sink.counts[type(event), event.use_case, event.layer]
            """,
        )


def new_name() -> str:
    """Return a use case that no other test has."""
    return f"Use{uuid.uuid4().hex}"


def one_of_each() -> list[Any]:
    """Return an event of every kind."""
    firsts: dict[Any, Any] = {type(event): event for event in reversed(list(samples()))}
    return [firsts[kind] for kind in KINDS]


def told_of(sink: Any, event: Any) -> str | None:
    """Return what is wrong when `event` is recorded."""
    try:
        sink.record(event)
    except Exception as error:
        return f"{type(error).__name__} over {event!r:.200}: {error}"[:400]
    return None


def use(sink: Any, use_case: str) -> None:
    """Have an instance record 11 misses, 30 hits, 5 disabled calls and a failure of the source."""
    config = GCacheConfig(layers=[DictionaryLayer()], urn_prefix="urn:conformance:metrics", metrics=sink)
    with GCache(config) as gcache:

        @gcache.cached(
            "user_id",
            "id",
            use_case,
            track_for_invalidation=True,
            default_config=GCacheKeyConfig.enabled(600),
        )
        def load(id: int) -> int:
            return {n: n for n in range(10)}[id]

        with gcache.enable():
            for id in [*range(10)] * 4:
                load(id)
            with suppress(KeyError):
                load(99)
        for id in range(5):
            load(id)
        gcache.invalidate("user_id", 1)
        gcache.flushall()


@contextmanager
def sink_failures() -> Generator[list[str]]:
    """Yield a list that fills with what is logged of failures of the sink."""
    told: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if (message := record.getMessage()).startswith(_FAILURE):
                told.append(message)

    handler, logger = Handler(), logging.getLogger("gcache")
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
