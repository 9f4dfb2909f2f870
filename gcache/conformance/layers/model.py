"""A layer beside a dictionary: whatever is done to both, they answer alike."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gcache.conformance._sides import Layer
from gcache.conformance.clocks import Clock
from gcache.conformance.layers.layer import LayerPart

_NAMES = ("a", "ab", "abc", "b", "b:c", "B")
_PREFIXES = ("a", "ab", "b", "b:", "x")
_FOREVER_SEC = 86_400.0
_values = st.binary(max_size=20)
_names = st.sampled_from(_NAMES)


class Model(LayerPart, topic="model"):
    """Any sequence of calls, not only those that somebody thought of."""

    def test_like_a_dictionary(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """After any sequence of calls, a layer holds what a dictionary would, down to the life of each entry.

        Core puts, adds, deletes and clears in orders that no list of examples has.
        """
        examples = itertools.count()

        def machine() -> _Machine:
            return _Machine(layer, clock, f"{prefix}{next(examples)}:", self)

        run_state_machine_as_test(
            cast("type[RuleBasedStateMachine]", machine),
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                database=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )


class _Machine(RuleBasedStateMachine):
    """Does the same to a layer and to a dictionary. Time goes by only where the layer takes a clock."""

    def __init__(self, layer: Layer, clock: Clock, prefix: str, suite: LayerPart) -> None:
        super().__init__()
        self._layer = layer
        self._clock = clock
        self._prefix = prefix
        self._suite = suite
        self._held: dict[str, tuple[bytes, float]] = {}

    @property
    def _lives(self) -> Mapping[str, bytes]:
        now = self._clock.monotonic()
        return {name: value for name, (value, end) in self._held.items() if end > now}

    def _life(self, ttl: int) -> float:
        return max(float(ttl), self._suite.min_ttl_sec) if self._suite.controlled_clock else _FOREVER_SEC

    def _hold(self, name: str, value: bytes, life: float) -> None:
        self._held[name] = value, self._clock.monotonic() + life

    @rule(items=st.dictionaries(_names, _values, max_size=3), ttl=st.integers(1, 20))
    def put(self, items: Mapping[str, bytes], ttl: int) -> None:
        self._layer.put({self._prefix + name: value for name, value in items.items()}, self._life(ttl))
        for name, value in items.items():
            self._hold(name, value, self._life(ttl))

    @rule(name=_names, value=_values, ttl=st.integers(1, 20))
    def add(self, name: str, value: bytes, ttl: int) -> None:
        told = self._layer.add(self._prefix + name, value, self._life(ttl))

        assert (name not in self._lives) == told
        if told:
            self._hold(name, value, self._life(ttl))

    @rule(names=st.lists(_names, max_size=3))
    def delete(self, names: list[str]) -> None:
        removed = self._layer.delete([self._prefix + name for name in names])

        assert len(set(names) & set(self._lives)) == removed
        self._forget(*names)

    @rule(prefix=st.sampled_from(_PREFIXES))
    def clear(self, prefix: str) -> None:
        cleared = [name for name in self._lives if name.startswith(prefix)]
        removed = self._layer.clear(self._prefix + prefix)

        if self._suite.counts_clears:
            assert len(cleared) == removed
        self._forget(*[name for name in self._held if name.startswith(prefix)])

    @rule(seconds=st.integers(0, 15))
    def advance(self, seconds: int) -> None:
        if self._suite.controlled_clock:
            self._clock.advance(seconds + self._suite.late_sec)

    @invariant()
    def alike(self) -> None:
        found: list[Any] = list(self._layer.get([self._prefix + name for name in (*_NAMES, _NAMES[0])]))

        assert [self._lives.get(name) for name in (*_NAMES, _NAMES[0])] == found

    def teardown(self) -> None:
        self._layer.delete([self._prefix + name for name in _NAMES])

    def _forget(self, *names: str) -> None:
        for name in names:
            self._held.pop(name, None)
