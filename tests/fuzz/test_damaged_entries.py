"""Whatever lies where an entry should be, the call has its source's value and the miss has a name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from gcache.core.envelope import open_sealed, seal
from tests.fuzz.damage import KINDS, Kind
from tests.fuzz.specimens import Collection, Specimen, collection
from tests.servers.availability import IS_LONG

COUNT = 1_000_000 if IS_LONG else 10_000
FORGED = 200_000 if IS_LONG else 5_000
UNREADABLE = {"untrusted", "unloadable"}


@pytest.fixture
def entries() -> Iterator[Collection]:
    with collection() as made:
        yield made


def is_same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other


def check_miss(entries: Collection, specimen: Specimen, damaged: Any, allowed: frozenset[str]) -> str:
    """Read what is damaged; return the reason of the miss."""
    seen = entries.read(specimen, damaged)
    expected_errors = 1 if UNREADABLE >= set(seen.reasons) else 0

    assert is_same(specimen.value, seen.value)
    assert [] == seen.hits
    assert 1 == len(seen.reasons)
    assert seen.reasons[0] in allowed
    assert expected_errors == len(seen.errors)
    return seen.reasons[0]


def check_case(entries: Collection, number: int, kind: Kind) -> str | None:
    """Do case `number`, which depends on nothing else; None for damage that changed nothing."""
    chance = Random(number)
    specimen, other = chance.sample(entries.tracked if kind.is_for_tracked else entries.specimens, 2)
    damaged = kind.damage(chance, specimen, other)
    if damaged == specimen.data:
        return None
    try:
        return check_miss(entries, specimen, damaged, kind.reasons)
    except BaseException as error:
        error.add_note(f"case {number}: {damaged!r} instead of {specimen.data!r} under {specimen.name}")
        raise


def test_whole_entries_are_hits(entries: Collection) -> None:
    """What is not damaged is answered from the layer: so misses below are due to the damage."""
    for specimen in entries.specimens:
        seen = entries.read(specimen, specimen.data)

        assert is_same(specimen.value, seen.value)
        assert (["dictionary"], [], []) == (seen.hits, seen.reasons, seen.errors)


def test_every_truncation_is_corrupt(entries: Collection) -> None:
    """At whatever length an entry is cut off, it is corrupt."""
    reasons = {
        check_miss(entries, specimen, specimen.data[:size], frozenset({"corrupt"}))
        for specimen in entries.specimens
        for size in range(len(specimen.data))
    }

    assert {"corrupt"} == reasons


def test_damaged_entries_are_misses(entries: Collection) -> None:
    """However an entry was damaged, the source answers, nothing is raised, and the miss says why."""
    reasons: Counter[tuple[str, str | None]] = Counter()
    names = list(KINDS)
    started = time.perf_counter()
    for number in range(COUNT):
        name = names[number % len(names)]
        reasons[name, check_case(entries, number, KINDS[name])] += 1

    print(f"\n{COUNT:,} in {time.perf_counter() - started:.0f} s")
    for (name, reason), count in sorted(reasons.items(), key=str):
        print(f"{name:<18} {reason or 'unchanged':<18} {count:>8,}")
    assert {*KINDS} == {name for name, reason in reasons if reason is not None}
    assert sum(count for (_, reason), count in reasons.items() if reason is None) < COUNT / 50


def test_entry_is_written_anew(entries: Collection) -> None:
    """After a miss the layer has a whole entry again, and the next call is a hit."""
    for number, (name, kind) in enumerate(KINDS.items()):
        specimen = entries.specimens[number]
        if check_case(entries, number, kind) is not None:
            assert 0 < len(entries.layer.stored), name
        check_miss(entries, specimen, b"", frozenset({"corrupt"}))

        assert ["dictionary"] == entries.read(specimen, entries.layer.stored[specimen.name]).hits


@pytest.mark.parametrize("number", range(40))
def test_damaged_epochs_are_misses(entries: Collection, number: int) -> None:
    """Where an epoch was damaged, nothing that was loaded under it counts, whatever it looks like now."""
    chance = Random(number)
    specimen = chance.choice(entries.tracked)
    epoch_name = specimen.epoch_name
    assert epoch_name is not None
    epoch = entries.layer.stored[epoch_name]
    bit = 1 << chance.randrange(8 * len(epoch))
    flipped = (int.from_bytes(epoch, "big") ^ bit).to_bytes(len(epoch), "big")
    damages = (epoch[: chance.randrange(len(epoch))], flipped, epoch + b"\0", bytes(16), specimen.data)
    for damaged in damages:
        entries.layer.stored[epoch_name] = damaged

        assert check_miss(entries, specimen, specimen.data, frozenset({"invalidated", "held"}))


def test_forged_payloads_raise_nothing(entries: Collection) -> None:
    """A damaged payload that was sealed again may be a value, but nothing is raised for it."""
    specimens = [each for each in entries.specimens if each.identity != "pickle-any:1"]
    reasons: Counter[str] = Counter()
    for number in range(FORGED):
        chance = Random(number)
        specimen = chance.choice(specimens)
        sealed = open_sealed(specimen.data, specimen.name, specimen.identity)
        kind = KINDS[("bits flipped", "bytes replaced", "range missing", "range repeated")[number % 4]]
        payload = kind.damage(chance, specimen._replace(data=sealed.payload), specimen)
        if specimen.epoch_name is not None:
            sealed = sealed._replace(epoch=entries.layer.stored[specimen.epoch_name])
        seen = entries.read(
            specimen, seal(sealed._replace(payload=payload), specimen.name, specimen.identity)
        )

        assert UNREADABLE >= set(seen.reasons), number
        assert 1 == len(seen.hits) + len(seen.reasons), number
        assert seen.hits or is_same(specimen.value, seen.value), number
        reasons.update(seen.reasons or ["value"])
    print(f"\n{FORGED:,} forged: {dict(reasons)}")
    assert {"value", *UNREADABLE} == set(reasons)
