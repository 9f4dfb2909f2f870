"""Shadow reads: a share of the hits is compared with the source, and no caller notices."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCacheKey, GCacheKeyConfig, MemoryLayer
from gcache.conformance.waiting import wait_until
from gcache.core.events import Hit, Shadow
from gcache.core.shadows import MOST_UNDER_WAY, is_drawn
from gcache.core.threads import Helpers
from tests.core.layers import SyncLayer
from tests.core.stage import PATIENCE_SEC, AsyncSide, Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcache import GCache

Side = SyncSide | AsyncSide
KEY = GCacheKey("user_id", 1, "GetName")


@pytest.fixture(params=[0, 1000], ids=["no hot path", "hot path"])
def shadowing(request: pytest.FixtureRequest, make_gcache: Callable[..., GCache]) -> Callable[..., GCache]:
    """Makes instances that shadow all hits, or what is given, on the hot path or behind it."""

    def make(
        shadow: float | dict[str, float] = 100, ramp: float | dict[str, float] = 100, **config: Any
    ) -> GCache:
        said = GCacheKeyConfig(
            ttl_sec={"*": 1000},
            ramp=ramp if isinstance(ramp, dict) else {"*": ramp},
            shadow=shadow if isinstance(shadow, dict) else {"*": shadow},
        )
        defaults = {"cache_config_provider": lambda key: said, "config_refresh_sec": request.param}
        return make_gcache(**defaults | config)

    return make


def chances(monkeypatch: pytest.MonkeyPatch, points: Iterable[float]) -> None:
    """Have chance say `points`, one after another."""
    ahead = iter(points)
    monkeypatch.setattr(random, "random", lambda: next(ahead))


def results(recorded: Recorded) -> list[str]:
    return [event.result for event in recorded.of(Shadow)]


def hits(recorded: Recorded) -> int:
    return sum(event.calls for event in recorded.of(Hit))


class Gate:
    """Lets a first load pass and holds all others up until it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self.is_open = threading.Event()
        self._passed = False

    def __call__(self) -> None:
        if self._passed:
            self.waiting += 1
            assert self.is_open.wait(PATIENCE_SEC)
        self._passed = True


