"""Layers with one fault each, the test of the suite that names it, and the tests that say nothing of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from gcache.conformance import CacheLayerSuite, _together
from gcache.conformance.layers import faults
from gcache.conformance.waiting import wait_until
from tests.conformance import broken_layers as broken
from tests.conformance.catching import assert_caught
from tests.conformance.reference import AwaitedLayer, LineLayer, Store
from tests.conformance.reference_suite import ReferenceSuite
from tests.conformance.running import run

FAULTS = [
    ("ExpiresLate", "test_put_expires"),
    ("ExpiresEarly", "test_put_expires"),
    ("WholeSeconds", "test_put_expires"),
    ("AddsForEver", "test_add_expires"),
    ("GivesTheFirstOfABulkLess", "test_each_of_many_expires"),
    ("DropsTheLastOfABulk", "test_many_in_order"),
    ("AnswersInTheOrderOfNames", "test_many_in_order"),
    ("AnswersEachKeyOnce", "test_many_in_order"),
    ("GetsOnePage", "test_many_in_order"),
    ("WantsLists", "test_any_sequence_and_mapping"),
    ("AddsInTwoSteps", "test_add_in_threads"),
    ("LocksThisProcessOnly", "test_add_in_processes"),
    ("AddOverwrites", "test_add_only_if_absent"),
    ("RefusedAddProlongs", "test_refused_add_leaves_the_life"),
    ("AddSeesTheDead", "test_add_expires"),
    ("ClearsByPattern", "test_clear_takes_no_pattern"),
    ("ClearsWhateverTheCase", "test_clear_removes_nothing_else"),
    ("ClearsTheFirstPage", "test_clear_removes_all_with_the_prefix"),
    ("ClearsByTheBeginning", "test_clear_takes_long_prefixes"),
    ("ClearsWithoutProgress", "test_clear_reports_progress"),
    ("CountsAbsentOnes", "test_delete_counts"),
    ("CountsTheDead", "test_expired_is_not_there"),
    ("KeepsTheMapping", "test_nothing_is_shared_with_the_caller"),
    ("SwallowsErrors", "test_refused"),
    ("ForgetsToWriteQuietly", "test_refused"),
    ("RaisesOnAMiss", "test_absent"),
    ("GivesText", "test_any_bytes"),
    ("GivesByteArrays", "test_any_bytes"),
    ("StripsZeros", "test_any_bytes"),
    ("OverwritesForEver", "test_overwriting_shortens"),
    ("OverwritesKeepTheEnd", "test_overwriting_lengthens"),
    ("CutsKeys", "test_long_keys"),
    ("FoldsCase", "test_awkward_keys"),
    ("StripsBlanks", "test_awkward_keys"),
    ("Normalises", "test_awkward_keys"),
    ("EndsAtNul", "test_awkward_keys"),
    ("TakesLongLivesForDates", "test_long_lives"),
    ("CutsValues", "test_too_large_values"),
    ("CutsValuesShort", "test_large_values"),
    ("Grows", "test_max_entries"),
    ("Grows", "test_max_bytes"),
    ("EmptiesItselfWhenFull", "test_max_entries"),
    ("RefusesWhenFull", "test_sizes_of_all_kinds"),
    ("EvictsHolds", "test_a_hold_outlives_eviction"),
    ("EmptiesOnClose", "test_restart"),
    ("EmptiesOnClose", "test_closing_leaves_the_entries"),
    ("LiesWhenClosed", "test_closed"),
    ("RetireShortens", "test_retire_shortens_no_hold"),
    ("RetiresInTwoSteps", "test_retire_in_processes"),
    ("RetireEndsAll", "test_retire_ends_ones_own_hold_alone"),
    ("RetireKeepsTheEpoch", "test_retire_takes_an_epoch_away"),
    ("RetireKeepsTheEpoch", "test_invalidated_everywhere"),
    ("SharesOverAFork", "test_fork"),
    ("LocksOverAFork", "test_fork_beside_busy_threads"),
    ("OneConnectionForAllThreads", "test_many_threads"),
    ("PicklesHalfAlive", "test_pickle"),
    ("LeaksAFile", "test_close_lets_go"),
    ("RemembersItsFirstLoop", "test_loop_after_loop"),
    ("CachesInFront", "test_invalidated_everywhere"),
    ("CachesInFront", "test_removed_for_all"),
    ("ReusesLateLines", "test_slow"),
    ("TakesHalfAnswers", "test_cut"),
    ("TakesGarbage", "test_garbled"),
    ("WaitsForEver", "test_silent"),
    ("NeverConnectsAnew", "test_comes_back"),
]


_SLOW = ("_threads", "_processes", "_large_values", "_the_prefix", "_too_long_keys")
QUICK = {
    name
    for name, topic in CacheLayerSuite.topics.items()
    if topic in ("values", "expiry", "add", "delete and clear", "retire") and not name.endswith(_SLOW)
}

_ENDS = {
    "test_put_expires",
    "test_each_of_many_expires",
    "test_overwriting_shortens",
    "test_refused_add_leaves_the_life",
    "test_expired_is_not_there",
}
_SEVERAL_AT_ONCE = {
    "test_awkward_keys",
    "test_clear_takes_long_prefixes",
    "test_delete_counts",
    "test_nothing_is_shared_with_the_caller",
}
# The tests that may fail, too, of those in QUICK: what they have to do to say anything needs what is broken.
ALSO: dict[str, set[str]] = {
    "ExpiresLate": _ENDS,
    "ExpiresEarly": _ENDS,
    "WholeSeconds": _ENDS | {"test_tiny_lives"},
    "DropsTheLastOfABulk": _SEVERAL_AT_ONCE
    | {"test_any_sequence_and_mapping", "test_long_keys", "test_each_of_many_expires", "test_removed_for_all"}
    | {"test_clear_removes_nothing_else", "test_clear_takes_no_pattern"},
    "AnswersInTheOrderOfNames": _SEVERAL_AT_ONCE,
    "GetsOnePage": {"test_any_sequence_and_mapping"},
    "AddOverwrites": {"test_add_after_put", "test_add_at_once", "test_refused_add_leaves_the_life"},
    "ClearsTheFirstPage": {"test_clear_reports_progress"},
    "CountsAbsentOnes": {"test_expired_is_not_there"},
    "KeepsTheMapping": QUICK,  # what is written late is not there for whatever comes next
    "RaisesOnAMiss": _ENDS  # all of these look at what is not there
    | {"test_add_expires", "test_overwriting_lengthens", "test_tiny_lives"}
    | {"test_a_hold_ends", "test_retire_ends_ones_own_hold_alone"},
    "GivesText": QUICK,  # every test compares with bytes
    "OverwritesForEver": {"test_a_hold_ends"},
    "OverwritesKeepTheEnd": {"test_overwriting_shortens"},
    "CutsKeys": {"test_clear_takes_long_prefixes"},
    "FoldsCase": {"test_clear_removes_nothing_else"},
    "RetireEndsAll": {"test_retire_shortens_no_hold"},
    "RemembersItsFirstLoop": {"test_add_at_once"},  # which has a loop of its own
    "CachesInFront": _ENDS  # what is read while it lives is remembered
    | {"test_add_expires", "test_overwriting_lengthens", "test_tiny_lives", "test_a_hold_ends"},
}


def suite_for(name: str) -> type[Any]:
    """Return the suite with the broken layer of this name, or with a sound layer over the broken store."""
    part = getattr(broken, name)
    if issubclass(part, Store):
        return type(name, (ReferenceSuite,), {"open_layer": LineLayer, "open_store": part})
    if issubclass(part, AwaitedLayer):
        return type(name, (ReferenceSuite,), {"open_layer": part, "sides": ("async",)})
    return type(name, (ReferenceSuite,), {"open_layer": part})


@pytest.mark.parametrize(("name", "test"), FAULTS)
def test_broken_layer(name: str, test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is caught by the test that is about it, which says why that matters."""
    monkeypatch.setattr(faults, "wait_until", partial(wait_until, timeout_sec=2.0))

    assert_caught(suite_for(name), test)


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in FAULTS))
def test_fault_is_not_drowned(name: str) -> None:
    """Of the quick tests none fails but those that name the fault, and those that need what is broken."""
    ran = run(suite_for(name), "-k", "not real", only=QUICK)

    assert ran.broken <= {test for broken_one, test in FAULTS if broken_one == name} | ALSO.get(name, set())
    assert QUICK == ran.named("passed") | ran.broken


def test_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer whose callers block the loop they wait for fails its test instead of hanging with it."""
    monkeypatch.setattr(_together, "PATIENCE_SEC", 0.5)
    ran = run(suite_for("BlocksTheNext"), only={"test_many_callers_of_one_loop", "test_absent"})

    assert {"test_many_callers_of_one_loop"} == ran.broken
    assert {"test_absent"} == ran.named("passed")
    assert "has not answered after 0.5 s" in ran.text("test_many_callers_of_one_loop")


def test_undeclared_pickling() -> None:
    """A layer that can be pickled, and does not say so, is caught by the same test as one that says so."""
    suite = type("Undeclared", (suite_for("PicklesHalfAlive"),), {"pickles": False})

    assert_caught(suite, "test_pickle")


def test_every_broken_layer_is_tried() -> None:
    """No broken layer stands there without a test that catches it."""
    kinds = (LineLayer, AwaitedLayer, Store)
    broken_ones = {
        name
        for name, part in vars(broken).items()
        if isinstance(part, type) and part.__module__ == broken.__name__ and issubclass(part, kinds)
    }

    assert broken_ones - {"Renames"} == {name for name, _ in FAULTS} | {"BlocksTheNext"}
