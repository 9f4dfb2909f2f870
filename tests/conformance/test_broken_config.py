"""Config providers with one fault each, and the test of the suite that names it."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gcache import GCacheKey, GCacheKeyConfig
from gcache.conformance import ConfigProviderSuite
from tests.conformance.catching import assert_caught

KNOWN = GCacheKey("user_id", 1, "Known")
CONFIG = GCacheKeyConfig.enabled(60)


def sound(key: GCacheKey) -> GCacheKeyConfig | None:
    """A provider without a fault, for the others to spoil."""
    return CONFIG if key.use_case == "Known" else None


def raising() -> Any:
    """Looks a use case up that may not be there."""
    return lambda key: {"Known": CONFIG, "New": None}[key.use_case]


def hashing() -> Any:
    """Keeps answers by key."""
    kept: dict[Any, Any] = {}
    return lambda key: kept.setdefault((key.use_case, key.id, key.args), sound(key))


def plain() -> Any:
    """Gives a dictionary."""
    return lambda key: {"ttl_sec": {"*": 60}} if key.use_case == "Known" else None


def empty() -> Any:
    """Gives an empty configuration for what it does not know."""
    return lambda key: sound(key) or GCacheKeyConfig()


def counting() -> Any:
    """Gives another answer each time."""
    numbers = itertools.count(1)
    return lambda key: GCacheKeyConfig.enabled(next(numbers))


def remembering() -> Any:
    """Gives what it was asked before."""
    before: list[GCacheKey] = []

    def provider(key: GCacheKey) -> GCacheKeyConfig | None:
        before.append(key)
        return sound(before[0] if len(before) < 3 else before[-2])

    return provider


def disguised() -> Any:
    """Returns a coroutine, and looks like a plain function."""

    async def later(key: GCacheKey) -> GCacheKeyConfig | None:
        return sound(key)

    return lambda key: later(key)


def one_threaded() -> Any:
    """Belongs to the thread that made it."""
    own = threading.get_ident()
    return lambda key: sound(key) if threading.get_ident() == own else CONFIG


def one_looped() -> Any:
    """Belongs to the loop that asked first."""
    loops: list[Any] = []

    async def provider(key: GCacheKey) -> GCacheKeyConfig | None:
        loops.append(asyncio.get_running_loop())
        if loops[-1] is not loops[0]:
            raise RuntimeError("another loop")
        return sound(key)

    return provider


def sharing() -> Any:
    """Keeps the key that it is at work on where all see it."""
    at_work: list[GCacheKey] = []

    async def provider(key: GCacheKey) -> GCacheKeyConfig | None:
        at_work[:] = [key]
        await asyncio.sleep(0)
        return sound(at_work[0])

    return provider


def sleeping() -> Any:
    """Keeps its loop waiting."""

    async def provider(key: GCacheKey) -> GCacheKeyConfig | None:
        time.sleep(0)
        return sound(key)

    return provider


def parental() -> Any:
    """Belongs to the process that made it."""
    own = os.getpid()
    return lambda key: sound(key) if os.getpid() == own else None


def loop_bound() -> Any:
    """Asks for a running loop, though it is a plain function."""

    def provider(key: GCacheKey) -> GCacheKeyConfig | None:
        asyncio.get_running_loop()
        return sound(key)

    return provider


def suite_of(make: Callable[[], Any]) -> type[ConfigProviderSuite]:
    class Broken(ConfigProviderSuite):
        known_key = KNOWN
        unknown_key = GCacheKey("user_id", 1, "Unknown")

        @pytest.fixture
        def provider(self) -> Any:
            return make()

    return Broken


BROKEN = [
    (raising, "test_any_key"),
    (raising, "test_unheard_of"),
    (hashing, "test_awkward_keys"),
    (plain, "test_known"),
    (plain, "test_known_end_to_end"),
    (empty, "test_unknown"),
    (empty, "test_unknown_end_to_end"),
    (disguised, "test_kind_is_told"),
    (disguised, "test_end_to_end"),
    (counting, "test_same_again"),
    (remembering, "test_answers_are_apart"),
    (one_threaded, "test_many_threads"),
    (one_looped, "test_loop_after_loop"),
    (sharing, "test_many_at_once"),
    (sleeping, "test_loop_is_not_kept"),
    (parental, "test_fork"),
    (loop_bound, "test_any_key"),
]


@pytest.mark.parametrize(("make", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_broken_provider(make: Callable[[], Any], test: str) -> None:
    """The test of the suite that names the fault of a broken provider fails."""
    assert_caught(suite_of(make), test)


def test_every_promise() -> None:
    """For each promise of the suite there is a part that breaks it."""
    assert set(ConfigProviderSuite.topics) == {test for _, test in BROKEN}