class TestResult:
    def test_match(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """A hit whose source still returns an equal value is a match."""
        get_user = side.cached(gcache := shadowing(), source := Source(["a"], ["a"]))

        with gcache.enable():
            answers = [get_user(1), get_user(1)]
        side.settle(gcache)

        assert ([["a"], ["a"]], 2) == (answers, source.loads)
        assert [Shadow("GetUser", "user_id", "local", "match", 0)] == recorded.of(Shadow)

    def test_arguments_that_change(self, shadowing: Callable[..., GCache], recorded: Recorded) -> None:
        """A source that takes its arguments apart is compared, though their key cannot be made any more."""
        gcache = shadowing()

        @gcache.cached("item", id_arg=("items", lambda items: items[0]), use_case="GetItem")
        def get_item(items: list[int]) -> int:
            return items.pop(0)

        with gcache.enable():
            answers = [get_item([1]), get_item([1])]
        SyncSide().settle(gcache)

        assert [1, 1] == answers
        assert ["match"] == results(recorded)

    def test_mismatch(
        self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded, clock: Clock
    ) -> None:
        """Another value is a mismatch, as old as the entry was; the caller gets the cached one."""
        get_user = side.cached(gcache := shadowing(), source := Source("old", "new"))
        source.before = lambda: clock.advance(5)

        with gcache.enable():
            get_user(1)
            clock.advance(7)
            answer = get_user(1)
        side.settle(gcache)

        assert "old" == answer
        assert [Shadow("GetUser", "user_id", "local", "mismatch", 12)] == recorded.of(Shadow)

    def test_clock_behind(
        self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded, clock: Clock
    ) -> None:
        """An entry that was loaded by a clock ahead of this one has no age below 0."""
        get_user = side.cached(gcache := shadowing(layers=[SyncLayer("remote", clock)]), Source())

        with gcache.enable():
            get_user(1)
            clock.advance(-5)
            get_user(1)
        side.settle(gcache)

        assert [0] == [event.age_sec for event in recorded.of(Shadow)]

    def test_policy_due(
        self, make_gcache: Callable[..., GCache], side: Side, recorded: Recorded, clock: Clock
    ) -> None:
        """The hit of a call that finds its policy due is shadowed like any other."""
        config = GCacheKeyConfig({"*": 1000}, {"*": 100}, {"*": 100})
        gcache = make_gcache(cache_config_provider=lambda _: config, config_refresh_sec=10)
        get_user = side.cached(gcache, Source(["a"], ["a"]))

        with gcache.enable():
            get_user(1)
            clock.advance(10)
            get_user(1)
        side.settle(gcache)

        assert ["match"] == results(recorded)

    @pytest.mark.parametrize("error", [LookupError("gone"), StopIteration(), SystemExit(1)], ids=repr)
    def test_error(
        self,
        shadowing: Callable[..., GCache],
        side: Side,
        recorded: Recorded,
        caplog: pytest.LogCaptureFixture,
        error: BaseException,
    ) -> None:
        """A source that raises is an error, of no caller, and no failure of the cache."""
        if isinstance(side, AsyncSide) and isinstance(error, StopIteration):
            pytest.skip("a coroutine cannot raise it")
        get_user = side.cached(gcache := shadowing(), Source("old", error))

        with gcache.enable():
            answers = [get_user(1), get_user(1)]
        side.settle(gcache)

        assert ["old", "old"] == answers
        assert (["error"], [], []) == (results(recorded), recorded.errors, caplog.records)

    def test_own_comparison(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """A function may say itself what is equal; it is told the cached value first."""
        asked: list[tuple[str, str]] = []

        def equal(cached: str, loaded: str) -> bool:
            asked.append((cached, loaded))
            return cached.lower() == loaded.lower()

        get_user = side.cached(gcache := shadowing(), Source("ada", "ADA", "bob"), shadow_equal=equal)

        with gcache.enable():
            get_user(1)
            for _ in range(2):
                get_user(1)
                side.settle(gcache)

        assert [("ada", "ADA"), ("ada", "bob")] == asked
        assert ["match", "mismatch"] == results(recorded)

    def test_failing_comparison(
        self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded
    ) -> None:
        """A comparison that raises is an error."""
        get_user = side.cached(gcache := shadowing(), Source(), shadow_equal=lambda cached, loaded: 1 / 0)

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        side.settle(gcache)

        assert ["error"] == results(recorded)

    def test_counts(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """A shadow read is no call and no caller's load: each call is counted once, the load as one."""
        get_user = side.cached(gcache := shadowing(), source := Source())

        with gcache.enable():
            for _ in range(5):
                get_user(1)
                side.settle(gcache)

        assert (4, 4, 1, 5) == (hits(recorded), len(results(recorded)), recorded.loads, source.loads)
        assert 5 == sum(calls for _, calls in recorded.calls)


class TestSample:
    @pytest.mark.parametrize(("percent", "point", "expected"), [
        (0, 0.0, False), (100, 0.9999999, True), (30, 0.2999, True), (30, 0.3, False), (0.5, 0.0049, True),
    ])  # fmt: skip
    def test_is_drawn(self, percent: float, point: float, expected: bool) -> None:
        """0 is no hit, 100 is all of them, and what lies between is its share of chance."""
        assert expected == is_drawn(percent, point)

    @pytest.mark.parametrize("ramp", [{"*": 100}, {"*": 99.999999}], ids=["all entities", "most entities"])
    def test_share(
        self,
        shadowing: Callable[..., GCache],
        side: Side,
        recorded: Recorded,
        monkeypatch: pytest.MonkeyPatch,
        ramp: dict[str, float],
    ) -> None:
        """Of the hits in memory as many are shadowed as chance puts below the percentage; all are counted."""
        chances(monkeypatch, [point / 10 for point in range(10)])
        get_user = side.cached(gcache := shadowing(30, ramp), Source())

        with gcache.enable():
            for _ in range(11):
                get_user(1)
                side.settle(gcache)

        assert (10, 3) == (hits(recorded), len(results(recorded)))

    def test_none(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """At 0 no hit is shadowed, and without a word in the configuration there is no shadowing."""
        get_user = side.cached(gcache := shadowing(0), source := Source())

        with gcache.enable():
            assert [1] * 5 == [get_user(1) for _ in range(5)]
        side.settle(gcache)

        assert ([], 1) == (results(recorded), source.loads)
        assert {} == GCacheKeyConfig.enabled(60).shadow

    def test_switched(
        self, make_gcache: Callable[..., GCache], side: Side, recorded: Recorded, clock: Clock
    ) -> None:
        """What the provider says next holds for the hot path as well, from 0 to 100 and back."""
        said = [GCacheKeyConfig({"*": 1000}, {"*": 100}, {"*": percent}) for percent in (0, 100, 0)]
        ahead = itertools.chain(said, itertools.repeat(said[-1]))
        gcache = make_gcache(cache_config_provider=lambda key: next(ahead), config_refresh_sec=10)
        get_user = side.cached(gcache, Source())
        counts: list[int] = []

        with gcache.enable():
            get_user(1)
            for _ in said:
                for _ in range(3):
                    get_user(1)
                    side.settle(gcache)
                counts.append(len(results(recorded)))
                clock.advance(10)
                get_user.peek(1)
                side.settle(gcache)

        assert [0, 3, 3] == counts

    def test_remote(
        self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded, remote: Any
    ) -> None:
        """Hits of layers out of process are shadowed, too."""
        get_user = side.cached(gcache := shadowing(layers=[remote]), Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        side.settle(gcache)

        assert [Shadow("GetUser", "user_id", "remote", "mismatch", 0)] == recorded.of(Shadow)

    @pytest.mark.parametrize(
        ("expected", "shadow"), [(["remote"], {"*": 100, "local": 0}), (["local"] * 2, {"local": 100})]
    )
    def test_per_layer(
        self,
        shadowing: Callable[..., GCache],
        side: Side,
        recorded: Recorded,
        local: MemoryLayer[Any],
        clock: Clock,
        expected: list[str],
        shadow: dict[str, float],
    ) -> None:
        """Each layer has its own percentage."""
        gcache = shadowing(shadow, layers=[local, SyncLayer("remote", clock)])
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            local.clear("")
            for _ in range(3):
                get_user(1)
                side.settle(gcache)

        assert expected == [event.layer for event in recorded.of(Shadow)]

    def test_explicit(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """Reads of explicit keys are compared with what they would have loaded, by `==`."""
        gcache = shadowing()

        with gcache.enable():
            for source in (Source([1]), Source([1]), Source([2])):
                assert [1] == side.get(gcache, KEY, source)
                side.settle(gcache)

        assert ["match", "mismatch"] == results(recorded)

    def test_peek(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """To peek asks no source."""
        get_user = side.cached(gcache := shadowing(), source := Source())

        with gcache.enable():
            get_user(1)
            get_user.peek(1)
        side.settle(gcache)

        assert ([], 1) == (results(recorded), source.loads)


class TestLog:
    def test_line(
        self, shadowing: Callable[..., GCache], side: Side, caplog: pytest.LogCaptureFixture, clock: Clock
    ) -> None:
        """A mismatch is logged with use case, entity and age, no values, once a minute for a use case."""
        get_user = side.cached(gcache := shadowing(), Source("secret one", "secret two", *"abcdef"))
        lines: list[int] = []

        with gcache.enable():
            get_user(7)
            clock.advance(2.5)
            for _ in range(3):
                get_user(7)
                side.settle(gcache)
                lines.append(len(caplog.records))
                clock.advance(30)

        assert [1, 1, 2] == lines
        assert all(word in caplog.records[0].getMessage() for word in ("'GetUser'", "'user_id:7'", "2.500 s"))
        assert "secret" not in caplog.text


class TestBeside:
    def test_sync(self, shadowing: Callable[..., GCache], recorded: Recorded) -> None:
        """A caller has its answer while the shadow's source has none yet."""
        side, gate = SyncSide(), Gate()
        get_user = side.cached(gcache := shadowing(), source := Source())
        source.before = gate

        with gcache.enable():
            get_user(1)
            answer = get_user(1)
            wait_until(lambda: gate.waiting == 1, sentence="the source is run")
            unfinished = results(recorded)
            gate.is_open.set()
        side.settle(gcache)

        assert (1, [], ["mismatch"]) == (answer, unfinished, results(recorded))

    async def test_async(self, shadowing: Callable[..., GCache], recorded: Recorded) -> None:
        """So has one on a loop, whose shadow is a task of that loop."""
        gcache, may_answer = shadowing(), asyncio.Event()
        loads = 0

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            nonlocal loads
            loads += 1
            if loads > 1:
                await may_answer.wait()
            return loads

        with gcache.enable():
            answers = [await get_user(1), await get_user(1)]
            unfinished = results(recorded)
            may_answer.set()
            while gcache._engine.loops._tasks:
                await asyncio.sleep(0)

        assert ([1, 1], [], ["mismatch"]) == (answers, unfinished, results(recorded))

    def test_bound(self, shadowing: Callable[..., GCache], recorded: Recorded) -> None:
        """No more than a few sources run at once; a hit that is one too many is never shadowed."""
        side, gate = SyncSide(), Gate()
        get_user = side.cached(gcache := shadowing(), source := Source())
        source.before = gate

        with gcache.enable():
            for _ in range(MOST_UNDER_WAY + 12):
                get_user(1)
            wait_until(lambda: gate.waiting == MOST_UNDER_WAY, sentence="all that may run are running")
            gate.is_open.set()
            side.settle(gcache)
            get_user(1)
            side.settle(gcache)

        assert MOST_UNDER_WAY + 1 == len(results(recorded)) == source.loads - 1
        assert MOST_UNDER_WAY + 12 == hits(recorded)

    def test_kept_errors(self, shadowing: Callable[..., GCache], side: Side, recorded: Recorded) -> None:
        """Those that are over make room, also when somebody keeps the exception that they ended with."""
        errors = [LookupError() for _ in range(MOST_UNDER_WAY + 2)]
        get_user = side.cached(gcache := shadowing(), Source("old", *errors))

        with gcache.enable():
            get_user(1)
            for _ in errors:
                get_user(1)
                side.settle(gcache)

        assert ["error"] * len(errors) == results(recorded)

    def test_loop_ends(self, shadowing: Callable[..., GCache], recorded: Recorded) -> None:
        """Shadows that are cancelled with their loop before they have begun make room for others."""
        gcache, source = shadowing(), Source()

        async def read() -> None:
            await gcache.aget(KEY, load)
            for task in tuple(gcache._engine.loops._tasks):
                task.cancel()

        async def load() -> int:
            return source()

        with gcache.enable():
            for _ in range(MOST_UNDER_WAY + 2):
                asyncio.run(read())
            unfinished = results(recorded)
            gcache.get(KEY, source)
        SyncSide().settle(gcache)

        assert ([], ["mismatch"]) == (unfinished, results(recorded))

    def test_no_threads(
        self, shadowing: Callable[..., GCache], recorded: Recorded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no thread can be had nothing is shadowed, until one can."""
        side = SyncSide()
        get_user = side.cached(gcache := shadowing(), Source())

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with gcache.enable():
            with monkeypatch.context() as patch:
                patch.setattr("gcache.core.runtime.helpers", Helpers())
                patch.setattr(threading.Thread, "start", start)
                answers = [get_user(1) for _ in range(MOST_UNDER_WAY + 3)]
            get_user(1)
        side.settle(gcache)

        assert ([1] * (MOST_UNDER_WAY + 3), ["mismatch"]) == (answers, results(recorded))

    def test_after_fork(self, shadowing: Callable[..., GCache], recorded: Recorded) -> None:
        """In a child those that its parent runs take up no room."""
        side, gate = SyncSide(), Gate()
        get_user = side.cached(gcache := shadowing(), source := Source())
        source.before = gate

        with gcache.enable():
            for _ in range(MOST_UNDER_WAY + 1):
                get_user(1)
            wait_until(lambda: gate.waiting == MOST_UNDER_WAY, sentence="all that may run are running")
            gcache._engine.chain.shadows.after_fork()
            get_user(1)
            wait_until(lambda: gate.waiting == MOST_UNDER_WAY + 1, sentence="one more runs")
            gate.is_open.set()
        side.settle(gcache)

        assert MOST_UNDER_WAY + 1 == len(results(recorded))

    def test_context(self, shadowing: Callable[..., GCache], side: Side) -> None:
        """Cached functions inside the source ask their own sources, also behind a block that was enabled."""
        shadows = {"GetUser": {"*": 100}, "GetName": {}}
        gcache = shadowing(
            cache_config_provider=lambda key: GCacheKeyConfig({"*": 60}, {"*": 100}, shadows[key.use_case])
        )
        inner = Source()
        get_name = SyncSide().cached(gcache, inner, use_case="GetName")
        answers: list[int] = []
        source = Source()

        def before() -> None:
            answers.append(get_name(1))
            with gcache.enable():
                pass
            answers.append(get_name(1))

        source.before = before
        get_user = side.cached(gcache, source)

        with gcache.enable():
            get_user(1)
            get_user(1)
            side.settle(gcache)
            is_still_on = gcache._engine.enabled.get()

        assert ([1, 1, 2, 3], True) == (answers, is_still_on)


class TestInvalidated:
    @pytest.mark.parametrize("tracked", [True, False])
    def test_here(
        self,
        shadowing: Callable[..., GCache],
        side: Side,
        recorded: Recorded,
        caplog: pytest.LogCaptureFixture,
        tracked: bool,
    ) -> None:
        """A hit whose entity is invalidated, or flushed, before the source has answered says nothing."""
        get_user = side.cached(gcache := shadowing(), source := Source(), track_for_invalidation=tracked)
        forget: Callable[[], None] = lambda: gcache.invalidate("user_id", 1) if tracked else gcache.flushall()  # noqa: E731

        with gcache.enable():
            get_user(1)
            source.before = forget
            get_user(1)
        side.settle(gcache)

        assert ([], [], 2) == (results(recorded), caplog.records, source.loads)

    @pytest.mark.parametrize("trouble", ["invalidated", "held", "silent", None])
    def test_elsewhere(
        self,
        shadowing: Callable[..., GCache],
        side: Side,
        recorded: Recorded,
        remote: Any,
        trouble: str | None,
    ) -> None:
        """So does a hit of the authority whose epoch does not stand any more, or cannot be asked for."""
        gcache = shadowing(layers=[remote])
        get_user = side.cached(gcache, source := Source(), track_for_invalidation=True)
        [epoch] = [gcache._engine.keys.epoch("user_id", 1)]
        troubles: dict[str | None, Callable[[], object]] = {
            "invalidated": lambda: remote.stored.pop(epoch),
            "held": lambda: remote.stored.update({epoch: (b"h0", 1e9)}),
            "silent": lambda: remote.failing.add("get"),
            None: lambda: None,
        }

        with gcache.enable():
            get_user(1)
            source.before = troubles[trouble]
            get_user(1)
        side.settle(gcache)

        assert ([] if trouble else ["mismatch"], 2) == (results(recorded), source.loads)
