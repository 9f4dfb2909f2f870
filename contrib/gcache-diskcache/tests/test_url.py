"""The layer by its URL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gcache import GCache, GCacheConfig, GCacheConfigError
from gcache.urls import LayerURL
from gcache_diskcache import from_url

README = Path(__file__).parents[1] / "README.md"


def test_options(tmp_path: Path) -> None:
    """Each option of the URL is one of the layer."""
    url = LayerURL.parse(f"disk://{tmp_path}/folder?size=64MiB&timeout_sec=0.2&name=near")
    layer = from_url(url)
    layer.close()

    assert (f"{tmp_path}/folder", 2**26, 0.2, "near") == (
        layer.path,
        layer.size,
        layer.timeout_sec,
        layer.name,
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("disk://", "names no path: write disk:///var/cache/shop"),
        ("disk:///", "names no path"),
        ("disk://var/cache", "no place for hosts"),
        ("disk:///x?sise=1GB", "no option 'sise': it knows name, size, timeout_sec"),
        ("disk:///x?size=big", "size is 'big'"),
    ],
)
def test_what_cannot_be_meant(text: str, error: str) -> None:
    """A URL that cannot be meant is an error that says what would do."""
    with pytest.raises(GCacheConfigError, match=error):
        GCache(GCacheConfig(layers=[text], urn_prefix="urn:disk"))


@pytest.mark.skipif(not README.exists(), reason="the README is not beside the tests here")
def test_the_example_runs(tmp_path: Path) -> None:
    """What the README shows, runs, and its comments say what happens."""
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    loads: list[int] = []
    counted = example.replace("/var/cache/shop", str(tmp_path / "shop")).replace(
        "    return {", "    loads.append(id)\n    return {"
    )
    exec(compile(counted, str(README), "exec"), {"__name__": "readme", "loads": loads})

    assert [1] == loads
