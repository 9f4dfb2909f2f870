"""Clients of a Cluster that ask the node which holds the key, and look the nodes up beside their callers.

redis-py looks the nodes up in the path of whoever met a failure, one node after the other, while the rest of
the callers wait in line to do the same. Here a caller gets its error, and one thread or task looks them up.
A command has one deadline: a place in the queue of its node, a connection, an answer. Only a redirect makes
it two. Commands that name their nodes, and pipelines, go redis-py's way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import redis
import redis.asyncio
import redis.exceptions
from redis.asyncio.cluster import PipelineCommand

from gcache.backends._redis_lanes import most_at_once

QUEUE_TIMEOUT_SEC = 0.5
_PAUSE_SEC = 0.25
_SIGNS_OF_CHANGE = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.SlotNotCoveredError,
    redis.exceptions.MovedError,
)
_KEY_AT = {"GET": 1, "MGET": 1, "SET": 1, "UNLINK": 1, "EVAL": 3, "SPUBLISH": 1}

Commands: TypeAlias = Sequence[tuple[Any, ...]]


def _key_of(command: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return the key that says which node to ask, None if redis-py is to decide."""
    place = _KEY_AT.get(command[0])
    return None if place is None or "target_nodes" in options else command[place]


def _places(client: Any) -> int:
    """Return how many may ask one node at once: of its connections one is left for looking the nodes up."""
    return max(1, most_at_once(client) - 1)


def _too_late() -> Exception:
    return redis.exceptions.TimeoutError("A node of the Cluster did not answer in time, or was too busy.")


def _deadline_sec(options: Mapping[str, Any]) -> float | None:
    """Return how long a command may take with these options of a client, None for ever."""
    connect_sec, answer_sec = options.get("socket_connect_timeout"), options.get("socket_timeout")
    return None if connect_sec is None or answer_sec is None else QUEUE_TIMEOUT_SEC + connect_sec + answer_sec


def _target(client: Any, redirect: Any) -> Any:
    """Return the node that a redirect names. Raises the redirect if the node is not known yet."""
    node = client.get_node(host=redirect.host, port=redirect.port)
    if node is None:
        raise redirect
    return node


def _redirected(commands: Commands, redirect: Exception) -> Commands:
    """Return what to send to the other node: of a slot on its way it has to be asked expressly."""
    return commands if isinstance(redirect, redis.exceptions.MovedError) else [("ASKING",), *commands]


def run_together(node: Any, commands: Commands) -> Sequence[Any]:
    """Run `commands` on one connection of a client of one server, and return their replies."""
    if len(commands) == 1:
        return [node.execute_command(*commands[0])]
    with node.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        return pipeline.execute()  # type: ignore[no-any-return]


async def _arun_together(node: Any, commands: Commands) -> Sequence[Any]:
    """Run `commands` on one connection to a node of a Cluster, and return their replies."""
    if len(commands) == 1:
        return [await node.execute_command(*commands[0])]
    sent = [PipelineCommand(place, *command) for place, command in enumerate(commands)]
    await node.execute_pipeline(sent)
    for command in sent:
        if isinstance(command.result, Exception):
            raise command.result
    return [command.result for command in sent]


