"""What GCache offers beside the page's examples, whatever the layers."""

# ruff: noqa: A006 - the contract calls an entity's identifier `id`

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gcache import (
    MISSING,
    GCache,
    GCacheAlreadyInstantiated,
    GCacheClosed,
    GCacheConfig,
    GCacheConfigError,
    GCacheKey,
    GCacheKeyConfig,
    MemoryLayer,
    RedisConfig,
    RedisConfigConflict,
    UntrackedUseCase,
)
from gcache.backends.redis import RedisLayer
from gcache.core.events import Hit, Miss
from tests.contract.stacks import Instances, ListSink, Stack, cache_all, new_prefix

KEY = GCacheKey("user_id", "12345", "GetUserProfile", {"page": 2})
TRACKED = GCacheKey("user_id", "12345", "GetUserProfile", {"page": 2}, track_for_invalidation=True)


class Source:
    """Gives 1, then 2, and so on."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> int:
        self.runs += 1
        return self.runs

    async def awaited(self) -> int:
        return self()


@pytest.fixture
def source() -> Source:
    return Source()


class TestEnable:
    def test_nested_off(self, gcache: GCache, source: Source) -> None:
        """enable(False) turns caching off inside, and its end turns it on again."""
        with gcache.enable():
            outer = gcache.get(KEY, source)
            with gcache.enable(False):
                inner = gcache.get(KEY, source)
                with gcache.enable():
                    innermost = gcache.get(KEY, source)
            outer_again = gcache.get(KEY, source)

        assert [1, 2, 1, 1] == [outer, inner, innermost, outer_again]

    def test_decorator(self, gcache: GCache, source: Source) -> None:
        """A function decorated with enable() runs with caching on, each time and only inside."""

        @gcache.enable()
        def handle() -> int:
            return gcache.get(KEY, source)

        answers = [handle(), handle(), gcache.get(KEY, source)]

        assert [1, 1, 2] == answers

    async def test_decorator_async(self, gcache: GCache, source: Source) -> None:
        """An async function decorated with enable() has caching on while it runs."""

        @gcache.enable()
        async def handle() -> int:
            await asyncio.sleep(0)
            return await gcache.aget(KEY, source.awaited)

        answers = [*await asyncio.gather(handle(), handle()), await gcache.aget(KEY, source.awaited)]

        assert [1, 1, 2] == answers

    def test_decorator_off(self, gcache: GCache, source: Source) -> None:
        """A writer decorated with enable(False) never reads from the cache."""

        @gcache.enable(False)
        def write() -> int:
            return gcache.get(KEY, source)

        with gcache.enable():
            answers = [gcache.get(KEY, source), write(), gcache.get(KEY, source)]

        assert [1, 2, 1] == answers

    async def test_tasks_are_told_apart(self, gcache: GCache, source: Source) -> None:
        """What one task enables is not enabled for another."""
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def enabled() -> None:
            with gcache.enable():
                await gcache.aget(KEY, source.awaited)
                inside.set()
                await go_on.wait()

        task = asyncio.create_task(enabled())
        await inside.wait()
        outside = [await gcache.aget(KEY, source.awaited) for _ in range(2)]
        go_on.set()
        await task

        assert [2, 3] == outside

    def test_instances_are_told_apart(self, gcache: GCache, source: Source) -> None:
        """What is enabled for one instance is not enabled for another."""
        config = GCacheConfig(cache_config_provider=cache_all, urn_prefix=new_prefix())
        with GCache(config) as other, gcache.enable():
            answers = [other.get(KEY, source), other.get(KEY, source)]

        assert [1, 2] == answers


@pytest.mark.parametrize("key", [KEY, TRACKED], ids=["untracked", "tracked"])
class TestExplicitKeys:
    def test_get(self, gcache: GCache, source: Source, key: GCacheKey) -> None:
        """get loads once, and is a hit from then on."""
        with gcache.enable():
            answers = [gcache.get(key, source), gcache.get(key, source)]

        assert [1, 1] == answers

    async def test_aget(self, gcache: GCache, source: Source, key: GCacheKey) -> None:
        """aget loads once, and is a hit from then on, for get as well."""
        with gcache.enable():
            answers = [
                await gcache.aget(key, source.awaited),
                await gcache.aget(key, source.awaited),
                gcache.get(key, source),
            ]

        assert [1, 1, 1] == answers

    def test_put(self, stack: Stack, new_gcache: Instances, source: Source, key: GCacheKey) -> None:
        """What was put is got, by this instance and, from the server, by the next."""
        with new_gcache() as gcache, gcache.enable():
            gcache.put(key, "put")
            here = gcache.get(key, source)
        with new_gcache() as gcache, gcache.enable():
            elsewhere = gcache.get(key, source)

        assert "put" == here
        assert (1 if stack.server is None else "put") == elsewhere

    async def test_aput(self, gcache: GCache, source: Source, key: GCacheKey) -> None:
        """What was put replaces what was cached."""
        with gcache.enable():
            await gcache.aget(key, source.awaited)
            await gcache.aput(key, "put")
            answer = await gcache.aget(key, source.awaited)

        assert "put" == answer

    def test_put_while_off(self, gcache: GCache, source: Source, key: GCacheKey) -> None:
        """With caching off nothing is put."""
        gcache.put(key, "put")
        with gcache.enable():
            answer = gcache.get(key, source)

        assert 1 == answer

    def test_delete(self, stack: Stack, gcache: GCache, source: Source, key: GCacheKey) -> None:
        """delete forgets this one entry in every layer, enabled or not."""
        other = GCacheKey(key.key_type, key.id, key.use_case, {"page": 3}, key.track_for_invalidation)
        with gcache.enable():
            gcache.get(key, source)
            gcache.get(other, source)
        gcache.delete(key)
        left = [] if stack.server is None else [name for name in stack.stored() if "page=2" in name]
        with gcache.enable():
            answers = [gcache.get(key, source), gcache.get(other, source)]

        assert [] == left
        assert [3, 2] == answers

    async def test_adelete(self, gcache: GCache, source: Source, key: GCacheKey) -> None:
        """adelete forgets this one entry in every layer."""
        with gcache.enable():
            await gcache.aget(key, source.awaited)
            await gcache.adelete(key)
            answer = await gcache.aget(key, source.awaited)

        assert 2 == answer


def test_put_is_invalidated(gcache: GCache, source: Source) -> None:
    """What was put under a tracked key dies with the entity."""
    with gcache.enable():
        gcache.put(TRACKED, "put")
        gcache.invalidate("user_id", "12345")
        answer = gcache.get(TRACKED, source)

    assert 1 == answer


def test_explicit_key_is_the_functions(gcache: GCache, source: Source) -> None:
    """A function's entry is reached through the key that `.key()` gives, and the other way round."""

    @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
    def get_user(user_id: str, page: int = 1) -> int:
        return source()

    with gcache.enable():
        gcache.put(get_user.key("1"), 100)
        put = get_user("1", page=1)
        get_user("2")
        got = gcache.get(get_user.key("2", 1), source)

    assert [100, 1] == [put, got]


