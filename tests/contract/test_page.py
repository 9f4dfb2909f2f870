"""Every example of the contract's page runs as written there, whatever the layers."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis, RedisCluster

from gcache import (
    CacheLayer,
    GCache,
    GCacheConfig,
    GCacheKey,
    GCacheKeyConfig,
    RedisConfig,
    RedisConfigConflict,
)
from gcache.conformance.waiting import wait_until
from gcache.instrumentation.prometheus import PrometheusSink
from tests.contract.stacks import Instances, Stack, ThreadLocalClients, cache_all
from tests.servers.process import Server


async def config_provider(key: GCacheKey) -> GCacheKeyConfig:
    return GCacheKeyConfig(
        ttl_sec={CacheLayer.LOCAL: 5, CacheLayer.REMOTE: 10},
        ramp={CacheLayer.LOCAL: 100, CacheLayer.REMOTE: 100},
    )


class Database:
    """Something slow and true; it counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def query(self, user_id: Any) -> dict[str, Any]:
        self.asked.append(user_id)
        return {"id": user_id, "answer": len(self.asked)}


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def get_user_profile(gcache: GCache, database: Database) -> Any:
    @gcache.cached(
        key_type="user_id", id_arg="user_id", use_case="GetUserProfile", track_for_invalidation=True
    )
    def get_user_profile(user_id: str) -> dict[str, Any]:
        return database.query(user_id)

    return get_user_profile


@pytest.fixture
def aget_user_profile(gcache: GCache, database: Database) -> Any:
    @gcache.cached(
        key_type="user_id", id_arg="user_id", use_case="AGetUserProfile", track_for_invalidation=True
    )
    async def aget_user_profile(user_id: str) -> dict[str, Any]:
        return database.query(user_id)

    return aget_user_profile


class TestKeyStructure:
    async def test_urn(self, stack: Stack, new_gcache: Instances, database: Database) -> None:
        """A key is urn:galileo:<Key Type>:<ID>?<Arguments>#<Use case>, unless another prefix is asked for."""
        gcache = new_gcache(urn_prefix="urn:galileo")

        @gcache.cached(key_type="user_email", id_arg="email", use_case="GetUser")
        def get_user(email: str, page: int, details: bool = False) -> dict[str, Any]:
            return database.query(email)

        with gcache.enable():
            get_user("user@example.com", 2)
        built = gcache._engine.keys.build(get_user.key("user@example.com", 2))
        stored = built if stack.server is None else next(iter(stack.stored()))
        gcache.flushall()

        assert "urn:galileo:user_email:user@example.com?details=False&page=2#GetUser" == built == stored

    def test_default_use_case(self, gcache: GCache) -> None:
        """The use case defaults to the module's path and the function's name."""

        @gcache.cached(key_type="user_id", id_arg="user_id")
        def get_name(user_id: str) -> str:
            return "Alice"

        assert get_name.key("1").use_case.startswith(f"{__name__}.")
        assert get_name.key("1").use_case.endswith(".get_name")


class TestFlow:
    def test_source_fills_all_layers(self, stack: Stack, new_gcache: Instances, database: Database) -> None:
        """What the source gave is in memory and on the server, which outlives the instance."""

        def answers(gcache: GCache) -> dict[str, Any]:
            @gcache.cached(key_type="user_id", id_arg="id", use_case="GetUser")
            def get_user(id: int) -> dict[str, Any]:
                return database.query(id)

            with gcache.enable(), gcache:
                return [get_user(id=123), get_user(id=123)][1]

        first = answers(new_gcache(cache_config_provider=config_provider))
        second = answers(new_gcache(cache_config_provider=config_provider))

        assert {"id": 123, "answer": 1} == first
        assert {"id": 123, "answer": 2 if stack.server is None else 1} == second

    def test_remote_hit_fills_memory(self, stack: Stack, new_gcache: Instances, database: Database) -> None:
        """What the server had is in memory afterwards: it is found there when the server has lost it."""
        for _ in range(2):
            gcache = new_gcache(cache_config_provider=config_provider)

            @gcache.cached(key_type="user_id", id_arg="id", use_case="GetUser")
            def get_user(id: int) -> dict[str, Any]:
                return database.query(id)

            with gcache.enable(), gcache:
                get_user(123)
                if stack.server is not None:
                    stack.server.empty()
                answer = get_user(123)
                if stack.server is not None:
                    gcache.put(get_user.key(123), answer)

        assert len(database.asked) == answer["answer"] == (2 if stack.server is None else 1)


