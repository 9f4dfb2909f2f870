"""Reads and writes of several keys, as bytes for the server, and what it says to them.

For fifty keys redis-py takes five times as long on an event loop, for two three times as long in a thread,
and for five hundred writes milliseconds.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from gcache.core.records import Record

Packing: TypeAlias = Callable[[Any, Any], Iterable[bytes]]
"""Turns what is to be read or written into bytes, for a connection."""

_READ = "MGET"
"""Also for one key: where somebody has put a list, it finds nothing, and GET fails."""
_LARGE = 16_384


class Writes(Record):
    """What to store for `ttl_ms`, each by a command of its own; with `"NX"` among the `options` if absent."""

    items: Mapping[str, bytes]
    ttl_ms: int
    options: tuple[str, ...]

    @property
    def can_repeat(self) -> bool:
        """Whether it may be sent twice.

        What is only for its key's absence may have been stored and removed since: an epoch that was planted,
        and retired by an invalidation, is not to stand again.
        """
        return "NX" not in self.options

    def commands(self) -> list[tuple[Any, ...]]:
        return [("SET", key, value, "PX", self.ttl_ms, *self.options) for key, value in self.items.items()]


def _is_plain(client: Any) -> bool:
    """Tell whether a client encodes as is done here. One that encodes in its own way is left to it."""
    return codecs.lookup(client.get_encoder().encoding).name == "utf-8"


def packing(client: Any) -> Packing:
    """Return what turns keys into a command for a connection of `client`, as redis-py itself would.

    Keys that are not plain are left to it.
    """
    is_plain = _is_plain(client)

    def packed(connection: Any, keys: Sequence[str]) -> Iterable[bytes]:
        text = "".join([f"${len(key)}\r\n{key}\r\n" for key in keys])
        if is_plain and text.isascii():
            return (f"*{len(keys) + 1}\r\n${len(_READ)}\r\n{_READ}\r\n{text}".encode(),)
        return connection.pack_command(_READ, *keys)  # type: ignore[no-any-return]

    return packed


def write_packing(client: Any) -> Packing:
    """Return what turns writes into commands for a connection of `client`, as redis-py itself would."""
    is_plain = _is_plain(client)

    def packed(connection: Any, writes: Writes) -> Iterable[bytes]:
        return _joined(writes) if is_plain else connection.pack_commands(writes.commands())

    return packed


def _joined(writes: Writes) -> Iterable[bytes]:
    """Yield commands, copying no value that is large."""
    words = ["PX", str(writes.ttl_ms), *writes.options]
    start = b"*%d\r\n$3\r\nSET\r\n" % (3 + len(words)) + b"$%d\r\n%b\r\n$%d\r\n"
    end = b"\r\n" + "".join([f"${len(word)}\r\n{word}\r\n" for word in words]).encode()
    parts: list[bytes] = []
    for key, value in writes.items.items():
        name = key.encode()
        parts.append(start % (len(name), name, len(value)))
        if len(value) > _LARGE:
            yield b"".join(parts)
            yield value
            parts = [end]
        else:
            parts += (value, end)
    yield b"".join(parts)


def arrived(connection: Any, most: int) -> tuple[list[Any], Any]:
    """Return up to `most` replies that hiredis has by now, and what to tell redis-py of that is none.

    To ask redis-py for each takes ten times as long. Without hiredis, or where redis-py keeps it elsewhere
    than today, it has to be asked.
    """
    replies: list[Any] = []
    parser: Any = getattr(connection, "_parser", None)
    gets = getattr(getattr(parser, "_reader", None), "gets", None)
    tell = getattr(parser, "handle_push_response", None)
    if gets is None or tell is None:
        return replies, None
    while len(replies) < most:
        reply = gets()
        if type(reply) is bytes:
            replies.append(reply)
            continue
        if isinstance(reply, list):  # no write is answered by one
            return replies, tell(reply)
        if reply is not None and not isinstance(reply, Exception):
            break
        replies.append(reply)
    return replies, None
