"""A hit in the local layer where the key takes work: other ids than plain words, adapters, escaping.

The floor does none of this work: it is the closure of the plain hit, keyed by the id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.floors import sync_floor
from benchmarks.harness import calls, compare, expect, race
from benchmarks.results import Row
from benchmarks.subject import USERS, profile, subject


@dataclass(frozen=True)
class User:
    id: str


@dataclass(frozen=True)
class Page:
    start: int
    size: int


_UUIDS = [f"0b9b9de6-54a4-4b1a-9d0c-7d5e{user:>08}" for user in USERS]
_SPACED = [f"Ada & Grace {user}" for user in USERS]


def _row(
    name: str, use_case: str, source: Callable[..., Any], users: list[str], call: str, **options: Any
) -> Row:
    """Race `call`, where `user` stands for the id, against the floor that is called with the id alone."""
    with subject() as subj:
        cached, floor = subj.cached(source, use_case, **options), sync_floor(profile)
        known: dict[str, Any] = {"Page": Page, **{f"user_{n}": User(user) for n, user in enumerate(users)}}
        given = [call.replace("object", f"user_{n}").replace("user_id", repr(u)) for n, u in enumerate(users)]
        ours = calls(*given, cached=cached, page=Page(20, 10), **known)
        theirs = calls(*[f"floor({user!r})" for user in users], floor=floor.function)
        for user in users:
            floor.function(user)
        ours.run(1)
        race(ours, theirs)
        subj.expect_hits(use_case, "local", ours.total_calls)
        expect(floor.count(), theirs.total_calls)
        return compare(name, ours, theirs, 6, "closure over a dict")


def run() -> list[Row]:
    def adapted(user: User, page: Page) -> dict[str, object]:
        return profile(user.id)

    return [
        _row("key: a UUID as id", "KeyUuid", profile, _UUIDS, "cached(user_id)"),
        _row("key: percent-encoded id", "KeyEncoded", profile, _SPACED, "cached(user_id)"),
        _row(
            "key: id taken out of an object, one adapter",
            "KeyAdapter",
            adapted,
            USERS,
            "cached(object, page)",
            id_arg=("user", lambda user: user.id),
            arg_adapters={"page": lambda page: f"{page.start}-{page.size}"},
        ),
        _row(
            "key: the same, percent-encoded",
            "KeyAdapterEncoded",
            adapted,
            _SPACED,
            "cached(object, page)",
            id_arg=("user", lambda user: user.id),
            arg_adapters={"page": lambda page: f"{page.start}&{page.size}"},
        ),
    ]
