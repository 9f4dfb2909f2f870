"""dogpile.cache: its memory backend, which never evicts, or its Redis backend, with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region


def cached(source: Callable[..., Any], port: int | None) -> Callable[..., Any]:
    region = make_region()
    if port is None:
        region.configure("dogpile.cache.memory", expiration_time=600)
    else:
        region.configure(
            "dogpile.cache.redis", expiration_time=600, arguments={"host": "127.0.0.1", "port": port}
        )
    decorate: Any = region.cache_on_arguments()
    return decorate(source)
