"""The peer `gcache` 3.0.0 with its defaults, its local cache ramped to nothing."""

from __future__ import annotations

import functools
from typing import Any

from source import Source

import gcache


def functions(options: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the cached functions, untracked and tracked, of each side, and what invalidates."""
    peer: Any = gcache  # it has our import name, and another interface
    cache = peer.GCache(peer.GCacheConfig(redis_config=_redis(peer, options)))
    layers = peer.CacheLayer
    remote_only = peer.GCacheKeyConfig(
        ttl_sec={layers.LOCAL: 60, layers.REMOTE: 60}, ramp={layers.LOCAL: 0, layers.REMOTE: 100}
    )

    def cached(function: Any, use_case: str, tracked: bool) -> Any:
        return cache.cached(
            key_type="number",
            id_arg="number",
            use_case=use_case,
            track_for_invalidation=tracked,
            default_config=remote_only,
        )(function)

    def switched(function: Any) -> Any:
        @functools.wraps(function)
        def call(number: int) -> Any:
            with cache.enable():
                return function(number)

        return call

    def aswitched(function: Any) -> Any:
        @functools.wraps(function)
        async def call(number: int) -> Any:
            with cache.enable():
                return await function(number)

        return call

    kinds = (False, True)
    return {
        "invalidate": cache.invalidate,
        "sync": {tracked: switched(cached(source.load, f"Read{tracked}", tracked)) for tracked in kinds},
        "async": {tracked: aswitched(cached(source.aload, f"ARead{tracked}", tracked)) for tracked in kinds},
    }


def _redis(peer: Any, options: dict[str, Any]) -> Any:
    config = peer.RedisConfig(
        host=options["host"],
        port=options["port"],
        username=options.get("username", ""),
        password=options.get("password", ""),
        protocol="rediss" if "ca_file" in options else "redis",
        cluster=options.get("cluster", False),
    )
    chosen = {"max_connections": options.get("max_connections"), "ssl_ca_certs": options.get("ca_file")}
    config.redis_py_options = {
        **config.redis_py_options,
        **{name: value for name, value in chosen.items() if value is not None},
    }
    return config
