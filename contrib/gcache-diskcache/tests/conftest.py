"""A layer for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gcache_diskcache import DiskLayer

MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


@pytest.fixture
def layer(folder: Path) -> Iterator[DiskLayer]:
    """A layer with room for 16 MiB."""
    layer = DiskLayer(str(folder), size=16 * MIB)
    yield layer
    layer.close()
