"""The chain of four layers that the page on composing shows: memory, disk, memcached and Redis, all real."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pytest

from gcache import GCache, GCacheKeyConfig
from tests.core.stage import AsyncSide, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from tests.servers.memcached import Memcached
    from tests.servers.process import Server

pytest.importorskip("gcache_diskcache")
pytest.importorskip("gcache_memcached")

PAGE = Path(__file__).parent.parent / "docs" / "compose.md"
NAMES = ["local", "disk", "memcached", "remote"]
ALL = GCacheKeyConfig.enabled(600)


class Chain:
    """The page's own example, on servers of this test; `config` is what its provider returns."""

    def __init__(self, text: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config = ALL
        self.recorded = recorded
        self._text = text
        self._monkeypatch = monkeypatch
        self._made: list[GCache] = []

    def open(self) -> GCache:
        """Return an instance, as one more process would make it."""
        namespace: dict[str, Any] = {}
        with self._monkeypatch.context() as patch:
            patch.setattr("gcache.instances._live", WeakValueDictionary())
            exec(self._text, namespace, namespace)  # the page's own lines
        namespace["what_to_do"] = lambda key: self.config
        gcache: GCache = namespace["gcache"]
        gcache._engine.recorder._sink = self.recorded
        self.recorded.before_collect(gcache._engine.recorder.deliver)
        self._made.append(gcache)
        return gcache

    def close(self) -> None:
        for gcache in self._made:
            gcache.close()


@pytest.fixture(params=[SyncSide, AsyncSide])
def side(request: pytest.FixtureRequest) -> Iterator[Any]:
    side = request.param()
    yield side
    side.close()


@pytest.fixture
def chain(
    tmp_path: Path, memcached: Memcached, valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Chain]:
    valkey.empty()
    [text] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for shown, real in (
        ("/var/cache/shop", str(tmp_path / "disk")),
        ("cache-a:11211,cache-b:11211", f"{memcached.host}:{memcached.port}"),
        ("redis://redis:6379", f"redis://{valkey.host}:{valkey.port}"),
        ("cache_config_provider=what_to_do", "cache_config_provider=lambda key: what_to_do(key)"),
        ("layers=[", "config_refresh_sec=0,\n        layers=["),
    ):
        assert shown in text
        text = text.replace(shown, real)
    chain = Chain(text, Recorded(), monkeypatch)
    yield chain
    chain.close()


def answered_by(chain: Chain, gcache: GCache, call: Callable[[], Any]) -> str:
    """Return the layer that answers a call, or why none does."""
    chain.recorded.forget()
    with gcache.enable():
        call()
    [(what, _)] = chain.recorded.calls
    return what


def forget(gcache: GCache, *names: str) -> None:
    """Have the layers of these names forget everything."""
    for tier in gcache._engine.chain.tiers:
        if tier.name in names:
            tier._layer.clear("urn:shop")
            tier._layer.clear("{urn:shop")


def test_a_hit_fills_what_is_nearer(chain: Chain, side: Any) -> None:
    """Whichever layer has an entry, all that are nearer have it afterwards."""
    gcache = chain.open()
    get_user = side.cached(gcache, source := Source())
    answers = [answered_by(chain, gcache, lambda: get_user(1))]
    for depth in (3, 2, 1, 0):
        forget(gcache, *NAMES[:depth])
        answers.append(answered_by(chain, gcache, lambda: get_user(1)))

    assert ["absent", "remote", "memcached", "disk", "local"] == answers
    assert 1 == source.loads


def test_ttl_of_each_layer(chain: Chain, side: Any) -> None:
    """A layer whose TTL is 0 keeps nothing, and so does one that is not named; the others do."""
    chain.config = GCacheKeyConfig(
        ttl_sec={"local": 60, "memcached": 0, "remote": 60},
        ramp={"local": 100, "memcached": 100, "remote": 100},
    )
    gcache = chain.open()
    get_user = side.cached(gcache, Source())
    answered_by(chain, gcache, lambda: get_user(1))
    chain.config = ALL
    answers = []
    for _ in range(2):
        answers.append(answered_by(chain, gcache, lambda: get_user(1)))
        forget(gcache, "local", "disk", "memcached")

    assert ["local", "remote"] == answers


def test_ramp_of_each_layer(chain: Chain, side: Any) -> None:
    """A layer that is ramped down is neither read nor written, at once and while everything runs."""
    gcache = chain.open()
    get_user = side.cached(gcache, Source())
    answered_by(chain, gcache, lambda: get_user(1))
    answers = []
    for name in NAMES:
        chain.config = GCacheKeyConfig(ttl_sec={"*": 60}, ramp={name: 100})
        answers.append(answered_by(chain, gcache, lambda: get_user(1)))

    assert NAMES == answers


@pytest.mark.parametrize("dead", ["memcached", "disk"])
def test_a_dead_layer_is_skipped(chain: Chain, side: Any, dead: str, memcached: Memcached) -> None:
    """A layer that is away costs no call its answer; those behind it answer, those before it are filled."""
    gcache = chain.open()
    get_user = side.cached(gcache, source := Source())
    answered_by(chain, gcache, lambda: get_user(1))
    if dead == "memcached":
        memcached.kill()
    else:
        [disk] = [tier._layer for tier in gcache._engine.chain.tiers if tier.name == "disk"]
        disk.close()
    forget(gcache, *({"local", "disk", "memcached"} - {dead}))
    answers = [answered_by(chain, gcache, lambda: get_user(1)) for _ in range(2)]
    answers.append(answered_by(chain, gcache, lambda: get_user(2)))

    assert ["remote", "local", "absent"] == answers
    assert 2 == source.loads


def test_tracked_entries_stay_out_of_the_middle(chain: Chain, side: Any, memcached: Memcached) -> None:
    """A tracked use case is kept in memory and in the authority, though all four are ramped up."""
    gcache = chain.open()
    get_user = side.cached(gcache, Source(), track_for_invalidation=True)
    answers = [answered_by(chain, gcache, lambda: get_user(1)) for _ in range(2)]
    forget(gcache, "local")
    answers.append(answered_by(chain, gcache, lambda: get_user(1)))

    assert ["absent", "local", "remote"] == answers
    assert 0 == memcached.items()


def test_invalidation_is_exact(chain: Chain, side: Any) -> None:
    """What one process invalidates, the next read in each process loads anew, whatever four layers hold."""
    chain.config = GCacheKeyConfig(ttl_sec={"*": 60, "local": 0}, ramp={"*": 100})
    here, there = chain.open(), chain.open()
    source = Source()
    reads = [side.cached(gcache, source, track_for_invalidation=True) for gcache in (here, there)]
    found = []
    with here.enable(), there.enable():
        for gcache in (here, there) * 3:
            found += [read(1) for read in reads]
            side.do(gcache, "invalidate", "user_id", 1)

    assert [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6] == found
