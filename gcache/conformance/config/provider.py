"""Ways to ask a config provider: alone, and as part of a GCache."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gcache.conformance._dictionary import DictionaryLayer
from gcache.core.config import GCacheConfig
from gcache.core.events import Disabled, Event
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey
from gcache.core.runtime import is_awaited
from gcache.toolkit import GCache


class Asking:
    """Asks a provider as core does: awaited on a loop if it is async, called if it is not."""

    def __init__(self, provider: Any) -> None:
        self.is_async = is_awaited(provider)
        self._provider = provider

    def __call__(self, key: GCacheKey) -> Any:
        if not self.is_async:
            return self._provider(key)

        async def awaited() -> Any:
            return await self._provider(key)

        return asyncio.run(awaited())

    async def on_this_loop(self, key: GCacheKey) -> Any:
        return await self._provider(key) if self.is_async else await asyncio.to_thread(self._provider, key)


class KeptEvents:
    """A sink that keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)

    def unconfigured(self) -> Sequence[Event]:
        """Return what says that nothing was configured."""
        return [
            each for each in self.events if isinstance(each, Disabled) and each.reason == "missing_config"
        ]


def used(
    provider: Any, sink: KeptEvents, key: GCacheKey, default: GCacheKeyConfig | None = None
) -> list[int]:
    """Return what a sync and an async function under the use case of `key` give, by turns, for 1 and 2."""
    config = GCacheConfig(
        layers=[DictionaryLayer()],
        urn_prefix="urn:conformance:config",
        metrics=sink,
        cache_config_provider=provider,
        config_refresh_sec=0,
    )

    def load(id: int) -> int:
        return id

    async def aload(id: int) -> int:
        return id

    found: list[int] = []
    for function in (load, aload):
        with GCache(config) as gcache:
            tracked = key.track_for_invalidation
            cached: Any = gcache.cached(
                key.key_type, "id", key.use_case, track_for_invalidation=tracked, default_config=default
            )(function)
            with gcache.enable():
                for id in (1, 2) * 2:
                    found.append(cached(id) if function is load else asyncio.run(cached(id)))
    return found
