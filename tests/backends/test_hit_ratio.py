"""How often the memory layer has what is asked for, on traces that tell good eviction from bad."""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import pytest

from gcache import MemoryLayer

ACCESSES, KEYS, ROOM = 1_000_000, 100_000, 10_000


def zipf(accesses: int) -> list[int]:
    weights = itertools.accumulate(1 / rank**0.99 for rank in range(1, KEYS + 1))
    return random.Random(42).choices(range(KEYS), cum_weights=list(weights), k=accesses)


def with_scans(accesses: int) -> Iterator[int]:
    """Every 100,000 accesses somebody reads 20,000 keys once that nobody else ever reads."""
    fresh = itertools.count(KEYS)
    for number, key in enumerate(zipf(accesses)):
        if number % 100_000 == 50_000:
            yield from itertools.islice(fresh, 20_000)
        yield key


def of_the_layer(trace: Iterable[int], **options: object) -> float:
    layer: MemoryLayer[int] = MemoryLayer(max_entries=ROOM, sweep=False, **options)  # type: ignore[arg-type]
    hits = accesses = 0
    for number in trace:
        accesses += 1
        if layer.find(key := str(number), 0) is not None:
            hits += 1
        else:
            layer.put({key: number}, 600)
    return hits / accesses


def of_lru(trace: Iterable[int]) -> float:
    entries: OrderedDict[int, None] = OrderedDict()
    hits = accesses = 0
    for number in trace:
        accesses += 1
        if number in entries:
            hits += 1
            entries.move_to_end(number)
        else:
            entries[number] = None
            if len(entries) > ROOM:
                entries.popitem(last=False)
    return hits / accesses


@pytest.mark.parametrize(
    ("trace", "at_least", "over_lru"),
    [(zipf, 0.767, 0.045), (with_scans, 0.638, 0.055)],
    ids=["zipf", "scans"],
)
def test_hit_ratio(trace: Callable[[int], Iterable[int]], at_least: float, over_lru: float) -> None:
    """On a Zipf trace with room for a tenth, with scans and without, the layer is far above LRU."""
    ours, lru = of_the_layer(trace(ACCESSES)), of_lru(trace(ACCESSES))
    print(f"\n{trace.__name__}: ours {ours:.2%}, LRU {lru:.2%}")

    assert ours > at_least
    assert ours > lru + over_lru


def test_hit_ratio_by_weight() -> None:
    """A bound by weight loses nothing against one by entries where all weigh the same."""
    trace = zipf(200_000)

    assert of_the_layer(trace) == of_the_layer(trace, max_weight=ROOM, weigh=lambda _: 1)
