"""The layer by its URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcache import GCache, GCacheConfig, GCacheConfigError
from gcache.urls import LayerURL
from gcache_diskcache import from_url


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
