"""What users type, checked by mypy and pyright and never run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_type

from gcache import (
    ANY,
    MISSING,
    AsyncCacheLayer,
    CacheLayer,
    GCache,
    GCacheConfig,
    GCacheKey,
    GCacheKeyConfig,
    InvalidationBus,
    JsonSerializer,
    MemoryLayer,
    PickleSerializer,
    RedisBus,
    RedisConfig,
    Subscription,
    keep_for,
)
from gcache.backends.redis import RedisLayer
from gcache.core.protocols import MetricsSink, Serializer
from gcache.discovery import layer_from
from gcache.instrumentation.null import NullSink
from gcache.urls import LayerURL, flag, seconds, size


@dataclass
class User:
    id: int
    name: str


async def ask(key: GCacheKey) -> GCacheKeyConfig:
    return GCacheKeyConfig(
        ttl_sec={CacheLayer.LOCAL: 5, CacheLayer.REMOTE: 10},
        ramp={CacheLayer.LOCAL: 100, CacheLayer.REMOTE: 100},
    )


def ask_at_once(key: GCacheKey) -> GCacheKeyConfig | None:
    return GCacheKeyConfig.enabled(60) if key.use_case == "GetUser" else None


redis = RedisConfig(port=6379, invalidate_wait_replicas=1)
gcache = GCache(GCacheConfig(cache_config_provider=ask, redis_config=redis, invalidation_bus=RedisBus(redis)))
other = GCache(
    GCacheConfig(
        cache_config_provider=ask_at_once,
        layers=[MemoryLayer(name="first", max_entries=10)],
        urn_prefix="urn:other",
        metrics=NullSink(),
        serializer=JsonSerializer(),
    )
)
mixed = GCacheConfig(layers=["memory", MemoryLayer[object](name="second"), RedisLayer(redis, name="third")])
named = GCacheConfig(layers=["memory?max_entries=10", "redis://localhost:6379/2?name=far"])
none = GCacheConfig(layers=["memory", 1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
sink: MetricsSink = NullSink()
serializers: list[Serializer] = [PickleSerializer(trusted=[User]), PickleSerializer(trusted=ANY)]


@gcache.cached(
    key_type="age",
    id_arg="user_id",
    default_config=GCacheKeyConfig(shadow={"*": 5}),
    shadow_equal=lambda cached, loaded: abs(cached - loaded) < 1,
)
def get_age(user_id: int) -> float:
    return 1.5


@gcache.cached(key_type="user_id", id_arg="user_id", use_case="GetUser", track_for_invalidation=True)
def get_user(user_id: int, *, fresh: bool = False) -> User:
    return User(user_id, "Alice")


@gcache.cached(key_type="user_id", id_arg=("user", lambda user: user.id), ignore_args=["limit"])
async def get_posts(user: User, limit: int = 10) -> list[str]:
    return [user.name] * limit


class Repository:
    @gcache.cached("user_id", "user_id", arg_adapters={"kind": str})
    def find(self, user_id: int, kind: str) -> User | None:
        return None


def sync_calls() -> None:
    with gcache.enable(), gcache.enable(False):
        assert_type(get_user(1), User)
        assert_type(get_user(1, fresh=True), User)
    assert_type(get_user.key(1), GCacheKey)
    assert_type(get_user.refresh(1), User)
    assert_type(get_user.invalidate(1), None)
    peeked = get_user.peek(1)
    if peeked is not MISSING:
        assert_type(peeked, User)
    assert_type(Repository().find(1, "a"), User | None)
    assert_type(Repository().find.refresh(1, "a"), User | None)
    assert_type(gcache.get(get_user.key(1), lambda: User(1, "Bob")), User)
    gcache.invalidate(key_type="user_id", id="12345", fallback_buffer_ms=5000)
    with gcache.invalidating("user_id", 1, hold_sec=5):
        assert_type(get_user(1), User)
    get_user("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    get_user.refresh()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def async_calls() -> None:
    assert_type(await get_posts(User(1, "Alice")), list[str])
    assert_type(await get_posts.arefresh(User(1, "Alice"), limit=3), list[str])
    await get_posts.ainvalidate(User(1, "Alice"))
    await gcache.ainvalidate("user_id", 1)
    async with gcache.invalidating("user_id", 1):
        assert_type(get_user(1), User)

    async def load() -> User:
        return User(1, "Alice")

    assert_type(await gcache.aget(get_user.key(1), load), User)
    async with gcache:
        await gcache.aflushall()


class Bus:
    """What is a bus by its methods alone."""

    def publish(self, channel: str, message: bytes) -> None: ...

    def subscribe(self, channel: str) -> Subscription:
        return RedisBus(redis).subscribe(channel)

    def close(self) -> None: ...


bus: InvalidationBus = Bus()


def from_url(url: LayerURL) -> MemoryLayer[object]:
    url.only("path", "login")
    url.only("query")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(url.options(name=str, limit=size, is_shared=flag, timeout_sec=seconds), dict[str, Any])
    return MemoryLayer(name=url.path)


assert_type(layer_from("memory"), CacheLayer[Any] | AsyncCacheLayer[Any])


@gcache.enable()
def enabled(number: int) -> str:
    return str(number)


assert_type(enabled(1), str)


@gcache.cached(
    key_type="user_id",
    id_arg="user_id",
    cache_exceptions=(LookupError,),
    cache_if=lambda name: bool(name),
    isolate="copy",
    default_config=GCacheKeyConfig(stale_if_error_sec=5, soft_load_timeout_sec=0.1, lease_sec=2),
)
def get_name(user_id: int) -> str:
    keep_for(5)
    keep_for(GCacheKeyConfig.enabled(5))
    keep_for("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return "Alice"


assert_type(get_name(1), str)
gcache.cached("user_id", "user_id", isolate="deep")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@gcache.cached_many("user_id", ids_arg="user_ids", use_case="GetUsers", track_for_invalidation=True)
def get_users(user_ids: list[int], *, deleted: bool = False) -> dict[int, User]:
    return {}


@gcache.cached_many("user_id", ids_arg=("users", lambda user: user.id))
async def get_names(users: list[User]) -> Mapping[User, str | None]:
    return {}


class Shop:
    @gcache.cached_many("user_id", ids_arg="user_ids")
    def prices(self, user_ids: list[int]) -> dict[int, float]:
        return {}


async def many() -> None:
    assert_type(get_users([1, 2], deleted=True), dict[int, User])
    assert_type(get_users.keys([1, 2]), list[GCacheKey])
    get_users.invalidate([1, 2])
    assert_type(await get_names([User(1, "Ada")]), Mapping[User, str | None])
    await get_names.ainvalidate([])
    assert_type(Shop().prices([1]), dict[int, float])
    get_users("1")  # type: ignore[arg-type]
