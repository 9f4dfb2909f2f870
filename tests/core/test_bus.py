"""Invalidations that reach the memory of other processes."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    GCache,
    GCacheConfig,
    GCacheConfigError,
    GCacheKey,
    GCacheKeyConfig,
    InvalidationPending,
    LayerUnavailable,
    MemoryLayer,
)
from gcache.conformance.waiting import wait_until
from gcache.core.bus import Message, decoded
from gcache.core.events import Error, Listening
from gcache.core.listener import Listener
from tests.core.buses import AsyncBus, BusDown, Hub, SyncBus
from tests.core.layers import SyncLayer
from tests.core.stage import Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable

ENTITY = "user_id", 1


class Site:
    """A process on the bus: an instance, and a tracked function kept in memory and in the authority."""

    def __init__(self, gcache: GCache, local: MemoryLayer[Any]) -> None:
        self.gcache = gcache
        self.local = local
        self.source = Source()
        self.get_user = SyncSide().cached(gcache, self.source, track_for_invalidation=True)
        self.get_name = SyncSide().cached(gcache, self.source, use_case="GetName")

    @property
    def listener(self) -> Listener:
        listener = self.gcache._engine._listener
        assert listener is not None
        return listener

    def listen(self) -> Site:
        """Return when it hears."""
        with self.gcache.enable():
            self.gcache.get(GCacheKey("nobody", 1, "Listen"), lambda: None)
        wait_until(lambda: self.listener.hears, sentence="the listener to hear")
        return self

    def is_kept(self, user_id: int = 1) -> bool:
        """Whether the user's entry is answered from memory."""
        entry = self.local.find(self.gcache._engine.keys.build(self.get_user.key(user_id)), 0)
        return entry is not None and entry.generation.alive and not self.get_user_is_shut

    @property
    def get_user_is_shut(self) -> bool:
        use_case = self.gcache._engine._use_cases["GetUser", "user_id", True]
        return use_case.is_shut


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def stored() -> dict[str, tuple[bytes, float]]:
    """What the authority of all sites holds."""
    return {}


@pytest.fixture(params=[SyncBus, AsyncBus], ids=["sync bus", "async bus"])
def bus(request: pytest.FixtureRequest, hub: Hub) -> Any:
    return request.param(hub)


@pytest.fixture
def new_site(
    make_gcache: Callable[..., GCache], hub: Hub, clock: Clock, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Site]:
    monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 0.001)
    monkeypatch.setattr("gcache.core.threads.LONGEST_PAUSE_SEC", 0.01)

    def new_site(**config: Any) -> Site:
        local = MemoryLayer[Any](clock=clock.monotonic)
        defaults: dict[str, Any] = {
            "layers": [local, SyncLayer("remote", clock, stored)],
            "invalidation_bus": SyncBus(hub),
            "urn_prefix": "urn:bus-test",
        }
        return Site(make_gcache(as_other_process=True, **defaults | config), local)

    return new_site


@pytest.fixture
def here(new_site: Callable[..., Site], bus: Any) -> Site:
    """A site that hears, and the one that invalidates."""
    return new_site(invalidation_bus=bus).listen()


@pytest.fixture
def there(new_site: Callable[..., Site]) -> Site:
    """Another site that hears."""
    return new_site().listen()


