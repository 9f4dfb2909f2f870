"""A layer of gcache on disk, shared by the processes of one host."""

from __future__ import annotations

from gcache_diskcache.bytes_disk import ForeignRow
from gcache_diskcache.layer import DiskLayer, from_url

__all__ = ["DiskLayer", "ForeignRow", "from_url"]
