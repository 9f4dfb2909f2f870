"""Servers that die, freeze, forget, and are too busy."""

from __future__ import annotations

import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from memcached_process import Memcached
from pymemcache import Client

from conftest import MakeLayer, Start
from gcache import GCacheClosed
from gcache_memcached import MemcachedLayer

OPERATIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("get", (["key"],)),
    ("put", ({"key": b"value"}, 60)),
    ("add", ("key", b"value", 60)),
    ("delete", (["key"],)),
    ("clear", ("",)),
    ("retire", ("key", "", 60)),
]


def keys_by_server(layer: MemcachedLayer, count: int = 30) -> list[list[str]]:
    """Return keys of each server, in the order in which the layer was given them."""
    shares = dict(layer._spread(map(str, range(count))))
    return [shares[server] for server in layer._servers.values()]


def idle_sockets(layer: MemcachedLayer) -> list[Any]:
    return [client.sock for server in layer._servers.values() for client in server._clients.queue]


@pytest.mark.parametrize(("operation", "args"), OPERATIONS)
def test_a_dead_server_is_an_error(
    server: Memcached, layer: MemcachedLayer, operation: str, args: tuple[Any, ...]
) -> None:
    """No operation takes a server that is not there for one that has nothing."""
    layer.put({"key": b"value"}, 60)
    server.kill()
    with pytest.raises(OSError, match=r"refused|reset|closed"):
        getattr(layer, operation)(*args)


@pytest.mark.parametrize(("operation", "args"), OPERATIONS)
def test_a_frozen_server_is_an_error_in_time(
    server: Memcached, layer_on: MakeLayer, operation: str, args: tuple[Any, ...]
) -> None:
    """An operation that gets no answer raises after about timeout_sec, which is 0.1 here."""
    layer = layer_on(server, timeout_sec=0.1)
    layer.put({"key": b"value"}, 60)
    server.freeze()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        getattr(layer, operation)(*args)

    assert time.monotonic() - started < 2


def test_a_late_answer_goes_to_nobody(server: Memcached, layer_on: MakeLayer) -> None:
    """A connection that an answer is still to come over is not used again."""
    layer = layer_on(server, timeout_sec=0.1, max_connections=1)
    layer.put({"a": b"a", "b": b"b"}, 60)
    server.freeze()
    with pytest.raises(TimeoutError):
        layer.get(["a"])
    server.thaw()

    assert [[b"b"]] * 5 == [layer.get(["b"]) for _ in range(5)]


