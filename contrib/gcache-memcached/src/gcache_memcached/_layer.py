"""memcached as a layer: bytes under keys, on one server or spread over many."""

from __future__ import annotations

import os
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from pymemcache.client.base import Client, normalize_server_spec
from pymemcache.client.rendezvous import RendezvousHash

from gcache import EntryTooLarge, GCacheConfigError
from gcache.core import epochs
from gcache_memcached._clear_log import ClearLog, decoded
from gcache_memcached._server import Server
from gcache_memcached._wire import GONE, LOG_KEY, NEVER, expiry, place_of, weight, wire_key

if TYPE_CHECKING:
    from gcache.core.protocols import Progress
    from gcache.urls import LayerURL

MAX_VALUE_BYTES = 2**20 - 512
_ABSENT = (None, None)


class MemcachedLayer:
    """memcached for threads: `MemcachedLayer(["cache-1:11211", ("cache-2", 11211)])`.

    Keys that have the same text in their first braces share a server. A caller waits `connect_timeout_sec`
    for a connection to be made and `timeout_sec` for each answer, and as long for one of `max_connections` to
    be free. `max_value_bytes` is what the servers' `-I` says, less 512. `tls` is the context to connect with.

    Nothing is connected before it is used. Operations raise what pymemcache and its sockets raise.
    """

    def __init__(
        self,
        servers: Sequence[str | tuple[str, int]],
        name: str = "memcached",
        *,
        connect_timeout_sec: float = 0.3,
        timeout_sec: float = 0.5,
        max_connections: int = 64,
        max_value_bytes: int = MAX_VALUE_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        _check_positive(connect_timeout_sec=connect_timeout_sec, timeout_sec=timeout_sec)
        _check_positive(max_connections=max_connections, max_value_bytes=max_value_bytes)
        self.name = name
        self.max_value_bytes = max_value_bytes
        options = {"connect_timeout": connect_timeout_sec, "timeout": timeout_sec, "tls_context": tls}
        client = partial(Client, no_delay=True, default_noreply=False, **options)
        self._servers = {
            node: Server(partial(client, address), max_connections, timeout_sec)
            for node, address in _addresses(servers).items()
        }
        self._ring: Any = RendezvousHash([*self._servers], hash_function=weight)

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        found: dict[str, bytes | None] = {}
        for server, its_keys in self._spread(keys):
            with server.connection() as client:
                found |= _read(client, its_keys)
        return [found[key] for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        for key, value in items.items():
            self._check_size(key, value)
        for server, keys in self._spread(items):
            with server.connection() as client:
                log = _log(client)
                entries = {wire_key(key): log.stamped(items[key]) for key in keys}
                client.set_many(entries, expiry(ttl, time.time()))

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        self._check_size(key, value)
        new = value, expiry(ttl, time.time())
        return self._change(key, lambda live: new if live is None else None)

    def delete(self, keys: Sequence[str]) -> int:
        deleted = 0
        for server, its_keys in self._spread(keys):
            with server.connection() as client:
                there = [key for key, value in _read(client, its_keys).items() if value is not None]
                deleted += sum(client.delete(wire_key(key)) for key in there)
        return deleted

    def clear(self, prefix: str, progress: Progress | None = None) -> int:
        """Forget every key that begins with `prefix`. Return 0: what a server holds cannot be counted.

        A server that cannot be told does not keep the others from being told before its error is raised.
        """
        with ExitStack() as on_all:
            for server in self._servers.values():
                on_all.callback(_clear, server, prefix)
        return 0

    def retire(self, key: str, holder: str, ttl: float) -> None:
        def retired(live: bytes | None) -> tuple[bytes, int] | None:
            now = time.time()
            held, life_sec = epochs.retired(live, holder, ttl, now)
            if held is not None:
                return held, expiry(life_sec, now)
            return None if live is None else (b"", GONE)

        self._change(key, retired)

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A MemcachedLayer has connections: make one in each process instead of pickling it.")

    def _spread(self, keys: Iterable[str]) -> Iterable[tuple[Server, list[str]]]:
        """Return the servers that `keys` live on, each with its share of them."""
        shares: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            shares[self._ring.get_node(place_of(key))].append(key)
        return [(self._servers[node], share) for node, share in shares.items()]

    def _check_size(self, key: str, value: bytes) -> None:
        if len(value) > self.max_value_bytes:
            size = f"{key!r:.100} has {len(value)} bytes, and {self.name!r} takes {self.max_value_bytes}"
            raise EntryTooLarge(f"{size}: raise -I of the servers and max_value_bytes.")

    def _change(self, key: str, decide: Callable[[bytes | None], tuple[bytes, int] | None]) -> bool:
        """Store the value and expiry that `decide` gives for what lives under `key`, if any; tell if it did.

        It is one step: `decide` is asked again if something has changed meanwhile.
        """
        [(server, _)] = self._spread([key])
        wire = wire_key(key)
        with server.connection() as client:
            while True:
                found = client.gets_many([wire, LOG_KEY])
                (stored, token), (log_stored, _) = found.get(wire, _ABSENT), found.get(LOG_KEY, _ABSENT)
                log = decoded(log_stored)
                change = decide(log.opened(key, stored))
                if change is None:
                    return False
                log = log if log.id else _log(client)
                if _exchange(client, wire, log.stamped(change[0]), token, change[1]):
                    return True


def from_url(url: LayerURL) -> MemcachedLayer:
    """Return the layer of `memcached://a:11211,b:11211?name=near&timeout_sec=0.3&tls=true&ca=ca.pem`."""
    from gcache.urls import flag, size

    url.only("hosts")
    seconds = dict.fromkeys(("connect_timeout_sec", "timeout_sec"), float)
    counts = {"max_connections": int}
    options = url.options(name=str, **seconds, **counts, max_value_bytes=size, tls=flag, ca=_trusting)
    trusting = options.pop("ca", None)
    if options.pop("tls", trusting is not None):
        options["tls"] = trusting or _trusting(None)
    return MemcachedLayer([(host, port or 11211) for host, port in url.hosts], **options)


def _trusting(authorities: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authorities)


def _addresses(servers: Sequence[str | tuple[str, int]]) -> Mapping[str, object]:
    """Return the addresses as pymemcache takes them, by their text."""
    try:
        addresses = {str(address): address for address in map(normalize_server_spec, servers)}
    except ValueError:
        addresses = {}
    if isinstance(servers, str) or not addresses or len(addresses) < len(servers):
        raise GCacheConfigError(f"servers is {servers!r}: list each once, as in ['a:11211', ('b', 11211)].")
    return addresses


def _check_positive(**options: float) -> None:
    for option, value in options.items():
        if not value > 0:
            raise GCacheConfigError(f"{option} is {value!r}: give a number above 0.")


def _read(client: Any, keys: Iterable[str]) -> dict[str, bytes | None]:
    """Return what lives under `keys`. The log is read last, so that it is no older than any entry."""
    wire = {key: wire_key(key) for key in keys}
    stored = client.get_many([*wire.values(), LOG_KEY])
    log = decoded(stored.get(LOG_KEY))
    return {key: log.opened(key, stored.get(name)) for key, name in wire.items()}


def _log(client: Any) -> ClearLog:
    """Return the log to write under, which is a new one where there is none."""
    return _revise(client, lambda log: log.begun(os.urandom(8)))


def _clear(server: Server, prefix: str) -> None:
    with server.connection() as client:
        _revise(client, lambda log: log.after_clearing(prefix))


def _revise(client: Any, revised: Callable[[ClearLog], ClearLog]) -> ClearLog:
    """Have the log that `revised` returns take the place of the one that it is given, in one step."""
    while True:
        stored, token = client.gets(LOG_KEY)
        log = decoded(stored)
        new = revised(log)
        if new is log or _exchange(client, LOG_KEY, new.encoded(), token, NEVER):
            return new


def _exchange(client: Any, name: str, data: bytes, token: bytes | None, expires: int) -> bool:
    """Store `data` if what stands under `name` is what `token` was read with, nothing if it is None."""
    if token is None:
        return bool(client.add(name, data, expires))
    if token == b"0":
        raise GCacheConfigError("memcached runs without CAS, which this layer needs: start it without -C.")
    return bool(client.cas(name, data, token, expires))
