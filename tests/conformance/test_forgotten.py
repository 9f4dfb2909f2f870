"""A fixture that an author has forgotten is named, with an example."""

from __future__ import annotations

from typing import Any

import pytest

from gcache.conformance import (
    ConfigProviderSuite,
    InvalidationBusSuite,
    KeyBuilderSuite,
    MetricsSinkSuite,
    SerializerSuite,
)
from tests.conformance.running import run


@pytest.fixture
def sound(self: Any) -> Any:
    return object()


@pytest.mark.parametrize(
    ("suite", "declared", "test", "fixture"),
    [
        (InvalidationBusSuite, {}, "test_unused", "make_bus"),
        (InvalidationBusSuite, {"faults": True}, "test_refused", "endpoint"),
        (KeyBuilderSuite, {}, "test_strings", "key_builder"),
        (KeyBuilderSuite, {"namespaces": True}, "test_foreign_prefixes", "make_key_builder"),
        (ConfigProviderSuite, {}, "test_fork", "provider"),
        (MetricsSinkSuite, {}, "test_fork", "sink"),
        (SerializerSuite, {}, "test_bytes", "serializer"),
        (SerializerSuite, {"serializer": sound}, "test_bytes", "values"),
    ],
)
def test_forgotten(suite: type[Any], declared: dict[str, Any], test: str, fixture: str) -> None:
    """The test says which fixture, or which values, its class lacks, and shows what they may look like."""
    ran = run(type("TestMine", (suite,), dict(declared)), "-k", test)

    assert f"TestMine lacks the fixture '{fixture}'" in ran.text(test)
    assert "class TestMine(...):" in ran.text(test)
