from __future__ import annotations

import pytest

from benchmarks.consistency.history import Invalidation, Reading, Violation, violations

COMMITTED_1_AT_10 = Invalidation(entity=0, returned_ns=10, version=1)
COMMITTED_2_AT_20 = Invalidation(entity=0, returned_ns=20, version=2)
BOTH = [COMMITTED_1_AT_10, COMMITTED_2_AT_20]


def stale_ns(reading: Reading, *invalidations: Invalidation) -> int | None:
    """For how long the version read had been invalidated, None if the reading is right."""
    found = list(violations([reading], invalidations))
    return found[0].stale_ns if found else None


@pytest.mark.parametrize(
    ("started_ns", "version", "expected"),
    [
        pytest.param(9, 0, None, id="before all"),
        pytest.param(10, 0, None, id="as the first returns"),
        pytest.param(11, 0, 1, id="after the first returned"),
        pytest.param(11, 1, None, id="what the first left"),
        pytest.param(11, 2, None, id="committed, not yet invalidated"),
        pytest.param(20, 1, None, id="as the second returns"),
        pytest.param(21, 1, 1, id="after the second returned"),
        pytest.param(21, 0, 11, id="ended by the first already"),
        pytest.param(21, 2, None, id="the newest"),
    ],
)
def test_what_had_been_invalidated_is_a_violation(
    started_ns: int, version: int, expected: int | None
) -> None:
    """A reading is judged by the invalidations that had returned before it began, and by no other."""
    assert expected == stale_ns(Reading(0, started_ns, version), *BOTH)


def test_order_of_records_is_nothing() -> None:
    """Records of several processes come in any order."""
    assert 11 == stale_ns(Reading(0, 21, 0), *reversed(BOTH))


def test_late_return_of_an_older_version_allows_nothing_older() -> None:
    """Of two invalidations under way at once the newer counts, whichever returned last."""
    late = Invalidation(entity=0, returned_ns=30, version=1)

    assert 20 == stale_ns(Reading(0, 40, 1), COMMITTED_2_AT_20, late)


def test_entities_are_apart() -> None:
    """What is invalidated is one entity, and an entity that never was is never violated."""
    other = Invalidation(entity=1, returned_ns=10, version=5)
    readings = [Reading(0, 15, 1), Reading(1, 15, 4), Reading(2, 15, 0)]

    assert [Violation(readings[1], 5)] == list(violations(readings, [*BOTH, other]))


def test_invalidation_that_raised_is_not_held_against_a_read() -> None:
    """A version whose invalidation never returned leaves no record, so the one before may still be read."""
    assert stale_ns(Reading(0, 100, 1), COMMITTED_1_AT_10) is None
