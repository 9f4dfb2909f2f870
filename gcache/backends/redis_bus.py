"""The reference bus: Redis pub/sub, which a Cluster does by shards, so that one node has it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcache.backends._redis_clients import Clients
from gcache.backends._redis_lanes import is_cluster

if TYPE_CHECKING:
    from gcache.core.config import RedisConfig

_MESSAGES = (b"message", b"smessage")
_ENDS = (b"unsubscribe", b"sunsubscribe")


class RedisBus:
    """Carries invalidations over a Redis or Valkey server, or over a Cluster of Redis 7 or Valkey nodes.

    It has connections of its own: one to listen, and some to publish. Nothing is connected before it is used.
    Operations raise what redis-py raises, or ConnectionError.
    """

    def __init__(self, config: RedisConfig) -> None:
        self._clients = Clients(config)

    def publish(self, channel: str, message: bytes) -> None:
        with self._clients.shared.lane() as client:
            client.execute_command(_command(client, "PUBLISH"), channel, message)

    async def apublish(self, channel: str, message: bytes) -> None:
        async with self._clients.per_loop.lane() as client:
            await client.execute_command(_command(client, "PUBLISH"), channel, message)

    def subscribe(self, channel: str) -> RedisSubscription:
        with self._clients.shared.lane() as client:
            command, server = _command(client, "SUBSCRIBE"), client
            if is_cluster(client):
                client.nodes_manager.initialize()
                server = client.get_redis_connection(client.get_node_from_key(channel))
            return RedisSubscription(_plain_connection(server.connection_pool), command, channel)

    def close(self) -> None:
        self._clients.close()

    async def aclose(self) -> None:
        await self._clients.aclose()


class RedisSubscription:
    """What is published on a channel from now on, over a connection of redis-py that never connects anew."""

    def __init__(self, connection: Any, command: str, channel: str) -> None:
        self._connection = connection
        self._is_closed = False
        try:
            connection.connect()
            connection.send_command(command, channel)
            connection.read_response()
        except BaseException:
            connection.disconnect()
            raise

    def receive(self, timeout_sec: float) -> bytes | None:
        """Return the next message, None if none comes in time. Raises when the line is cut."""
        if self._is_closed:
            raise ConnectionError("The subscription was closed.")
        if not self._connection.can_read(timeout_sec):
            return None
        kind, _, data = self._connection.read_response()
        if kind in _ENDS:
            raise ConnectionError("The channel has moved to another node.")
        return data if kind in _MESSAGES else None

    def close(self) -> None:
        self._is_closed = True
        self._connection.disconnect()


def _plain_connection(pool: Any) -> Any:
    """Return a connection like those of `pool` that reads replies in order: RESP2, without push messages."""
    options = {name: value for name, value in pool.connection_kwargs.items() if not name.startswith("maint_")}
    return pool.connection_class(**{**options, "protocol": 2})


def _command(client: Any, name: str) -> str:
    """Return the command's name for the kind of server: in a Cluster the channel has a slot, as a key has."""
    return f"S{name}" if is_cluster(client) else name
