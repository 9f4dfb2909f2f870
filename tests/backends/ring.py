"""What must hold of the inside of a memory layer between any two operations."""

from __future__ import annotations

from typing import Any

from gcache import MemoryLayer


def assert_sound(layer: MemoryLayer[Any]) -> None:
    """The ring has each entry once, both ways round; hand and eye stand in it; the bounds are kept."""
    root = layer._sieve._root
    onward, back = [], []
    slot = root.after
    while slot is not root:
        onward.append(slot)
        slot = slot.after
    slot = root.before
    while slot is not root:
        back.append(slot)
        slot = slot.before

    assert onward == back[::-1]
    assert layer._slots == {slot.key: slot for slot in onward}
    assert len(onward) == len(layer) <= layer.max_entries
    assert {layer._sieve._hand, layer._sieve._eye} <= {root, *onward}
    assert sum(slot.weight for slot in onward) == layer.weight <= (layer.max_weight or 0)
