"""The peer `dogpile.cache` with its defaults, over its Redis backend. It has the sync side only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region
from source import Source


def functions(options: dict[str, Any], source: Source) -> dict[str, dict[bool, Callable[[int], Any]]]:
    """Return the cached function; there are no tracked ones."""
    arguments = {name: options[name] for name in ("host", "port", "username", "password") if name in options}
    chosen = {"max_connections": options.get("max_connections"), "ssl_ca_certs": options.get("ca_file")}
    arguments["connection_kwargs"] = {name: value for name, value in chosen.items() if value is not None}
    if "ca_file" in options:
        arguments["ssl"] = True
    region = make_region().configure("dogpile.cache.redis", expiration_time=60, arguments=arguments)

    def read(number: int) -> Any:  # it takes a bound method's first argument for `self`
        return source.load(number)

    return {"sync": {False: region.cache_on_arguments()(read)}}
