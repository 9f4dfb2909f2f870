"""Layers with one fault each, and the test of the suite that names it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance import broken_layers as broken
from tests.conformance.catching import assert_caught
from tests.conformance.reference import AwaitedLayer, LineLayer, Store
from tests.conformance.reference_suite import ReferenceSuite

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
    ("AddsManyInTheOrderOfNames", "test_add_many_each_by_itself"),
    ("AddsManyOrNone", "test_add_many_each_by_itself"),
    ("AddsManyOverOld", "test_add_many_each_by_itself"),
    ("AddsManyToTheDeleted", "test_add_many_after_delete"),
    ("AddsOnePageOfMany", "test_add_many_of_hundreds"),
    ("AddsManyForEver", "test_add_many_expires"),
    ("AddsManyInTwoSteps", "test_add_many_in_threads"),
    ("AddsManyInTwoSteps", "test_add_many_in_processes"),
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


def suite_for(name: str) -> type[Any]:
    """Return the suite with the broken layer of this name, or with a sound layer over the broken store."""
    part = getattr(broken, name)
    if issubclass(part, Store):
        return type(name, (ReferenceSuite,), {"open_layer": LineLayer, "open_store": part})
    if issubclass(part, AwaitedLayer):
        return type(name, (ReferenceSuite,), {"open_layer": part, "sides": ("async",)})
    return type(name, (ReferenceSuite,), {"open_layer": part})


@pytest.mark.parametrize(("name", "test"), FAULTS)
def test_broken_layer(name: str, test: str) -> None:
    """The fault is caught by the test that is about it, which says why that matters."""
    assert_caught(suite_for(name), test)


def test_every_broken_layer_is_tried() -> None:
    """No broken layer stands there without a test that catches it."""
    kinds = (LineLayer, AwaitedLayer, Store)
    broken_ones = {
        name
        for name, part in vars(broken).items()
        if isinstance(part, type) and part.__module__ == broken.__name__ and issubclass(part, kinds)
    }

    assert broken_ones - {"Renames"} == {name for name, _ in FAULTS}
