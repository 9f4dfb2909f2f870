"""The key builder under the suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gcache.conformance import KeyBuilderSuite
from gcache.core.keys import UrnKeyBuilder


class TestUrnKeyBuilder(KeyBuilderSuite):
    namespaces = True

    @pytest.fixture
    def key_builder(self) -> UrnKeyBuilder:
        return UrnKeyBuilder()

    @pytest.fixture
    def make_key_builder(self) -> Callable[[str], UrnKeyBuilder]:
        return UrnKeyBuilder
