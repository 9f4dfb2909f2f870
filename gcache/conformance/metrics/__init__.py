"""The suite for metrics sinks."""

from __future__ import annotations

from gcache.conformance.metrics.promises import MetricsSinkSuite

__all__ = ["MetricsSinkSuite"]
