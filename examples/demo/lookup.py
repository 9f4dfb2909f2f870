"""The application: one function behind the cache. This is all the code that an application needs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from gcache import CachedFunction, GCache, GCacheConfig, RedisConfig

from .dial import REFRESH_SEC, Dial
from .source import Source, Whereabouts
from .tally import Tally


def behind_cache(gcache: GCache, source: Source) -> CachedFunction[[str], Whereabouts]:
    """Return the cached function."""

    @gcache.cached(key_type="identifier", id_arg="name", use_case="WhereIs", track_for_invalidation=True)
    def where_is(name: str) -> Whereabouts:
        return source.where_is(name)

    return where_is


class Lookup:
    """`where_is` with its cache, and the gauges that the demo reads. No `port`, no remote layer."""

    def __init__(self, database: Path, local_max_entries: int, port: int | None = None) -> None:
        self.source = Source(database)
        self.tally = Tally()
        self.dial = Dial()
        self.gcache = GCache(
            GCacheConfig(
                cache_config_provider=self.dial,
                config_refresh_sec=REFRESH_SEC,
                local_max_entries=local_max_entries,
                redis_config=None if port is None else RedisConfig(host="127.0.0.1", port=port),
                metrics=self.tally,
            )
        )
        self.where_is = behind_cache(self.gcache, self.source)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gcache.close()
        self.source.close()
