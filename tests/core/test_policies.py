"""Asking the config provider: when, how often, and what holds while it fails."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from gcache import GCacheKey, GCacheKeyConfig
from gcache.conformance.waiting import wait_until
from gcache.core.policies import MOST_ASKERS
from gcache.core.runtime import ThreadRuntime
from tests.core.stage import PATIENCE_SEC, AsyncSide, Clock, Recorded, Source, SyncSide, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcache import GCache

OFF = GCacheKeyConfig()
ON = GCacheKeyConfig.enabled(1000)


class Provider:
    """Says what it is told to say, and counts how often it is asked."""

    def __init__(self, answer: Any = ON) -> None:
        self.answer = answer
        self.keys: list[GCacheKey] = []

    def __call__(self, key: GCacheKey) -> Any:
        self.keys.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def awaited(self, key: GCacheKey) -> Any:
        await asyncio.sleep(0)
        return self(key)

    @property
    def asked(self) -> int:
        return len(self.keys)


class AsyncCallable:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self, key: GCacheKey) -> Any:
        return await self._provider.awaited(key)


FORMS: dict[str, Callable[[Provider], Any]] = {
    "object": lambda provider: provider,
    "function": lambda provider: lambda key: provider(key),
    "method": lambda provider: provider.__call__,
    "async method": lambda provider: provider.awaited,
    "async object": AsyncCallable,
    "async partial": lambda provider: functools.partial(provider.awaited),
}


class PausingThreads(ThreadRuntime):
    """Threads whose pauses last until a test says that they are over."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.are_over = threading.Event()

    async def pause(self, sec: float) -> None:
        self.pauses.append(sec)
        assert self.are_over.wait(PATIENCE_SEC)


@pytest.fixture
def provider() -> Provider:
    return Provider()


class TestForms:
    @pytest.mark.parametrize("form", FORMS)
    def test_any(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider, form: str
    ) -> None:
        """A provider may be anything that can be called or awaited, from threads and from loops."""
        gcache = make_gcache(cache_config_provider=FORMS[form](provider))
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        assert [get_user.key(1)] * 2 == provider.keys

    def test_none(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, recorded: Recorded
    ) -> None:
        """Without a provider nothing is cached, and it is counted why."""
        get_user = side.cached(gcache := make_gcache(cache_config_provider=None), Source())

        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]
        assert [("missing_config", 1)] * 2 == recorded.calls

    @pytest.mark.parametrize("provider", [None, lambda key: None], ids=["no provider", "no answer"])
    def test_default_config(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Any
    ) -> None:
        """Where nothing else is said the function's default holds."""
        gcache = make_gcache(cache_config_provider=provider)
        get_user = side.cached(gcache, Source(), default_config=ON)

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]

    def test_over_default(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, recorded: Recorded
    ) -> None:
        """What the provider says wins over the default, "nothing in no layer" as well."""
        gcache = make_gcache(cache_config_provider=lambda key: OFF)
        get_user = side.cached(gcache, Source(), default_config=ON)

        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]
        assert [("ramped_down", 1)] * 2 == recorded.calls


