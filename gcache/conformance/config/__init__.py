"""The suite for config providers."""

from __future__ import annotations

from gcache.conformance.config.promises import ConfigProviderSuite

__all__ = ["ConfigProviderSuite"]
