"""What all suites share: promises that speak when they are broken, and no quiet way around one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gcache import GCacheConfigError, MemoryLayer
from gcache.conformance import (
    CacheLayerSuite,
    Clock,
    ConfigProviderSuite,
    InvalidationBusSuite,
    KeyBuilderSuite,
    MetricsSinkSuite,
    SerializerSuite,
    Suite,
)
from tests.conformance.running import run

_SUITES = (
    CacheLayerSuite,
    ConfigProviderSuite,
    InvalidationBusSuite,
    KeyBuilderSuite,
    MetricsSinkSuite,
    SerializerSuite,
)


class MemorySuite(CacheLayerSuite):
    """Passes, as far as it goes."""

    in_process = True
    authority = False
    shared = False
    controlled_clock = True

    @pytest.fixture
    def make_layer(self, clock: Clock) -> Callable[[], Any]:
        return lambda: MemoryLayer[Any](clock=clock.monotonic)


class _Deaf(MemoryLayer[Any]):
    def put(self, items: Any, ttl: float) -> None:
        return


class _Unusable(MemoryLayer[Any]):
    def get(self, keys: Any) -> Any:
        raise RuntimeError("no")


def _over(layer: type[MemoryLayer[Any]], **declared: Any) -> type[MemorySuite]:
    @pytest.fixture
    def make_layer(self: Any) -> Callable[[], Any]:
        return layer

    return type("Mine", (MemorySuite,), {"make_layer": make_layer, **declared})


@pytest.mark.parametrize("suite", _SUITES)
def test_docstrings(suite: type[Suite]) -> None:
    """Every test of every suite has a docstring of two paragraphs: the promise, and why it matters."""
    paragraphs = {name: (getattr(suite, name).__doc__ or "").count("\n\n") + 1 for name in suite.topics}

    assert suite.topics
    assert dict.fromkeys(suite.topics, 2) == paragraphs


@pytest.mark.parametrize("suite", _SUITES)
def test_topics(suite: type[Suite]) -> None:
    """Every test that a suite has is among its topics, so that it can be neither overridden nor forgotten."""
    there = {name for name in dir(suite) if name.startswith("test")}

    assert there == set(suite.topics)


def test_failure_speaks() -> None:
    """What fails shows both sides of the assertion, the promise, and why it matters."""
    text = run(_over(_Deaf), only={"test_any_bytes"}).text("test_any_bytes")

    assert "assert b'' == None" in text
    assert "Broken promise: get() gives back the very bytes that put() was given" in text
    assert "Why it matters: Core seals an entry into bytes" in text


def test_missing_error_speaks() -> None:
    """The promise is also told where an error that had to come did not."""
    text = run(_over(MemoryLayer, max_value_bytes=10), only={"test_too_large_values"}).text(
        "test_too_large_values"
    )

    assert "DID NOT RAISE" in text
    assert "Broken promise: A value above max_value_bytes is refused with EntryTooLarge" in text


def test_overriding() -> None:
    """A test cannot be replaced by a weaker one: the class is not made."""
    with pytest.raises(GCacheConfigError, match="Mine overrides test_absent, and with it the promise"):
        type("Mine", (MemorySuite,), {"test_absent": lambda self: None})


def test_switching_off() -> None:
    """Nor can a test be set to None."""
    with pytest.raises(GCacheConfigError, match="overrides test_absent"):
        type("Mine", (MemorySuite,), {"test_absent": None})


def test_overriding_in_between() -> None:
    """Nor by a class that stands beside the suite among the bases."""

    class Weaker:
        def test_absent(self) -> None:
            pass

    with pytest.raises(GCacheConfigError, match="overrides test_absent"):
        type("Mine", (Weaker, MemorySuite), {})


def test_unknown_expected_failure() -> None:
    """An expected failure of a test that is not there is an error, and the message lists what is there."""
    with pytest.raises(GCacheConfigError, match=r"names 'test_abssent', which is no test.*test_absent"):
        type("Mine", (MemorySuite,), {"expected_failures": {"test_abssent": "a slip"}})


def test_expected_failure_without_reason() -> None:
    """An expected failure needs a reason."""
    with pytest.raises(GCacheConfigError, match="gives no reason for 'test_absent'"):
        type("Mine", (MemorySuite,), {"expected_failures": {"test_absent": " "}})


def test_expected_failure() -> None:
    """A test that is said to fail is run, and its failure is reported as expected, with the reason."""
    suite = _over(_Deaf, expected_failures={"test_any_bytes": "it is deaf"})
    ran = run(suite, only={"test_any_bytes", "test_absent"})

    assert {"test_any_bytes"} == ran.named("xfailed")
    assert {"test_absent"} == ran.named("passed")


def test_expected_failure_that_passes() -> None:
    """A test that is said to fail and passes is an error, so that the excuse goes."""
    suite = type("Mine", (MemorySuite,), {"expected_failures": {"test_absent": "it was so last year"}})
    ran = run(suite, only={"test_absent"})

    assert {"test_absent"} == ran.broken
    assert "it was so last year" in ran.text("test_absent")


def test_capability() -> None:
    """What is not promised is left out, and the report says which declaration left it out."""
    ran = run(MemorySuite, only={"test_restart", "test_absent"})

    assert {"test_restart"} == ran.named("skipped")
    assert "Mine" not in ran.text("test_restart")
    assert "MemorySuite declares survives_restart = False" in ran.text("test_restart")


def test_sides() -> None:
    """Each test is run on each side that is declared, and a side whose methods are not there is an error."""
    ran = run(type("Mine", (MemorySuite,), {"sides": ("sync", "async")}), only={"test_absent"})

    assert "passed" == ran.outcomes["test_absent[sync-manual]"]
    assert "error" == ran.outcomes["test_absent[async-manual]"]
    assert "MemoryLayer, which lacks aget, aput, aadd, adelete, aclear, aclose" in ran.text("test_absent")


def test_undeclared_side() -> None:
    """A side that the layer has and the suite does not name is an error, as nobody would try it."""

    class Both(MemoryLayer[Any]):
        async def aget(self, keys: Any) -> Any:
            return self.get(keys)

    assert {"test_sides_are_declared"} == run(_over(Both), only={"test_sides_are_declared"}).broken


def test_forgotten_fixture() -> None:
    """A layer suite without make_layer says so in each test, and shows one."""
    ran = run(type("Mine", (CacheLayerSuite,), {}), only={"test_absent"})

    assert {"test_absent"} == ran.named("error")
    assert "Mine lacks the fixture 'make_layer'" in ran.text("test_absent")
    assert "return lambda: MyLayer(tmp_path" in ran.text("test_absent")


def test_forgotten_line() -> None:
    """A layer suite that declares faults without a way to reach the server says what it lacks."""
    ran = run(_over(MemoryLayer, faults=True), only={"test_refused"})

    assert "Mine lacks the fixture 'endpoint'" in ran.text("test_refused")


def test_layer_instead_of_a_function() -> None:
    """A make_layer that gives a layer, where a function that opens one is due, says so."""

    class Mine(MemorySuite):
        @pytest.fixture
        def make_layer(self) -> Any:
            return MemoryLayer[Any]()

    ran = run(Mine, only={"test_absent"})

    assert {"test_absent"} == ran.named("error")
    assert "make_layer gave a MemoryLayer instead of a function that opens one" in ran.text("test_absent")


def test_subclass_of_a_subclass() -> None:
    """A suite for a variant of a part is the suite of the part, with what differs."""
    suite = type("Variant", (_over(_Unusable),), {"expected_failures": {"test_absent": "it is not usable"}})
    ran = run(suite, only={"test_absent", "test_any_bytes"})

    assert {"test_absent"} == ran.named("xfailed")
    assert {"test_any_bytes"} == ran.broken
    assert suite.topics == CacheLayerSuite.topics


def test_tests_of_ones_own() -> None:
    """An author's tests stand beside those of the suite, with its fixtures."""

    class Mine(MemorySuite):
        def test_mine(self, layer: Any, prefix: str) -> None:
            layer.put({f"{prefix}key": b"value"}, 60)

            assert b"value" == layer.one(f"{prefix}key")

        def test_wrong(self) -> None:
            pytest.fail("on purpose")

    ran = run(Mine, only={"test_mine", "test_wrong", "test_absent"})

    assert {"test_mine", "test_absent"} == ran.named("passed")
    assert {"test_wrong"} == ran.broken
