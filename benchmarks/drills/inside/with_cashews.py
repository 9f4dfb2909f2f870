"""The peer `cashews` with its defaults, for Redis without client-side caching. It has the async side only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from cashews import Cache
from source import Source


def functions(options: dict[str, Any], source: Source) -> dict[str, dict[bool, Callable[[int], Any]]]:
    """Return the cached function; there are no tracked ones."""
    cache = Cache()
    chosen = {name: options[name] for name in ("max_connections",) if name in options}
    cache.setup(_url(options), **chosen)
    return {"async": {False: cache(ttl="60s", key="read:{number}")(source.aload)}}


def _url(options: dict[str, Any]) -> str:
    scheme = "rediss" if "ca_file" in options else "redis"
    login = f"{options['username']}:{options['password']}@" if "username" in options else ""
    query = "?" + urlencode({"ssl_ca_certs": options["ca_file"]}) if "ca_file" in options else ""
    return f"{scheme}://{login}{options['host']}:{options['port']}/0{query}"
