"""The process that a peer takes its turns in.

It runs in the peer's own environment and imports nothing of this project but the files beside it, one of
which caches a function as the peer does. Its argument is a JSON object, a Task of the catalogue.
The first line that it prints says what is wrong, if anything; then each line of stdin is how many times to
run, answered by the seconds that it took; the end of stdin by how often the source has run too often.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from calling import at_once, in_a_row
from source import KEYWORDS, aprofile, listing, profile


def _source(task: dict[str, Any], loads: list[str]) -> Callable[..., Any]:
    """Return the function to cache, which notes in `loads` that it ran."""

    def load(user_id: str) -> dict[str, object]:
        loads.append(user_id)
        return profile(user_id)

    async def aload(user_id: str) -> dict[str, object]:
        loads.append(user_id)
        return await aprofile(user_id)

    def load_listing(
        user_id: str, page: int = 1, *, order: str = "newest", deleted: bool = False
    ) -> list[object]:
        loads.append(user_id)
        return listing(user_id, page, order=order, deleted=deleted)

    if task["has_keywords"]:
        return load_listing
    return aload if task["is_async"] else load


async def _answered(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


async def _serve(task: dict[str, Any], say: Callable[[Any], None]) -> None:
    loads: list[str] = []
    users: list[str] = task["users"]
    call = importlib.import_module(task["adapter"]).cached(_source(task, loads), task["port"])
    given: dict[str, Any] = {"page": 2, "order": "oldest"} if task["has_keywords"] else {}
    wanted: Callable[..., Any] = listing if task["has_keywords"] else profile
    for user in [*users, *users]:
        if await _answered(call(user, **given)) != wanted(user, **given):
            raise ValueError("a call returned something else than the function")
    if len(loads) != len(users):
        raise ValueError(f"{len(users)} ids were asked for twice, and the source ran {len(loads)} times")
    say("")
    run = _loop(call, task)
    for line in sys.stdin:
        say(await _answered(run(int(line))))
    say(len(loads) - len(users))


def _loop(call: Callable[..., Any], task: dict[str, Any]) -> Callable[[int], Any]:
    if task["calls_each"]:
        return at_once(call, task["users"], task["calls_each"])
    prefix = "await " if task["is_async"] else ""
    more = f", {KEYWORDS}" if task["has_keywords"] else ""
    return in_a_row([f"{prefix}call({user!r}{more})" for user in task["users"]], call=call)


def main() -> None:
    channel, sys.stdout = sys.stdout, sys.stderr  # what a peer prints is no answer

    def say(answer: Any) -> None:
        channel.write(json.dumps(answer) + "\n")
        channel.flush()

    try:
        asyncio.run(_serve(json.loads(sys.argv[1]), say))
    except Exception as error:  # whatever a peer raises is told as it is
        say(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
