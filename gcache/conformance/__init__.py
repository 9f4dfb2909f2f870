"""What a part of gcache promises, as tests: subclass a suite, give it one fixture, and run pytest."""

from __future__ import annotations

import pkgutil

from gcache.errors import MissingExtra

try:
    import hypothesis  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pytest
except ImportError as error:
    raise MissingExtra(
        "The suites need pytest and Hypothesis: pip install 'gcache-toolkit[conformance]'."
    ) from error

# Before they are imported, so that a failed assertion shows both sides.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from gcache.conformance.buses import InvalidationBusSuite
from gcache.conformance.clocks import Clock, ManualClock, RealClock
from gcache.conformance.config import ConfigProviderSuite
from gcache.conformance.keys import KeyBuilderSuite
from gcache.conformance.layers import CacheLayerSuite
from gcache.conformance.metrics import MetricsSinkSuite
from gcache.conformance.serializers import SerializerSuite
from gcache.conformance.suite import Suite

__all__ = [
    "CacheLayerSuite",
    "Clock",
    "ConfigProviderSuite",
    "InvalidationBusSuite",
    "KeyBuilderSuite",
    "ManualClock",
    "MetricsSinkSuite",
    "RealClock",
    "SerializerSuite",
    "Suite",
]
