"""What installing and importing the package brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gcache

_CALL = """
import asyncio, inspect, sys
import gcache
from gcache.instrumentation import NullSink

redis = gcache.RedisConfig(port=1, cluster={cluster})
made = gcache.GCache(gcache.GCacheConfig(redis_config=redis, metrics=NullSink()))

@made.cached("user_id", "user_id", "Get", default_config=gcache.GCacheKeyConfig.enabled(60))
{definition} get(user_id): return user_id

print(*sys.modules)
with made.enable():
    called = get(1)
    if inspect.isawaitable(called):
        asyncio.run(asyncio.wait_for(called, 5))
print(*sys.modules)
made.close()
"""


def _modules_after(statement: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(printed.stdout.split())


def _modules_around_a_call(definition: str, cluster: bool) -> tuple[set[str], set[str]]:
    """Return what is imported before and after the first call, which finds no server and loads."""
    printed = subprocess.check_output(
        [sys.executable, "-c", _CALL.format(definition=definition, cluster=cluster)], text=True
    )
    before, after = printed.splitlines()
    return set(before.split()), set(after.split())


def test_importing_brings_in_no_optional_dependency_and_no_event_loop():
    """Who uses memory alone pays for neither Redis, nor Prometheus, nor asyncio, nor a search for layers."""
    loaded = _modules_after("import gcache; gcache.GCacheConfig(layers=[gcache.MemoryLayer()])")

    not_needed = {"redis", "prometheus_client", "asyncio", "gcache.backends.redis"}
    assert set() == loaded & (not_needed | {"importlib.metadata", "gcache.discovery", "gcache.urls"})


def test_memory_alone_needs_no_wire():
    """Who uses memory alone imports nothing that makes bytes of entries or listens to a bus."""
    loaded = _modules_after(
        "import gcache; gcache.GCache(gcache.GCacheConfig(layers=[gcache.MemoryLayer()])).close()"
    )

    parts = {"gcache.core.wire", "gcache.core.envelope", "gcache.core.bus", "gcache.core.listener"}
    assert set() == loaded & parts


def test_importing_brings_in_no_engine():
    """What only an instance needs is imported when one is made."""
    loaded = _modules_after("import gcache; gcache.GCacheConfig(); gcache.GCacheKeyConfig.enabled(5)")

    assert set() == loaded & {
        "gcache.assembly",
        "gcache.core.chain",
        "gcache.core.events",
        "gcache.core.calls",
    }


def test_an_instance_brings_in_no_chain():
    """What reads and writes need comes with the first use case, and what a Cluster needs with a Cluster."""
    config = "gcache.GCacheConfig(redis_config=gcache.RedisConfig())"
    loaded = _modules_after(f"import gcache; gcache.GCache({config}).close()")

    parts = {"gcache.core.chain", "gcache.core.many", "gcache.core.use_case", "gcache.core.wire"}
    assert "gcache.core.engine" in loaded
    assert set() == loaded & (parts | {"gcache.backends._redis_cluster", "gcache.backends._redis_replicas"})


@pytest.mark.parametrize("cluster", [False, True])
@pytest.mark.parametrize("definition", ["def", "async def"])
def test_a_call_imports_nothing_of_ours(definition: str, cluster: bool):
    """By the time that a function is decorated all is there that its calls need, also those that miss."""
    before, after = _modules_around_a_call(definition, cluster)

    assert set() == {module for module in after - before if module.startswith("gcache")}


def test_importing_brings_in_no_openssl_and_no_dates():
    """What only some calls need is imported by them, and blake2 comes without the rest of hashlib."""
    before = _modules_after("pass")

    needed_by_some = {"hashlib", "_hashlib", "struct", "zlib", "datetime"}
    assert before & needed_by_some == _modules_after("import gcache") & needed_by_some


def test_every_public_name_is_there():
    """What `__all__` lists can be imported."""
    missing = [name for name in gcache.__all__ if getattr(gcache, name, None) is None]

    assert [] == missing


def test_every_public_name_is_listed():
    """Whoever completes names is offered those that are imported late, too, before anybody asked for them."""
    listed = subprocess.check_output([sys.executable, "-c", "import gcache; print(*dir(gcache))"], text=True)

    assert set() == set(gcache.__all__) - set(listed.split())


def test_an_unknown_name_is_an_attribute_error():
    """The lazy names do not make a misspelt one look like something else."""
    assert not hasattr(gcache, "GCash")


def test_the_error_tree_is_drawn_as_it_is():
    """The drawing in the docstring names every exception and no other."""
    drawn = {
        word
        for word in gcache.errors.__doc__.replace("(", " ").split()
        if word.isidentifier() and word in vars(gcache.errors)
    }
    defined = {
        name
        for name, value in vars(gcache.errors).items()
        if isinstance(value, type) and issubclass(value, gcache.GCacheError)
    }

    assert defined == drawn