class SyncCluster(redis.RedisCluster):
    """A client for threads."""

    def __init__(self, **options: Any) -> None:
        self._gates: dict[str, threading.BoundedSemaphore] = {}
        self._looking = threading.Lock()
        self._looked_up = time.monotonic()
        redis_py: Any = super()
        redis_py.__init__(**options)

    def execute_command(self, *command: Any, **options: Any) -> Any:
        redis_py: Any = super()
        key = _key_of(command, options)
        if key is None:
            return redis_py.execute_command(*command, **options)
        return self.run(key, [command])[-1]

    def unlink(self, *keys: Any) -> Any:
        return self.execute_command("UNLINK", *keys) if len(keys) == 1 else super().unlink(*keys)

    def run(self, key: Any, commands: Commands) -> Sequence[Any]:
        """Run `commands` on one connection to the node that holds `key`, and return their replies.

        A redirect is followed once. The first error of a command is raised.
        """
        client: Any = self
        began = time.monotonic()
        try:
            try:
                return self._run_at(client.get_node_from_key(key), commands)
            except redis.exceptions.AskError as redirect:
                if isinstance(redirect, redis.exceptions.MovedError):
                    self._look_up_beside(began)
                return self._run_at(_target(client, redirect), _redirected(commands, redirect))
        except _SIGNS_OF_CHANGE:
            self._look_up_beside(began)
            raise

    def _run_at(self, node: Any, commands: Commands) -> Sequence[Any]:
        gate = self._gates.get(node.name)
        if gate is None:
            gate = self._gates.setdefault(node.name, threading.BoundedSemaphore(_places(self)))
        if not gate.acquire(timeout=QUEUE_TIMEOUT_SEC):
            raise _too_late()
        try:
            return run_together(self.get_redis_connection(node), commands)
        finally:
            gate.release()

    def _look_up_beside(self, began: float) -> None:
        """Start looking the nodes up, unless what failed had begun before the last time was well over."""
        if began < self._looked_up + _PAUSE_SEC or not self._looking.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._look_up, name="gcache-cluster", daemon=True).start()
        except RuntimeError:  # no thread to be had: the interpreter ends, or the machine is full
            self._looking.release()

    def _look_up(self) -> None:
        try:
            self.nodes_manager.initialize()
        except Exception:  # no node answers: the next failure has them looked up again
            pass
        finally:
            self._looked_up = time.monotonic()
            self._looking.release()


class AsyncCluster(redis.asyncio.RedisCluster):
    """A client for the tasks of one event loop. `initialize` is to be awaited first."""

    def __init__(self, **options: Any) -> None:
        redis_py: Any = super()
        redis_py.__init__(**options)
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked_up = time.monotonic()
        self._deadline_sec = _deadline_sec(self.connection_kwargs)

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        redis_py: Any = super()
        key = _key_of(command, options)
        if key is None:
            return await redis_py.execute_command(*command, **options)
        return (await self.run(key, [command]))[-1]

    async def unlink(self, *keys: Any) -> Any:
        return await (self.execute_command("UNLINK", *keys) if len(keys) == 1 else super().unlink(*keys))

    async def initialize(self, *args: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(self._deadline_sec):
                return await super().initialize(*args, **options)
        except TimeoutError:
            raise _too_late() from None

    async def run(self, key: Any, commands: Commands) -> Sequence[Any]:
        """Run `commands` on one connection to the node that holds `key`, and return their replies.

        A redirect is followed once. The first error of a command is raised.
        """
        client: Any = self
        began = time.monotonic()
        try:
            try:
                return await self._run_at(client.get_node_from_key(key), commands)
            except redis.exceptions.AskError as redirect:
                if isinstance(redirect, redis.exceptions.MovedError):
                    self._look_up_beside(began)
                return await self._run_at(_target(client, redirect), _redirected(commands, redirect))
        except _SIGNS_OF_CHANGE:
            self._look_up_beside(began)
            raise

    async def _run_at(self, node: Any, commands: Commands) -> Sequence[Any]:
        gate = self._gates.get(node.name)
        if gate is None:
            gate = self._gates[node.name] = asyncio.Semaphore(_places(self))
        try:
            async with asyncio.timeout(self._deadline_sec):
                async with asyncio.timeout(QUEUE_TIMEOUT_SEC):
                    await gate.acquire()
                try:
                    return await _arun_together(node, commands)
                finally:
                    gate.release()
        except TimeoutError:
            raise _too_late() from None

    def _look_up_beside(self, began: float) -> None:
        """Start looking the nodes up, unless what failed had begun before the last time was well over."""
        if began >= self._looked_up + _PAUSE_SEC and self._looking is None:
            self._looking = asyncio.create_task(self._look_up())

    async def _look_up(self) -> None:
        try:
            await self.nodes_manager.initialize()
        except Exception:  # no node answers: the next failure has them looked up again
            pass
        finally:
            self._looked_up = time.monotonic()
            self._looking = None

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await super().aclose()  # which does nothing if redis-py wants to look the nodes up
        for nodes in ("nodes_cache", "startup_nodes"):
            await self.nodes_manager.aclose(nodes)