class TestBasicUsage:
    def test_sync(self, new_gcache: Instances, database: Database) -> None:
        """The basic example works for a sync function, with an async config provider."""
        gcache = new_gcache(cache_config_provider=config_provider)

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUserProfile")
        def get_user_profile(user_id: str) -> dict[str, Any]:
            return database.query(user_id)

        with gcache.enable():
            answers = [get_user_profile("12345"), get_user_profile("12345")]

        assert [{"id": "12345", "answer": 1}] * 2 == answers

    async def test_async(self, new_gcache: Instances, database: Database) -> None:
        """The basic example works for an async function, with an async config provider."""
        gcache = new_gcache(cache_config_provider=config_provider)

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUserProfile")
        async def get_user_profile(user_id: str) -> dict[str, Any]:
            return database.query(user_id)

        with gcache.enable():
            answers = [await get_user_profile("12345"), await get_user_profile(user_id="12345")]

        assert [{"id": "12345", "answer": 1}] * 2 == answers

    async def test_provider_sees_the_key(self, new_gcache: Instances, database: Database) -> None:
        """The config provider is asked with the key of the call, once for each use case at first."""
        seen: list[GCacheKey] = []

        async def provider(key: GCacheKey) -> GCacheKeyConfig:
            seen.append(key)
            return await config_provider(key)

        gcache = new_gcache(cache_config_provider=provider, config_refresh_sec=3600)
        for use_case in ("GetUser", "GetPosts"):
            decorate = gcache.cached(key_type="user_id", id_arg="user_id", use_case=use_case)
            get = decorate(lambda user_id, page: database.query(user_id))
            with gcache.enable():
                get("1", page=1)
                get("2", page=2)

        assert [
            GCacheKey("user_id", "1", "GetUser", {"page": 1}),
            GCacheKey("user_id", "1", "GetPosts", {"page": 1}),
        ] == seen


