"""What is particular to memcached, on a real one: the clear log, races, sizes and lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from memcached_process import Memcached
from pymemcache import Client

from conftest import MakeLayer, Start
from gcache import EntryTooLarge, GCacheConfigError
from gcache.core import epochs
from gcache_memcached import MemcachedLayer, _layer
from gcache_memcached._wire import LOG_KEY, wire_key

LONGEST_READABLE = "k" * 243
MONTH_SEC = 30 * 86_400


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has something happen once, between what the next operation reads and what it makes of that."""

    def meanwhile(action: Callable[[], object], before: str = "_exchange") -> None:
        original = getattr(_layer, before)

        def interrupted(*args: Any) -> Any:
            monkeypatch.setattr(_layer, before, original)
            action()
            return original(*args)

        monkeypatch.setattr(_layer, before, interrupted)

    return meanwhile


@pytest.fixture
def other(server: Memcached, layer_on: MakeLayer) -> MemcachedLayer:
    """The layer of another process."""
    return layer_on(server)


def test_an_entity_is_read_in_one_round_trip(
    servers: list[Memcached], layer_on: MakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three servers, one is asked once for an entity's entry and its epoch, and for its log after them."""
    asked: list[list[str]] = []
    get_many = Client.get_many
    monkeypatch.setattr(Client, "get_many", lambda *args: asked.append(args[1]) or get_many(*args))
    layer = layer_on(*servers)
    keys = ["{urn:galileo:user_id:12345}?page=2#GetPosts", "{urn:galileo:user_id:12345}#epoch"]
    layer.get(keys)

    assert [[*map(wire_key, keys), LOG_KEY]] == asked


def test_a_key_stays_where_it_is() -> None:
    """Which server has a key depends on their names alone, and is the same in every version."""
    layer = MemcachedLayer(["cache-a", "cache-b:11212", "unix:/run/memcached.sock"])
    servers = list(layer._servers.values())
    homes = [layer._spread([f"urn:galileo:user_id:{n}"])[0][0] for n in range(12)]

    assert [2, 2, 0, 0, 2, 2, 1, 1, 0, 0, 0, 1] == [servers.index(home) for home in homes]


def test_a_bulk_of_any_size(servers: list[Memcached], layer_on: MakeLayer) -> None:
    """Thousands of long keys come back in their order, over three servers."""
    layer = layer_on(*servers)
    items = {f"{n:05}:{'x' * 220}": b"%d" % n for n in range(3_000)}
    layer.put(items, 60)

    assert [*items.values(), None] == layer.get([*items, "absent"])


def test_clear_reaches_every_server(servers: list[Memcached], layer_on: MakeLayer) -> None:
    """What begins with the prefix is gone wherever it lives, readable or hashed, and nothing else is."""
    layer = layer_on(*servers)
    gone = [f"{start}{n}" for n in range(50) for start in ("urn:a:", "urn:a: spaced ", "urn:a:" + "x" * 300)]
    kept = [f"urn:b:{n}" for n in range(50)]
    layer.put(dict.fromkeys(gone + kept, b"value"), 60)
    layer_on(*servers).clear("urn:a:")

    assert [None] * 150 + [b"value"] * 50 == layer.get(gone + kept)


def test_a_cleared_key_can_be_written_again(layer: MemcachedLayer, other: MemcachedLayer) -> None:
    """Whoever writes after a clearing, though another process cleared, is read."""
    layer.put({"put": b"old", "added": b"old"}, 60)
    other.clear("")
    layer.put({"put": b"new"}, 60)

    assert layer.add("added", b"new", 60)
    assert not other.add("added", b"late", 60)
    assert [b"new", b"new"] == other.get(["put", "added"])


def test_cleared_entries_are_not_counted(layer: MemcachedLayer, other: MemcachedLayer) -> None:
    """An entry that was cleared is not there for delete(), though the server still holds it."""
    layer.put({"cleared": b"", "there": b""}, 60)
    other.clear("cl")

    assert 1 == layer.delete(["cleared", "there", "there", "absent"])


def test_a_write_that_began_before_a_clearing_does_not_outlive_it(
    layer: MemcachedLayer, other: MemcachedLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put() that comes to the server after a clearing which it did not know of is dead on arrival."""
    layer.put({"b": b"keeps the log"}, 60)
    set_many = Client.set_many
    monkeypatch.setattr(Client, "set_many", lambda *args: other.clear("a") or set_many(*args))
    layer.put({"a": b"old"}, 60)

    assert [None, b"keeps the log"] == layer.get(["a", "b"])


def test_one_of_two_adds(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """When another process adds between the look and the write, add() is told False."""
    layer.put({"log": b""}, 60)
    meanwhile(lambda: other.add("key", b"theirs", 60))

    assert not layer.add("key", b"ours", 60)
    assert [b"theirs"] == layer.get(["key"])


def test_one_of_two_adds_over_a_cleared_entry(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """The same where a dead entry lies under the key."""
    layer.put({"key": b"dead"}, 60)
    layer.clear("key")
    meanwhile(lambda: other.add("key", b"theirs", 60))

    assert not layer.add("key", b"ours", 60)
    assert [b"theirs"] == layer.get(["key"])


def test_add_and_clear_at_once(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """An add() that a clearing overtakes may be cleared; then the key is free for one more."""
    layer.put({"log": b""}, 60)
    meanwhile(lambda: other.clear(""))
    layer.add("key", b"ours", 60)

    assert [None] == other.get(["key"])
    assert other.add("key", b"theirs", 60)
    assert not layer.add("key", b"late", 60)


def test_two_begin_the_log_at_once(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """Of two processes that find no log, one begins it, and the entries of both live."""
    meanwhile(lambda: other.put({"theirs": b"theirs"}, 60))
    layer.put({"ours": b"ours"}, 60)

    assert [b"theirs", b"ours"] == layer.get(["theirs", "ours"])


def test_two_clear_at_once(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """Neither clearing is lost."""
    layer.put({"a": b"", "b": b"", "c": b"c"}, 60)
    meanwhile(lambda: other.clear("b"))
    layer.clear("a")

    assert [None, None, b"c"] == layer.get(["a", "b", "c"])


def test_the_log_is_lost_while_it_is_written(
    server: Memcached, layer: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """A clearing whose log was evicted meanwhile has cleared more than asked, and does not bring it back."""
    layer.put({"a": b"", "b": b""}, 60)
    meanwhile(lambda: server.do("delete", LOG_KEY))
    layer.clear("a")

    assert [None, None] == layer.get(["a", "b"])


def test_nothing_comes_back_with_a_new_log(server: Memcached, layer: MemcachedLayer) -> None:
    """Without the log all is absent, and what was there before stays so when a new log has begun."""
    layer.put({"old": b"", "again": b"old"}, 60)
    server.do("delete", LOG_KEY)
    without = layer.get(["old", "again"])
    layer.put({"again": b"new"}, 60)

    assert [None, None] == without
    assert [None, b"new"] == layer.get(["old", "again"])


def test_clearing_an_empty_server_leaves_nothing_there(server: Memcached, layer: MemcachedLayer) -> None:
    """Where nothing was written, nothing has to be remembered."""
    layer.clear("a")

    assert server.do("get", LOG_KEY) is None


def test_what_is_no_log_is_replaced(server: Memcached, layer: MemcachedLayer) -> None:
    """Something else in the log's place is no reason to fail for ever."""
    layer.put({"key": b"old"}, 60)
    server.do("set", LOG_KEY, b"something else")
    lost = layer.get(["key"])
    layer.clear("")
    layer.put({"key": b"new"}, 60)

    assert [None] == lost
    assert [b"new"] == layer.get(["key"])


def test_a_foreign_value_is_absent(server: Memcached, layer: MemcachedLayer) -> None:
    """What another application stored under the key is no value, and gives way to one."""
    layer.put({"log": b""}, 60)
    server.do("set", wire_key("key"), b"foreign")

    assert [None] == layer.get(["key"])
    assert layer.add("key", b"ours", 60)


def test_retire_meets_an_epoch_that_was_planted_meanwhile(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None]
) -> None:
    """The epoch that stands when retire() returns is none that stood before."""
    old, new = epochs.plant(), epochs.plant()
    layer.add("epoch", old, 60)

    def replant() -> None:
        other.retire("epoch", epochs.ANYBODY, 0)
        other.add("epoch", new, 60)

    meanwhile(replant)
    layer.retire("epoch", epochs.ANYBODY, 0)

    assert [None] == other.get(["epoch"])


def test_retire_leaves_nothing_on_the_server(server: Memcached, layer: MemcachedLayer) -> None:
    """An epoch that was taken away without a hold is gone at once, for the server, too."""
    layer.add("epoch", epochs.plant(), 60)
    layer.retire("epoch", epochs.ANYBODY, 0)

    assert server.do("get", wire_key("epoch")) is None


@pytest.mark.parametrize("stands", [True, False])
def test_retire_adds_its_hold_to_one_that_came_meanwhile(
    layer: MemcachedLayer, other: MemcachedLayer, meanwhile: Callable[..., None], stands: bool
) -> None:
    """Both hold, whether an epoch stood there or nothing."""
    if stands:
        layer.add("epoch", epochs.plant(), 60)
    meanwhile(lambda: other.retire("epoch", "theirs", 60))
    layer.retire("epoch", "ours", 60)
    [stored] = other.get(["epoch"])

    assert {"ours", "theirs"} == set(epochs.decoded(stored))


@pytest.mark.parametrize("key", ["key", LONGEST_READABLE, "hashed " * 100])
def test_the_largest_value_fits(layer: MemcachedLayer, key: str) -> None:
    """A server as it comes takes a value of max_value_bytes under any key."""
    value = bytes(layer.max_value_bytes)
    layer.put({key: value}, 60)

    assert [value] == layer.get([key])


def test_the_limit_follows_the_servers(start: Start, layer_on: MakeLayer) -> None:
    """With -I 2m on the server, max_value_bytes can be that, less 512."""
    layer = layer_on(start("-I", "2m"), max_value_bytes=2 * 2**20 - 512)
    value = bytes(layer.max_value_bytes)
    layer.put({LONGEST_READABLE: value}, 60)

    assert [value] == layer.get([LONGEST_READABLE])


def test_a_larger_value_is_refused_before_anything_is_sent(layer_on: MakeLayer, server: Memcached) -> None:
    """put() and add() raise EntryTooLarge without asking the server, which is not there."""
    layer = layer_on(server, max_value_bytes=3)
    server.kill()
    with pytest.raises(EntryTooLarge, match="max_value_bytes"):
        layer.put({"small": b"123", "large": b"1234"}, 60)
    with pytest.raises(EntryTooLarge, match="max_value_bytes"):
        layer.add("large", b"1234", 60)


@pytest.mark.parametrize(
    "ttl", [0.001, 1, 59.5, MONTH_SEC - 2, MONTH_SEC - 1, MONTH_SEC, MONTH_SEC + 0.5, 365 * 86_400]
)
def test_the_server_understands_lives(server: Memcached, layer: MemcachedLayer, ttl: float) -> None:
    """By its own account the server keeps an entry for at least `ttl`, and less than three seconds more."""
    layer.put({"key": b""}, ttl)
    left_sec = int(server.do("raw_command", f"mg {wire_key('key')} t").removeprefix(b"HD t"))

    assert ttl - 1 <= left_sec <= ttl + 3


def test_a_life_without_end(server: Memcached, layer: MemcachedLayer) -> None:
    """What is to live longer than a server can count lives until there is no room for it."""
    layer.put({"key": b""}, 2.0**40)

    assert b"HD t-1" == server.do("raw_command", f"mg {wire_key('key')} t")


def test_a_server_without_cas_is_refused(start: Start, layer_on: MakeLayer) -> None:
    """Where one step cannot be had, an operation that needs it says so."""
    layer = layer_on(start("-C"))
    layer.put({"key": b""}, 60)
    with pytest.raises(GCacheConfigError, match="without -C"):
        layer.clear("")


@pytest.mark.parametrize(
    "servers", [[], "cache:11211", ["cache:port"], ["a", "a"], ["a:11211", ("a", 11211)]]
)
def test_servers_that_cannot_be_meant(servers: Any) -> None:
    """A list of servers that is none, or names one twice, is refused when the layer is made."""
    with pytest.raises(GCacheConfigError, match="list each once"):
        MemcachedLayer(servers)
