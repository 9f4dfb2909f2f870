"""Layers made of a text by whatever distribution offers its scheme."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gcache import GCache, GCacheConfig, GCacheConfigError, GCacheKeyConfig, MemoryLayer, MissingExtra
from gcache.discovery import layer_from
from gcache.urls import LayerURL

SHELVES = """
from gcache import GCacheConfigError, MemoryLayer

opened = []
nothing = None

class Shelf(MemoryLayer):
    in_process = False
    is_closed = False

    def close(self):
        self.is_closed = True

class AwaitedShelf:
    is_closed = False

    def __init__(self, name):
        self.name = name

    async def aget(self, keys): return [None for _ in keys]
    async def aput(self, items, ttl): ...
    async def aadd(self, key, value, ttl): return True
    async def adelete(self, keys): return 0
    async def aclear(self, prefix, progress=None): return 0
    async def aclose(self): self.is_closed = True

def from_url(url):
    opened.append(Shelf(**url.options(name=str)))
    return opened[-1]

def awaited_from_url(url):
    opened.append(AwaitedShelf(**url.options(name=str)))
    return opened[-1]

def none_from_url(url):
    return None

def half_from_url(url):
    return type("Half", (), {"name": "half"})()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Puts a distribution onto the path: its name, the entry points that it has, and its one module."""

    def install(name: str, entry_points: dict[str, str], source: str = SHELVES) -> None:
        home = tmp_path / name
        info = home / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{scheme} = {target}\n" for scheme, target in entry_points.items()]
        (info / "entry_points.txt").write_text(f"[gcache.layers]\n{''.join(lines)}")
        (home / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(home)

    before = set(sys.modules)
    yield install
    for module in set(sys.modules) - before:
        if module.startswith("shelves"):
            del sys.modules[module]


def test_a_scheme_is_an_entry_point(install: Callable[..., Any]) -> None:
    """What another distribution offers is made by its factory, in any case of letters."""
    install("shelves", {"shelf": "shelves:from_url"})

    layer: Any = layer_from("SHELF://?name=oak")

    assert ("Shelf", "oak") == (type(layer).__name__, layer.name)


def test_a_parsed_url_will_do() -> None:
    """A text that was taken apart already is not taken apart again."""
    layer: Any = layer_from(LayerURL("memory", query=(("max_entries", "7"),)))

    assert 7 == layer.max_entries


def test_an_unknown_scheme_lists_what_is_installed(install: Callable[..., Any]) -> None:
    """The error says what there is and how more is added."""
    install("shelves", {"shelf": "shelves:from_url"})

    with pytest.raises(GCacheConfigError) as raised:
        layer_from("tape:///dev/nst0")

    beginning, names = str(raised.value).partition(".")[0].split("; there is ")
    assert "No layer for tape:// is installed" == beginning
    assert sorted(names.split(", ")) == names.split(", ")
    assert {"memory", "redis", "rediss", "shelf"} <= set(names.split(", "))
    assert "install the distribution that offers it" in str(raised.value)
    assert "Did you mean" not in str(raised.value)


@pytest.mark.parametrize(("text", "meant"), [("memroy", "memory"), ("reddis://host", "redis")])
def test_a_misspelt_scheme_gets_a_hint(text: str, meant: str) -> None:
    """The nearest of the installed schemes is named."""
    with pytest.raises(GCacheConfigError, match=rf"Did you mean {meant}\?"):
        layer_from(text)


def test_a_scheme_of_two_distributions_is_refused(install: Callable[..., Any]) -> None:
    """Which layer it is must not hang on the order of the path."""
    install("shelves", {"shelf": "shelves:from_url"})
    install("shelves_too", {"shelf": "shelves_too:from_url"})

    with pytest.raises(GCacheConfigError, match="offer shelf:// layers: uninstall all but one") as raised:
        layer_from("shelf")

    assert "shelves:from_url of shelves " in str(raised.value)
    assert "shelves_too:from_url of shelves_too " in str(raised.value)


@pytest.mark.parametrize(
    ("target", "source", "said"),
    [
        (
            "shelves:from_url",
            "import no_such_module",
            "cannot be imported .ModuleNotFoundError: .*no_such_module",
        ),
        ("shelves:no_such_name", SHELVES, "cannot be imported .AttributeError: .*no_such_name"),
        ("shelves:nothing", SHELVES, "is a NoneType: it has to be a factory"),
        ("shelves:none_from_url", SHELVES, "made a NoneType of its URL, which is no layer"),
        ("shelves:half_from_url", SHELVES, "made no layer of its URL: .*Half. lacks get, put, add"),
    ],
    ids=["module", "name", "no-factory", "no-layer", "half-a-layer"],
)
def test_a_broken_distribution_is_named(
    install: Callable[..., Any], target: str, source: str, said: str
) -> None:
    """An entry point that gives no layer says whose it is and what is wrong."""
    install("shelves", {"shelf": target}, source)

    with pytest.raises(GCacheConfigError, match=f"{target} of shelves {said}"):
        layer_from("shelf")


def test_a_missing_extra_is_raised_as_it_is(install: Callable[..., Any]) -> None:
    """A module that says which extra brings what it needs is not spoken for."""
    source = "from gcache import MissingExtra\nraise MissingExtra('install shelves[oak]')"
    install("shelves", {"shelf": "shelves:from_url"}, source)

    with pytest.raises(MissingExtra, match=r"shelves\[oak\]"):
        layer_from("shelf")


class TestConfig:
    """What an instance does with the texts in its layers."""

    @pytest.fixture
    def make_gcache(self) -> Iterator[Callable[..., GCache]]:
        made: list[GCache] = []

        def make(*layers: Any, **config: Any) -> GCache:
            made.append(GCache(GCacheConfig(layers=layers, **{"urn_prefix": "urn:texts"} | config)))
            return made[-1]

        yield make
        for gcache in made:
            gcache.close()

    def test_texts_and_layers_make_one_chain(
        self, make_gcache: Callable[..., GCache], install: Callable[..., Any]
    ) -> None:
        """They stand in the order in which they are given."""
        install("shelves", {"shelf": "shelves:from_url", "awaited": "shelves:awaited_from_url"})

        gcache = make_gcache("memory", MemoryLayer[Any]("mine"), "shelf://?name=oak", "awaited://?name=far")

        assert ["local", "mine", "oak", "far"] == [tier.name for tier in gcache._engine.chain.tiers]
        assert gcache._engine.chain.tiers[-1].is_authority

    @pytest.mark.parametrize(
        ("text", "room"), [("memory", 5), ("memory?name=local", 5), ("memory://?max_entries=7", 7)]
    )
    def test_memory_has_room_for_local_max_entries(
        self, make_gcache: Callable[..., GCache], text: str, room: int
    ) -> None:
        """Unless the text gives another number."""
        layer: Any = make_gcache(text, local_max_entries=5)._engine.memory

        assert room == layer.max_entries

    def test_what_is_made_of_text_is_closed_with_the_instance(
        self, make_gcache: Callable[..., GCache], install: Callable[..., Any]
    ) -> None:
        """The instance has made it, and lets go of it, but not before."""
        install("shelves", {"shelf": "shelves:from_url"})
        gcache = make_gcache("shelf?name=oak")
        [shelf] = sys.modules["shelves"].opened

        was_closed = shelf.is_closed
        gcache.close()

        assert (False, True) == (was_closed, shelf.is_closed)

    @pytest.mark.parametrize(
        ("last", "said"),
        [
            ("tape", "No layer for tape://"),
            ("memory://host", "no place for hosts"),
            ("shelf?name=*", "cannot be named"),
            ("shelf?name=oak", "share a name"),
            ("redis://user:hunter2@host/two", "number of a database"),
        ],
    )
    def test_what_was_made_of_text_is_closed_when_a_later_one_fails(
        self, make_gcache: Callable[..., GCache], install: Callable[..., Any], last: str, said: str
    ) -> None:
        """Layers that the application made are left to it, and the prefix is free again."""
        install("shelves", {"shelf": "shelves:from_url", "awaited": "shelves:awaited_from_url"})
        layer_from("shelf?name=mine")
        opened = sys.modules["shelves"].opened

        with pytest.raises(GCacheConfigError, match=said) as raised:
            make_gcache(opened[0], "shelf?name=oak", "awaited?name=elm", last)

        assert [False, True, True] == [shelf.is_closed for shelf in opened][:3]
        assert all(shelf.is_closed for shelf in opened[3:])
        assert "hunter2" not in str(raised.value)
        assert make_gcache("memory") is not None

    def test_nothing_is_made_for_a_prefix_that_is_taken(
        self, make_gcache: Callable[..., GCache], install: Callable[..., Any]
    ) -> None:
        """A second instance on one prefix opens nothing."""
        install("shelves", {"shelf": "shelves:from_url"})
        make_gcache("shelf?name=oak")

        with pytest.raises(GCacheConfigError, match="holds the prefix"):
            make_gcache("shelf?name=elm")

        assert ["oak"] == [shelf.name for shelf in sys.modules["shelves"].opened]

    def test_a_chain_of_text_caches(self, make_gcache: Callable[..., GCache]) -> None:
        """Nothing but the text is needed."""
        gcache = make_gcache("memory")
        loads = []

        @gcache.cached("user_id", "user_id", default_config=GCacheKeyConfig.enabled(60))
        def get_user(user_id: int) -> int:
            loads.append(user_id)
            return user_id

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]
        assert [1] == loads