class TestRedisConfiguration:
    def test_option_1_no_redis(self, stack: Stack, database: Database) -> None:
        """With neither way to reach Redis given, memory alone caches, and no server hears of it."""
        with GCache(GCacheConfig(cache_config_provider=config_provider, urn_prefix=stack.prefix)) as gcache:

            @gcache.cached(key_type="user_id", id_arg="user_id")
            def get_user_profile(user_id: str) -> dict[str, Any]:
                return database.query(user_id)

            with gcache.enable():
                answers = [get_user_profile("12345"), get_user_profile("12345")]

        assert [{"id": "12345", "answer": 1}] * 2 == answers
        assert stack.server is None or {} == stack.stored()

    @pytest.mark.parametrize("side", ["sync", "async"])
    async def test_option_2_redis_config(self, own_server: Server, database: Database, side: str) -> None:
        """RedisConfig takes host, port, user, password, protocol and options of redis-py."""
        own_server.command("ACL", "SETUSER", "myuser", "on", ">mypassword", "~*", "+@all")
        own_server.command("ACL", "SETUSER", "default", "off")
        config = RedisConfig(
            host="localhost",
            port=own_server.port,
            username="myuser",
            password="mypassword",
            protocol="redis",
            cluster=False,
            redis_py_options={"socket_connect_timeout": 1, "socket_timeout": 1, "max_connections": 100},
        )
        stack = Stack(own_server)

        answers = await _answers_of_two_instances(
            stack.config(redis_config=config, cache_config_provider=config_provider), database, side
        )

        assert [{"id": "12345", "answer": 1}] * 4 == answers

    @pytest.mark.parametrize("side", ["sync", "async"])
    async def test_option_3_factory(self, own_server: Server, database: Database, side: str) -> None:
        """A factory with thread-local clients of redis.asyncio, a token in their URL, serves both sides."""
        own_server.command("ACL", "SETUSER", "default", "resetpass", ">token")

        def get_auth_token_from_vault() -> str:
            return "token"

        def create_custom_redis_factory() -> Callable[[], Redis | RedisCluster]:
            _thread_local = threading.local()

            def factory() -> Redis | RedisCluster:
                if not hasattr(_thread_local, "client"):
                    token = get_auth_token_from_vault()
                    _thread_local.client = Redis.from_url(
                        f"redis://:{token}@127.0.0.1:{own_server.port}",
                        socket_connect_timeout=1,
                        socket_timeout=1,
                    )
                return _thread_local.client

            return factory

        clients = ThreadLocalClients(create_custom_redis_factory())
        config = Stack(own_server).config(redis_client_factory=clients, cache_config_provider=config_provider)

        answers = await _answers_of_two_instances(config, database, side)
        await clients.aclose()

        assert [{"id": "12345", "answer": 1}] * 4 == answers

    @pytest.mark.parametrize("side", ["sync", "async"])
    async def test_option_3_factory_of_cluster_clients(
        self, cluster: Any, database: Database, side: str
    ) -> None:
        """A factory may as well give clients of a Cluster."""
        clients = ThreadLocalClients(lambda: RedisCluster.from_url(cluster.url))
        config = Stack(cluster).config(redis_client_factory=clients, cache_config_provider=config_provider)

        answers = await _answers_of_two_instances(config, database, side)
        await clients.aclose()

        assert [{"id": "12345", "answer": 1}] * 4 == answers

    def test_both_is_a_conflict(self) -> None:
        """A redis_config and a redis_client_factory together raise RedisConfigConflict."""
        with pytest.raises(RedisConfigConflict, match="redis_config and redis_client_factory"):
            GCache(
                GCacheConfig(
                    cache_config_provider=config_provider,
                    redis_config=RedisConfig(port=6379),
                    redis_client_factory=redis.asyncio.Redis,
                )
            )


async def _answers_of_two_instances(config: GCacheConfig, database: Database, side: str) -> list[Any]:
    """Two calls on each of two instances, the second of which has only the server to know from."""
    answers: list[Any] = []
    for _ in range(2):
        async with GCache(config) as gcache:
            decorate = gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUserProfile")
            with gcache.enable():
                if side == "sync":
                    get = decorate(lambda user_id: database.query(user_id))
                    answers += [get("12345"), get("12345")]
                else:

                    async def aquery(user_id: str) -> dict[str, Any]:
                        return database.query(user_id)

                    aget = decorate(aquery)
                    answers += [await aget("12345"), await aget("12345")]
    return answers


