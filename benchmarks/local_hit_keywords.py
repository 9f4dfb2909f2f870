"""A hit in the local layer of a function with keyword and default arguments."""

from __future__ import annotations

from benchmarks.floors import keyword_floor
from benchmarks.harness import calls, compare, expect, race
from benchmarks.results import Row
from benchmarks.subject import USERS, subject


def run() -> list[Row]:
    with subject() as subj:
        runs: list[str] = []

        def source(
            user_id: str, page: int = 1, *, order: str = "newest", deleted: bool = False
        ) -> list[object]:
            runs.append(user_id)
            return [user_id, page, order, deleted]

        cached, floor = subj.cached(source, "Keywords"), keyword_floor(source)
        for user in USERS:
            for function in (cached, floor.function):
                expect(function(user, page=2, order="oldest"), [user, 2, "oldest", False])
        given = [f"call({user!r}, page=2, order='oldest')" for user in USERS]
        ours, theirs = calls(*given, call=cached), calls(*given, call=floor.function)
        race(ours, theirs)
        expect(len(runs), 2 * len(USERS))
        subj.expect_hits("Keywords", "local", ours.total_calls)
        return [
            compare("local hit, keywords and defaults", ours, theirs, 2.5, "closure, dict keyed by a tuple")
        ]