class TestInvalidating:
    def test_sync(self, gcache: GCache, source: Source) -> None:
        """Within the block reads go to the source; after it they are cached, and nothing from before."""
        with gcache.enable():
            gcache.get(TRACKED, source)
            with gcache.invalidating("user_id", "12345"):
                meanwhile = [gcache.get(TRACKED, source) for _ in range(2)]
            after = [gcache.get(TRACKED, source) for _ in range(2)]

        assert ([2, 3], [4, 4]) == (meanwhile, after)

    async def test_async(self, gcache: GCache, source: Source) -> None:
        """The same, awaited."""
        with gcache.enable():
            await gcache.aget(TRACKED, source.awaited)
            async with gcache.invalidating("user_id", "12345"):
                meanwhile = [await gcache.aget(TRACKED, source.awaited) for _ in range(2)]
            after = [await gcache.aget(TRACKED, source.awaited) for _ in range(2)]

        assert ([2, 3], [4, 4]) == (meanwhile, after)

    async def test_overlapping(self, gcache: GCache, source: Source) -> None:
        """Blocks in threads and on loops overlap; the entity is free when the last of them is done."""
        with gcache.enable():
            with gcache.invalidating("user_id", "12345"):
                async with gcache.invalidating("user_id", "12345"):
                    pass
                meanwhile = [gcache.get(TRACKED, source) for _ in range(2)]
            after = [gcache.get(TRACKED, source) for _ in range(2)]

        assert ([1, 2], [3, 3]) == (meanwhile, after)


