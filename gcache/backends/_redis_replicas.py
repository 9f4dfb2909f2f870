"""Writes that count once replicas have acknowledged them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gcache.backends._redis_cluster import Commands, run_together
from gcache.backends._redis_lanes import is_cluster
from gcache.errors import NotReplicated

PATIENCE_SEC = 0.25

# WAIT asks for what its own connection wrote last. A script that finds nothing to do would write nothing, and
# be told at once that all have heard of it, even those that have not heard of what it found done.
# A server that is full refuses to append; then a message to nobody goes to the replicas instead.
_WRITE = """
local written = redis.pcall('APPEND', KEYS[1], '')
if type(written) == 'table' then
    redis.call('PUBLISH', KEYS[1], '')
end
"""


def run_and_wait(client: Any, replicas: int, script: str, key: str, *args: Any) -> None:
    """Run `script` on `key`, and return when so many `replicas` have what it wrote.

    Raises NotReplicated if they do not within PATIENCE_SEC.
    """
    commands = _commands(replicas, script, key, *args)
    _check(client.run(key, commands) if is_cluster(client) else run_together(client, commands), replicas)


async def arun_and_wait(client: Any, replicas: int, script: str, key: str, *args: Any) -> None:
    """Run `script` on `key`, and return when so many `replicas` have what it wrote.

    Raises NotReplicated if they do not within PATIENCE_SEC.
    """
    commands = _commands(replicas, script, key, *args)
    if is_cluster(client):
        _check(await client.run(key, commands), replicas)
        return
    async with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        _check(await pipeline.execute(), replicas)


def _commands(replicas: int, script: str, key: str, *args: Any) -> Commands:
    return [("EVAL", _WRITE + script, 1, key, *args), ("WAIT", replicas, round(PATIENCE_SEC * 1000))]


def _check(replies: Sequence[Any], wanted: int) -> None:
    acknowledged = int(replies[-1])
    if acknowledged < wanted:
        raise NotReplicated(
            f"{acknowledged} of {wanted} replicas acknowledged an invalidation within {PATIENCE_SEC} s."
        )
