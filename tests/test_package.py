"""What installing and importing the package brings along."""

from __future__ import annotations

import subprocess
import sys

import gcache


def _modules_after(statement: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(printed.stdout.split())


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
