"""Another process for test_chain: `other_process.py SERVERS read NUMBER`, or `invalidate BUFFER_MS`."""

from __future__ import annotations

import sys

from gcache import GCache, GCacheConfig, GCacheKeyConfig
from gcache_memcached import MemcachedLayer


def main(servers: str, word: str, number: str = "0") -> None:
    with GCache(GCacheConfig(layers=[MemcachedLayer(servers.split(","))], urn_prefix="urn:ours")) as gcache:
        if word == "invalidate":
            gcache.invalidate("number", 7, fallback_buffer_ms=float(number))
            return

        @gcache.cached(
            "number", "id", "Read", track_for_invalidation=True, default_config=GCacheKeyConfig.enabled(60)
        )
        def read(id: int) -> int:
            return int(number)

        with gcache.enable():
            sys.stdout.write(str(read(7)))


if __name__ == "__main__":
    main(*sys.argv[1:])
