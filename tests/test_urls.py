"""Layers as text: what a URL says, what it cannot mean, and that nobody gets to see its password."""

from __future__ import annotations

import pytest

from gcache import GCacheConfigError
from gcache.urls import LayerURL, flag, seconds, size


def test_a_url_has_all_its_parts() -> None:
    """Scheme, login, hosts with their ports, path and options are taken apart."""
    url = LayerURL.parse("memcached://user:pw@a:11211,b/path?name=x&timeout_sec=0.3")

    assert "memcached" == url.scheme
    assert ("user", "pw") == (url.username, url.password)
    assert (("a", 11211), ("b", None)) == url.hosts
    assert "/path" == url.path
    assert {"name": "x", "timeout_sec": 0.3} == url.options(name=str, size=size, timeout_sec=float)


@pytest.mark.parametrize("text", ["memory", "memory://", "MEMORY"])
def test_a_bare_name_is_a_scheme_with_nothing_behind_it(text: str) -> None:
    """`memory` says as much as `memory://` does."""
    url = LayerURL.parse(text)

    assert LayerURL("memory") == url


def test_a_bare_name_takes_options() -> None:
    """Options need no `://` before them, and may have one in them."""
    url = LayerURL.parse("memory?max_entries=100&name=a://b")

    options = url.options(max_entries=int, name=str)
    assert ("memory", {"max_entries": 100, "name": "a://b"}) == (url.scheme, options)


def test_a_url_without_a_host_has_a_path_from_the_root() -> None:
    """Three slashes begin an absolute path, and what it escapes is given back."""
    url = LayerURL.parse("disk:///var/my%20cache/50%25@%C3%A9?size=1GB")

    assert ((), "/var/my cache/50%@é") == (url.hosts, url.path)
    assert {"size": 10**9} == url.options(size=size)


@pytest.mark.parametrize(
    ("authority", "hosts"),
    [
        ("[::1]:6379", (("::1", 6379),)),
        ("[::1]", (("::1", None),)),
        ("[fe80::1],10.0.0.1:1", (("fe80::1", None), ("10.0.0.1", 1))),
        ("u@[::ffff:10.0.0.1]:65535", (("::ffff:10.0.0.1", 65535),)),
    ],
)
def test_addresses_stand_in_brackets_where_they_have_colons(
    authority: str, hosts: tuple[tuple[str, int | None], ...]
) -> None:
    """An IPv6 address is told from its port by its brackets, which are no part of it."""
    assert hosts == LayerURL.parse(f"redis://{authority}").hosts


@pytest.mark.parametrize(
    ("login", "username", "password"),
    [
        ("user%3Aa:p%40ss%2Fw%3A", "user:a", "p@ss/w:"),
        ("user", "user", None),
        (":pw", None, "pw"),
        ("user:p@w", "user", "p@w"),
        ("user:a:b", "user", "a:b"),
        ("user:", "user", ""),
    ],
)
def test_a_login_is_decoded(login: str, username: str | None, password: str | None) -> None:
    """User and password may hold anything, escaped; either may be missing."""
    url = LayerURL.parse(f"redis://{login}@host:1")

    assert (username, password, (("host", 1),)) == (url.username, url.password, url.hosts)


def test_an_option_is_decoded() -> None:
    """Names and values of options may be escaped, and a plus is a plus."""
    url = LayerURL.parse("x://h?n%61me=a%26b%3D+c=d")

    assert {"name": "a&b=+c=d"} == url.options(name=str)


