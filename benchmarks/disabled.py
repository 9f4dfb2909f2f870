"""A call while caching is off, against the bare function.

The bare function is `profile`, which returns a small dict built from its argument. How an empty one
fares is reported as well: the wrapper is one more Python function, so it cannot be less than twice that.
"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.harness import arace, calls, compare, expect, race
from benchmarks.results import Row
from benchmarks.subject import USERS, aprofile, profile, subject


def empty(user_id: str) -> str:
    return user_id


async def aempty(user_id: str) -> str:
    return user_id


def _sync(name: str, function: Any, target: float | None, floor_is: str) -> Row:
    with subject(on=False) as subj:
        cached = subj.cached(function, function.__name__)
        expect(cached("12345"), function("12345"))
        bare = calls(*[f"call({user!r})" for user in USERS], call=function)
        ours = calls(*[f"call({user!r})" for user in USERS], call=cached)
        race(ours, bare)
        return compare(name, ours, bare, target, floor_is)


async def _async(name: str, function: Any, target: float | None, floor_is: str) -> Row:
    with subject(on=False) as subj:
        cached = subj.cached(function, function.__name__)
        expect(await cached("12345"), await function("12345"))
        bare = calls(*[f"await call({user!r})" for user in USERS], call=function)
        ours = calls(*[f"await call({user!r})" for user in USERS], call=cached)
        await arace(ours, bare)
        return compare(name, ours, bare, target, floor_is)


def run() -> list[Row]:
    return [
        _sync("disabled, sync", profile, 1.6, "bare function that builds a dict"),
        asyncio.run(_async("disabled, async", aprofile, 1.6, "bare coroutine that builds a dict")),
        _sync("disabled, sync, empty function", empty, None, "bare `return user_id`"),
        asyncio.run(_async("disabled, async, empty function", aempty, None, "bare async `return user_id`")),
    ]
