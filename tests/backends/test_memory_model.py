"""The memory layer against models: a dictionary that loses entries, and SIEVE in its plainest form."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gcache import EntryTooLarge, MemoryLayer
from tests.backends.ring import assert_sound
from tests.core.stage import Clock

KEYS = st.sampled_from([f"{group}:{number}" for group in "ab" for number in range(6)])
WEIGHTS = st.integers(0, 8)


class AgainstModel(RuleBasedStateMachine):
    """Whatever is done, the layer says what a dictionary would that loses only what is over or has no room.

    A value is a number of its own and a weight.
    """

    @initialize(room=st.integers(1, 8), max_weight=st.one_of(st.none(), st.integers(1, 12)))
    def start(self, room: int, max_weight: int | None) -> None:
        self.clock = Clock()
        self.room, self.max_weight = room, max_weight
        self.layer: MemoryLayer[tuple[int, int]] = MemoryLayer(
            max_entries=room,
            max_weight=max_weight,
            weigh=None if max_weight is None else lambda value: value[1],
            clock=self.clock.monotonic,
        )
        self.model: dict[str, tuple[tuple[int, int], float]] = {}
        self.count = itertools.count()

    def expected(self, key: str) -> tuple[int, int] | None:
        value, deadline = self.model.get(key, ((0, 0), 0.0))
        return value if deadline > self.clock.now else None

    def needs_room(self) -> bool:
        weight = sum(value[1] for value, _ in self.model.values())
        return len(self.model) > self.room or weight > (self.max_weight or weight)

    def store(self, keys: list[str], value: tuple[int, int], ttl: int) -> None:
        """Store in the model, one after another, and take out what the layer let go of."""
        has_needed_room = False
        for key in keys:
            self.model[key] = value, self.clock.now + ttl
            has_needed_room |= self.needs_room()
        gone = [key for key in self.model if key not in self.layer._slots]
        assert has_needed_room or not any(self.expected(key) for key in gone)
        assert not set(gone) & set(keys[-1:])
        for key in gone:
            del self.model[key]

    @rule(keys=st.lists(KEYS, max_size=4, unique=True), weight=WEIGHTS, ttl=st.integers(1, 10))
    def put(self, keys: list[str], weight: int, ttl: int) -> None:
        value = next(self.count), weight
        if keys and weight > (self.max_weight or weight):
            with pytest.raises(EntryTooLarge):
                self.layer.put(dict.fromkeys(keys, value), ttl)
        else:
            self.layer.put(dict.fromkeys(keys, value), ttl)
            self.store(keys, value, ttl)

    @rule(key=KEYS, weight=WEIGHTS, ttl=st.integers(1, 10))
    def add(self, key: str, weight: int, ttl: int) -> None:
        value = next(self.count), min(weight, self.max_weight or weight)
        is_free = self.expected(key) is None
        assert is_free == self.layer.add(key, value, ttl)
        if is_free:
            self.store([key], value, ttl)

    @rule(keys=st.lists(KEYS, max_size=4))
    def get(self, keys: list[str]) -> None:
        assert list(map(self.expected, keys)) == self.layer.get(keys)

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete(self, keys: list[str]) -> None:
        living = sum(self.expected(key) is not None for key in set(keys))
        assert living == self.layer.delete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(group=st.sampled_from(["a:", "b:", ""]))
    def clear(self, group: str) -> None:
        living = sum(key.startswith(group) and self.expected(key) is not None for key in self.model)
        assert living == self.layer.clear(group)
        self.model = {key: stored for key, stored in self.model.items() if not key.startswith(group)}

    @rule(looks=st.integers(0, 10))
    def sweep(self, looks: int) -> None:
        swept = self.layer.sweep(looks)
        gone = [key for key in self.model if key not in self.layer._slots]
        assert swept == len(gone)
        assert not any(self.expected(key) for key in gone)
        for key in gone:
            del self.model[key]

    @rule(seconds=st.integers(1, 5))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def sound(self) -> None:
        if hasattr(self, "layer"):
            assert self.model.keys() == self.layer._slots.keys()
            assert_sound(self.layer)


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


class PlainSieve:
    """SIEVE with newcomers in its plainest form: who waits, who stays, who has a mark, where the hand is, and
    a byte of the hash of whoever was evicted lately."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.newcomers: list[str] = []
        self.residents: list[str] = []
        self.marked: set[str] = set()
        self.hand = 0
        self.ghosts = [0] * 16

    @property
    def keys(self) -> list[str]:
        return self.residents + self.newcomers

    def access(self, key: str) -> None:
        if key in self.keys:
            self.marked.add(key)
            return
        if len(self.keys) == self.room:
            self._evict()
        place, byte = self._ghost(key)
        (self.residents if self.ghosts[place] == byte else self.newcomers).append(key)

    def delete(self, key: str) -> None:
        self.marked.discard(key)
        if key in self.newcomers:
            self.newcomers.remove(key)
        elif key in self.residents:
            self._leave(self.residents.index(key))

    def _evict(self) -> None:
        if len(self.ghosts) < self.room:
            self.ghosts *= 2
        while 10 * len(self.newcomers) >= max(10, self.room):
            key = self.newcomers.pop(0)
            if key not in self.marked:
                self._remember(key)
                return
            self.marked.remove(key)
            self.residents.append(key)
        while self.residents[self.hand] in self.marked:
            self.marked.remove(self.residents[self.hand])
            self.hand = (self.hand + 1) % len(self.residents)
        self._remember(self.residents[self.hand])
        self._leave(self.hand)

    def _leave(self, place: int) -> None:
        del self.residents[place]
        self.hand -= place < self.hand
        if self.hand == len(self.residents):
            self.hand = 0

    def _remember(self, key: str) -> None:
        place, byte = self._ghost(key)
        self.ghosts[place] = byte

    def _ghost(self, key: str) -> tuple[int, int]:
        return hash(key) % len(self.ghosts), (hash(key) >> 40) % 256 or 1


