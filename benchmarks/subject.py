"""The cache under test, configured as an application would: provider, metrics, expiry and eviction on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.floors import TTL_SEC, enabled
from benchmarks.harness import expect
from benchmarks.peers.inside.source import USERS, aprofile, profile
from gcache import CacheLayer, GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, RedisConfig
from gcache.instrumentation import PrometheusSink

__all__ = ["USERS", "Subject", "aprofile", "profile", "subject"]


class Subject:
    """A GCache, and its metrics in a registry of their own."""

    def __init__(self, layers: tuple[str, ...], redis: RedisConfig | None, max_entries: int) -> None:
        self._registry = CollectorRegistry()
        self._configs = {"*": _caching_in(layers)}

        def provide(key: GCacheKey) -> GCacheKeyConfig:
            return self._configs.get(key.use_case) or self._configs["*"]

        self.cache = GCache(
            GCacheConfig(
                cache_config_provider=provide,
                redis_config=redis,
                urn_prefix="urn:bench",
                local_max_entries=max_entries,
                metrics=PrometheusSink(self._registry),
            )
        )

    def cached(
        self, function: Any, use_case: str, layers: tuple[str, ...] | None = None, **options: Any
    ) -> Any:
        """Return `function` behind the cache, in `layers` if others than the subject's are wanted."""
        if layers is not None:
            self._configs[use_case] = _caching_in(layers)
        options = {"key_type": "user_id", "id_arg": "user_id", **options}
        return self.cache.cached(use_case=use_case, **options)(function)

    def expect_hits(self, use_case: str, layer: str, hits: int) -> None:
        """Stop the benchmark unless exactly so many hits were counted, in the metrics themselves."""
        list(self._registry.collect())
        labels = {"use_case": use_case, "key_type": "user_id", "layer": layer}
        expect(self._registry.get_sample_value("gcache_hits_total", labels), float(hits))


def _caching_in(layers: tuple[str, ...]) -> GCacheKeyConfig:
    return GCacheKeyConfig(dict.fromkeys(layers, TTL_SEC), dict.fromkeys(layers, 100))


@contextmanager
def subject(
    *layers: str, redis: RedisConfig | None = None, max_entries: int = 100_000, on: bool = True
) -> Iterator[Subject]:
    """Give a cache that uses `layers`, or the local one; it and the floors are enabled in the block."""
    made = Subject(layers or (CacheLayer.LOCAL,), redis, max_entries)
    token = enabled.set(on)
    try:
        with made.cache, made.cache.enable(on):
            yield made
    finally:
        enabled.reset(token)
