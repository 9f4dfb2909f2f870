"""A process that hears of invalidations, forks, and sees that parent and child hear each other."""

from __future__ import annotations

import os
import sys

from gcache import GCache, GCacheConfig, GCacheKeyConfig, RedisBus, RedisConfig
from gcache.conformance.waiting import wait_until


def main(port: str, cluster: str) -> None:
    config = RedisConfig(host="127.0.0.1", port=int(port), cluster=cluster == "True")
    gcache = GCache(
        GCacheConfig(redis_config=config, invalidation_bus=RedisBus(config), urn_prefix="urn:forked")
    )

    @gcache.cached(
        "user_id", "user_id", track_for_invalidation=True, default_config=GCacheKeyConfig.enabled(60)
    )
    def get_user(user_id: int) -> int:
        return os.getpid()

    def hears() -> bool:
        get_user(0)
        listener = gcache._engine._listener
        return listener is not None and listener.hears

    def kept() -> bool:
        memory = gcache._engine.memory
        entry = memory.find(gcache._engine.keys.build(get_user.key(1)), 0) if memory else None
        return entry is not None and entry.generation.alive

    with gcache, gcache.enable():
        wait_until(hears, sentence="the parent to hear")
        get_user(1)
        to_child, to_parent = os.pipe(), os.pipe()
        child = os.fork()
        wait_until(hears, sentence="both to hear")
        get_user(1)
        if child:
            os.read(to_parent[0], 1)
            get_user(1)
            gcache.invalidate("user_id", 1)
            os.read(to_parent[0], 1)
            get_user(1)
            os.write(to_child[1], b"!")
            wait_until(lambda: not kept(), sentence="the parent to hear the child")
            os.waitpid(child, 0)
            print("parent heard child, child heard parent")
        else:
            os.write(to_parent[1], b"!")
            wait_until(lambda: not kept(), sentence="the child to hear the parent")
            os.write(to_parent[1], b"!")
            os.read(to_child[0], 1)
            gcache.invalidate("user_id", 1)
            os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
