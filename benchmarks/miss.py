"""A miss, and the eviction that it causes, over a source that returns at once: every id is a new one."""

from __future__ import annotations

import asyncio
from itertools import count

from benchmarks.harness import arace, calls, compare, expect, race
from benchmarks.results import Row
from benchmarks.subject import USERS, aprofile, profile, subject

_ROOM = 10_000


def _sync() -> Row:
    with subject(max_entries=_ROOM) as subj:
        cached = subj.cached(profile, "Miss")
        ours = calls(*["call(next(ids))" for _ in USERS], call=cached, ids=map(str, count()))
        bare = calls(*["call(next(ids))" for _ in USERS], call=profile, ids=map(str, count()))
        for number in range(_ROOM):
            expect(cached(f"filler{number}"), profile(f"filler{number}"))
        race(ours, bare)
        return compare("local miss and eviction, sync", ours, bare, None, "bare function that builds a dict")


async def _async() -> Row:
    with subject(max_entries=_ROOM) as subj:
        cached = subj.cached(aprofile, "MissAsync")
        ours = calls(*["await call(next(ids))" for _ in USERS], call=cached, ids=map(str, count()))
        bare = calls(*["await call(next(ids))" for _ in USERS], call=aprofile, ids=map(str, count()))
        for number in range(_ROOM):
            expect(await cached(f"filler{number}"), profile(f"filler{number}"))
        await arace(ours, bare)
        return compare(
            "local miss and eviction, async", ours, bare, None, "bare coroutine that builds a dict"
        )


def run() -> list[Row]:
    return [_sync(), asyncio.run(_async())]