class TestRefresh:
    def test_every_call(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider
    ) -> None:
        """With an interval of 0 every call asks, and goes by the answer."""
        gcache = make_gcache(cache_config_provider=provider)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            first = [get_user(1), get_user(1)]
            provider.answer = OFF
            second = get_user(1)

        assert ([1, 1], 2, 3) == (first, second, provider.asked)

    def test_within_interval(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider, clock: Clock
    ) -> None:
        """Within the interval nobody asks again; each use case asks for itself."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())
        get_posts = side.cached(gcache, Source(), use_case="GetPosts")

        with gcache.enable():
            get_user(1)
            clock.advance(9.9)
            get_user(2)
            get_posts(1)

        assert ["GetUser", "GetPosts"] == [key.use_case for key in provider.keys]

    def test_beside_the_call(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider, clock: Clock
    ) -> None:
        """When the interval is over the call that notices goes by the old answer, those after by the new."""
        may_answer = threading.Event()
        may_answer.set()

        def provide(key: GCacheKey) -> Any:
            assert may_answer.wait(PATIENCE_SEC)
            return provider(key)

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            provider.answer = OFF
            may_answer.clear()
            clock.advance(10)
            noticed = get_user(1)
            may_answer.set()
            side.settle(gcache)
            afterwards = get_user(1)

        assert (1, 2, 2) == (noticed, afterwards, provider.asked)

    def test_in_threads(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, clock: Clock
    ) -> None:
        """A provider that blocks is asked in threads, whoever notices; no loop waits for each answer."""
        threads: list[str] = []

        def provide(key: GCacheKey) -> GCacheKeyConfig:
            threads.append(threading.current_thread().name)
            return ON

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(10)
            get_user(1)
            side.settle(gcache)

        assert ["gcache-helper"] == threads[1:]

    @pytest.mark.parametrize("steps", [0, 1], ids=["before it is asked", "before it answers"])
    def test_loops_that_end(
        self, make_gcache: Callable[..., GCache], provider: Provider, clock: Clock, steps: int
    ) -> None:
        """A new answer arrives also where each call has a loop of its own, which ends with the call."""

        async def provide(key: GCacheKey) -> Any:
            for _ in range(5):
                await asyncio.sleep(0)
            return provider(key)

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        source = Source()

        @gcache.cached("user_id", id_arg="user_id", use_case="GetUser")
        async def get_user(user_id: int) -> Any:
            return source()

        async def call() -> Any:
            try:
                return await get_user(1)
            finally:
                for _ in range(steps):
                    await asyncio.sleep(0)

        values = []
        with gcache.enable():
            for _ in range(4):
                values.append(asyncio.run(call()))
                provider.answer = OFF
                clock.advance(11)
        assert ([1, 1, 2, 3], 2) == (values, provider.asked)

    def test_idle_for_long(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider, clock: Clock
    ) -> None:
        """After a long time without calls the old answer is too old: the call waits for the new one."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            provider.answer = OFF
            clock.advance(10 + 100)

            assert 2 == get_user(1)

    def test_hit_when_due(
        self,
        make_gcache: Callable[..., GCache],
        side: SyncSide | AsyncSide,
        provider: Provider,
        clock: Clock,
        recorded: Recorded,
    ) -> None:
        """The call that notices is answered from memory, and counted, like any other."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            for _ in range(3):
                clock.advance(10)
                assert 1 == get_user(1)
                side.settle(gcache)

        assert [("absent", 1), ("local", 3)] == recorded.calls
        assert 4 == provider.asked

    def test_copy_when_due(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider, clock: Clock
    ) -> None:
        """What the call that notices gets is a copy, if copies were asked for."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=10)
        get_user = side.cached(gcache, Source(["first"], ["second"]), isolate="copy")

        with gcache.enable():
            get_user(1)
            for _ in range(2):
                clock.advance(10)
                user = get_user(1)
                side.settle(gcache)
                assert ["first"] == user
                user.append("changed")

    def test_invalidated_when_due(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider, clock: Clock
    ) -> None:
        """What was invalidated is not what the call that notices is answered with."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=10)
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            get_user(1)
            gcache.invalidate("user_id", 1)
            clock.advance(10)

            assert 2 == get_user(1)

    def test_changed_in_place(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, clock: Clock
    ) -> None:
        """A provider that returns what it returned before, with other contents, is heard all the same."""
        config = GCacheKeyConfig.enabled(1000)
        gcache = make_gcache(cache_config_provider=lambda _: config, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            cast("dict[str, float]", config.ramp)["*"] = 0
            clock.advance(10)
            noticed = get_user(1)
            side.settle(gcache)

            assert (1, 2) == (noticed, get_user(1))

    def test_class_of_its_own(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, clock: Clock
    ) -> None:
        """A configuration of a subclass, which may say something else each time, is asked each time."""

        class Ramped(GCacheKeyConfig):
            percents: ClassVar[list[float]] = []

            def percentage(self, layer: str) -> float:
                return self.percents.pop(0)

        config = Ramped({"*": 1000}, {"*": 100})
        gcache = make_gcache(cache_config_provider=lambda _: config, config_refresh_sec=10)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            Ramped.percents = [100.0, 100.0]
            get_user(1)
            Ramped.percents = [0.0, 0.0]
            clock.advance(10)
            noticed = get_user(1)
            side.settle(gcache)

            assert (1, 2) == (noticed, get_user(1))

    @pytest.mark.parametrize("count", [2, 20])
    async def test_asked_once(self, make_gcache: Callable[..., GCache], count: int) -> None:
        """Calls that begin while the provider is asked wait for that answer, and do not ask again."""
        gcache: Any = None
        asked = begun = 0

        async def provide(key: GCacheKey) -> GCacheKeyConfig:
            nonlocal asked
            asked += 1
            while begun < count:
                await asyncio.sleep(0)
            for _ in range(5):  # now that all have begun, let all come as far as they get
                await asyncio.sleep(0)
            return ON

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        get_user = gcache.cached("user_id", "user_id", "GetUser")(_aget)

        async def ask(user_id: int) -> int:
            nonlocal begun
            begun += 1
            return await get_user(user_id)

        with gcache.enable():
            results = await asyncio.wait_for(asyncio.gather(*map(ask, range(count))), PATIENCE_SEC)

        assert list(range(count)) == results
        assert 1 == asked

    def test_asked_once_by_threads(self, make_gcache: Callable[..., GCache]) -> None:
        """The same goes for threads."""
        asked = 0

        def provide(key: GCacheKey) -> GCacheKeyConfig:
            nonlocal asked
            asked += 1
            flights = gcache._engine.chain.routes.policies._flights
            wait_until(
                lambda: (
                    sum(
                        len(f._wakers)
                        for of_key in tuple(flights.under_way.values())
                        for f in tuple(of_key.values())
                    )
                    == 7
                ),
                sentence="the others wait",
            )
            return ON

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        get_user = SyncSide().cached(gcache, Source())

        def ask(user_id: int) -> Any:
            with gcache.enable():
                return get_user(user_id)

        in_threads(8, ask)

        assert 1 == asked

    def test_asked_for_one_and_for_many(self, make_gcache: Callable[..., GCache], recorded: Recorded) -> None:
        """Of two functions of one use case, for one id and for many, each waits for an answer of its own."""
        asked = threading.Barrier(2)

        def provide(key: GCacheKey) -> GCacheKeyConfig:
            asked.wait(PATIENCE_SEC)
            return ON

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        get_one = gcache.cached("user_id", "user_id", "GetUser")(lambda user_id: user_id)
        get_many = gcache.cached_many("user_id", "ids", "GetUser")(lambda ids: dict.fromkeys(ids))
        calls = [lambda: get_one(1), lambda: get_many([2])]

        def ask(number: int) -> Any:
            with gcache.enable():
                return calls[number]()

        answers = in_threads(2, ask)

        assert [1, {2: None}] == answers
        assert [("absent", 1), ("absent", 1)] == recorded.calls

    async def test_cancelled_while_asking(self, make_gcache: Callable[..., GCache]) -> None:
        """A first caller that is cancelled while it asks leaves the answer to the others: they are cached."""
        answers = asyncio.Event()

        async def provide(key: GCacheKey) -> GCacheKeyConfig:
            await answers.wait()
            return ON

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)
        get_user = gcache.cached("user_id", "user_id", "GetUser")(_aget)

        with gcache.enable():
            first, second = asyncio.create_task(get_user(1)), asyncio.create_task(get_user(1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            first.cancel()
            answers.set()
            await asyncio.wait_for(second, PATIENCE_SEC)

            assert 1 == await get_user.apeek(1)


async def _aget(user_id: int) -> int:
    return user_id


class TestFailure:
    @pytest.mark.parametrize("answer", [ValueError("down"), {"ttl_sec": 5}, True], ids=repr)
    @pytest.mark.parametrize("refresh_sec", [0, 10])
    def test_last_good(
        self,
        make_gcache: Callable[..., GCache],
        side: SyncSide | AsyncSide,
        provider: Provider,
        clock: Clock,
        recorded: Recorded,
        answer: Any,
        refresh_sec: float,
    ) -> None:
        """While the provider raises, or returns what is no configuration, the last good one holds."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=refresh_sec)
        get_user = side.cached(gcache, Source())
        error = type(answer if isinstance(answer, Exception) else TypeError()).__name__

        with gcache.enable():
            get_user(1)
            provider.answer = answer
            clock.advance(refresh_sec)
            results = [get_user(1)]
            side.settle(gcache)
            results.append(get_user(1))

        assert [1, 1] == results
        assert ("", error, False) in recorded.errors

    @pytest.mark.parametrize(
        ("expected", "default_config"), [([1, 2], None), ([1, 1], ON)], ids=["nothing", "default"]
    )
    def test_from_the_start(
        self,
        make_gcache: Callable[..., GCache],
        side: SyncSide | AsyncSide,
        expected: list[int],
        default_config: GCacheKeyConfig | None,
    ) -> None:
        """A provider that fails before it ever answered leaves it to the default, or nothing is cached."""
        gcache = make_gcache(cache_config_provider=Provider(ValueError("down")))
        get_user = side.cached(gcache, Source(), default_config=default_config)

        with gcache.enable():
            assert expected == [get_user(1), get_user(1)]

    def test_logged(
        self, make_gcache: Callable[..., GCache], clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is logged once a minute, not at every call."""
        gcache = make_gcache(cache_config_provider=Provider(ValueError("down")))
        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            for _ in range(3):
                get_user(1)
            clock.advance(60)
            get_user(1)

        assert [("gcache", logging.WARNING)] * 2 == [record[:2] for record in caplog.record_tuples]
        assert "GetUser" in caplog.text
        assert "ValueError: down" in caplog.text

    def test_recovery(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, provider: Provider
    ) -> None:
        """Once the provider answers again its answer holds."""
        gcache = make_gcache(cache_config_provider=provider)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            provider.answer = ValueError("down")
            get_user(1)
            provider.answer = OFF

            assert 2 == get_user(1)


class TestOwnCache:
    def test_cached_provider(self, make_gcache: Callable[..., GCache]) -> None:
        """A provider that asks a cached function, which asks the provider, comes to an end."""
        asked = 0

        def provide(key: GCacheKey) -> GCacheKeyConfig:
            nonlocal asked
            asked += 1
            if asked > 20:
                pytest.fail("the provider is asked on and on for its own use case")
            return settings(1)

        gcache = make_gcache(cache_config_provider=provide, config_refresh_sec=10)

        @gcache.cached("settings_id", "id", "Settings", default_config=ON)
        def settings(id: int) -> GCacheKeyConfig:
            return ON

        get_user = SyncSide().cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]


class TestClosed:
    def test_late_answer(self, make_gcache: Callable[..., GCache], provider: Provider) -> None:
        """An answer that comes in after `close` does not open the hot path again."""
        gcache = make_gcache(cache_config_provider=provider, config_refresh_sec=10)
        get_user = SyncSide().cached(gcache, Source())
        with gcache.enable():
            get_user(1)
        [use_case] = gcache._engine._use_cases.values()
        policy = use_case.policy

        gcache.close()
        use_case.adopt(policy, 2000.0)

        assert use_case.open_until < 1000


class TestManyAtOnce:
    """Policies that are due together are asked for beside the calls by a few, who never are too many."""

    class Slow:
        """A provider that answers when it is let, and takes a while by the clock."""

        def __init__(self, clock: Clock) -> None:
            self.clock = clock
            self.takes_sec = 0.0
            self.gate = threading.Event()
            self.gate.set()
            self.waiting: list[str] = []
            self.asked: list[str] = []

        def __call__(self, key: GCacheKey) -> Any:
            self.waiting.append(key.use_case)
            assert self.gate.wait(PATIENCE_SEC)
            self.asked.append(key.use_case)
            self.clock.advance(self.takes_sec)
            return ON

    @pytest.fixture
    def slow(self, clock: Clock) -> Iterator[Slow]:
        slow = self.Slow(clock)
        yield slow
        slow.gate.set()

    @pytest.fixture
    def functions(
        self, make_gcache: Callable[..., GCache], clock: Clock, slow: Slow
    ) -> tuple[GCache, list[Any]]:
        """A hundred functions whose policies are due, and whose provider is slow from now on."""
        gcache, side = make_gcache(cache_config_provider=slow, config_refresh_sec=10), SyncSide()
        functions = [side.cached(gcache, Source(), use_case=f"Get{number}") for number in range(100)]
        with gcache.enable():
            for get_user in functions:
                get_user(1)
        slow.gate.clear()
        clock.advance(10)
        slow.waiting.clear()
        slow.asked.clear()
        return gcache, functions

    def test_one_asks(self, functions: tuple[GCache, list[Any]], slow: Slow) -> None:
        """Of a hundred whose answers come at once one asks, and each is asked for once."""
        gcache, cached = functions
        askers = gcache._engine.chain.routes.policies._askers
        with gcache.enable():
            values = [get_user(1) for get_user in cached]
        wait_until(lambda: slow.waiting, sentence="somebody waits for an answer")
        assert 1 == len(askers)
        slow.gate.set()
        SyncSide().settle(gcache)

        assert [1] * 100 == values
        assert sorted(f"Get{number}" for number in range(100)) == sorted(slow.asked)

    def test_more_ask(self, functions: tuple[GCache, list[Any]], slow: Slow, clock: Clock) -> None:
        """If each answer takes a tenth of a second there are more, and 32 at most."""
        gcache, cached = functions
        policies = gcache._engine.chain.routes.policies
        slow.takes_sec = 0.1
        slow.gate.set()
        with gcache.enable():
            for get_user in cached:
                get_user(1)
                SyncSide().settle(gcache)
            slow.gate.clear()
            clock.advance(11)
            slow.waiting.clear()
            for get_user in cached:
                get_user(1)
        wait_until(lambda: len(slow.waiting) == MOST_ASKERS, sentence="32 wait for answers")

        assert MOST_ASKERS == len(policies._askers)

    def test_once_more(
        self, functions: tuple[GCache, list[Any]], slow: Slow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who had several to ask for looks again a little later, and asks for those that came meanwhile."""
        gcache, cached = functions
        policies, threads = gcache._engine.chain.routes.policies, PausingThreads()
        monkeypatch.setattr(policies, "_threads", threads)
        with gcache.enable():
            cached[0](1)
            cached[1](1)
            [asker] = policies._askers
            slow.gate.set()
            wait_until(lambda: threads.pauses, sentence="there is nothing more to ask for")
            cached[2](1)
            assert [asker] == list(policies._askers)
        threads.are_over.set()
        SyncSide().settle(gcache)

        assert ["Get0", "Get1", "Get2"] == slow.asked
        assert [0.01] == threads.pauses

    def test_slow_answers(self, functions: tuple[GCache, list[Any]], slow: Slow, clock: Clock) -> None:
        """Whoever waits for an answer for 10 ms keeps no other from asking; there are 32 at most."""
        gcache, cached = functions
        with gcache.enable():
            for get_user in cached[:40]:
                get_user(1)
                clock.advance(0.02)
        wait_until(lambda: len(slow.waiting) == MOST_ASKERS, sentence="those who ask wait for answers")
        waiting = list(slow.waiting)
        slow.gate.set()
        SyncSide().settle(gcache)

        assert {f"Get{number}" for number in range(MOST_ASKERS)} == set(waiting)
        assert sorted(f"Get{number}" for number in range(40)) == sorted(slow.asked)

    def test_no_answer(self, functions: tuple[GCache, list[Any]], slow: Slow, clock: Clock) -> None:
        """Where there is never an answer about one, others are asked for all the same."""
        gcache, cached = functions
        with gcache.enable():
            for questions in range(1, 8):
                cached[0](1)
                count = min(questions, 2)
                wait_until(lambda: len(slow.waiting) >= count, sentence="it is asked for, twice at most")  # noqa: B023
                clock.advance(10)
            cached[1](1)
        wait_until(lambda: "Get1" in slow.waiting, sentence="somebody asks for the other")
        assert ["Get0", "Get0", "Get1"] == sorted(slow.waiting)
        slow.gate.set()
        SyncSide().settle(gcache)
        clock.advance(10)
        with gcache.enable():
            cached[0](1)
            SyncSide().settle(gcache)

        assert ["Get0"] * 3 + ["Get1"] == sorted(slow.asked)

    def test_after_the_last(self, functions: tuple[GCache, list[Any]], slow: Slow, clock: Clock) -> None:
        """When those who ask are done they leave, and who comes later is asked for all the same."""
        gcache, cached = functions
        slow.gate.set()
        with gcache.enable():
            for _ in range(3):
                cached[0](1)
                SyncSide().settle(gcache)
                clock.advance(10)

        assert ["Get0"] * 3 == slow.asked
