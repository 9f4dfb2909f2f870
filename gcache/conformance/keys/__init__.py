"""The suite for key builders."""

from __future__ import annotations

from gcache.conformance.keys.promises import KeyBuilderSuite

__all__ = ["KeyBuilderSuite"]
