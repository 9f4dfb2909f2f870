"""The layer by its name in a configuration."""

from __future__ import annotations

from gcache import GCache, GCacheConfig, GCacheKeyConfig


def test_found_by_its_scheme() -> None:
    """Once this package is installed, `example://` in a configuration is its layer."""
    loads = []

    with GCache(GCacheConfig(layers=["example://?name=other"], urn_prefix="urn:example")) as gcache:

        @gcache.cached("id", "id", "Read", default_config=GCacheKeyConfig.enabled(60))
        def read(id: int) -> int:
            loads.append(id)
            return id

        with gcache.enable():
            found = [read(1), read(1)]

    assert [1, 1] == found
    assert [1] == loads
