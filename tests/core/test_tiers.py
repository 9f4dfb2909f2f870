"""A layer as the chain sees it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import pytest

from gcache import (
    GCacheConfigError,
    GCacheKeyConfig,
    LayerUnavailable,
    MemoryLayer,
)
from gcache.core.runtime import LoopRuntime
from gcache.core.tiers import Tier, link
from tests.core.layers import AsyncLayer, LayerDown, SyncLayer
from tests.core.stage import Clock, Recorded, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

ENTITY = "user_id", 1


class TestTiers:
    @pytest.mark.parametrize("name", ["", "*"])
    def test_name(self, clock: Clock, name: str) -> None:
        """A layer cannot have the name that speaks for all, nor none."""
        with pytest.raises(GCacheConfigError, match="cannot be named"):
            Tier(name, layer=SyncLayer(name, clock))

    def test_same_name(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """Two layers cannot have one name."""
        with pytest.raises(GCacheConfigError, match="share a name"):
            make_gcache(layers=[SyncLayer("a", clock), SyncLayer("a", clock)])

    def test_incomplete(self, make_gcache: Callable[..., GCache]) -> None:
        """A layer that lacks something is told what, when it is configured."""

        class Half:
            name = "half"

            def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                return [None for _ in keys]

            async def aput(self, items: Mapping[str, bytes], ttl: float) -> None: ...

        with pytest.raises(GCacheConfigError, match=r"'half' \(Half\) lacks add, delete, clear, close"):
            make_gcache(layers=[Half()])

    def test_mixed_sides(self, clock: Clock) -> None:
        """A layer may block for one thing and be awaited for another, as long as it can do all."""

        class Mixed(SyncLayer):
            async def aput(self, items: Mapping[str, bytes], ttl: float) -> None: ...

        assert Tier("mixed", layer=Mixed("mixed", clock)).is_made

    def test_read_in_fewer_steps(self, clock: Clock) -> None:
        """A layer's `aget` may say how to begin it; one that takes its place is asked itself."""

        class Quick(AsyncLayer):
            async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                return [b"aget" for _ in keys]

            async def begun(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                return [b"begun" for _ in keys]

            aget.begins = lambda self: self.begun  # type: ignore[attr-defined]

        class Own(Quick):
            async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                return [b"own" for _ in keys]

        class Traced(Quick):
            @functools.wraps(Quick.aget)
            async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                return [b"traced " + value for value in await super().aget(keys) if value is not None]

        async def read(layer: AsyncLayer) -> Sequence[Any]:
            outcome = await Tier("remote", layer=layer).get(LoopRuntime(), ["key"])
            return outcome.value

        assert [b"begun"] == asyncio.run(read(Quick("remote", clock)))
        assert [b"own"] == asyncio.run(read(Own("remote", clock)))
        assert [b"traced aget"] == asyncio.run(read(Traced("remote", clock)))
        patched = Quick("remote", clock)
        patched.aget = AsyncMock(return_value=[b"mock"])  # type: ignore[method-assign]
        assert [b"mock"] == asyncio.run(read(patched))

    def test_authority(self, clock: Clock) -> None:
        """The last layer out of process is the authority; memory never is."""
        tiers = [Tier("local", layer=MemoryLayer[Any]()), Tier("remote", layer=SyncLayer("remote", clock))]

        assert [False, True] == [tier.is_authority for tier in link(tiers)]
        assert not link([Tier("local", layer=MemoryLayer[Any]())])[-1].is_authority

    def test_made_when_used(self, clock: Clock) -> None:
        """A layer that is made when it is used is made once, and not by asking whether it is."""
        made: list[SyncLayer] = []
        tier = Tier("remote", make=lambda: made.append(SyncLayer("remote", clock)) or made[-1])

        assert (False, []) == (tier.is_made, made)
        assert [tier.can("get"), tier.can("retire"), tier.is_made] == [True, False, True]
        assert 1 == len(made)

    def test_made_later(self) -> None:
        """One that cannot be made can do nothing, and is tried again."""
        attempts: list[int] = []

        def make() -> SyncLayer:
            attempts.append(1)
            raise LayerDown

        tier = Tier("remote", make=make)

        assert [False, False] == [tier.can("get"), tier.can("get")]
        assert 2 == len(attempts)

    def test_factory_fails(self, make_gcache: Callable[..., GCache], side: Any, recorded: Recorded) -> None:
        """A client that cannot be made is a layer in trouble, and nothing to close."""

        def factory() -> Any:
            raise ConnectionError("no route")

        gcache = make_gcache(layers=None, redis_client_factory=factory)
        get_user = side.cached(gcache, Source(), default_config=GCacheKeyConfig.enabled(60))

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
            with pytest.raises(LayerUnavailable):
                side.do(gcache, "invalidate", *ENTITY)
        side.do(gcache, "close")
        assert ("remote", "ConnectionError", False) in recorded.errors
