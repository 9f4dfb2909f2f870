"""Hits in the layer that all processes share, which fill memory on their way to the caller."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from gcache import EntryTooLarge, GCacheKey, GCacheKeyConfig, MemoryLayer, keep_for
from gcache.core.events import Error, Hit
from gcache.core.rendering import SHORT
from gcache.core.use_case import NEVER
from tests.core.stage import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache
    from tests.core.stage import Chance, Clock, Recorded


class Filling:
    """A function behind memory and an authority, whose entry lies in the authority alone."""

    def __init__(self, gcache: GCache, get_user: Any, local: MemoryLayer[Any]) -> None:
        self.gcache = gcache
        self.get_user = get_user
        self.local = local
        self.name = gcache._engine.keys.build(get_user.key(1))

    def entry(self) -> Any:
        """Return what memory has now."""
        return self.local.get([self.name])[0]


@pytest.fixture
def filling(
    make_gcache: Callable[..., GCache], side: Any, local: MemoryLayer[Any], remote: Any
) -> Callable[..., Filling]:
    """Makes one, of use cases whose policy is not due again."""

    def make(*answers: Any, memory: MemoryLayer[Any] = local, **options: Any) -> Filling:
        gcache = make_gcache(layers=[memory, remote], config_refresh_sec=1000)
        options = {"track_for_invalidation": True, **options}
        made = Filling(gcache, side.cached(gcache, Source(*answers), **options), memory)
        with gcache.enable():
            made.get_user(1)
        memory.clear("")
        return made

    return make


def test_next_call(filling: Callable[..., Filling], recorded: Recorded, tracked: bool) -> None:
    """The next call is a hit in memory; the entry there is of the epoch that the authority has."""
    made = filling(track_for_invalidation=tracked)
    recorded.forget()

    with made.gcache.enable():
        answers = [made.get_user(1), made.get_user(1)]

    assert [1, 1] == answers
    assert {"remote": 1, "local": 1} == {event.layer: event.calls for event in recorded.of(Hit)}
    assert tracked == (made.entry().epoch is not None)


def test_explicit_key(
    make_gcache: Callable[..., GCache], side: Any, local: MemoryLayer[Any], remote: Any
) -> None:
    """Calls with an explicit key, too, are answered by memory, also where it alone keeps the value."""
    gcache = make_gcache(layers=[local, remote], config_refresh_sec=1000)
    source, key = Source(), GCacheKey("user_id", 1, "Explicit", track_for_invalidation=True)
    source.before = lambda: keep_for(GCacheKeyConfig({"local": 60}, {"local": 100}))

    with gcache.enable():
        answers = [side.get(gcache, key, source) for _ in range(3)]

    assert [1] * 3 == answers
    assert (1, 1) == (source.loads, len(remote.asked("get")))


@pytest.mark.parametrize("letter", ["?", "\t"])
def test_long_id(
    make_gcache: Callable[..., GCache],
    side: Any,
    local: MemoryLayer[Any],
    remote: Any,
    letter: str,
) -> None:
    """An id that is too long to remember its text in a key is found in memory, whatever it consists of."""
    gcache = make_gcache(layers=[local, remote], config_refresh_sec=1000)
    get_user = side.cached(gcache, Source())

    with gcache.enable():
        answers = [get_user(letter * (SHORT + 1)) for _ in range(3)]

    assert [1] * 3 == answers
    assert 1 == len(remote.asked("get"))


def test_life(filling: Callable[..., Filling], clock: Clock, chance: Chance) -> None:
    """It lives as long as what is left of it, and no longer than chance leaves of memory's TTL."""
    made = filling()
    with made.gcache.enable():
        clock.advance(1)
        chance.point = 0.5
        made.get_user(1)
        clock.advance(56.9)
        assert made.entry() is not None
        clock.advance(0.2)

    assert made.entry() is None


def test_invalidated_meanwhile(filling: Callable[..., Filling], remote: Any) -> None:
    """What is invalidated in this process while it is read fills nothing."""
    made = filling()
    engine = made.gcache._engine
    remote.before["get"] = lambda: engine._generations.kill(engine.keys.epoch("user_id", 1), engine.clock())

    with made.gcache.enable():
        made.get_user(1)

    assert 0 == len(made.local)


def test_copy(filling: Callable[..., Filling]) -> None:
    """With copies asked for, nobody has what fills memory."""
    made = filling(["first"], isolate="copy")

    with made.gcache.enable():
        made.get_user(1).append("changed")

        assert ["first"] == made.get_user(1)


def test_no_room(
    filling: Callable[..., Filling], clock: Clock, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """A value that weighs too much for memory is served, counted and logged as in any other call."""
    memory = MemoryLayer[Any](clock=clock.monotonic, max_weight=10, weigh=lambda value: 11)
    made = filling(memory=memory)
    recorded.forget()
    caplog.clear()

    with made.gcache.enable(), caplog.at_level(logging.WARNING):
        answer = made.get_user(1)

    assert 1 == answer
    assert [("local", EntryTooLarge.__name__)] == [(event.layer, event.error) for event in recorded.of(Error)]


def test_special(make_gcache: Callable[..., GCache], side: Any, local: MemoryLayer[Any], remote: Any) -> None:
    """An entry that was stored to be served stale, too, fills memory though nobody asks for that now."""
    config = GCacheKeyConfig({"*": 60}, {"*": 100}, stale_if_error_sec=60)
    gcache = make_gcache(
        layers=[local, remote], config_refresh_sec=1000, cache_config_provider=lambda _: config
    )
    get_user = side.cached(gcache, Source())
    with gcache.enable():
        get_user(1)
        local.clear("")
        config = GCacheKeyConfig.enabled(60)
        for use_case in gcache._engine._use_cases.values():
            use_case.adopt(None, NEVER)
        answers = [get_user(1), get_user(1)]

    assert [1, 1] == answers
    assert 1 == len(local)
