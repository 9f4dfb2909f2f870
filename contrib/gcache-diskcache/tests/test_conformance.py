"""The layer under gcache's suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gcache.conformance import CacheLayerSuite
from gcache_diskcache import DiskLayer

SIZE = 2**24


class TestDiskLayer(CacheLayerSuite):
    """diskcache."""

    survives_restart = True
    atomic_retire = True
    pickles = True
    max_bytes = SIZE
    max_value_bytes = SIZE // 16

    @pytest.fixture
    def make_layer(self, tmp_path: Path) -> Callable[[], DiskLayer]:
        return lambda: DiskLayer(str(tmp_path / "folder"), size=SIZE)
