"""The peer `gcache` 3.0.0: one of its layers ramped to everything, the other to nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import gcache

_enabled = ExitStack()


def cached(source: Callable[..., Any], port: int | None) -> Callable[..., Any]:
    peer: Any = gcache  # it has our import name, and another interface
    layers = peer.CacheLayer
    redis = None if port is None else peer.RedisConfig(host="127.0.0.1", port=port, protocol="redis")
    cache = peer.GCache(peer.GCacheConfig(redis_config=redis))
    _enabled.enter_context(cache.enable())
    config = peer.GCacheKeyConfig(
        ttl_sec={layers.LOCAL: 600, layers.REMOTE: 600},
        ramp={layers.LOCAL: 100 if port is None else 0, layers.REMOTE: 0 if port is None else 100},
    )
    decorate: Any = cache.cached(key_type="user_id", id_arg="user_id", use_case="Peer", default_config=config)
    return decorate(source)
