"""The clear log beside a dictionary, without a server."""

from __future__ import annotations

import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache_memcached._clear_log import MOST_BYTES, ClearLog, decoded

LOG = ClearLog(b"identity")
TEXTS = st.text("ab:", max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put late", "look", "clear", "lose"]), TEXTS), max_size=40)


class Store:
    """A server, whose log may be lost, and a writer that may have looked at the log some time ago.

    Beside it stands what happened to the log since each entry was written, by the log that its writer saw.
    """

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.log = self.seen = ClearLog()
        self.happened: list[str | None] = []
        self.seen_at = 0
        self._born: dict[str, int] = {}
        self._ids = count(1)

    def look(self) -> None:
        self.log = self.seen = decoded(self.log.begun(next(self._ids).to_bytes(8, "big")).encoded())
        self.seen_at = len(self.happened)

    def put(self, key: str) -> None:
        self.stored[key] = self.seen.stamped(b"value")
        self._born[key] = self.seen_at

    def clear(self, prefix: str) -> None:
        self.log = self.log.after_clearing(prefix)
        self.happened.append(prefix)

    def lose(self) -> None:
        self.log = ClearLog()
        self.happened.append(None)

    def should_live(self, key: str) -> bool:
        since = self.happened[self._born[key] :]
        return not any(prefix is None or key.startswith(prefix) for prefix in since)

    def lives(self, key: str) -> bool:
        return self.log.opened(key, self.stored[key]) is not None


@given(STEPS)
def test_exactly_what_was_cleared_is_gone(steps: list[tuple[str, str]]) -> None:
    """After any clearings, losses of the log and late writes, just what they left alive lives."""
    store = Store()
    store.look()
    for step, text in steps:
        if step in ("look", "put"):
            store.look()
        if step in ("put", "put late"):
            store.put(text)
        if step == "clear":
            store.clear(text)
        if step == "lose":
            store.lose()

        assert {key: store.should_live(key) for key in store.stored} == {
            key: store.lives(key) for key in store.stored
        }


@given(st.lists(TEXTS, max_size=20))
def test_a_log_comes_back_as_it_was(prefixes: list[str]) -> None:
    """What is read is what was written, whatever was cleared."""
    log = LOG
    for prefix in (*prefixes, "\udc80 \n\0", "ü"):
        log = log.after_clearing(prefix)

    assert decoded(log.encoded()) == log


def test_a_clearing_takes_the_place_of_those_it_contains() -> None:
    """The log does not grow when the same is cleared again, or when a shorter prefix covers others."""
    log = LOG
    for prefix in ("ab", "a", "b", "a", "a:b", "a:"):
        log = log.after_clearing(prefix)

    assert {"b": 3, "a": 4, "a:": 6} == log.cleared


def test_a_log_is_bounded() -> None:
    """However many prefixes are cleared, the log keeps its size."""
    log = LOG
    for n in range(1_000):
        log = log.after_clearing(f"urn:some:prefix:{n:04}")

    assert MOST_BYTES / 2 < len(log.encoded()) <= MOST_BYTES


def test_what_a_full_log_forgets_counts_as_cleared() -> None:
    """When the log has no more room for a clearing, what was written before it is dead, and nothing later."""
    early = LOG.stamped(b"early")
    log = LOG.after_clearing("forgotten")
    cleared, other = log.stamped(b"cleared"), log.stamped(b"other")
    for n in range(1_000):
        log = log.after_clearing(f"urn:some:prefix:{n:04}")
    late = log.stamped(b"late")

    assert log.floor > 1
    assert log.opened("forgotten", early) is None
    assert log.opened("forgotten", cleared) is None
    assert log.opened("other", other) is None
    assert log.opened("other", late) == b"late"


def test_a_prefix_beyond_all_bounds_clears_everything() -> None:
    """One that does not fit into the log by itself clears more than was asked, and never less."""
    old = LOG.stamped(b"old")
    log = LOG.after_clearing("x" * MOST_BYTES)

    assert log.opened("other", old) is None
    assert log.opened("x" * MOST_BYTES, old) is None
    assert log.opened("x" * MOST_BYTES, log.stamped(b"new")) == b"new"


@pytest.mark.parametrize(
    "stored",
    [
        None,
        b"",
        b"{}",
        b"[]",
        b"7",
        b"\xff",
        b'["zz", 0, 0, {}]',
        b'["00", 0, 0, []]',
        b'["00", null, 0, {}]',
    ],
)
def test_what_is_no_log_leaves_nothing_alive(stored: bytes | None) -> None:
    """Where something else stands in the log's place, or nothing, no entry lives."""
    log = decoded(stored)

    assert log == ClearLog()
    assert log.opened("key", LOG.stamped(b"value")) is None


@pytest.mark.parametrize("stored", [None, b"", b"foreign", b"identity", b"identity1234567"])
def test_what_is_no_entry_is_absent(stored: bytes | None) -> None:
    """Another application's value under the same key is no value."""
    assert LOG.opened("key", stored) is None


def test_a_log_can_be_read_by_people() -> None:
    """An operator who looks at the log sees what was cleared."""
    stored = LOG.after_clearing("urn:galileo:").encoded()

    assert json.loads(stored) == [b"identity".hex(), 1, 0, {"urn:galileo:": 1}]
