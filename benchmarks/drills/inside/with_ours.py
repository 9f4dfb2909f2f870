"""Our cache with its defaults. Memory has no part in it unless asked for: nobody would notice the fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from source import Source

from gcache import GCache, GCacheConfig, GCacheKeyConfig, RedisConfig


def functions(options: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the cached functions, untracked and tracked, of each side, and what invalidates."""
    cache = GCache(_config(options))
    local = 100 if options.get("memory") else 0
    enabled = GCacheKeyConfig(ttl_sec={"*": 60}, ramp={"*": 100, "local": local})

    def cached(function: Callable[[int], Any], use_case: str, tracked: bool) -> Callable[[int], Any]:
        decorate = cache.cached(
            "number", "number", use_case, track_for_invalidation=tracked, default_config=enabled
        )
        return cache.enable()(decorate(function))

    return {
        "invalidate": cache.invalidate,
        "sync": {tracked: cached(source.load, f"Read{tracked}", tracked) for tracked in (False, True)},
        "async": {tracked: cached(source.aload, f"ARead{tracked}", tracked) for tracked in (False, True)},
    }


def _config(options: dict[str, Any]) -> GCacheConfig:
    if "layer" in options:
        return GCacheConfig(layers=["memory", options["layer"]])
    chosen = {"max_connections": options.get("max_connections"), "ssl_ca_certs": options.get("ca_file")}
    redis_config = RedisConfig(
        host=options["host"],
        port=options["port"],
        username=options.get("username"),
        password=options.get("password"),
        protocol="rediss" if "ca_file" in options else "redis",
        cluster=options.get("cluster", False),
        redis_py_options={name: value for name, value in chosen.items() if value is not None},
    )
    return GCacheConfig(redis_config=redis_config)
