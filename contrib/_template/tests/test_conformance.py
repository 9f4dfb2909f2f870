"""The layer under gcache's suite. What the layer can do is declared here, and tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gcache.conformance import CacheLayerSuite, Clock
from gcache_example import ExampleLayer


class TestExampleLayer(CacheLayerSuite):
    shared = False  # processes see each other's entries
    controlled_clock = True  # make_layer hands the clock on

    @pytest.fixture
    def make_layer(self, clock: Clock) -> Callable[[], ExampleLayer]:
        return lambda: ExampleLayer(clock=clock.time)
