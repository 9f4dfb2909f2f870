"""What is used of prometheus_client. No other module imports it."""

from __future__ import annotations

from gcache.errors import MissingExtra

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise MissingExtra(
        "PrometheusSink needs prometheus_client: install it with `pip install 'gcache-toolkit[prometheus]'`"
    ) from error

__all__ = ["REGISTRY", "Collector", "CollectorRegistry", "Counter", "Gauge", "Histogram", "Metric"]