class TestCachingFunctions:
    def test_simple_example(self, get_user_profile: Any, gcache: GCache, database: Database) -> None:
        """Caching is off, then on in a block, where the second call is a hit."""
        uncached = get_user_profile("12345")
        with gcache.enable():
            profile = get_user_profile("12345")
            profile_again = get_user_profile("12345")

        assert {"id": "12345", "answer": 1} == uncached
        assert {"id": "12345", "answer": 2} == profile == profile_again

    @pytest.mark.parametrize("side", ["sync", "async"])
    async def test_argument_transformers(self, gcache: GCache, side: str) -> None:
        """The id comes out of an object, adapters shape the key, ignored arguments do not count."""
        runs: list[str] = []
        decorate = gcache.cached(
            key_type="user_id",
            id_arg=("user", lambda user: user.system_user_id),
            use_case="GetUserLatestRuns",
            arg_adapters={
                "project_type": lambda project_type: project_type.name,
                "pagination": lambda pagination: f"{pagination.starting_token}-{pagination.limit}",
            },
            ignore_args=["db_read"],
        )

        def run(db_read: Session, user: User, project_type: ProjectType, pagination: Pagination) -> str:
            runs.append(f"{user.system_user_id} {project_type.name} {pagination.limit}")
            return f"{runs[-1]} by {db_read.name}"

        if side == "sync":
            get_latest_runs: Any = decorate(run)
        else:

            async def arun(
                db_read: Session, user: User, project_type: ProjectType, pagination: Pagination
            ) -> str:
                return run(db_read, user, project_type, pagination)

            get_latest_runs = decorate(arun)

        async def call(*args: Any) -> str:
            result = get_latest_runs(*args)
            return result if side == "sync" else await result

        with gcache.enable():
            first = await call(Session("a"), User("u1"), ProjectType.LLM, Pagination(0, 10))
            same = await call(Session("b"), User("u1", nickname="x"), ProjectType.LLM, Pagination(0, 10))
            other_user = await call(Session("a"), User("u2"), ProjectType.LLM, Pagination(0, 10))
            other_type = await call(Session("a"), User("u1"), ProjectType.RAG, Pagination(0, 10))
            other_page = await call(Session("a"), User("u1"), ProjectType.LLM, Pagination(0, 20))
        key = get_latest_runs.key(Session("a"), User("u1"), ProjectType.LLM, Pagination(0, 10))

        assert ["u1 LLM 10 by a"] * 2 == [first, same]
        assert ["u2 LLM 10 by a", "u1 RAG 10 by a", "u1 LLM 20 by a"] == [other_user, other_type, other_page]
        assert 4 == len(runs)
        assert (("pagination", "0-10"), ("project_type", "LLM")) == key.args


class ProjectType(enum.Enum):
    LLM = 1
    RAG = 2


class Session:
    def __init__(self, name: str) -> None:
        self.name = name


@dataclass
class User:
    system_user_id: str
    nickname: str = ""


@dataclass
class Pagination:
    starting_token: int
    limit: int


class TestControllingCacheBehavior:
    def test_enabling_and_disabling(self, gcache: GCache, get_user_profile: Any) -> None:
        """Nothing is cached before the block nor after it."""

        def cached_function() -> int:
            return get_user_profile("1")["answer"]

        result1 = cached_function()
        with gcache.enable():
            result2 = cached_function()
            result3 = cached_function()
        result4 = cached_function()

        assert [1, 2, 2, 3] == [result1, result2, result3, result4]

    def test_what_was_cached_is_found_when_enabled_again(self, gcache: GCache, get_user_profile: Any) -> None:
        """Leaving the block neither drops what was cached nor puts in what was called outside."""
        with gcache.enable():
            before = get_user_profile("1")
        get_user_profile("1")
        with gcache.enable():
            after = get_user_profile("1")

        assert before == after

    def test_ramp(self, stack: Stack, new_gcache: Instances, database: Database) -> None:
        """A use case is cached once it is ramped up at run time, in addition to being enabled."""
        percent = 0

        async def provider(key: GCacheKey) -> GCacheKeyConfig:
            return GCacheKeyConfig(
                ttl_sec=dict.fromkeys([CacheLayer.LOCAL, CacheLayer.REMOTE], 60),
                ramp=dict.fromkeys([CacheLayer.LOCAL, CacheLayer.REMOTE], percent),
            )

        gcache = new_gcache(cache_config_provider=provider, config_refresh_sec=0)

        @gcache.cached(key_type="user_id", id_arg="user_id")
        def get_user_profile(user_id: str) -> dict[str, Any]:
            return database.query(user_id)

        with gcache.enable():
            down = [get_user_profile("1")["answer"] for _ in range(2)]
            percent = 100
            up = [get_user_profile("1")["answer"] for _ in range(2)]
            percent = 0
            down_again = get_user_profile("1")["answer"]

        assert ([1, 2], [3, 3], 4) == (down, up, down_again)

    def test_ramp_takes_a_share(self, new_gcache: Instances, database: Database) -> None:
        """Of many entities a partial ramp caches some and not others, and always the same ones."""

        async def provider(key: GCacheKey) -> GCacheKeyConfig:
            return GCacheKeyConfig(ttl_sec={"local": 60, "remote": 60}, ramp={"local": 50, "remote": 50})

        gcache = new_gcache(cache_config_provider=provider)

        @gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser")
        def get_user(user_id: int) -> int:
            return database.query(user_id)["answer"]

        with gcache.enable():
            rounds = [[get_user(user_id) for user_id in range(100)] for _ in range(3)]
        stayed = [user_id for user_id in range(100) if rounds[0][user_id] == rounds[1][user_id]]

        assert 20 < len(stayed) < 80
        assert stayed == [user_id for user_id in range(100) if rounds[1][user_id] == rounds[2][user_id]]


