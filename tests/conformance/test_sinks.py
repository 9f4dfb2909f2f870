"""The bundled sinks under the suite."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from gcache.conformance import MetricsSinkSuite
from gcache.core.events import Error
from gcache.instrumentation import FanoutSink, LoggingSink, NullSink


class TestNullSink(MetricsSinkSuite):
    several = True

    @pytest.fixture
    def sink(self) -> NullSink:
        return NullSink()

    @pytest.fixture
    def another_sink(self) -> NullSink:
        return NullSink()


class Lines(logging.Handler):
    """A handler that writes lines, and keeps the events."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)
        assert record.args is not None
        self.events.append(record.args[0])  # type: ignore[index]

    def total(self, event: Any) -> float:
        like = [one for one in self.events if _label(one) == _label(event)]
        return sum(getattr(one, "calls", 1) for one in like)


def _label(event: Any) -> tuple[Any, ...]:
    return type(event), *(event._replace(calls=1) if hasattr(event, "calls") else event)


class TestLoggingSink(MetricsSinkSuite):
    counts = True
    several = True

    @pytest.fixture
    def lines(self) -> Lines:
        return Lines()

    @pytest.fixture
    def sink(self, lines: Lines) -> LoggingSink:
        logger = logging.Logger("conformance", logging.DEBUG)
        logger.addHandler(lines)
        return LoggingSink(logger)

    @pytest.fixture
    def another_sink(self) -> LoggingSink:
        return LoggingSink()

    @pytest.fixture
    def totals(self, lines: Lines) -> Callable[[Any], float]:
        return lines.total


class Prometheus:
    """A registry, and how it is read."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry

        self.registry = CollectorRegistry()

    def read(self) -> None:
        """Read everything, in both formats."""
        from prometheus_client import generate_latest
        from prometheus_client.openmetrics import exposition

        generate_latest(self.registry).decode()
        exposition.generate_latest(self.registry).decode()

    def total(self, event: Any) -> float:
        labels = {name: str(value) for name, value in event._asdict().items() if name != "calls"}
        if isinstance(event, Error):
            labels["in_fallback"] = labels["in_fallback"].lower()
        name = {"Hit": "hits", "Miss": "misses", "Error": "errors", "Invalidation": "invalidations"}
        sample = f"gcache_{name.get(type(event).__name__, 'disabled')}_total"
        return self.registry.get_sample_value(sample, labels) or 0


class TestPrometheusSink(MetricsSinkSuite):
    scraped = True
    counts = True
    several = True

    @pytest.fixture
    def prometheus(self) -> Prometheus:
        pytest.importorskip("prometheus_client")
        return Prometheus()

    @pytest.fixture
    def sink(self, prometheus: Prometheus) -> Any:
        from gcache.instrumentation import PrometheusSink

        return PrometheusSink(prometheus.registry)

    @pytest.fixture
    def another_sink(self, sink: Any, prometheus: Prometheus) -> Any:
        return type(sink)(prometheus.registry)

    @pytest.fixture
    def read(self, prometheus: Prometheus) -> Callable[[], object]:
        return prometheus.read

    @pytest.fixture
    def totals(self, prometheus: Prometheus) -> Callable[[Any], float]:
        return prometheus.total


class TestFanoutSink(TestPrometheusSink):
    @pytest.fixture
    def sink(self, prometheus: Prometheus) -> FanoutSink:
        from gcache.instrumentation import PrometheusSink

        return FanoutSink(NullSink(), PrometheusSink(prometheus.registry))

    @pytest.fixture
    def another_sink(self) -> FanoutSink:
        return FanoutSink(NullSink())
