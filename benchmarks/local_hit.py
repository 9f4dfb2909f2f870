"""A hit in the local layer: a sync function of one str argument."""

from __future__ import annotations

from benchmarks.floors import sync_floor
from benchmarks.harness import calls, compare, expect, race
from benchmarks.results import Row
from benchmarks.subject import USERS, profile, subject


def run() -> list[Row]:
    with subject() as subj:
        runs: list[str] = []

        def source(user_id: str) -> dict[str, object]:
            runs.append(user_id)
            return profile(user_id)

        cached, floor = subj.cached(source, "LocalHit"), sync_floor(source)
        for user in USERS:
            for function in (cached, floor.function):
                expect(function(user), profile(user))
        ours = calls(*[f"call({user!r})" for user in USERS], call=cached)
        theirs = calls(*[f"call({user!r})" for user in USERS], call=floor.function)
        race(ours, theirs)
        expect(len(runs), 2 * len(USERS))
        expect(floor.count(), theirs.total_calls)
        subj.expect_hits("LocalHit", "local", ours.total_calls)
        return [compare("local hit, sync", ours, theirs, 2.0, "closure over a dict")]
