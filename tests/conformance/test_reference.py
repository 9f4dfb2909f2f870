"""A correct layer passes the whole suite, whichever sides it has."""

from __future__ import annotations

from tests.conformance.reference import AwaitedLayer, LineLayer, TwoSidedLayer
from tests.conformance.reference_suite import ReferenceSuite


class TestBlocking(ReferenceSuite):
    open_layer = LineLayer


class TestAwaited(ReferenceSuite):
    sides = ("async",)
    open_layer = AwaitedLayer


class TestTwoSided(ReferenceSuite):
    sides = ("sync", "async")
    open_layer = TwoSidedLayer
