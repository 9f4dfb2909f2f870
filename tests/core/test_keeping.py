"""What of a load's outcome is kept: as the decorator and the source say."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import traceback
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from gcache import (
    MISSING,
    DecorationError,
    GCacheConfigError,
    GCacheKeyConfig,
    JsonSerializer,
    MemoryLayer,
    keep_for,
)
from gcache.core.events import Miss
from tests.core.layers import SyncLayer
from tests.core.stage import Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


class NotFound(Exception):
    """What a source raises for what there is not."""


class NotFoundHere(NotFound):
    def __init__(self, place: str, *, code: int) -> None:
        super().__init__(place)
        self.code = code


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, place: str, code: int = 0) -> None:
        super().__init__(place)
        self.code = code


class Unfaithful(NotFound):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self._said = secret

    def __str__(self) -> str:
        return self._said.upper()

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return {}


async def async_judge(value: object) -> bool:
    return bool(value)


def raised(get_user: Any, *args: Any) -> Exception:
    with pytest.raises(NotFound) as caught:
        get_user(*args)
    return caught.value


class TestExceptions:
    @pytest.mark.parametrize("serializer", [None, JsonSerializer()], ids=["pickle", "json"])
    def test_cached(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], serializer: Any
    ) -> None:
        """An exception that may be cached is raised again, with all it says, and nothing is loaded."""
        gcache = make_gcache(layers=layers)
        source = Source(NotFoundHere("shelf", code=404), 2)
        get_user = side.cached(gcache, source, cache_exceptions=(NotFound,), serializer=serializer)

        with gcache.enable():
            errors = [raised(get_user, 1) for _ in range(3)]

        assert [NotFoundHere] * 3 == [type(error) for error in errors]
        assert {("shelf", 404)} == {(str(error), error.code) for error in errors}  # type: ignore[attr-defined]
        assert 1 == source.loads

    def test_ttl(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """It is kept for `exception_ttl_sec`, and no longer."""
        gcache = make_gcache(
            layers=layers,
            cache_config_provider=lambda key: GCacheKeyConfig(
                ttl_sec={"*": 60}, ramp={"*": 100}, exception_ttl_sec=3
            ),
        )
        get_user = side.cached(gcache, Source(NotFound(), "found"), cache_exceptions=[NotFound])

        with gcache.enable():
            raised(get_user, 1)
            clock.advance(2.9)
            raised(get_user, 1)
            clock.advance(0.2)

            assert "found" == get_user(1)

    def test_not_listed(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """Other exceptions are not cached."""
        gcache = make_gcache(layers=layers)
        get_user = side.cached(gcache, Source(LookupError(), "found"), cache_exceptions=(NotFound,))

        with gcache.enable():
            with pytest.raises(LookupError):
                get_user(1)

            assert "found" == get_user(1)

    def test_hit(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], recorded: Recorded
    ) -> None:
        """A cached exception is a hit like any other, and no error."""
        gcache = make_gcache(layers=layers)
        get_user = side.cached(gcache, Source(NotFound()), cache_exceptions=(NotFound,))

        with gcache.enable():
            raised(get_user, 1)
            recorded.forget()
            raised(get_user, 1)

        assert ([(layers[0].name, 1)], []) == (recorded.calls, recorded.errors)

    def test_traceback(self, gcache: GCache, side: Any) -> None:
        """What is raised again carries the traceback of its own caller alone, however often it was raised."""
        get_user = side.cached(gcache, Source(NotFound()), cache_exceptions=(NotFound,))

        with gcache.enable():
            raised(get_user, 1)
            depths = [len(traceback.extract_tb(raised(get_user, 1).__traceback__)) for _ in range(3)]

        assert 1 == len(set(depths))

    def test_never_returned(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """A call that is looking in memory while an exception is stored there does not return it."""
        gcache = make_gcache(config_refresh_sec=1000)
        source = Source("value", NotFound("gone"))
        get_user = SyncSide().cached(gcache, source, cache_exceptions=(NotFound,))
        layer = gcache._engine.memory
        assert isinstance(layer, MemoryLayer)
        with gcache.enable():
            get_user(1)
            name = gcache._engine.keys.build(get_user.key(1))
            with pytest.raises(NotFound):
                get_user.refresh(1)

        for now in (clock.now - 1, clock.now, float("-inf")):
            entry = layer.find(name, now)
            assert entry is None or not entry.generation.alive

    def test_frames(self, gcache: GCache, side: Any) -> None:
        """What is kept holds on to nothing that its load had at hand, and gathers no notes."""

        class Thing:
            pass

        things: list[weakref.ref[Thing]] = []

        def fail() -> None:
            thing = Thing()
            things.append(weakref.ref(thing))
            raise NotFound("gone")

        source = Source()
        source.before = fail
        get_user = side.cached(gcache, source, cache_exceptions=(NotFound,))
        with gcache.enable():
            raised(get_user, 1).add_note("once")
            gc.collect()

            assert [None] == [thing() for thing in things]
            assert not hasattr(raised(get_user, 1), "__notes__")

    @pytest.mark.parametrize(
        "error", [Slotted("shelf", 404), ImportError("no", name="a", path="b")], ids=repr
    )
    def test_slots(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], error: Any
    ) -> None:
        """What an exception knows besides its arguments is not lost."""
        gcache = make_gcache(layers=layers)
        get_user = side.cached(gcache, Source(error, error), cache_exceptions=(Slotted, ImportError))
        names = ("code",) if isinstance(error, Slotted) else ("name", "path")

        with gcache.enable():
            for _ in range(2):
                with pytest.raises(type(error)) as caught:
                    get_user(1)
                assert [getattr(error, name) for name in names] == [
                    getattr(caught.value, name) for name in names
                ]

    def test_peek(self, gcache: GCache, side: Any) -> None:
        """An exception is no value: peeking finds none."""
        get_user = side.cached(gcache, Source(NotFound()), cache_exceptions=(NotFound,))

        with gcache.enable():
            raised(get_user, 1)

            assert MISSING is get_user.peek(1)

    def test_invalidated(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """An invalidation ends it."""
        gcache = make_gcache(layers=layers)
        options = {"cache_exceptions": (NotFound,), "track_for_invalidation": True}
        get_user = side.cached(gcache, Source(NotFound(), "found"), **options)

        with gcache.enable():
            raised(get_user, 1)
            side.do(gcache, "invalidate", "user_id", 1)

            assert "found" == get_user(1)

    def test_answer_and_not_a_failure(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """Nothing stale takes the place of an exception that may be cached."""
        gcache = make_gcache(
            layers=layers,
            cache_config_provider=lambda key: GCacheKeyConfig(
                ttl_sec={"*": 60}, ramp={"*": 100}, stale_if_error_sec=30
            ),
        )
        get_user = side.cached(gcache, Source("old", NotFound()), cache_exceptions=(NotFound,))

        with gcache.enable():
            get_user(1)
            clock.advance(61)
            raised(get_user, 1)

    def test_foreign(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, recorded: Recorded
    ) -> None:
        """An exception in a layer that this function does not let be cached is no hit, and is not made."""
        remote = SyncLayer("remote", clock)
        prefix = "urn:foreign-exceptions"
        with make_gcache(layers=[remote], urn_prefix=prefix) as gcache, gcache.enable():
            raised(side.cached(gcache, Source(NotFound()), cache_exceptions=(NotFound,)), 1)
        gcache = make_gcache(layers=[SyncLayer("remote", clock, remote.stored)], urn_prefix=prefix)
        get_user = side.cached(gcache, Source("mine"), cache_exceptions=(LookupError,))

        with gcache.enable():
            assert "mine" == get_user(1)
        assert "unloadable" == recorded.of(Miss)[-1].reason

    def test_would_not_come_back(
        self, make_gcache: Callable[..., GCache], side: Any, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One that would come back as another is not stored, its caller gets it, and the log says so."""
        gcache = make_gcache(layers=[SyncLayer("remote", clock)])
        get_user = side.cached(gcache, source := Source(*[Unfaithful("x")] * 2), cache_exceptions=(NotFound,))

        with gcache.enable(), caplog.at_level(logging.WARNING, "gcache"):
            raised(get_user, 1)
            raised(get_user, 1)

        assert 2 == source.loads
        assert "Unfaithful" in caplog.text

    @pytest.mark.parametrize("wrong", [NotFound, 3, ("NotFound",), (BaseException,), (int,)], ids=repr)
    def test_refused(self, gcache: GCache, side: Any, wrong: Any) -> None:
        """What is no tuple of exception classes is refused at decoration."""
        with pytest.raises(DecorationError, match="cache_exceptions"):
            side.cached(gcache, Source(), cache_exceptions=wrong)