@pytest.mark.parametrize(
    "text",
    [
        "redis://u:hunter2@host:none",
        "redis://u:hunter2@host:0",
        "redis://u:hunter2@host:65536",
        "redis://u:hunter2@::1:6379",
        "redis://u:hunter2@[::1",
        "redis://u:hunter2@a,,b",
        "redis://u:hunter2@a, b",
        "redis://u:hunter2@",
        "redis://u:hunter2@:6379",
        "redis://u:hunter2",
        "redis://:hunter2",
        "redis://u:hun/ter2@host",
        "redis://u:1/ter2@host",
        "redis://u:1?ter2@host",
        "redis://u:hun#ter2@host",
        "redis://u:hun%ter2@host",
        "redis://u:hunter2%FF@host",
        "redis:u:hunter2@host",
        "//u:hunter2@host",
        "://u:hunter2@host",
        "redis://u:hunter2@host?name",
        "redis://u:hunter2@host?=3",
        "redis://u:hunter2@host?&",
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_password(text: str) -> None:
    """A URL that is none says so when it is parsed, and shows nothing of a password."""
    with pytest.raises(GCacheConfigError) as raised:
        LayerURL.parse(text)

    assert "hun" not in str(raised.value)
    assert "ter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_text_without_a_scheme_is_shown() -> None:
    """What holds no login is shown, so that it is found again."""
    with pytest.raises(GCacheConfigError, match="'/var/cache' has no scheme"):
        LayerURL.parse("/var/cache")


def test_no_password_is_in_a_repr() -> None:
    """Neither the login's password nor the options are shown."""
    url = LayerURL.parse("redis://user:hunter2@host/2?password=hunter2")

    assert "hunter2" not in repr(url)
    assert "user" in repr(url)


def test_an_unknown_option_is_named_with_those_that_exist() -> None:
    """The error says what the layer knows, and keeps the option's text to itself."""
    url = LayerURL.parse("redis://host?password=hunter2")

    with pytest.raises(GCacheConfigError, match="no option 'password': it knows name, size") as raised:
        url.options(name=str, size=size)

    assert "hunter2" not in str(raised.value)


def test_an_option_that_is_given_twice_is_refused() -> None:
    """Nobody has to guess which of two values counts."""
    url = LayerURL.parse("redis://host?name=a&name=b")

    with pytest.raises(GCacheConfigError, match="gives 'name' twice"):
        url.options(name=str)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("timeout_sec=fast", "timeout_sec is 'fast'"),
        ("timeout_sec=nan", "timeout_sec is 'nan'.*finite"),
        ("timeout_sec=inf", "timeout_sec is 'inf'.*finite"),
        ("size=1.5GB", "size is '1.5GB'.*KiB"),
        ("size=", "size is ''"),
        ("cluster=maybe", "cluster is 'maybe'.*true, false"),
    ],
)
def test_an_option_that_its_converter_refuses_is_shown(query: str, said: str) -> None:
    """The error names the option, its text, and those that exist."""
    url = LayerURL.parse(f"redis://host?{query}")

    with pytest.raises(GCacheConfigError, match=f"{said}.*options are timeout_sec, size, cluster"):
        url.options(timeout_sec=float, size=size, cluster=flag)


@pytest.mark.parametrize(
    ("text", "needless"),
    [("disk://host/path", "hosts"), ("disk://u:p@host/path", "login and hosts")],
)
def test_a_part_that_a_layer_has_no_use_for_is_refused(text: str, needless: str) -> None:
    """What a layer would pass over in silence, it refuses."""
    with pytest.raises(GCacheConfigError, match=f"no place for {needless}:"):
        LayerURL.parse(text).only("path")


def test_a_layer_takes_the_parts_that_it_names() -> None:
    """A path of nothing but its slash is none."""
    LayerURL.parse("disk:///path").only("path")
    LayerURL.parse("redis://u:p@host/").only("login", "hosts")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1000", 1000),
        ("12B", 12),
        ("64KiB", 64 * 1024),
        ("64kb", 64_000),
        ("500MB", 500 * 10**6),
        ("3MiB", 3 * 1024**2),
        ("1GB", 10**9),
        ("2 GiB", 2 * 1024**3),
        ("1TB", 10**12),
        ("1TiB", 1024**4),
    ],
)
def test_sizes_are_bytes(text: str, count: int) -> None:
    """Units are powers of 1000, and of 1024 with an i."""
    assert count == size(text)


@pytest.mark.parametrize("text", ["", "GB", "1.5GB", "-1", "1K", "1iB", "1 000", "1_000", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Only whole numbers with a unit that is meant one way are taken."""
    with pytest.raises(ValueError, match="whole bytes"):
        size(text)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("true", True), ("1", True), ("Yes", True), ("False", False), ("0", False), ("no", False)],
)
def test_flags_are_words_or_digits(text: str, meaning: bool) -> None:
    """Three ways to say each, in any case."""
    assert meaning is flag(text)


@pytest.mark.parametrize("text", ["", "on", "2"])
def test_what_is_no_flag_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="true, false"):
        flag(text)


def test_seconds_are_above_zero() -> None:
    """Fractions are fine."""
    assert [0.3, 10.0] == [seconds("0.3"), seconds("10")]


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nor are those that would never end, or have ended before."""
    with pytest.raises(ValueError):
        seconds(text)


def test_a_default_stands_where_the_url_says_nothing() -> None:
    """An option that is given stays as it is."""
    url = LayerURL.parse("memory?name=a").default(name="b", max_entries=5)

    assert {"name": "a", "max_entries": 5} == url.options(name=str, max_entries=int)


def test_needed_part() -> None:
    """A part that a layer cannot do without is an error where it is missing, with an example that has it."""
    LayerURL.parse("disk:///var/cache").need("path", "disk:///var/cache/shop")
    for text in ("disk", "disk://", "disk:///", "disk://?name=x"):
        with pytest.raises(GCacheConfigError, match="names no path: write disk:///var/cache/shop"):
            LayerURL.parse(text).need("path", "disk:///var/cache/shop")
