from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pytest

from gcache import GCache, GCacheConfig, GCacheKeyConfig, MemoryLayer
from tests.core.layers import AsyncLayer, AsyncRetiringLayer, BothSidedLayer, RetiringLayer, SyncLayer
from tests.core.stage import AsyncSide, Chance, Clock, Recorded, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count()
KINDS = [SyncLayer, AsyncLayer, BothSidedLayer, RetiringLayer, AsyncRetiringLayer]


@pytest.fixture
def clock() -> Clock:
    """The time of every instance of the test; it stands still."""
    return Clock()


@pytest.fixture
def recorded() -> Recorded:
    """The sink of every instance of the test."""
    return Recorded()


@pytest.fixture
def chance() -> Chance:
    """What chance says in every instance of the test."""
    return Chance()


@pytest.fixture
def make_gcache(
    clock: Clock, chance: Chance, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., GCache]]:
    """Makes instances that cache everything in memory for a minute, and ask the provider at every call.

    `as_other_process=True` makes one as another process would: instances of that process may have its prefix.
    """
    made: list[GCache] = []

    def make(*, as_other_process: bool = False, **config: Any) -> GCache:
        defaults: dict[str, Any] = {
            "cache_config_provider": lambda key: GCacheKeyConfig.enabled(60),
            "config_refresh_sec": 0,
            "layers": [MemoryLayer[Any](clock=clock.monotonic)],
            "metrics": recorded,
            "urn_prefix": f"urn:core-test-{next(_numbers)}",
        }
        with monkeypatch.context() as patch:
            patch.setattr("gcache.assembly.time", clock)
            patch.setattr("gcache.assembly._chance", chance)
            if as_other_process:
                patch.setattr("gcache.instances._live", WeakValueDictionary())
            made.append(GCache(GCacheConfig(**defaults | config)))
        return made[-1]

    yield make
    for gcache in made:
        gcache.close()


@pytest.fixture
def gcache(make_gcache: Callable[..., GCache]) -> GCache:
    """An instance with memory alone."""
    return make_gcache()


@pytest.fixture(params=["sync", "async"])
def side(request: pytest.FixtureRequest) -> Iterator[SyncSide | AsyncSide]:
    """Whence the calls come: a thread, or an event loop."""
    side = SyncSide() if request.param == "sync" else AsyncSide()
    yield side
    side.close()


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def remote(request: pytest.FixtureRequest, clock: Clock) -> Any:
    """The authority, with each of the sides that a layer may have."""
    return request.param("remote", clock)


@pytest.fixture
def local(clock: Clock) -> MemoryLayer[Any]:
    return MemoryLayer(clock=clock.monotonic)


@pytest.fixture
def disk(clock: Clock) -> SyncLayer:
    """A layer in the middle."""
    return SyncLayer("disk", clock)


@pytest.fixture(params=["memory", "remote", "both"])
def layers(request: pytest.FixtureRequest, local: MemoryLayer[Any], clock: Clock) -> list[Any]:
    """Chains with and without memory, and with and without an authority."""
    remote = SyncLayer("remote", clock)
    return {"memory": [local], "remote": [remote], "both": [local, remote]}[request.param]


@pytest.fixture(params=[False, True], ids=["untracked", "tracked"])
def tracked(request: pytest.FixtureRequest) -> bool:
    """Whether use cases are tracked for invalidation."""
    return bool(request.param)