class TestInvalidation:
    def test_invalidate(self, gcache: GCache, get_user_profile: Any) -> None:
        """The next read after an invalidation asks the source, and caches what it says."""
        with gcache.enable():
            before = get_user_profile("12345")
            gcache.invalidate(key_type="user_id", id="12345")
            after = [get_user_profile("12345"), get_user_profile("12345")]

        assert 1 == before["answer"]
        assert [2, 2] == [profile["answer"] for profile in after]

    async def test_ainvalidate(self, gcache: GCache, aget_user_profile: Any) -> None:
        """The next read after an awaited invalidation asks the source, and caches what it says."""
        with gcache.enable():
            before = await aget_user_profile("12345")
            await gcache.ainvalidate(key_type="user_id", id="12345")
            after = [await aget_user_profile("12345"), await aget_user_profile("12345")]

        assert 1 == before["answer"]
        assert [2, 2] == [profile["answer"] for profile in after]

    async def test_sync_and_async_are_one(
        self, gcache: GCache, aget_user_profile: Any, get_user_profile: Any
    ) -> None:
        """An invalidation from either side ends what the other side cached."""
        with gcache.enable():
            get_user_profile("1")
            await aget_user_profile("1")
            await gcache.ainvalidate("user_id", "1")
            from_sync = get_user_profile("1")
            gcache.invalidate("user_id", "1")
            from_async = await aget_user_profile("1")

        assert [3, 4] == [from_sync["answer"], from_async["answer"]]

    @pytest.mark.parametrize("enabled", [True, False])
    def test_all_entries_of_the_entity(self, gcache: GCache, database: Database, enabled: bool) -> None:
        """All arguments and use cases of an entity go, enabled or not, and no other entity does."""
        get_posts = gcache.cached(
            key_type="user_id", id_arg="user_id", use_case="GetPosts", track_for_invalidation=True
        )(lambda user_id, page: database.query(user_id)["answer"])
        get_name = gcache.cached(
            key_type="user_id", id_arg="user_id", use_case="GetName", track_for_invalidation=True
        )(lambda user_id: database.query(user_id)["answer"])
        get_org = gcache.cached(
            key_type="org_id", id_arg="org_id", use_case="GetOrg", track_for_invalidation=True
        )(lambda org_id: database.query(org_id)["answer"])

        def read() -> list[int]:
            with gcache.enable():
                return [get_posts("1", 1), get_posts("1", 2), get_name("1"), get_name("2"), get_org("1")]

        before = read()
        with gcache.enable(enabled):
            gcache.invalidate(key_type="user_id", id="1")
        after = read()

        assert [1, 2, 3, 4, 5] == before
        assert [6, 7, 8, 4, 5] == after

    def test_id_is_its_text(self, gcache: GCache, get_user_profile: Any) -> None:
        """12345 and "12345" are one entity."""
        with gcache.enable():
            get_user_profile("12345")
            gcache.invalidate(key_type="user_id", id=12345)
            after = get_user_profile("12345")

        assert 2 == after["answer"]

    def test_untracked_entries_stay(self, gcache: GCache, database: Database) -> None:
        """What is not tracked is not invalidated."""
        get = gcache.cached(key_type="user_id", id_arg="user_id")(database.query)
        with gcache.enable():
            get("1")
            gcache.invalidate("user_id", "1")
            after = get("1")

        assert 1 == after["answer"]

    def test_future_buffer(self, gcache: GCache, get_user_profile: Any) -> None:
        """While the buffer stands every read asks the source, and nothing is cached."""
        with gcache.enable():
            get_user_profile("12345")
            gcache.invalidate(key_type="user_id", id="12345", fallback_buffer_ms=5000)
            meanwhile = [get_user_profile("12345")["answer"] for _ in range(3)]
            other = [get_user_profile("2")["answer"] for _ in range(2)]

        assert [2, 3, 4] == meanwhile
        assert [5, 5] == other

    async def test_future_buffer_async(self, gcache: GCache, aget_user_profile: Any) -> None:
        """While the buffer stands every awaited read asks the source, and nothing is cached."""
        with gcache.enable():
            await aget_user_profile("12345")
            await gcache.ainvalidate(key_type="user_id", id="12345", fallback_buffer_ms=5000)
            meanwhile = [(await aget_user_profile("12345"))["answer"] for _ in range(3)]

        assert [2, 3, 4] == meanwhile

    def test_future_buffer_ends(self, gcache: GCache, get_user_profile: Any) -> None:
        """When the buffer has passed caching goes on, and nothing from before it comes back."""
        answers: list[int] = []

        def is_cached_again() -> bool:
            answers.append(get_user_profile("1")["answer"])
            return answers[-1] in answers[:-1]

        with gcache.enable():
            get_user_profile("1")
            gcache.invalidate(key_type="user_id", id="1", fallback_buffer_ms=50)
            wait_until(is_cached_again, sentence="the buffer to pass")

        assert 1 not in answers


