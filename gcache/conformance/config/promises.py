"""The suite for config providers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from gcache.conformance._blocking import kept_waiting
from gcache.conformance._sides import Loops
from gcache.conformance._together import Child, in_threads
from gcache.conformance.config.provider import Asking, KeptEvents, used
from gcache.conformance.keys import samples
from gcache.conformance.suite import Suite, forgotten, needs
from gcache.core.events import Error
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey
from gcache.core.runtime import is_awaited


class ConfigProviderSuite(Suite, topic="configuration"):
    """All that a config provider promises. Give it the fixture `provider`, which is sync or async.

    What the provider answers is taken to stay the same during a test.
    """

    known_key: ClassVar[GCacheKey | None] = None
    """A key for which the provider has a configuration."""

    unknown_key: ClassVar[GCacheKey | None] = None
    """A key for which it has none, so that each function's `default_config` holds."""

    @pytest.fixture
    def provider(self) -> Any:
        """The provider that is tried."""
        forgotten(
            self,
            "provider",
            """
            @pytest.fixture
            def provider(self):
                return MyProvider("https://config.example")
            """,
        )

    @pytest.fixture
    def ask(self, provider: Any) -> Asking:
        """The provider, to be asked in one way."""
        return Asking(provider)

    @settings(
        deadline=None,
        max_examples=60,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what is drawn is short as it is
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(key=samples.keys)
    def test_any_key(self, ask: Asking, key: GCacheKey) -> None:
        """Whatever key it is asked with, it answers a GCacheKeyConfig or None, and raises nothing.

        What it raises is counted as an error and logged; what it answers else is, too. The call goes on with
        the last good answer, so that nobody sees the new one.
        """
        assert isinstance(ask(key), GCacheKeyConfig | None)

    def test_awkward_keys(self, ask: Asking) -> None:
        """Ids and arguments may be of any type, and use cases unheard of, with any characters in them.

        Core asks with the key of the call that made it ask.
        """
        keys = [GCacheKey("k", object(), "U", {"x": object()}), GCacheKey("k", None, "U", {"x": [{}]})]
        keys += [*samples.neighbours()][::97]
        odd = [key for key in keys if not isinstance(ask(key), GCacheKeyConfig | None)]

        assert [] == odd

    def test_unheard_of(self, ask: Asking) -> None:
        """A use case that did not exist until now gets None, or what holds for all, and no exception.

        A new function is deployed before anybody configures it.
        """
        found = [ask(GCacheKey("user_id", 1, f"New{uuid.uuid4().hex}")) for _ in range(3)]

        assert [found[0]] * 3 == found
        assert isinstance(found[0], GCacheKeyConfig | None)

    @needs("known_key")
    def test_known(self, ask: Asking) -> None:
        """For `known_key` there is a GCacheKeyConfig.

        A dictionary or a number would be refused by core, and the use case would stay as it was.
        """
        assert isinstance(ask(self._known()), GCacheKeyConfig)

    @needs("unknown_key")
    def test_unknown(self, ask: Asking) -> None:
        """For `unknown_key` it answers None.

        None lets each function's `default_config` hold; an empty GCacheKeyConfig turns caching off.
        """
        assert ask(cast("GCacheKey", self.unknown_key)) is None

    def test_kind_is_told(self, provider: Any) -> None:
        """It is an async function, or an object whose `__call__` is one, if its answer is to be awaited.

        Core looks at that once, to know on which side to call it. A coroutine that a plain function returns
        is no configuration.
        """
        answer = provider(self._some_key())
        is_awaitable = isinstance(answer, Awaitable)
        if is_awaitable:
            loops = Loops()
            loops.run(cast("Awaitable[Any]", answer))
            loops.close()

        assert is_awaited(provider) == is_awaitable

    def test_same_again(self, ask: Asking) -> None:
        """As long as nothing is changed, equal keys get equal answers, however often it is asked.

        Core asks about once a second. Use cases that flicker between two configurations are hard to explain.
        """
        key = self._some_key()
        equal = GCacheKey(key.key_type, key.id, key.use_case, key.args, key.track_for_invalidation)
        answers = [ask(one) for one in (key, equal) * 10]

        assert [answers[0]] * 20 == answers

    def test_answers_are_apart(self, ask: Asking) -> None:
        """What was asked in between, about other keys, does not change the answer.

        All use cases of an application ask one provider.
        """
        key = self._some_key()
        before = ask(key)
        for other in [*samples.neighbours()][::199]:
            ask(other)

        assert before == ask(key)

    def test_many_threads(self, ask: Asking) -> None:
        """Eight threads that ask at once, each with a loop of its own if it is async, get the same answers.

        Core asks from whichever thread or loop has a call.
        """
        keys = [self._some_key(), *samples.neighbours()][:1000:50]
        alone = [ask(key) for key in keys]

        assert [alone] * 8 == in_threads(8, lambda _: [ask(key) for key in keys])

    def test_loop_after_loop(self, ask: Asking) -> None:
        """It answers on one event loop after another, and within one that runs.

        `asyncio.run` twice in one program is two loops. What is bound to the first is no use on the second.
        """
        key = self._some_key()
        expected = ask(key)

        async def within() -> list[Any]:
            return [await ask.on_this_loop(key) for _ in range(3)]

        assert [expected] * 9 == [answer for _ in range(3) for answer in asyncio.run(within())]

    def test_many_at_once(self, ask: Asking) -> None:
        """A hundred questions that are under way at once on one loop get their own answers.

        Each use case asks for itself.
        """
        keys = [self._some_key(), *samples.neighbours()][:2000:20]
        alone = [ask(key) for key in keys]

        async def together() -> list[Any]:
            return await asyncio.gather(*map(ask.on_this_loop, keys))

        assert alone == asyncio.run(together())

    def test_loop_is_not_kept(self, ask: Asking) -> None:
        """An async provider lets its loop go on: it sleeps not, and connects to nothing, in its thread.

        Every request that the loop serves would wait along. A sync one may wait: core calls it in a thread.
        """
        if not ask.is_async:
            pytest.skip("this provider is called in threads")

        assert [] == kept_waiting(
            lambda: [ask(key) for key in [self._some_key(), *samples.neighbours()][:20]]
        )

    def test_fork(self, ask: Asking) -> None:
        """After a fork, parent and child both get the answers that the parent had got.

        Servers make their parts, and then fork. What was a thread in the parent is none in the child.
        """
        keys = [self._some_key(), *samples.neighbours()][:1000:50]
        before = [ask(key) for key in keys]

        def work() -> list[bool]:
            return [ask(key) == was for key, was in zip(keys, before, strict=True)]

        child = Child(work)
        ours, theirs = work(), child.result()

        assert [True] * len(keys) == ours
        assert [True] * len(keys) == theirs

    def test_end_to_end(self, provider: Any) -> None:
        """In a GCache that asks at every call, sync and async functions work, and no failure is counted.

        Core lets no failure of a provider through to the caller.
        """
        sink = KeptEvents()
        found = used(provider, sink, self._some_key())

        assert [1, 2, 1, 2, 1, 2, 1, 2] == found
        assert [] == [event for event in sink.events if isinstance(event, Error)]

    @needs("known_key")
    def test_known_end_to_end(self, provider: Any) -> None:
        """In a GCache, the use case of `known_key` counts as configured.

        A use case that nobody configured counts as disabled, for the reason `missing_config`.
        """
        sink = KeptEvents()
        used(provider, sink, self._known())

        assert [] == sink.unconfigured()

    @needs("unknown_key")
    def test_unknown_end_to_end(self, provider: Any) -> None:
        """In a GCache, the use case of `unknown_key` goes by its `default_config`, if it has one.

        So a developer's own configuration holds until an operator says something.
        """
        sink, other = KeptEvents(), KeptEvents()
        key = cast("GCacheKey", self.unknown_key)
        used(provider, sink, key)
        used(provider, other, key, default=GCacheKeyConfig.enabled(600))

        assert [] != sink.unconfigured()
        assert [] == other.unconfigured()

    def _some_key(self) -> GCacheKey:
        return self.known_key or GCacheKey("user_id", 1, "GetUser", {"page": 1})

    def _known(self) -> GCacheKey:
        return cast("GCacheKey", self.known_key)
