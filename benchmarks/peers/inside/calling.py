"""Loops that call again and again and return the seconds that it took: the same for ours and for peers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any


def in_a_row(statements: Sequence[str], **names: Any) -> Callable[[int], Any]:
    """Return a function that runs `statements`, which hold one call each, so many times one after another.

    Written out in a row they leave the loop's own cost out of sight. With an `await` in them it is a
    coroutine function.
    """
    prefix = "async " if "await" in statements[0] else ""
    lines = "".join(f"        {statement}\n" for statement in statements)
    source = (
        f"{prefix}def run(times):\n"
        "    started = clock()\n"
        f"    for _ in range(times):\n{lines}"
        "    return clock() - started\n"
    )
    namespace = {**names, "clock": time.perf_counter}
    exec(compile(source, "<contestant>", "exec"), namespace)
    return namespace["run"]


def at_once(
    call: Callable[[str], Awaitable[object]], users: Sequence[str], calls_each: int
) -> Callable[[int], Awaitable[float]]:
    """Return a coroutine function: as many tasks as there are users call, each one call after another."""

    async def caller(user: str) -> None:
        for _ in range(calls_each):
            await call(user)

    async def run(times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            await asyncio.gather(*[caller(user) for user in users])
        return time.perf_counter() - started

    return run