def test_an_interrupted_call_leaves_no_connection_behind(
    layer: MemcachedLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever passes, such as KeyboardInterrupt, a connection that was in use is closed."""

    def interrupted(client: Client, keys: list[str]) -> None:
        client.sock.sendall(b"get key\r\n")
        raise KeyboardInterrupt

    layer.put({"key": b"value"}, 60)
    with monkeypatch.context() as patched:
        patched.setattr(Client, "get_many", interrupted)
        with pytest.raises(KeyboardInterrupt):
            layer.get(["key"])

    assert {None} == set(idle_sockets(layer))
    assert [b"value"] == layer.get(["key"])


def test_a_restart_costs_everything_and_no_call(server: Memcached, layer: MemcachedLayer) -> None:
    """After a restart all is absent, without an error from connections to the process before."""
    layer.put({"key": b"value"}, 60)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: layer.get(["key"]), range(64)))
    server.restart()
    found = [layer.get(["key"]) for _ in range(20)]

    assert [[None]] * 20 == found
    assert layer.add("key", b"new", 60)


def test_one_of_three_is_dead(servers: list[Memcached], layer_on: MakeLayer) -> None:
    """Its keys fail, alone or within a bulk; the keys of the others do not."""
    layer = layer_on(*servers)
    on_dead, *on_others = keys_by_server(layer)
    layer.put(dict.fromkeys(map(str, range(30)), b"value"), 60)
    servers[0].kill()

    assert [[b"value"] * len(keys) for keys in on_others] == [layer.get(keys) for keys in on_others]
    with pytest.raises(OSError, match="refused"):
        layer.get(on_dead[:1])
    with pytest.raises(OSError, match="refused"):
        layer.get([*on_others[0], on_dead[0], *on_others[1]])


def test_clear_tells_all_that_it_can(servers: list[Memcached], layer_on: MakeLayer) -> None:
    """With one server dead clear() raises, and has cleared the others."""
    layer = layer_on(*servers)
    shares = keys_by_server(layer)
    layer.put(dict.fromkeys(map(str, range(30)), b"value"), 60)
    servers[1].kill()
    with pytest.raises(OSError, match="refused"):
        layer.clear("")

    assert [None] * len(shares[0] + shares[2]) == layer.get(shares[0] + shares[2])


def test_eviction_makes_misses_and_nothing_else(start: Start, layer_on: MakeLayer) -> None:
    """With far more than fits, an answer is the value or "absent", and what is written now is there."""
    layer = layer_on(start("-m", "2"))
    wrong, absent = [], 0
    for n in range(6_000):
        layer.put({f"key {n}": b"%d" % n * 200}, 60)
        [now, before] = layer.get([f"key {n}", f"key {n // 2}"])
        wrong += [] if now == b"%d" % n * 200 and before in (None, b"%d" % (n // 2) * 200) else [n]
        absent += before is None

    assert [] == wrong
    assert absent > 0


def test_the_log_outlives_what_is_less_used(start: Start, layer_on: MakeLayer) -> None:
    """The log is read with every read, so a server that is short of room drops others first."""
    layer = layer_on(start("-m", "2"))
    layer.put({"kept": b"kept"}, 600)
    for n in range(200):
        layer.put({f"{n}:{m}": b"12345678" for m in range(500)}, 600)
        layer.get(["kept"])

    assert [b"kept"] == layer.get(["kept"])
    assert [None] == layer.get(["0:0"])


def test_callers_wait_for_a_connection(server: Memcached, layer_on: MakeLayer) -> None:
    """With one connection for eight threads each gets its answer."""
    layer = layer_on(server, max_connections=1, timeout_sec=5)
    layer.put({str(n): b"%d" % n for n in range(8)}, 60)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: layer.get([str(n % 8)]), range(400)))

    assert [[b"%d" % (n % 8)] for n in range(400)] == found
    assert 1 == len(idle_sockets(layer))


def test_a_caller_does_not_wait_for_ever(server: Memcached, layer_on: MakeLayer) -> None:
    """When all connections stay in use, a caller is told so after timeout_sec."""
    layer = layer_on(server, max_connections=1, timeout_sec=0.05)
    [pool] = layer._servers.values()
    with pool.connection(), pytest.raises(TimeoutError, match="max_connections"):
        layer.get(["key"])


@pytest.mark.parametrize(("operation", "args"), OPERATIONS)
def test_a_closed_layer_says_so(layer: MemcachedLayer, operation: str, args: tuple[Any, ...]) -> None:
    """After close() every operation raises, and no connection is open."""
    layer.put({"key": b"value"}, 60)
    layer.close()
    with pytest.raises(GCacheClosed):
        getattr(layer, operation)(*args)

    assert {None} == set(idle_sockets(layer))


def test_close_during_a_call(layer: MemcachedLayer) -> None:
    """A call that is under way ends as it would have, and its connection is closed after it."""
    layer.put({"key": b"value"}, 60)
    [server] = layer._servers.values()
    with server.connection() as client:
        closing = threading.Thread(target=layer.close)
        closing.start()
        closing.join()
        found = client.get("gcache:key")

    assert found.endswith(b"value")
    assert {None} == set(idle_sockets(layer))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_lets_go_of_its_parents_connections(layer: MemcachedLayer) -> None:
    """After a fork the child uses none of them, and closes its copies, which leaves the parent's open."""
    layer.put({"key": b"value"}, 60)
    [connections] = layer._servers.values()
    before = [client for client in connections._clients.queue if client.sock is not None]
    child = os.fork()
    if child == 0:
        is_right = layer.get(["key"]) == [b"value"] and [client.sock for client in before] == [None]
        os._exit(0 if is_right else 1)
    _, status = os.waitpid(child, 0)

    assert 0 == status
    assert [b"value"] == layer.get(["key"])
    assert None not in [client.sock for client in before]


def test_pickling_is_refused(layer: MemcachedLayer) -> None:
    """A layer that is pickled by accident says why it cannot be."""
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(layer)
