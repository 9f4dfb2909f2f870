"""Which layers are installed: a scheme is an entry point, and its factory makes the layer of a URL."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

from gcache.core.tiers import Tier
from gcache.errors import GCacheConfigError, MissingExtra
from gcache.urls import LayerURL

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache.core.protocols import AsyncCacheLayer, CacheLayer

GROUP = "gcache.layers"
"""The group of entry points. A name is a scheme; its object is called with a LayerURL and returns a layer."""


def layer_from(text: str | LayerURL) -> CacheLayer[Any] | AsyncCacheLayer[Any]:
    """Return a new layer of a text such as `redis://host:6379/2?name=far`, by the factory of its scheme.

    Raises GCacheConfigError if no installed distribution offers the scheme, if more than one does, or if
    what it offers makes no layer; MissingExtra; and whatever the factory raises.
    """
    url = LayerURL.parse(text) if isinstance(text, str) else text
    entry = _entry(url.scheme)
    layer = _factory(entry)(url)
    if not hasattr(layer, "name"):
        kind = type(layer).__name__
        raise GCacheConfigError(f"{_described(entry)} made a {kind} of its URL, which is no layer.")
    try:
        Tier(url.scheme, layer=layer)
    except GCacheConfigError as error:
        raise GCacheConfigError(f"{_described(entry)} made no layer of its URL: {error}") from error
    return layer


def _entry(scheme: str) -> EntryPoint:
    installed = entry_points(group=GROUP)
    matching = [entry for entry in installed if entry.name.lower() == scheme]
    if not matching:
        raise _unknown(scheme, sorted({entry.name.lower() for entry in installed}))
    if len(matching) > 1:
        raise GCacheConfigError(
            f"{' and '.join(map(_described, matching))} offer {scheme}:// layers: uninstall all but one, or "
            "give GCacheConfig the layer itself."
        )
    return matching[0]


def _unknown(scheme: str, installed: list[str]) -> GCacheConfigError:
    from difflib import get_close_matches

    hints = "".join(f" Did you mean {name}?" for name in get_close_matches(scheme, installed, 1))
    return GCacheConfigError(
        f"No layer for {scheme}:// is installed; there is {', '.join(installed) or 'none'}.{hints} To add a "
        f"scheme, install the distribution that offers it as an entry point of the group {GROUP}."
    )


def _factory(entry: EntryPoint) -> Callable[[LayerURL], CacheLayer[Any] | AsyncCacheLayer[Any]]:
    try:
        factory: Any = entry.load()
    except MissingExtra:
        raise
    except Exception as error:
        raise GCacheConfigError(
            f"{_described(entry)} cannot be imported ({type(error).__name__}: {error}): install it anew, or "
            "mend it."
        ) from error
    if not callable(factory):
        raise GCacheConfigError(f"{_described(entry)} is a {type(factory).__name__}: it has to be a factory.")
    return cast("Callable[[LayerURL], CacheLayer[Any] | AsyncCacheLayer[Any]]", factory)


def _described(entry: EntryPoint) -> str:
    distribution = entry.dist.name if entry.dist is not None else "an unnamed distribution"
    return f"{entry.value} of {distribution}"
