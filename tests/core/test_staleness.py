"""The rules of what is served after its life and renewed before its end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache.core.staleness import Throttle, ahead_sec, is_due
from tests.core.stage import Clock

points = st.floats(min_value=0, max_value=1, exclude_min=True)
seconds = st.floats(min_value=0.001, max_value=1000)


class TestIsDue:
    @given(seconds, points)
    def test_over(self, load_sec: float, point: float) -> None:
        """What is over is due, whatever chance says."""
        assert is_due(0.0, load_sec, 1.0, point)

    @given(seconds, seconds)
    def test_never_at_the_far_end_of_chance(self, left_sec: float, load_sec: float) -> None:
        """Chance may keep an entry to its very end."""
        assert not is_due(left_sec, load_sec, 1.0, 1.0)

    @pytest.mark.parametrize(
        ("beta", "share"), [(1.0, math.exp(-2)), (2.0, math.exp(-1)), (0.5, math.exp(-4))]
    )
    def test_share(self, beta: float, share: float) -> None:
        """Two load times before the end, `exp(-2 / beta)` of all hits renew the entry."""
        draws = 10_000

        due = sum(is_due(2.0, 1.0, beta, (draw + 1) / draws) for draw in range(draws))

        assert share == pytest.approx(due / draws, abs=0.001)

    @given(seconds, st.floats(min_value=0.1, max_value=10))
    def test_ahead(self, load_sec: float, beta: float) -> None:
        """Earlier than `ahead_sec` nothing is due that chance has put above six in a million."""
        assert not is_due(ahead_sec(load_sec, beta) * 1.001, load_sec, beta, 6.2e-6)


class TestThrottle:
    def test_waits(self, clock: Clock) -> None:
        """A key waits for as long as it was told, and no longer; others do not."""
        throttle = Throttle(clock.monotonic)
        throttle.slow_down("a", 5)

        clock.advance(4.9)
        assert (True, False) == (throttle.waits("a"), throttle.waits("b"))
        clock.advance(0.2)
        assert not throttle.waits("a")

    def test_room(self, clock: Clock) -> None:
        """Of more keys than there is room for, the oldest is forgotten."""
        throttle = Throttle(clock.monotonic, room=2)

        for key in ("a", "b", "a", "c"):
            throttle.slow_down(key, 5)

        assert [True, False, True] == [throttle.waits(key) for key in ("a", "b", "c")]