@given(
    room=st.integers(1, 40),
    tenths=st.integers(9, 30),
    seed=st.integers(0, 10**9),
    changes=st.sampled_from([0, 0.05, 0.3]),
)
@settings(deadline=None)
def test_is_sieve(room: int, tenths: int, seed: int, changes: float) -> None:
    """While nothing expires it evicts whom the model does, whatever is read, replaced and deleted."""
    layer: MemoryLayer[int] = MemoryLayer(max_entries=room, clock=lambda: 0)
    plain = PlainSieve(room)
    chance = random.Random(seed)
    keys = 1 + room * tenths // 10
    for _ in range(10 * room + 50):
        key = str(int(keys * chance.random() ** 2))
        if chance.random() < changes:
            layer.delete([key])
            plain.delete(key)
        elif chance.random() < changes and key in plain.keys:
            layer.put({key: 2}, 5)
        else:
            if layer.find(key, 0) is None:
                layer.put({key: 1}, 5)
            plain.access(key)

        assert sorted(plain.keys) == sorted(layer._slots)
        assert sorted(plain.newcomers) == sorted(key for key, slot in layer._slots.items() if slot.is_new)
        assert_sound(layer)


def _scan(room: int) -> Iterator[str]:
    yield from map(str, range(5 * room))


def _loop(room: int) -> Iterator[str]:
    for _ in range(5):
        yield from map(str, range(room + 1))


def _all_visited(room: int) -> Iterator[str]:
    for number in range(3 * room):
        yield str(number)
        yield str(number)


def _hammer(room: int) -> Iterator[str]:
    for number in range(3 * room):
        yield "one"
        yield str(number % 3)


def _random(room: int) -> Iterator[str]:
    chance = random.Random(0)
    for _ in range(5 * room):
        yield str(chance.randrange(3 * room))


@pytest.mark.parametrize("accesses", [_scan, _loop, _all_visited, _hammer, _random])
@pytest.mark.parametrize("ttl", [1, 40, 10_000])
@pytest.mark.parametrize("kills", [False, True])
def test_adversary(accesses: object, ttl: int, kills: bool) -> None:
    """No workload makes the inside unsound or outgrow the bounds: with lives from shorter than a turn of the
    hand to longer than all of it, and with every third entry deleted and put again."""
    clock = Clock()
    layer: MemoryLayer[str] = MemoryLayer(max_entries=100, max_weight=150, weigh=len, clock=clock.monotonic)
    for step, key in enumerate(accesses(100)):  # type: ignore[operator]
        if layer.find(key, clock.now) is None:
            layer.put({key: key}, ttl)
        if kills and step % 3 == 0:
            layer.delete([key])
            layer.put({key: key}, ttl)
        clock.advance(1)
        if step % 50 == 0:
            assert_sound(layer)

    assert_sound(layer)