class TestCacheIf:
    def test_judged(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """Only values that the function finds good are kept."""
        gcache = make_gcache(layers=layers)
        get_user = side.cached(gcache, Source(None, None, "full"), cache_if=lambda value: value is not None)

        with gcache.enable():
            assert [None, None, "full", "full"] == [get_user(1) for _ in range(4)]

    def test_refreshed(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """A refresh that brings what is not kept ends what was."""
        gcache = make_gcache(layers=layers)
        get_user = side.cached(gcache, Source(1, None, 3), cache_if=lambda value: value is not None)

        with gcache.enable():
            get_user(1)
            get_user.refresh(1)

            assert 3 == get_user(1)

    def test_failing(
        self, gcache: GCache, side: Any, recorded: Recorded, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What it raises hurts nobody: the value is served and not kept, and the log says so."""
        get_user = side.cached(gcache, Source(1, 2), cache_if=lambda value: value["a"])

        with gcache.enable(), caplog.at_level(logging.WARNING, "gcache"):
            assert [1, 2] == [get_user(1), get_user(1)]
        assert "because its cache_if failed: TypeError" in caplog.text

    def test_stale(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """A later value that is not kept ends what was kept to be served stale."""
        gcache = make_gcache(
            layers=layers,
            cache_config_provider=lambda key: GCacheKeyConfig(
                ttl_sec={"*": 60}, ramp={"*": 100}, stale_if_error_sec=30
            ),
        )
        source = Source("old", "", LookupError("down"))
        get_user = side.cached(gcache, source, cache_if=lambda value: value != "")

        with gcache.enable():
            get_user(1)
            clock.advance(61)
            assert "" == get_user(1)
            with pytest.raises(LookupError):
                get_user(1)

    @pytest.mark.parametrize("wrong", [True, async_judge], ids=["bool", "async"])
    def test_refused(self, gcache: GCache, side: Any, wrong: Any) -> None:
        """What cannot be called, or does not answer at once, is refused at decoration."""
        with pytest.raises(DecorationError, match="cache_if"):
            side.cached(gcache, Source(), cache_if=wrong)


class TestKeepFor:
    @staticmethod
    def cached(gcache: GCache, side: Any, said: Any) -> tuple[Any, Source]:
        source = Source()
        source.before = lambda: keep_for(said)
        return side.cached(gcache, source), source

    def test_shorter(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """A source can shorten what the configuration says."""
        gcache = make_gcache(layers=layers)
        get_user, _ = self.cached(gcache, side, 5)

        with gcache.enable():
            get_user(1)
            clock.advance(4.9)
            in_time = get_user(1)
            clock.advance(0.2)

            assert (1, 2) == (in_time, get_user(1))

    def test_not_at_all(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """If a value is not kept, neither is an older one, to be served stale."""
        config = evolve(GCacheKeyConfig.enabled(60), stale_if_error_sec=600)
        gcache = make_gcache(layers=layers, cache_config_provider=lambda key: config)
        source = Source(1, 2, LookupError())
        get_user = side.cached(gcache, source)

        with gcache.enable():
            get_user(1)
            clock.advance(61)
            source.before = lambda: keep_for(0)
            get_user(1)
            with pytest.raises(LookupError):
                get_user(1)

    def test_not_longer(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """Seconds do not lengthen it."""
        gcache = make_gcache(layers=layers)
        get_user, _ = self.cached(gcache, side, 500)

        with gcache.enable():
            get_user(1)
            clock.advance(61)

            assert 2 == get_user(1)

    def test_nothing(self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any]) -> None:
        """With 0 nothing is kept."""
        gcache = make_gcache(layers=layers)
        get_user, _ = self.cached(gcache, side, 0)

        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]

    def test_configuration(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], clock: Clock
    ) -> None:
        """A configuration takes the place of the configured TTLs, and may be longer."""
        gcache = make_gcache(layers=layers)
        get_user, _ = self.cached(gcache, side, GCacheKeyConfig.enabled(500))

        with gcache.enable():
            get_user(1)
            clock.advance(499)

            assert 1 == get_user(1)

    def test_layers(
        self, make_gcache: Callable[..., GCache], side: Any, local: MemoryLayer[Any], clock: Clock
    ) -> None:
        """A configuration may leave layers out."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[local, remote])
        get_user, _ = self.cached(gcache, side, GCacheKeyConfig(ttl_sec={"local": 5}))

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        assert [] == remote.entries()

    def test_inner(self, gcache: GCache, side: Any) -> None:
        """It counts for the innermost cached function, and for no other."""
        inner, _ = self.cached(gcache, SyncSide(), 0)
        source = Source("outer", "again")
        source.before = lambda: inner(1)
        outer = side.cached(gcache, source, use_case="Outer")

        with gcache.enable():
            assert ["outer", "outer"] == [outer(1), outer(1)]
            assert [2, 3] == [inner(1), inner(1)]

    def test_bypassed(self, gcache: GCache, side: Any) -> None:
        """What a function says that is not cached itself counts for no load around it."""
        inner, _ = self.cached(gcache, SyncSide(), 0)
        source = Source("outer", "again")
        source.before = lambda: inner(object())  # no key can be built for it
        outer = side.cached(gcache, source, use_case="Outer")

        with gcache.enable():
            assert ["outer", "outer"] == [outer(1), outer(1)]

    def test_not_cached(self, gcache: GCache, side: Any) -> None:
        """Where nothing is cached it does nothing."""
        get_user, _ = self.cached(gcache, side, 5)

        assert [1, 2] == [get_user(1), get_user(1)]

    @pytest.mark.parametrize("wrong", [-1, "5", None, float("nan"), True], ids=repr)
    def test_refused(self, wrong: Any) -> None:
        """What is neither seconds nor a configuration is refused, wherever it is said."""
        with pytest.raises(GCacheConfigError, match="ttl_sec"):
            keep_for(wrong)


class TestIsolate:
    @pytest.mark.parametrize("refresh_sec", [0, 1000], ids=["chain", "hot path"])
    def test_nobody_shares(
        self, make_gcache: Callable[..., GCache], side: Any, layers: list[Any], refresh_sec: float
    ) -> None:
        """What one caller does to a value reaches no other, be it the one who loaded it."""
        gcache = make_gcache(layers=layers, config_refresh_sec=refresh_sec)
        get_user = side.cached(gcache, Source({"tags": ["a"]}), isolate="copy")

        with gcache.enable():
            for _ in range(4):
                value = get_user(1)
                assert {"tags": ["a"]} == value
                value["tags"].append("b")

    def test_one_flight(self, make_gcache: Callable[..., GCache]) -> None:
        """Those who share a load do not share its value."""
        gcache, gate = make_gcache(), asyncio.Event()

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser", isolate="copy")
        async def get_user(user_id: int) -> list[int]:
            await gate.wait()
            return [1]

        async def ask() -> list[int]:
            value = await get_user(1)
            seen = list(value)
            value.clear()
            return seen

        async def main() -> list[list[int]]:
            with gcache.enable():
                tasks = [asyncio.create_task(ask()) for _ in range(5)]
                for _ in range(20):
                    await asyncio.sleep(0)
                gate.set()
                return await asyncio.gather(*tasks)

        assert [[1]] * 5 == asyncio.run(main())

    def test_shared_by_default(self, gcache: GCache, side: Any) -> None:
        """Without it memory gives back the very object."""
        get_user = side.cached(gcache, Source({}))

        with gcache.enable():
            assert get_user(1) is get_user(1)

    def test_peek_and_refresh(self, gcache: GCache, side: Any) -> None:
        """Who peeks or refreshes gets a copy as well."""
        get_user = side.cached(gcache, Source([1], [2]), isolate="copy")

        with gcache.enable():
            get_user(1)
            get_user.peek(1).append(9)
            assert [1] == get_user(1)
            get_user.refresh(1).append(9)
            assert [2] == get_user(1)

    def test_cannot_be_copied(self, gcache: GCache, side: Any, caplog: pytest.LogCaptureFixture) -> None:
        """A value that cannot be copied is served and not kept in memory, and the log says so."""

        class Uncopyable:
            def __deepcopy__(self, memo: Any) -> Any:
                raise pickle.PicklingError("one of a kind")

        get_user = side.cached(gcache, source := Source(Uncopyable(), Uncopyable()), isolate="copy")

        with gcache.enable(), caplog.at_level(logging.WARNING, "gcache"):
            get_user(1)
            get_user(1)

        assert 2 == source.loads
        assert "is not stored in layer 'local': one of a kind" in caplog.text

    def test_refused(self, gcache: GCache, side: Any) -> None:
        """What is no way to isolate is refused at decoration."""
        with pytest.raises(DecorationError, match='give "copy"'):
            side.cached(gcache, Source(), isolate="deep")
