"""What must hold of the inside of a memory layer between any two operations, and keys that try it."""

from __future__ import annotations

from typing import Any

from gcache import MemoryLayer


def assert_sound(layer: MemoryLayer[Any]) -> None:
    """The ring has each entry once, both ways round, newcomers last; the hand is right; all is counted."""
    sieve = layer._sieve
    root = sieve._root
    onward, back = [], []
    slot = root.after
    while slot is not root:
        onward.append(slot)
        slot = slot.after
    slot = root.before
    while slot is not root:
        back.append(slot)
        slot = slot.before
    residents = [slot for slot in onward if not slot.is_new]
    newcomers = [slot for slot in onward if slot.is_new]

    assert onward == back[::-1] == residents + newcomers
    assert layer._slots == {slot.key: slot for slot in onward}
    assert len(onward) == len(layer) <= layer.max_entries
    assert sieve._hand in [root, *residents]
    assert sieve._eye in [root, *onward]
    assert sieve._oldest_newcomer is [*newcomers, root][0]
    assert sieve._newcomers == len(newcomers)
    assert sieve._newcomers_weight == sum(slot.weight for slot in newcomers)
    assert sum(slot.weight for slot in onward) == layer.weight <= (layer.max_weight or 0)
    assert len(sieve._ghosts) <= max(16, 2 * layer.max_entries)


def strangers(count: int) -> list[str]:
    """Return names, 200 at most, none of which is taken for another by the byte of its hash."""
    by_byte = {hash(name) >> 40 & 0xFF or 1: name for name in map(str, range(10_000))}
    return list(by_byte.values())[:count]
