"""The policies that ours is compared with do what they are named for, and the traces are what they claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from benchmarks import policies, traces
from tests.backends.ring import strangers

ALL = (policies.ours, policies.lru, policies.s3_fifo)


@pytest.mark.parametrize("policy", ALL)
def test_with_room_for_all_only_first_accesses_miss(policy: Callable[[Iterable[str], int], int]) -> None:
    """Nobody evicts for nothing."""
    keys = list("abcabcabc")

    assert 6 == policy(keys, 3)


@pytest.mark.parametrize("policy", ALL)
def test_without_room_nothing_is_found(policy: Callable[[Iterable[str], int], int]) -> None:
    """A key that comes back after many others were let in is gone: the bound holds."""
    keys = strangers(100) * 2

    assert 0 == policy(keys, 10)


def test_lru_evicts_what_was_not_used_for_longest() -> None:
    """`a` is used again, so `b` goes for `c`."""
    assert 2 == policies.lru(list("abaca"), 2)


@pytest.mark.parametrize("policy", [policies.ours, policies.s3_fifo])
def test_a_scan_does_not_drive_out_what_is_used(policy: Callable[[Iterable[str], int], int]) -> None:
    """That is what they have over LRU."""
    names = strangers(17)
    used, scan = names[:5], names[5:]
    keys = [*used * 3, *scan, *used]

    assert 10 == policies.lru(keys, 10)
    assert 15 == policy(keys, 10)


def test_zipf_is_the_same_each_time() -> None:
    """Two runs are fed alike, and the first key is the one most asked for."""
    once, again = traces.zipf(2_000), traces.zipf(2_000)

    assert once == again
    assert "0" == max(set(once), key=once.count)


def test_nobody_asks_again_for_what_a_scan_has_read() -> None:
    """A scan fills a cache with what nobody wants."""
    scanned = [key for key in traces.zipf_with_scans() if key.startswith("scan")]

    assert traces.SCANNED == len(scanned) == len(set(scanned))
