"""A hit in the local layer: an async function of one str argument, awaited in one running coroutine."""

from __future__ import annotations

import asyncio

from benchmarks.floors import async_floor
from benchmarks.harness import arace, calls, compare, expect
from benchmarks.results import Row
from benchmarks.subject import USERS, aprofile, profile, subject


async def _run() -> list[Row]:
    with subject() as subj:
        runs: list[str] = []

        async def source(user_id: str) -> dict[str, object]:
            runs.append(user_id)
            return await aprofile(user_id)

        cached, floor = subj.cached(source, "LocalHitAsync"), async_floor(source)
        for user in USERS:
            for function in (cached, floor.function):
                expect(await function(user), profile(user))
        ours = calls(*[f"await call({user!r})" for user in USERS], call=cached)
        theirs = calls(*[f"await call({user!r})" for user in USERS], call=floor.function)
        await arace(ours, theirs)
        expect(len(runs), 2 * len(USERS))
        expect(floor.count(), theirs.total_calls)
        subj.expect_hits("LocalHitAsync", "local", ours.total_calls)
        return [compare("local hit, async", ours, theirs, 1.8, "closure over a dict")]


def run() -> list[Row]:
    return asyncio.run(_run())
