"""Config providers of the kinds that applications write, under the suite."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gcache import CacheLayer, GCacheKey, GCacheKeyConfig
from gcache.conformance import ConfigProviderSuite

INVOICES = GCacheKey("user_id", 1, "GetInvoices", {"year": 2024}, track_for_invalidation=True)
OTHER = GCacheKey("user_id", 1, "GetPosts")
CONFIG = GCacheKeyConfig(
    ttl_sec={CacheLayer.LOCAL: 5, CacheLayer.REMOTE: 3600},
    ramp={CacheLayer.LOCAL: 100, CacheLayer.REMOTE: 25},
)


class TestAsyncFunction(ConfigProviderSuite):
    """As the README shows it."""

    known_key = INVOICES
    unknown_key = OTHER

    @pytest.fixture
    def provider(self) -> Any:
        async def what_to_do(key: GCacheKey) -> GCacheKeyConfig | None:
            await asyncio.sleep(0)
            return CONFIG if key.use_case == "GetInvoices" else None

        return what_to_do


class TestFunction(ConfigProviderSuite):
    known_key = INVOICES
    unknown_key = OTHER

    @pytest.fixture
    def provider(self) -> Callable[[GCacheKey], GCacheKeyConfig | None]:
        return lambda key: {"GetInvoices": CONFIG}.get(key.use_case)


class TestOneForAll(ConfigProviderSuite):
    known_key = INVOICES

    @pytest.fixture
    def provider(self) -> Callable[[GCacheKey], GCacheKeyConfig]:
        return lambda key: GCacheKeyConfig.enabled(60)


class File:
    """Reads what an operator has written, when it is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def __call__(self, key: GCacheKey) -> GCacheKeyConfig | None:
        with self._lock:
            said = json.loads(self._path.read_text()).get(key.use_case)
        return None if said is None else GCacheKeyConfig(**said)


class TestFile(ConfigProviderSuite):
    known_key = INVOICES
    unknown_key = OTHER

    @pytest.fixture
    def provider(self, tmp_path: Path) -> File:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"GetInvoices": {"ttl_sec": {"*": 60}, "ramp": {"*": 100}}}))
        return File(path)
