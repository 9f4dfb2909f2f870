"""memcached as a layer of gcache-toolkit."""

from __future__ import annotations

from gcache_memcached._layer import MemcachedLayer, from_url

__all__ = ["MemcachedLayer", "from_url"]
