"""A folder on disk as a layer of gcache, shared by the processes of one host."""

from __future__ import annotations

from gcache_diskcache._layer import DiskLayer, from_url
from gcache_diskcache._rows import ForeignRow

__all__ = ["DiskLayer", "ForeignRow", "from_url"]
