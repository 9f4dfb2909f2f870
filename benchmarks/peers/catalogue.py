"""Who takes part in which races, and in which version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers.inside.source import USERS

MANY = [str(number) for number in range(50)]
CALLS_EACH = 10


@dataclass(frozen=True)
class Task:
    """What a peer is to call. `calls_each` of 0 is one caller; otherwise there is a task for each user."""

    is_async: bool = False
    has_keywords: bool = False
    needs_server: bool = False
    calls_each: int = 0
    users: Sequence[str] = tuple(USERS)


RACES: Mapping[str, Task] = {
    "local_hit": Task(),
    "local_hit_keywords": Task(has_keywords=True),
    "local_hit_async": Task(is_async=True),
    "redis_hit": Task(needs_server=True),
    "redis_hit_async": Task(is_async=True, needs_server=True),
    "redis_hit_many": Task(is_async=True, needs_server=True, calls_each=CALLS_EACH, users=MANY),
}
_SYNC, _ASYNC = ("local_hit", "local_hit_keywords"), ("local_hit_async",)


@dataclass(frozen=True)
class Peer:
    """What to install for a peer, which is pinned so that the same thing is measured again."""

    pinned: str
    adapter: str
    races: Sequence[str]
    needs: Sequence[str] = ()

    @property
    def name(self) -> str:
        return self.pinned.replace("==", " ")


_REDIS = ("redis==8.1.0", "hiredis==3.5.0")
CACHEBOX, ASYNC_LRU, THEINE, GCACHE = "cachebox 6.2.10", "async-lru 2.4.0", "theine 2.0.0", "gcache 3.0.0"
PEERS = (
    Peer("cachebox==6.2.10", "with_cachebox", (*_SYNC, *_ASYNC)),
    Peer("cachetools==8.0.2", "with_cachetools", _SYNC),
    Peer("theine==2.0.0", "with_theine", (*_SYNC, *_ASYNC)),
    Peer("async-lru==2.4.0", "with_async_lru", _ASYNC),
    Peer("dogpile.cache==1.5.0", "with_dogpile", (*_SYNC, "redis_hit"), _REDIS),
    Peer("aiocache==0.12.3", "with_aiocache", (*_ASYNC, "redis_hit_async", "redis_hit_many"), _REDIS),
    Peer("cashews==7.6.0", "with_cashews", (*_ASYNC, "redis_hit_async", "redis_hit_many"), _REDIS),
    Peer("gcache==3.0.0", "with_gcache", tuple(RACES), ("hiredis==3.5.0",)),
)