class TestFlush:
    def test_flushall(self, stack: Stack, gcache: GCache, get_user_profile: Any) -> None:
        """Nothing is left, neither in memory nor on the server."""
        with gcache.enable():
            before = [get_user_profile(user_id)["answer"] for user_id in range(30)]
            gcache.flushall()
            left = {} if stack.server is None else stack.stored()
            after = [get_user_profile(user_id)["answer"] for user_id in range(30)]

        assert {} == left
        assert list(range(1, 31)) == before
        assert list(range(31, 61)) == after

    async def test_aflushall(self, stack: Stack, gcache: GCache, aget_user_profile: Any) -> None:
        """Nothing is left, neither in memory nor on the server."""
        with gcache.enable():
            before = [(await aget_user_profile(user_id))["answer"] for user_id in range(30)]
            await gcache.aflushall()
            left = {} if stack.server is None else stack.stored()
            after = [(await aget_user_profile(user_id))["answer"] for user_id in range(30)]

        assert {} == left
        assert list(range(1, 31)) == before
        assert list(range(31, 61)) == after


class TestMonitoring:
    def test_metrics(self, stack: Stack, new_gcache: Instances, database: Database) -> None:
        """Hits and misses by use case and key type, latency, size and invalidations are collected."""
        registry = CollectorRegistry()
        gcache = new_gcache(metrics=PrometheusSink(registry=registry), cache_config_provider=cache_all)
        get = gcache.cached(
            key_type="user_id", id_arg="user_id", use_case="GetUser", track_for_invalidation=True
        )(database.query)
        use_case = {"use_case": "GetUser", "key_type": "user_id"}
        last = {"layer": stack.layer_names[-1]}

        with gcache.enable():
            for _ in range(3):
                get("1")
            gcache.invalidate("user_id", "1")

        sample = registry.get_sample_value
        assert 2 == sample("gcache_hits_total", use_case | {"layer": "local"})
        assert 1 == sample("gcache_misses_total", use_case | last | {"reason": "absent"})
        assert 1 == sample("gcache_invalidations_total", {"key_type": "user_id"} | last)
        assert 1 == sample("gcache_load_seconds_count", use_case)
        assert 1 == sample("gcache_entries", {"layer": "local"})
        if stack.server is not None:
            assert 1 == sample("gcache_get_seconds_count", use_case | last)
            assert 1 == sample("gcache_size_bytes_count", use_case | last)
