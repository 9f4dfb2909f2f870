"""Another process on the same authority: reads one tracked key, told by lines on stdin, answers on stdout.

`read VALUE` reads with a source that gives VALUE; `load VALUE` is the same with a source that says
"loading" and waits for a line `go` first.
"""

from __future__ import annotations

import sys

from gcache import GCache, GCacheConfig, GCacheKey, GCacheKeyConfig, RedisConfig


def main(prefix: str, port: str, cluster: str) -> None:
    config = GCacheConfig(
        urn_prefix=prefix,
        redis_config=RedisConfig(host="127.0.0.1", port=int(port), cluster=cluster == "True"),
        cache_config_provider=lambda key: GCacheKeyConfig(ttl_sec={"remote": 3600}, ramp={"remote": 100}),
    )
    key = GCacheKey("user_id", "1", "GetUser", track_for_invalidation=True)
    with GCache(config) as gcache, gcache.enable():
        for line in sys.stdin:
            verb, value = line.split()

            def load(verb: str = verb, value: str = value) -> str:
                if verb == "load":
                    print("loading", flush=True)
                    sys.stdin.readline()
                return value

            print(gcache.get(key, load), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
