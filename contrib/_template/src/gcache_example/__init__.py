"""A cache layer for gcache over example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcache_example.layer import ExampleLayer

if TYPE_CHECKING:
    from gcache.urls import LayerURL

__all__ = ["ExampleLayer", "from_url"]


def from_url(url: LayerURL) -> ExampleLayer:
    """Return the layer of `example://?name=...`. Raises GCacheConfigError for an option that is not there."""
    return ExampleLayer(**url.options(name=str))
