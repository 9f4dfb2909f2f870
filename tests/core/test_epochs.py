"""The invalidation rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache.core import epochs
from gcache.core.entries import lifetime


class TestEpochs:
    def test_never_before(self) -> None:
        """No two epochs are the same."""
        assert 1000 == len({epochs.plant() for _ in range(1000)})

    def test_standing(self) -> None:
        """Nothing, an epoch and a hold are told apart; what is none of them is taken for a hold."""
        assert "absent" == epochs.standing(None)
        assert "epoch" == epochs.standing(epochs.plant())
        assert "hold" == epochs.standing(epochs.hold(1.5))
        assert ["hold", "hold"] == [epochs.standing(stored) for stored in (b"", b"1700000000000")]

    def test_lives(self) -> None:
        """An entry counts while its own epoch stands, and at no other time."""
        own = epochs.plant()

        assert epochs.lives(own, own)
        for stored in (None, epochs.plant(), epochs.hold(0.0), b""):
            assert not epochs.lives(own, stored)

    @pytest.mark.parametrize("stored", [None, b"", epochs.hold(5.0)], ids=repr)
    def test_no_epoch_lives_nowhere(self, stored: bytes | None) -> None:
        """An entry whose epoch is no epoch does not count, whatever stands there."""
        assert not epochs.lives(stored, stored)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_held_until(self, until: float) -> None:
        """A hold says until when it stands."""
        assert until == epochs.held_until(epochs.hold(until))

    @pytest.mark.parametrize("stored", [b"h", b"hsoon", b"", b"hnan", b"hinf", b"1700000000000"])
    def test_held_until_unreadable(self, stored: bytes) -> None:
        """One that does not say stands as long as its layer keeps it."""
        assert 0.0 == epochs.held_until(stored)

    def test_lifetime(self) -> None:
        """An epoch outlives the entries that carry it by far, and is kept for an hour at least."""
        assert (3600.0, 3600.0, 40_000.0) == tuple(map(epochs.epoch_lifetime, (0, 900, 10_000)))


class TestLifetime:
    @pytest.mark.parametrize(("expected", "ttl", "expires"), [(5, 5, 200), (5, 10, 105), (-1, 10, 99)])
    def test_shorter(self, expected: float, ttl: float, expires: float) -> None:
        """A copy lives as long as its layer keeps entries, and never longer than its entry."""
        assert expected == lifetime(ttl, expires, now=100)
