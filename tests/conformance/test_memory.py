"""The in-process layer under the suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gcache import MemoryLayer
from gcache.conformance import CacheLayerSuite, Clock


class TestMemoryLayer(CacheLayerSuite):
    """memory."""

    in_process = True
    authority = False
    shared = False
    controlled_clock = True
    max_entries = 4000

    @pytest.fixture
    def make_layer(self, clock: Clock) -> Callable[[], Any]:
        return lambda: MemoryLayer[Any](max_entries=4000, clock=clock.monotonic)


class TestWeighedMemoryLayer(CacheLayerSuite):
    """memory by weight."""

    in_process = True
    authority = False
    shared = False
    controlled_clock = True
    max_bytes = 8_000_000
    max_value_bytes = 8_000_000

    @pytest.fixture
    def make_layer(self, clock: Clock) -> Callable[[], Any]:
        return lambda: MemoryLayer[Any](max_weight=8_000_000, weigh=len, clock=clock.monotonic)
