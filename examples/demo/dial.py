"""The config provider: what is cached, changed by hand while the program runs."""

from __future__ import annotations

from gcache import CacheLayer, GCacheKey, GCacheKeyConfig

REFRESH_SEC = 0.05
LOCAL_SEC = 300
REMOTE_SEC = 3600


class Dial:
    """Holds the ramp of each layer, in percent of the entities.

    gcache asks it again every `REFRESH_SEC` seconds; in earnest it would read a file or a feature flag.
    """

    def __init__(self, local: float = 100, remote: float = 100) -> None:
        self.local = local
        self.remote = remote

    def __call__(self, key: GCacheKey) -> GCacheKeyConfig:
        return GCacheKeyConfig(
            ttl_sec={CacheLayer.LOCAL: LOCAL_SEC, CacheLayer.REMOTE: REMOTE_SEC},
            ramp={CacheLayer.LOCAL: self.local, CacheLayer.REMOTE: self.remote},
        )