class TestReach:
    def test_invalidation(self, here: Site, there: Site, side: Any, hub: Hub) -> None:
        """An entity that is invalidated in one process goes from the memory of the others, and no other."""
        with there.gcache.enable():
            there.get_user(1), there.get_user(2)
            side.do(here.gcache, "invalidate", *ENTITY)
            wait_until(lambda: not there.is_kept(1), sentence="the message to arrive")

            assert there.is_kept(2)
            assert 3 == there.get_user(1)
        assert [("invalidate", "1}#epoch")] == hub.words()

    def test_without_a_bus(self, new_site: Callable[..., Site], here: Site) -> None:
        """Without a bus the memory of another process goes on answering: that is what it is for."""
        alone = new_site(invalidation_bus=None)
        with alone.gcache.enable():
            alone.get_user(1)
            here.gcache.invalidate(*ENTITY)

            assert 1 == alone.get_user(1)

    def test_flush(self, here: Site, there: Site, side: Any) -> None:
        """A flush goes everywhere, to untracked use cases too, and gives back the memory."""
        with there.gcache.enable():
            there.get_user(1), there.get_name(1)
            side.do(here.gcache, "flushall")
            wait_until(lambda: not len(there.local), sentence="the message to arrive")

            assert [3, 4] == [there.get_user(1), there.get_name(1)]

    def test_block(self, here: Site, there: Site) -> None:
        """Other processes drop an entity when a block that writes it begins, and when it ends."""
        with there.gcache.enable():
            there.get_user(1)
            with here.gcache.invalidating(*ENTITY):
                wait_until(lambda: not there.is_kept(1), sentence="the message to arrive")
                meanwhile = [there.get_user(1), there.get_user(1)]

            assert [2, 3] == meanwhile
            wait_until(lambda: there.get_user(1) == there.get_user(1), sentence="it to be cached again")

    def test_own_messages(self, here: Site) -> None:
        """What a process says itself it does not do twice."""
        sender, entity = here.listener._announcer.sender, here.gcache._engine.keys.epoch(*ENTITY)
        with here.gcache.enable():
            here.get_user(1)
            kept: list[bool] = []
            for name in (sender, "another"):
                for message in (Message("invalidate", name, entity), Message("flush", name)):
                    here.get_user(1)
                    here.listener.hear(message.encoded())
                    kept.append(here.is_kept(1))

        assert [True, True, False, False] == kept

    def test_another_prefix(self, new_site: Callable[..., Site], here: Site, hub: Hub) -> None:
        """Applications with prefixes of their own do not hear each other."""
        other, near = new_site(urn_prefix="urn:another").listen(), new_site().listen()
        with other.gcache.enable(), near.gcache.enable():
            other.get_user(1), near.get_user(1)
            here.gcache.flushall()
            wait_until(lambda: not near.is_kept(1), sentence="the message to arrive")

            assert other.is_kept(1)
        assert {"urn:bus-test": 2, "urn:another": 1} == Counter(line.channel for line in hub.subscriptions)

    def test_never_a_value(self, here: Site, hub: Hub) -> None:
        """A message has the entity, its sender and nothing else."""
        with here.gcache.enable():
            here.get_user(1)
            here.gcache.invalidate("user_id", "ada@example.com")

        [message] = [said for said in hub.said if not said.startswith(b"ping")]
        sender = here.listener._announcer.sender
        assert f"invalidate {sender} {{urn:bus-test:user_id:ada@example.com}}#epoch" == message.decode()

    @pytest.mark.parametrize("data", [b"", b"x", b"\xff\xfe a b", b"forget me now", None])
    def test_not_understood(self, here: Site, data: Any) -> None:
        """What cannot be understood may have been anything, so everything goes."""
        with here.gcache.enable():
            here.get_user(1)
            here.listener.hear(data)

            assert not here.is_kept(1)

    def test_message(self) -> None:
        """A message comes out as it went in, whatever the entity is called."""
        message = Message("invalidate", "me", "{urn:x:user:a b\udcff}#epoch")

        assert message == decoded(message.encoded())

    @pytest.mark.parametrize("has_bus", [False, True])
    def test_advice(
        self, new_site: Callable[..., Site], hub: Hub, has_bus: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Without a bus the log says once that memory is out of reach elsewhere, and what to do."""
        site = new_site(invalidation_bus=SyncBus(hub) if has_bus else None)
        with site.gcache.enable():
            site.get_user(1), site.get_user(2)

        lines = [
            record.message for record in caplog.records if "tracked and kept in memory" in record.message
        ]
        assert (0 if has_bus else 1) == len(lines)
        assert has_bus or "an invalidation_bus" in lines[0]


class TestCutOff:
    def test_memory_is_left_out(self, here: Site, there: Site, hub: Hub, recorded: Recorded) -> None:
        """While it cannot hear, a process reads tracked entities from the authority; others as before."""
        with there.gcache.enable():
            there.get_user(1), there.get_name(1)
            hub.cut()
            with pytest.raises(InvalidationPending):
                here.gcache.invalidate(*ENTITY)
            recorded.forget()

            assert [3, 3, 2] == [there.get_user(1), there.get_user(1), there.get_name(1)]
        assert ["invalidated", "remote", "local"] == [reason for reason, _ in recorded.calls]

    def test_memory_is_dropped_before_it_hears_again(
        self, here: Site, there: Site, hub: Hub, stored: Any
    ) -> None:
        """What was said meanwhile was missed, so nothing from before is answered."""
        with there.gcache.enable():
            there.get_user(1)
            hub.cut()
            stored.clear()  # as an invalidation does whose message nobody heard
            hub.is_down = False
            wait_until(lambda: there.listener.hears, sentence="the listener to hear again")

            assert 2 == there.get_user(1)
            assert there.is_kept(1)

    def test_before_it_hears_first(self, new_site: Callable[..., Site], hub: Hub) -> None:
        """Tracked entries are not kept in memory before the first time either."""
        hub.is_down = True
        site = new_site()
        with site.gcache.enable():
            site.get_user(1), site.get_name(1)

            assert (False, 1) == (site.is_kept(1), len(site.local))

    def test_explicit_keys(self, here: Site, hub: Hub, stored: Any) -> None:
        """Keys without a function are left out of memory as well."""
        key = GCacheKey("user_id", 1, "Explicit", track_for_invalidation=True)
        source = Source()
        hub.cut()
        with here.gcache.enable():
            here.gcache.get(key, source)
            stored.clear()

            assert 2 == here.gcache.get(key, source)

    def test_memory_alone(self, new_site: Callable[..., Site], hub: Hub, recorded: Recorded) -> None:
        """A use case that has memory alone goes to its source, and the calls say why."""
        site = new_site(
            cache_config_provider=lambda key: GCacheKeyConfig({"local": 60}, {"local": 100})
        ).listen()
        with site.gcache.enable():
            site.get_user(1)
            hub.cut()
            recorded.forget()

            assert [2, 3] == [site.get_user(1), site.get_user(1)]
        assert [("cut_off", 1)] * 2 == recorded.calls

    def test_hot_path(self, new_site: Callable[..., Site], hub: Hub, stored: Any) -> None:
        """The short way to memory is closed at once, though the policy is fresh, and open again after."""
        site = new_site(config_refresh_sec=60).listen()
        use_case = site.gcache._engine._use_cases["GetUser", "user_id", True]
        with site.gcache.enable():
            site.get_user(1)
            opened = use_case.open_until
            hub.cut()
            closed = use_case.open_until
            hub.is_down = False
            wait_until(lambda: site.listener.hears, sentence="the listener to hear again")

        assert (opened, float("-inf"), opened) == (opened, closed, use_case.open_until)
        assert opened > 0

    def test_silence(
        self,
        new_site: Callable[..., Site],
        hub: Hub,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A line that is dead without a word is noticed: one's own ping does not come back."""
        monkeypatch.setattr("gcache.core.listener._PING_SEC", 0.02)
        monkeypatch.setattr("gcache.core.listener._PATIENCE_SEC", 0.3)
        site = new_site()
        site.listener._clock = time.monotonic
        site.listen()
        wait_until(lambda: len(hub.said) > 3, sentence="pings")
        assert site.listener.hears

        hub.is_mute = True
        wait_until(lambda: "Silence" in caplog.text, sentence="the silence to be noticed")

    def test_counted_and_logged(
        self, there: Site, hub: Hub, recorded: Recorded, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A gauge says whether a process hears; the log says once why it does not."""
        hub.cut()
        wait_until(lambda: len(recorded.of(Error)) > 3, sentence="some tries")
        hub.is_down = False
        wait_until(lambda: there.listener.hears, sentence="the listener to hear again")

        assert [1, 0, 1] == [event.hears for event in recorded.of(Listening)]
        assert {("", "", "invalidation bus", "BusDown", False)} == set(recorded.of(Error))
        [record] = [record for record in caplog.records if "Cut off" in record.message]
        assert logging.WARNING == record.levelno

    def test_who_cannot_speak_does_not_hear(self, new_site: Callable[..., Site], hub: Hub) -> None:
        """A line counts once something has come over it: one that takes no message is none."""
        hub.is_mute = True
        site = new_site()
        with site.gcache.enable():
            site.get_user(1)
            wait_until(lambda: len(hub.said) > 0, sentence="a ping")
            deaf = not site.listener.hears
            hub.is_mute = False
            hub.send("urn:bus-test", Message("ping", "another").encoded())
            wait_until(lambda: site.listener.hears, sentence="it to hear")

        assert deaf

    def test_pauses_grow(
        self, new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, hub: Hub
    ) -> None:
        """A bus that stays away is tried less and less often, but for ever."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1)
        monkeypatch.setattr("gcache.core.threads.LONGEST_PAUSE_SEC", 10)
        monkeypatch.setattr("random.uniform", lambda low, high: high)
        site = new_site()
        pauses: list[float] = []

        class Pauses(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                pauses.append(timeout or 0.0)
                if len(pauses) == 6:
                    self.set()
                return self.is_set()

        hub.is_down = True
        site.listener._stopped = Pauses()
        site.listener._listen()

        assert [1, 2, 4, 8, 10, 10] == pauses


class TestPending:
    def test_bus_is_told_again(self, here: Site, there: Site, hub: Hub) -> None:
        """An invalidation that only the bus did not hear is pending, and told again."""
        with there.gcache.enable():
            there.get_user(1)
            hub.is_down = True
            with pytest.raises(InvalidationPending, match="The invalidation bus could not be told yet"):
                here.gcache.invalidate(*ENTITY)
            still = there.get_user(1)
            hub.is_down = False
            here.gcache._engine.removal.pending.try_all()
            wait_until(lambda: not there.is_kept(1), sentence="the message to arrive")

            assert (1, 2) == (still, there.get_user(1))

    def test_only_the_bus_is_told_again(self, here: Site, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the authority has heard stays cached, and is not told to it anew."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        remote = here.gcache._engine.chain.tiers[1]._layer
        hub.is_down = True
        with pytest.raises(InvalidationPending):
            here.gcache.invalidate(*ENTITY)
        told = len(remote.asked("delete"))
        with here.gcache.enable():
            answers = [here.get_user(1), here.get_user(1)]
        hub.is_down = False
        here.gcache._engine.removal.pending.try_all()

        assert answers[0] == answers[1]
        assert told == len(remote.asked("delete"))
        assert [("invalidate", "1}#epoch")] == hub.words()

    def test_bus_is_told_though_the_authority_is_away(
        self, here: Site, there: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever can be told is told: other processes drop what they hold, and ask again."""
        monkeypatch.setattr("gcache.core.threads.FIRST_PAUSE_SEC", 1000)
        remote = here.gcache._engine.chain.tiers[1]._layer
        with there.gcache.enable():
            there.get_user(1)
            remote.failing = {"*"}
            with pytest.raises(InvalidationPending, match="The layer 'remote' could not be told yet"):
                here.gcache.invalidate(*ENTITY)
            wait_until(lambda: not there.is_kept(1), sentence="the message to arrive")

            there.get_user(1)
            assert there.is_kept(1)
            remote.failing = set()
            here.gcache._engine.removal.pending.try_all()
            wait_until(lambda: not there.is_kept(1), sentence="the second message to arrive")

    def test_flush(self, here: Site, hub: Hub) -> None:
        """A flush that the others did not hear of is an error."""
        hub.is_down = True

        with pytest.raises(LayerUnavailable, match="The invalidation bus could not be told"):
            here.gcache.flushall()


class TestLife:
    def test_begins_with_the_first_call(self, new_site: Callable[..., Site], hub: Hub) -> None:
        """Nobody listens before something may be cached."""
        site = new_site()
        site.get_user(1)
        before = len(hub.subscriptions)
        site.listen()

        assert (0, 1) == (before, len(hub.subscriptions))

    def test_close(self, here: Site, bus: Any, hub: Hub, side: Any) -> None:
        """Closing ends the thread and the subscription, then closes the bus, once."""
        side.do(here.gcache, "close")
        side.do(here.gcache, "close")

        assert ([], 1, False) == (hub.subscriptions, bus.closed, here.listener.hears)
        assert not any(thread.name == "gcache-bus" for thread in threading.enumerate())

    def test_close_before_it_ever_listened(self, new_site: Callable[..., Site], bus: Any) -> None:
        """An instance that was never used can be closed."""
        site = new_site(invalidation_bus=bus)

        site.gcache.close()

        assert 1 == bus.closed

    def test_closed_for_ever(self, here: Site) -> None:
        """What begins to hear as it is closed opens nothing."""
        here.gcache.close()

        here.listener.begin()
        here.listener.keep_listening()

        assert (False, True) == (here.listener.hears, here.get_user_is_shut)

    def test_forked(self, here: Site, hub: Hub) -> None:
        """A child is deaf until it listens itself, and has a name of its own."""
        sender = here.listener._announcer.sender
        with here.gcache.enable():
            here.get_user(1)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            deaf = not here.listener.hears and here.get_user_is_shut
            hub.subscriptions.clear()
            here.listen()
            with here.gcache.enable():
                here.get_user(1)
            is_new = sender != here.listener._announcer.sender
            os.write(writer, repr((deaf, is_new, here.is_kept(1))).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert b"(True, True, True)" == os.read(reader, 100)
        assert here.listener.hears

    def test_let_go(self, hub: Hub) -> None:
        """An instance that everybody has forgotten listens no more."""
        forgotten = GCache(GCacheConfig(invalidation_bus=SyncBus(hub), urn_prefix="urn:forgotten"))
        get_user = SyncSide().cached(forgotten, Source(), default_config=GCacheKeyConfig.enabled(60))
        with forgotten.enable():
            get_user(1)
        wait_until(lambda: len(hub.subscriptions) == 1, sentence="it to listen")
        del forgotten, get_user

        def is_gone() -> bool:
            gc.collect()
            return not hub.subscriptions

        wait_until(is_gone, sentence="it to listen no more")

    def test_a_bus_that_is_slow_to_close(self, new_site: Callable[..., Site], hub: Hub) -> None:
        """Memory is shut before a line is closed, which may take its time."""
        site = new_site().listen()
        was_deaf: list[bool] = []
        [line] = hub.subscriptions
        close = line.close
        line.close = lambda: (was_deaf.append(not site.listener.hears), close())  # type: ignore[method-assign]
        hub.cut()

        assert [True] == was_deaf

    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=repr)
    def test_a_bus_that_raises_anything(
        self, new_site: Callable[..., Site], hub: Hub, error: BaseException
    ) -> None:
        """Whatever a bus raises, its listener goes deaf and tries again."""
        site = new_site().listen()
        [line] = hub.subscriptions

        def fail(timeout_sec: float) -> bytes | None:
            raise error

        line.receive = fail  # type: ignore[method-assign]
        wait_until(lambda: hub.subscriptions not in ([], [line]), sentence="another line")
        wait_until(lambda: site.listener.hears, sentence="it to hear again")

    def test_async_by_a_sync_name(self, make_gcache: Callable[..., GCache]) -> None:
        """A publish that is async would never be awaited."""

        class Odd(SyncBus):
            async def publish(self, channel: str, message: bytes) -> None: ...  # type: ignore[override]

        with pytest.raises(
            GCacheConfigError, match=r"publish of the invalidation_bus is async: call it apublish"
        ):
            make_gcache(invalidation_bus=Odd(Hub()))

    def test_the_class_of_a_bus(self, make_gcache: Callable[..., GCache]) -> None:
        """Who forgets to make one is told so."""
        with pytest.raises(GCacheConfigError, match=r"is the class SyncBus: make one"):
            make_gcache(invalidation_bus=SyncBus)

    @pytest.mark.parametrize("lacks", ["publish", "subscribe", "close"])
    def test_no_bus(self, make_gcache: Callable[..., GCache], lacks: str) -> None:
        """What is no bus is refused, and the error says what is missing."""
        methods = {name: lambda: None for name in ("publish", "subscribe", "close") if name != lacks}

        with pytest.raises(GCacheConfigError, match=rf"\(Odd\) lacks {lacks}: .* gcache\.RedisBus"):
            make_gcache(invalidation_bus=type("Odd", (), methods)())

    def test_many_loops(self, here: Site, there: Site) -> None:
        """Loops one after another, and a thread, all reach the others."""
        with there.gcache.enable():
            for _ in range(2):
                there.get_user(1)
                asyncio.run(here.gcache.ainvalidate(*ENTITY))
                wait_until(lambda: not there.is_kept(1), sentence="the message to arrive")


def test_what_a_bus_raises(hub: Hub) -> None:
    """The buses of these tests are buses."""
    hub.is_down = True

    with pytest.raises(BusDown):
        SyncBus(hub).subscribe("x")
