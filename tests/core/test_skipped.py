"""Layers that keep failing, and are skipped until they answer."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from gcache import (
    EntryTooLarge,
    GCache,
    GCacheKeyConfig,
    InvalidationPending,
    LayerSkipped,
    LayerUnavailable,
    MemoryLayer,
)
from gcache.conformance.waiting import wait_until
from gcache.core.breaker import FIRST_PAUSE_SEC, LONGEST_PAUSE_SEC, Breaker
from gcache.core.epochs import standing
from gcache.core.events import Error, Get, Miss, Skipping
from gcache.core.runtime import ThreadRuntime, drive
from gcache.core.tiers import Tier
from tests.core.layers import AsyncLayer, BothSidedLayer, RetiringLayer, SyncLayer
from tests.core.stage import Clock, Recorded, Source, SyncSide, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENTITY = "user_id", 1


@pytest.fixture
def gcache(make_gcache: Callable[..., GCache], remote: Any) -> GCache:
    """An instance with an authority alone."""
    return make_gcache(layers=[remote])


@pytest.fixture(params=[False, True], ids=["untracked", "tracked"])
def get_user(request: pytest.FixtureRequest, gcache: GCache, side: Any) -> Any:
    return side.cached(gcache, Source(), track_for_invalidation=request.param)


@pytest.fixture
def get_tracked(gcache: GCache, side: Any) -> Any:
    return side.cached(gcache, Source(), track_for_invalidation=True)


def open_it(get_user: Any, remote: Any) -> None:
    """Have the layer fail until it is skipped."""
    remote.failing = {"*"}
    for page in range(3):
        get_user(1, f"fails {page}")
    remote.log.clear()


def probes(gcache: GCache, side: Any, clock: Clock, get_user: Any) -> None:
    """Let the pause pass, and have a call send out its probe."""
    clock.advance(LONGEST_PAUSE_SEC)
    get_user(1, "sends a probe")
    side.settle(gcache)


class TestReads:
    def test_not_asked(self, gcache: GCache, remote: Any, get_user: Any) -> None:
        """A skipped layer is asked for nothing, neither read nor written."""
        with gcache.enable():
            open_it(get_user, remote)
            for page in range(10):
                get_user(1, page)

        assert [] == remote.log

    def test_counted(self, gcache: GCache, remote: Any, get_user: Any, recorded: Recorded) -> None:
        """Its misses say that it was skipped; there are no errors and no durations of what did not happen."""
        with gcache.enable():
            open_it(get_user, remote)
            recorded.forget()
            for page in range(10):
                get_user(1, page)

        assert ["skipped"] * 10 == [event.reason for event in recorded.of(Miss)]
        assert [] == recorded.of(Error, Get)

    def test_transitions(
        self,
        gcache: GCache,
        remote: Any,
        get_user: Any,
        side: Any,
        clock: Clock,
        recorded: Recorded,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """That it is skipped, and that it is no more, is an event and a line in the log each."""
        with gcache.enable():
            open_it(get_user, remote)
            for _ in range(10):
                get_user(1)
            remote.failing = set()
            probes(gcache, side, clock, get_user)
            for _ in range(10):
                get_user(1)

        messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        told = [message for message in messages if "done without" not in message]
        assert [Skipping("remote", 1), Skipping("remote", 0)] == recorded.of(Skipping)
        assert 2 == len(told)
        assert "LayerDown: remote cannot get" in told[0]
        assert "'remote' answers again" in told[1]

    def test_back(
        self, gcache: GCache, remote: Any, get_user: Any, side: Any, clock: Clock, recorded: Recorded
    ) -> None:
        """Once a probe is answered, calls are cached again."""
        with gcache.enable():
            open_it(get_user, remote)
            remote.failing = set()
            probes(gcache, side, clock, get_user)
            values = [get_user(1) for _ in range(3)]

        assert ("remote", 2) == recorded.calls[-1]
        assert 1 == len(set(values))

    def test_only_probes(self, gcache: GCache, remote: Any, get_user: Any, side: Any, clock: Clock) -> None:
        """While it is away it is asked by probes alone, less and less often."""
        with gcache.enable():
            open_it(get_user, remote)
            for _ in range(1000):
                clock.advance(0.01)
                get_user(1)
                side.settle(gcache)

        assert 4 <= len(remote.log) <= 12
        assert {"get"} == {verb for verb, _ in remote.log}

    def test_few_failures(self, gcache: GCache, remote: Any, get_user: Any) -> None:
        """A layer that fails now and then is asked every time."""
        with gcache.enable():
            for page in range(12):
                remote.failing = set() if page % 3 == 2 else {"get"}
                get_user(1, page)

        assert 12 == len(remote.asked("get"))

    def test_lying(self, gcache: GCache, remote: Any, get_user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answers that cannot be any are failures: such a layer is skipped, too."""
        monkeypatch.setattr(remote, "value", lambda key: b"")
        monkeypatch.setattr(type(remote), "_get", lambda self, keys: self._ask("get", keys) or [])
        with gcache.enable():
            for page in range(10):
                get_user(1, page)

        assert 3 == len(remote.asked("get"))

    def test_too_large(
        self, gcache: GCache, remote: Any, get_user: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That a value will not do says nothing of the layer: it opens nothing."""

        def too_large(self: Any, items: Any, ttl: float) -> None:
            raise EntryTooLarge("too large")

        monkeypatch.setattr(type(remote), "_put", too_large)
        with gcache.enable():
            for page in range(10):
                get_user(1, page)

        assert 10 <= len(remote.asked("get"))

    def test_peek_and_refresh(self, gcache: GCache, remote: Any, get_user: Any) -> None:
        """Explicit reads and writes go on without it, too."""
        with gcache.enable():
            open_it(get_user, remote)
            get_user.peek(1)
            get_user.refresh(1)

        assert [] == remote.log

    def test_nearer_layers(
        self, make_gcache: Callable[..., GCache], clock: Clock, side: Any, recorded: Recorded
    ) -> None:
        """Others of the chain are used as if it were not there."""
        disk, remote = SyncLayer("disk", clock), SyncLayer("remote", clock)
        gcache = make_gcache(layers=[disk, remote])
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            open_it(get_user, remote)
            values = [get_user(1) for _ in range(4)]

        assert 1 == len(set(values))
        assert ("disk", 3) == recorded.calls[-1]
        assert [] == remote.log

    def test_one_beside_another(self, make_gcache: Callable[..., GCache], clock: Clock, side: Any) -> None:
        """Each layer has a breaker of its own, and memory none."""
        disk, remote = SyncLayer("disk", clock), SyncLayer("remote", clock)
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), disk, remote])
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            open_it(get_user, disk)
            disk.log.clear()
            get_user(1)

        tiers = gcache._engine.chain.tiers
        assert [None, True, False] == [tier.breaker and tier.breaker.is_open for tier in tiers]
        assert [] == disk.log
        assert 1 == len(remote.entries()) - 3

    def test_client_that_cannot_be_made(
        self, make_gcache: Callable[..., GCache], clock: Clock, side: Any
    ) -> None:
        """A factory that fails is not called again and again; once it works the layer is used."""
        made: list[int] = []

        def factory() -> Any:
            made.append(1)
            raise ConnectionError("no route")

        gcache = make_gcache(layers=None, redis_client_factory=factory)
        get_user = side.cached(
            gcache, Source(), default_config=GCacheKeyConfig.enabled(60), track_for_invalidation=True
        )
        with gcache.enable():
            for page in range(10):
                get_user(1, page)
                with pytest.raises(LayerUnavailable):
                    side.do(gcache, "invalidate", *ENTITY)

        assert len(made) < 10
        gcache._engine.removal.pending.after_fork()


class TestProbes:
    def test_beside_the_call(self, make_gcache: Callable[..., GCache], clock: Clock, side: Any) -> None:
        """The call that sends a probe out does not wait for it, and another probe is not sent meanwhile."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source())
        is_answered = threading.Event()
        with gcache.enable():
            open_it(get_user, remote)
            remote.failing = set()
            remote.before["get"] = lambda: is_answered.wait(10)
            clock.advance(FIRST_PAUSE_SEC)
            values = [get_user(1, "a"), get_user(1, "b"), get_user(1, "c")]
            is_answered.set()
            side.settle(gcache)

        assert [4, 5, 6] == values
        assert 1 == len(remote.asked("get"))

    def test_one_of_many_threads(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """Of fifty threads that come when the pause is over, one sends a probe."""
        remote, side = SyncLayer("remote", clock), SyncSide()
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source())
        is_over = threading.Event()

        def call(number: int) -> None:
            with gcache.enable():
                get_user(1, number)

        with gcache.enable():
            open_it(get_user, remote)
        remote.before["get"] = lambda: is_over.wait(10)
        clock.advance(FIRST_PAUSE_SEC)
        in_threads(50, call)
        is_over.set()
        side.settle(gcache)

        assert 1 == len(remote.log)

    async def test_one_of_many_tasks(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """Of fifty tasks that come when the pause is over, one sends a probe."""
        remote = AsyncLayer("remote", clock)
        gcache = make_gcache(layers=[remote])

        @gcache.cached("user_id", "user_id", use_case="GetUser")
        async def get_user(user_id: int) -> int:
            await asyncio.sleep(0.001)
            return user_id

        with gcache.enable():
            remote.failing = {"*"}
            for user_id in range(3):
                await get_user(user_id)
            remote.log.clear()
            clock.advance(FIRST_PAUSE_SEC)
            await asyncio.gather(*[get_user(user_id) for user_id in range(50)])

        assert 1 == len(remote.log)

    def test_loops_that_end_at_once(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """Where each call has a loop that ends with it, and the probe, the layer comes back all the same."""

        class Silent(AsyncLayer):
            is_silent = True

            async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                if self.is_silent:
                    await asyncio.Event().wait()
                for _ in range(20):  # the loop is over before
                    await asyncio.sleep(0)
                return await super().aget(keys)

        remote = Silent("remote", clock)
        remote.is_silent = False
        gcache = make_gcache(layers=[remote])

        @gcache.cached("user_id", "user_id", use_case="GetUser")
        async def get_user(user_id: int) -> int:
            await asyncio.sleep(0)
            return user_id

        with gcache.enable():
            remote.failing = {"*"}
            for user_id in range(3):
                asyncio.run(get_user(user_id))
            remote.failing, remote.is_silent = set(), True
            clock.advance(LONGEST_PAUSE_SEC)
            asyncio.run(get_user(1))
            remote.is_silent = False
            gc.collect()
            asyncio.run(get_user(1))

        [tier] = gcache._engine.chain.tiers
        assert tier.breaker is not None
        assert not tier.breaker.is_open

    async def test_cancelled_caller(self, make_gcache: Callable[..., GCache], clock: Clock) -> None:
        """That callers are cancelled while they wait for it is no failure of the layer."""
        asked = 0

        class Silent(AsyncLayer):
            async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
                nonlocal asked
                asked += 1
                return await asyncio.Event().wait() and []

        gcache = make_gcache(layers=[Silent("remote", clock)])

        @gcache.cached("user_id", "user_id", use_case="GetUser")
        async def get_user(user_id: int) -> int:
            return user_id

        with gcache.enable():
            for user_id in range(5):
                task = asyncio.create_task(get_user(user_id))
                while asked <= user_id:
                    await asyncio.sleep(0)
                clock.advance(10)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        assert 5 == asked


class TestInvalidating:
    def test_not_waited_for(
        self, gcache: GCache, remote: Any, get_tracked: Any, side: Any, recorded: Recorded
    ) -> None:
        """While the authority is skipped, an invalidation is pending at once, without asking it."""
        with gcache.enable():
            open_it(get_tracked, remote)
            gcache._engine.removal.pending._stopped.set()
            recorded.forget()
            for user_id in range(10):
                with pytest.raises(InvalidationPending) as raised:
                    side.do(gcache, "invalidate", "user_id", user_id)

        assert isinstance(raised.value.__cause__, LayerSkipped)
        assert "LayerDown: remote cannot get" in str(raised.value.__cause__)
        assert [] == remote.log
        assert [] == recorded.of(Error)

    def test_told_in_the_end(
        self, gcache: GCache, remote: Any, get_tracked: Any, side: Any, recorded: Recorded
    ) -> None:
        """What is pending is told although the layer is skipped, and the answer ends that it is."""
        with gcache.enable():
            before = get_tracked(1)
            open_it(get_tracked, remote)
            with pytest.raises(InvalidationPending):
                side.do(gcache, "invalidate", *ENTITY)
            remote.failing = set()
            wait_until(lambda: not gcache._engine.removal.pending.debts, sentence="it is told")
            after = [get_tracked(1), get_tracked(1)]

        assert [Skipping("remote", 1), Skipping("remote", 0)] == recorded.of(Skipping)
        assert before not in after
        assert 1 == len(set(after))

    def test_made_when_it_is_told(self, make_gcache: Callable[..., GCache], clock: Clock, side: Any) -> None:
        """A layer that could not be made before is told in one step, if that is what it has."""
        remote = RetiringLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        [tier] = gcache._engine.chain.tiers
        with gcache.enable():
            open_it(get_user, remote)
            tier._operations, tier._make = {}, lambda: remote
            with pytest.raises(InvalidationPending):
                side.do(gcache, "invalidate", *ENTITY)
            remote.failing = set()
            wait_until(lambda: not gcache._engine.removal.pending.debts, sentence="it is told")

        assert {"retire"} == {verb for verb, _ in remote.log}

    def test_hold_is_told_in_the_end(self, gcache: GCache, remote: Any, get_tracked: Any, side: Any) -> None:
        """A buffer that is pending is set when the layer is back."""
        with gcache.enable():
            get_tracked(1)
            [epoch_key] = [key for key in remote.stored if key.endswith("#epoch")]
            open_it(get_tracked, remote)
            with pytest.raises(InvalidationPending):
                side.do(gcache, "invalidate", *ENTITY, fallback_buffer_ms=60_000)
            remote.failing = set()
            wait_until(lambda: not gcache._engine.removal.pending.debts, sentence="it is told")

        assert "hold" == standing(remote.value(epoch_key))

    def test_memory_here(self, make_gcache: Callable[..., GCache], clock: Clock, side: Any) -> None:
        """It ends what this process's memory holds, as always."""
        remote = SyncLayer("remote", clock)
        gcache = make_gcache(layers=[MemoryLayer[Any](clock=clock.monotonic), remote])
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        with gcache.enable():
            before = get_user(1)
            open_it(get_user, remote)
            remembered = get_user(1)
            with pytest.raises(InvalidationPending):
                side.do(gcache, "invalidate", *ENTITY)
            after = get_user(1)

        assert before == remembered
        assert before != after

    def test_elsewhere_meanwhile(self, make_gcache: Callable[..., GCache], clock: Clock, side: Any) -> None:
        """What another process invalidates while the layer is skipped here is gone when it is back."""
        remote = BothSidedLayer("remote", clock)
        gcache = make_gcache(layers=[remote])
        prefix = gcache._engine.keys.prefixes[0].removesuffix(":")
        there = BothSidedLayer("remote", clock, remote.stored)
        other = make_gcache(as_other_process=True, layers=[there], urn_prefix=prefix)
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)
        with gcache.enable():
            before = get_user(1)
            open_it(get_user, remote)
            side.do(other, "invalidate", *ENTITY)
            remote.failing = set()
            probes(gcache, side, clock, get_user)
            after = [get_user(1), get_user(1)]

        assert before not in after
        assert 1 == len(set(after))

    def test_block(self, gcache: GCache, remote: Any, get_tracked: Any, recorded: Recorded) -> None:
        """A block that writes an entity asks it for nothing either, and is pending at its end."""
        with gcache.enable():
            open_it(get_tracked, remote)
            gcache._engine.removal.pending._stopped.set()
            recorded.forget()
            with pytest.raises(InvalidationPending), gcache.invalidating(*ENTITY):
                pass

        assert [] == remote.log
        assert [] == recorded.of(Error)


class TestRemoving:
    def test_attempted(self, gcache: GCache, remote: Any, get_user: Any, side: Any) -> None:
        """What silence would leave undone is attempted however often it fails."""
        with gcache.enable():
            open_it(get_user, remote)
            for remove in (
                lambda: side.do(gcache, "delete", get_user.key(1)),
                lambda: side.do(gcache, "flushall"),
            ):
                with pytest.raises(LayerUnavailable):
                    remove()

        assert {"delete", "clear"} == {verb for verb, _ in remote.log}

    @pytest.mark.parametrize("verb", ["delete", "flushall"])
    def test_answer_closes(self, gcache: GCache, remote: Any, get_user: Any, side: Any, verb: str) -> None:
        """If it is done, the layer is used again."""
        with gcache.enable():
            open_it(get_user, remote)
            remote.failing = set()
            side.do(gcache, verb, *([get_user.key(1)] if verb == "delete" else []))
            get_user(1)

        assert 1 == len(remote.asked("get"))

    def test_closing(self, gcache: GCache, remote: Any, get_user: Any, side: Any, recorded: Recorded) -> None:
        """A skipped layer is closed with its instance, which does not mean that it answers."""
        with gcache.enable():
            open_it(get_user, remote)
            remote.failing = set()
        recorded.forget()
        side.do(gcache, "close")

        assert [("close", None)] == remote.log
        assert [] == recorded.of(Skipping)


class TestVerbs:
    """One layer, verb by verb."""

    ARGUMENTS: ClassVar[dict[str, tuple[Any, ...]]] = {
        "get": (["key"],),
        "put": ({"key": b"value"}, 60),
        "add": ("key", b"value", 60),
        "retire": ("key", "", 0),
        "delete": (["key"],),
        "clear": ("urn:",),
    }

    @pytest.fixture
    def layer(self, clock: Clock) -> RetiringLayer:
        return RetiringLayer("remote", clock)

    @pytest.fixture
    def tier(self, layer: RetiringLayer, clock: Clock) -> Tier:
        tier = Tier("remote", layer=layer)
        tier.breaker = Breaker(clock.monotonic, lambda: 0.0, lambda trouble: None, lambda open_sec: None)
        return tier

    def attempt(self, tier: Tier, verb: Any, **options: bool) -> Exception | None:
        return drive(tier.attempt(ThreadRuntime(), verb, *self.ARGUMENTS[verb], **options)).error

    @pytest.mark.parametrize("verb", ARGUMENTS)
    def test_open(self, tier: Tier, layer: RetiringLayer, clock: Clock, verb: str) -> None:
        """What reads and writes is skipped, unless its caller insists; what removes is not."""
        layer.failing = {"*"}
        for _ in range(3):
            self.attempt(tier, "get")
        layer.log.clear()
        if verb != "get":
            clock.advance(LONGEST_PAUSE_SEC)  # and it is no probe
        error = self.attempt(tier, verb)
        was_asked = bool(layer.log)
        assert tier.breaker is not None
        is_leave_left = tier.breaker.probe() is not None
        self.attempt(tier, verb, insists=True)

        assert (verb in {"delete", "clear"}) == was_asked
        assert isinstance(error, LayerSkipped) != was_asked
        assert (verb != "get") == is_leave_left
        assert verb in {asked for asked, _ in layer.log}

    @pytest.mark.parametrize("verb", ARGUMENTS)
    def test_counts(self, tier: Tier, layer: RetiringLayer, verb: str) -> None:
        """Whatever fails counts, and whatever is answered."""
        assert tier.breaker is not None
        layer.failing = {verb}
        for _ in range(2):
            self.attempt(tier, verb)
        layer.failing = set()
        self.attempt(tier, verb)
        after_answer = tier.breaker.is_marked
        layer.failing = {verb}
        for _ in range(3):
            self.attempt(tier, verb)

        assert [False, True] == [after_answer, tier.breaker.is_open]

    def test_too_large(self, tier: Tier, layer: RetiringLayer) -> None:
        """That a value will not do is neither a failure nor an answer."""

        def too_large(items: Any, ttl: float) -> None:
            raise EntryTooLarge("too large")

        assert tier.breaker is not None
        layer.put = too_large  # type: ignore[method-assign]
        tier._operations = tier._operations_of(layer)
        for _ in range(5):
            self.attempt(tier, "put")
        before = tier.breaker.is_open
        layer.failing = {"get"}
        for _ in range(3):
            self.attempt(tier, "get")
            self.attempt(tier, "put")

        assert [False, True] == [before, tier.breaker.is_open]
