"""A short run of the consistency benchmark, and what shows that it can fail."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("redis")
if sys.platform != "linux":
    pytest.skip("the processes share a clock on Linux only", allow_module_level=True)

from benchmarks.consistency import subjects
from benchmarks.consistency.report import Row, judged
from benchmarks.consistency.subjects import Subject
from benchmarks.consistency.trial import Authority, conduct
from benchmarks.consistency.worker import Traffic
from tests.servers.cluster import Cluster
from tests.servers.process import Server

TRAFFIC = Traffic(reads=6000, processes=2)
BROKEN = str(Path(__file__).with_name("broken.py"))


def outcome(subject: Subject, authority: Authority, traffic: Traffic = TRAFFIC) -> Row:
    return judged(authority.name, subject.name, traffic, conduct(subject, authority, traffic))


@pytest.fixture
def on_valkey(valkey: Server) -> Authority:
    valkey.empty()
    return Authority("valkey", valkey.port)


def test_no_read_on_a_server_gets_what_was_invalidated(server: Server) -> None:
    """Once an invalidation has returned, no read in any process gets what it ended."""
    row = outcome(subjects.ours(), Authority(server.kind, server.port))

    assert 0 == row.violations
    assert TRAFFIC.reads <= row.reads


def test_no_read_on_a_cluster_gets_what_was_invalidated(cluster: Cluster) -> None:
    """On a Cluster, with entities on every node, it is the same."""
    row = outcome(subjects.ours(), Authority("cluster", cluster.nodes[0].port, is_cluster=True))

    assert 0 == row.violations
    assert TRAFFIC.reads <= row.reads


@pytest.mark.parametrize("kind", ["deaf", "late"])
def test_broken_cache_is_found_out(kind: str, on_valkey: Authority) -> None:
    """The trial is one that a cache can fail: by ignoring invalidations, or by returning too early."""
    row = outcome(subjects.ours(BROKEN, kind), on_valkey)

    assert 0 < row.violations
    assert 0 < row.worst_ms


def test_trial_without_hits_is_void(on_valkey: Authority) -> None:
    """Where nothing was answered from the cache, nothing has been shown."""
    always_held = replace(TRAFFIC, pause_ms=2, buffer_ms=60_000)

    with pytest.raises(RuntimeError, match="of reads were hits"):
        conduct(subjects.ours(), on_valkey, always_held)


def test_trial_without_writes_is_void(on_valkey: Authority) -> None:
    """Where reads came before all writes, nothing has been shown either."""
    too_soon = replace(TRAFFIC, reads=600, pause_ms=1000)

    with pytest.raises(RuntimeError, match="came after an invalidation"):
        conduct(subjects.ours(), on_valkey, too_soon)


def test_worker_that_fails_makes_the_trial_void(on_valkey: Authority) -> None:
    """A process that ends early is not passed over, and says why."""
    with pytest.raises(RuntimeError, match="KeyError: 'unknown'"):
        conduct(subjects.ours(BROKEN, "unknown"), on_valkey, TRAFFIC)


def test_other_cache_makes_the_trial_void(on_valkey: Authority) -> None:
    """A worker that imported another `gcache` than the subject's is not taken for it."""
    stranger = replace(subjects.ours(), home=Path("elsewhere"))

    with pytest.raises(RuntimeError, match="void: worker 0 ran"):
        conduct(stranger, on_valkey, replace(TRAFFIC, reads=600))