class TestKeyConfig:
    def test_enabled(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """GCacheKeyConfig.enabled(ttl) caches in every layer, for that long."""
        gcache = new_gcache(cache_config_provider=lambda key: GCacheKeyConfig.enabled(60))
        with gcache, gcache.enable():
            gcache.get(KEY, source)
            lifetimes = [stack.lifetime_ms(name) for name in stack.stored()] if stack.server else [60_000]

        assert 50_000 < lifetimes[0] <= 60_000

    def test_default_config(self, new_gcache: Instances, source: Source) -> None:
        """Without a provider each function's default_config decides, and without one nothing is cached."""
        gcache = new_gcache(cache_config_provider=None)
        decorate = gcache.cached(
            key_type="user_id", id_arg="id", use_case="Yes", default_config=GCacheKeyConfig.enabled(60)
        )
        configured = decorate(lambda id: source())
        unconfigured = gcache.cached(key_type="user_id", id_arg="id", use_case="No")(lambda id: source())

        with gcache.enable():
            answers = [configured(1), configured(1), unconfigured(1), unconfigured(1)]

        assert [1, 1, 2, 3] == answers

    def test_provider_wins(self, new_gcache: Instances, source: Source) -> None:
        """What the provider says goes before default_config; None from it leaves the default in force."""

        def provider(key: GCacheKey) -> GCacheKeyConfig | None:
            return GCacheKeyConfig() if key.use_case == "Off" else None

        gcache = new_gcache(cache_config_provider=provider)
        default = GCacheKeyConfig.enabled(60)
        off = gcache.cached("user_id", "id", "Off", default_config=default)(lambda id: source())
        silent = gcache.cached("user_id", "id", "Silent", default_config=default)(lambda id: source())

        with gcache.enable():
            answers = [off(1), off(1), silent(1), silent(1)]

        assert [1, 2, 3, 3] == answers


class TestClosing:
    def test_close(self, new_gcache: Instances, source: Source) -> None:
        """After close functions go to their source, invalidating raises, and the prefix is free."""
        gcache = new_gcache()
        get = gcache.cached(key_type="user_id", id_arg="id", use_case="GetUser")(lambda id: source())
        with gcache.enable():
            get(1)
            gcache.close()
            gcache.close()
            answers = [get(1), get(1)]
        new_gcache()

        assert [2, 3] == answers
        with pytest.raises(GCacheClosed):
            gcache.invalidate("user_id", 1)
        with pytest.raises(GCacheClosed):
            gcache.flushall()

    async def test_aclose(self, new_gcache: Instances, source: Source) -> None:
        """After aclose functions go to their source, invalidating raises, and the prefix is free."""
        gcache = new_gcache()
        with gcache.enable():
            await gcache.aget(KEY, source.awaited)
            await gcache.aclose()
            await gcache.aclose()
            answers = [await gcache.aget(KEY, source.awaited), gcache.get(KEY, source)]
        new_gcache()

        assert [2, 3] == answers
        with pytest.raises(GCacheClosed):
            await gcache.ainvalidate("user_id", 1)
        with pytest.raises(GCacheClosed):
            await gcache.aflushall()

    def test_context_manager(self, stack: Stack, source: Source) -> None:
        """`with GCache(...) as gcache` closes it, also when the block raises."""
        for _ in range(2):
            with pytest.raises(KeyError), GCache(stack.config()) as gcache:
                raise KeyError
            with pytest.raises(GCacheClosed):
                gcache.flushall()

    async def test_async_context_manager(self, stack: Stack, source: Source) -> None:
        """`async with GCache(...) as gcache` closes it."""
        async with GCache(stack.config()) as gcache:
            with gcache.enable():
                await gcache.aget(KEY, source.awaited)

        with pytest.raises(GCacheClosed):
            await gcache.aflushall()

    @pytest.mark.parametrize("suffix", ["", ":part"])
    def test_one_instance_for_a_prefix(self, stack: Stack, gcache: GCache, suffix: str) -> None:
        """A second live instance on the prefix, or inside it, is refused."""
        with pytest.raises(GCacheAlreadyInstantiated):
            GCache(stack.config(urn_prefix=stack.prefix + suffix))


def _chain(stack: Stack, names: list[str]) -> list[Any]:
    """Layers of these names: the last on the stack's server if it has one, all others in memory."""
    layers: list[Any] = [MemoryLayer(name) for name in names]
    if stack.server is not None:
        layers[-1] = RedisLayer(stack.redis_config(), names[-1])
    return layers


class TestOwnLayers:
    @pytest.mark.parametrize("names", [["only"], ["near", "middle", "far"]], ids=len)
    @pytest.mark.parametrize("key", [KEY, TRACKED], ids=["untracked", "tracked"])
    def test_any_length(
        self, stack: Stack, new_gcache: Instances, source: Source, names: list[str], key: GCacheKey
    ) -> None:
        """A chain of one's own, of one layer or of three, caches and invalidates."""
        gcache = new_gcache(layers=_chain(stack, names))
        with gcache.enable():
            before = [gcache.get(key, source), gcache.get(key, source)]
            gcache.delete(key)
            after = [gcache.get(key, source), gcache.get(key, source)]
            gcache.invalidate("user_id", "12345")
            invalidated = gcache.get(key, source)

        assert [1, 1, 2, 2] == before + after
        assert (3 if key.track_for_invalidation else 2) == invalidated

    @pytest.mark.parametrize("names", [["only"], ["near", "middle", "far"]], ids=len)
    async def test_any_length_async(
        self, stack: Stack, new_gcache: Instances, source: Source, names: list[str]
    ) -> None:
        """A chain of one's own serves async callers, too."""
        gcache = new_gcache(layers=_chain(stack, names))
        with gcache.enable():
            before = [await gcache.aget(TRACKED, source.awaited) for _ in range(2)]
            await gcache.ainvalidate("user_id", "12345")
            after = [await gcache.aget(TRACKED, source.awaited) for _ in range(2)]
            await gcache.aflushall()
            flushed = await gcache.aget(TRACKED, source.awaited)

        assert [1, 1, 2, 2, 3] == [*before, *after, flushed]

    def test_names_rule(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """Each layer goes by its own name in ttl_sec and ramp, and is counted under it."""
        sink = ListSink()
        layers = _chain(stack, ["near", "middle", "far"])

        def provider(key: GCacheKey) -> GCacheKeyConfig:
            return GCacheKeyConfig(ttl_sec={"middle": 60, "far": 60}, ramp={"middle": 100, "far": 100})

        gcache = new_gcache(layers=layers, metrics=sink, cache_config_provider=provider)
        with gcache.enable():
            for _ in range(2):
                gcache.get(KEY, source)
            layers[1].clear("")
            gcache.get(KEY, source)

        assert 0 == len(layers[0])
        assert 1 == len(layers[1])
        assert ["far"] == [miss.layer for miss in sink.of(Miss)]
        assert [("far", 1), ("middle", 1)] == sorted((hit.layer, hit.calls) for hit in sink.of(Hit))

    def test_farther_hit_fills_all_nearer(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """What the last of three layers had is in both before it afterwards."""
        layers = _chain(stack, ["near", "middle", "far"])
        gcache = new_gcache(layers=layers)
        with gcache.enable():
            gcache.get(KEY, source)
            layers[0].clear("")
            layers[1].clear("")
            gcache.get(KEY, source)

        assert 1 == source.runs
        assert [1, 1] == [len(layers[0]), len(layers[1])]

    def test_refused(self) -> None:
        """Layers beside a Redis configuration, none at all, and two of one name are refused."""
        with pytest.raises(RedisConfigConflict, match="redis_config and layers"):
            GCacheConfig(layers=[MemoryLayer()], redis_config=RedisConfig())
        with pytest.raises(GCacheConfigError, match="empty"):
            GCacheConfig(layers=[])
        with pytest.raises(GCacheConfigError, match="share a name"):
            GCache(GCacheConfig(layers=[MemoryLayer("a"), MemoryLayer("a")], urn_prefix=new_prefix()))


class TestFunctionMethods:
    def test_sync(self, gcache: GCache, source: Source) -> None:
        """A sync function has .key, .peek, .refresh and .invalidate, with its own arguments."""

        @gcache.cached(key_type="user_id", id_arg="id", use_case="GetUser", track_for_invalidation=True)
        def get_user(id: str, page: int = 1) -> int:
            return source()

        with gcache.enable():
            nothing = get_user.peek("1")
            first = get_user("1")
            peeked = get_user.peek("1", page=1)
            refreshed = get_user.refresh("1")
            cached = get_user("1")
            get_user.invalidate("1")
            gone = get_user.peek("1")
            other_page = get_user.peek("1", 2)

        assert [MISSING, 1, 1, 2, 2, MISSING, MISSING] == [
            *(nothing, first, peeked, refreshed, cached, gone, other_page)
        ]
        assert 2 == source.runs
        assert GCacheKey("user_id", "1", "GetUser", {"page": 1}, True) == get_user.key("1")

    async def test_async(self, gcache: GCache, source: Source) -> None:
        """An async function has .key, .apeek, .arefresh and .ainvalidate, with its own arguments."""

        @gcache.cached(key_type="user_id", id_arg="id", use_case="GetUser", track_for_invalidation=True)
        async def get_user(id: str, page: int = 1) -> int:
            return source()

        with gcache.enable():
            nothing = await get_user.apeek("1")
            first = await get_user("1")
            peeked = await get_user.apeek("1", page=1)
            refreshed = await get_user.arefresh("1")
            cached = await get_user("1")
            await get_user.ainvalidate("1")
            gone = await get_user.apeek("1")

        assert [MISSING, 1, 1, 2, 2, MISSING] == [nothing, first, peeked, refreshed, cached, gone]
        assert 2 == source.runs
        assert GCacheKey("user_id", "1", "GetUser", {"page": 1}, True) == get_user.key("1")

    def test_refresh_reaches_the_server(self, stack: Stack, new_gcache: Instances, source: Source) -> None:
        """A refreshed value is what the next instance finds on the server."""
        for _ in range(2):
            gcache = new_gcache()
            get = gcache.cached("user_id", "id", "GetUser")(lambda id: source())
            with gcache, gcache.enable():
                answers = [get(1), get.refresh(1), get(1)]

        assert ([3, 4, 4] if stack.server is None else [2, 3, 3]) == answers

    def test_peek_is_not_counted(self, new_gcache: Instances, source: Source) -> None:
        """Peeking counts as no call."""
        sink = ListSink()
        gcache = new_gcache(metrics=sink)
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: source())
        with gcache.enable():
            get.peek(1)
            get(1)
            get.peek(1)

        gcache.close()
        assert 1 == sink.calls()

    def test_off(self, gcache: GCache, source: Source) -> None:
        """With caching off, peek finds nothing and refresh only runs the source."""
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: source())
        with gcache.enable():
            get(1)
        peeked, refreshed = get.peek(1), get.refresh(1)
        with gcache.enable():
            cached = get(1)

        assert [MISSING, 2, 1] == [peeked, refreshed, cached]

    def test_untracked_invalidate(self, gcache: GCache, source: Source) -> None:
        """Invalidating through a function that is not tracked is an error that says what to do."""
        get = gcache.cached("user_id", "id", "GetUser")(lambda id: source())

        with pytest.raises(UntrackedUseCase, match="track_for_invalidation=True"):
            get.invalidate(1)

    def test_method(self, gcache: GCache, source: Source) -> None:
        """On a method the actions know their instance, which is no part of the key."""

        class Users:
            @gcache.cached("user_id", "id", "GetUser", track_for_invalidation=True)
            def get(self, id: int) -> int:
                return source()

        with gcache.enable():
            answers = [Users().get(1), Users().get(1), Users().get.refresh(1), Users().get.peek(1)]
            Users().get.invalidate(1)
            answers.append(Users().get(1))

        assert [1, 1, 2, 2, 3] == answers
        assert () == Users().get.key(1).args
