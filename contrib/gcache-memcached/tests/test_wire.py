"""Keys and lives on the wire, without a server."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache_memcached._wire import LOG_KEY, NEVER, expiry, place_of, weight, wire_key

KEYS = st.text(max_size=300) | st.text("ab{}:# ", max_size=300) | st.text("k", min_size=230, max_size=300)
NOW = 1_800_000_000.25
MONTH_SEC = 30 * 86_400


@given(KEYS)
def test_memcached_takes_any_key(key: str) -> None:
    """Whatever a key is made of, its name on the wire is up to 250 bytes of visible ASCII."""
    name = wire_key(key)

    assert 0 < len(name) <= 250
    assert all("!" <= letter <= "~" for letter in name)


@given(st.lists(KEYS, unique=True, max_size=20))
def test_different_keys_have_different_names(keys: list[str]) -> None:
    """No two keys share a name, and none is called like the log."""
    assert len({LOG_KEY, *map(wire_key, keys)}) == len(keys) + 1


@given(KEYS)
def test_a_name_is_no_other_keys_name(key: str) -> None:
    """A key that reads like what another is called, in whole or behind its beginning, is called otherwise."""
    name = wire_key(key)
    lookalikes = {name, name.partition("#")[2], name.partition(":")[2]} - {key}

    assert name not in map(wire_key, lookalikes)


@pytest.mark.parametrize("key", ["urn:galileo:user_id:12345", "{urn:a:b:1}?page=2#GetPosts", "k" * 243])
def test_a_short_and_clean_key_stays_readable(key: str) -> None:
    """An operator finds an entry by its key."""
    assert wire_key(key) == f"gcache:{key}"


@pytest.mark.parametrize("key", ["k" * 244, "two words", "café", "tab\t", "\udc80", "a\x7f"])
def test_any_other_key_begins_readably(key: str) -> None:
    """A key that memcached would refuse shows how it begins, and ends in its digest."""
    beginning, digest = wire_key(key).removeprefix("gcache#").rsplit("#", 1)

    assert beginning[:1] == key[:1].encode("ascii", "replace").decode()
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("{user:1}?page=2#Posts", "user:1"),
        ("{user:1}#epoch", "user:1"),
        ("a{b}{c}", "b"),
        ("plain", "plain"),
        ("{}empty", "{}empty"),
        ("{open", "{open"),
        ("closed}", "closed}"),
        ("}{a}", "a"),
        ("", ""),
    ],
)
def test_the_first_braces_decide_the_place(key: str, place: str) -> None:
    """As in a Redis Cluster: what is in the first braces, unless that is nothing."""
    assert place == place_of(key)


def test_servers_want_keys_alike() -> None:
    """Of 3,000 keys each of three servers gets about a third, and a fourth server takes only its share."""
    keys = [f"urn:galileo:user_id:{n}#Get" for n in range(3_000)]

    def homes(*nodes: str) -> list[str]:
        return [max(nodes, key=lambda node: weight(f"{node}-{key}", 0)) for key in keys]

    of_three, of_four = homes("a", "b", "c"), homes("a", "b", "c", "d")
    moved = [new for old, new in zip(of_three, of_four, strict=True) if new != old]

    assert all(800 < of_three.count(node) < 1_200 for node in "abc")
    assert set(moved) == {"d"}
    assert 600 < len(moved) < 900


@given(st.floats(1e-9, MONTH_SEC - 2))
def test_a_life_is_never_short(ttl: float) -> None:
    """Up to 30 days, whole seconds: at least one more than asked, since a server may drop it one early."""
    assert ttl + 1 <= expiry(ttl, NOW) <= ttl + 2


@given(st.floats(MONTH_SEC - 1, 5 * 365 * 86_400))
def test_a_long_life_is_a_time(ttl: float) -> None:
    """What would be taken for a time is given as one, at least one second late and no more than two."""
    seconds = expiry(ttl, NOW)

    if seconds > MONTH_SEC:
        seconds -= NOW
    assert ttl + 1 <= seconds <= ttl + 2


@pytest.mark.parametrize("ttl", [2.0**31, 1e300, math.inf])
def test_a_life_beyond_the_last_time_has_no_end(ttl: float) -> None:
    """A server counts in 31 bits: what is to end later ends never, which is late and not early."""
    assert expiry(ttl, NOW) == NEVER
