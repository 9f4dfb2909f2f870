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
        """Nothing, an epoch and a hold are told apart; what is none of them is foreign."""
        assert "absent" == epochs.standing(None)
        assert "epoch" == epochs.standing(epochs.plant())
        assert "hold" == epochs.standing(epochs.encoded({"a": 1.5}))
        foreign = (b"", b"1700000000000", epochs.plant()[:-1])
        assert {"foreign"} == {epochs.standing(stored) for stored in foreign}

    def test_lives(self) -> None:
        """An entry counts while its own epoch stands, and at no other time."""
        own = epochs.plant()

        assert epochs.lives(own, own)
        for stored in (None, epochs.plant(), epochs.encoded({}), b""):
            assert not epochs.lives(own, stored)

    @pytest.mark.parametrize("stored", [None, b"", epochs.encoded({"": 5.0})], ids=repr)
    def test_no_epoch_lives_nowhere(self, stored: bytes | None) -> None:
        """An entry whose epoch is no epoch does not count, whatever stands there."""
        assert not epochs.lives(stored, stored)

    def test_lifetime(self) -> None:
        """An epoch outlives the entries that carry it by far, and is kept for an hour at least."""
        assert (3600.0, 3600.0, 40_000.0) == tuple(map(epochs.epoch_lifetime, (0, 900, 10_000)))


holders = st.dictionaries(
    st.text("0123456789abcdef", max_size=16), st.integers(1, 2**41).map(lambda ms: ms / 1000)
)


class TestHolds:
    @given(holders)
    def test_said(self, holds: dict[str, float]) -> None:
        """A hold says who holds, and until when to the millisecond."""
        assert holds == epochs.decoded(epochs.encoded(holds))
        assert "hold" == epochs.standing(epochs.encoded(holds))

    @pytest.mark.parametrize(
        "stored", [None, b"", b"h", b"hsoon", b"ha:1", b"a:1;", epochs.plant()], ids=repr
    )
    def test_unreadable(self, stored: bytes | None) -> None:
        """One that does not say, and what is no hold, is nobody's."""
        assert {} == epochs.decoded(stored)

    @given(holders, st.text("abc", min_size=1, max_size=2), st.floats(0, 100), st.floats(1, 2e9))
    def test_nobody_cuts_another_short(
        self, holds: dict[str, float], holder: str, hold_sec: float, now: float
    ) -> None:
        """Whoever holds, for however long or no longer, all others hold as they did."""
        after = epochs.with_holder(holds, holder, hold_sec, now)

        others = {name: until for name, until in holds.items() if until > now and name != holder}
        assert others == {name: until for name, until in after.items() if name != holder}

    def test_own(self) -> None:
        """A holder's own hold grows, is never shortened by a shorter one, and ends when it says so."""
        assert {"a": 20.0} == epochs.with_holder({"a": 20.0}, "a", 5, now=10)
        assert {"a": 25.0} == epochs.with_holder({"a": 20.0}, "a", 15, now=10)
        assert {} == epochs.with_holder({"a": 20.0}, "a", 0, now=10)

    def test_a_buffer_ends_with_its_time_alone(self) -> None:
        """Nobody comes back to end a buffer, so nothing does."""
        assert {"": 20.0} == epochs.with_holder({"": 20.0}, "", 0, now=10)
        assert {} == epochs.with_holder({"": 20.0}, "", 0, now=20)

    def test_retired(self) -> None:
        """The key goes when nobody holds, and lives as long as the longest hold otherwise."""
        epoch = epochs.plant()

        assert (None, 0.0) == epochs.retired(epoch, "", 0, now=10)
        assert (epochs.encoded({"a": 15.0}), 5.0) == epochs.retired(epoch, "a", 5, now=10)
        assert (epochs.encoded({"a": 15.0, "b": 12.0}), 5.0) == epochs.retired(b"ha:15000;", "b", 2, now=10)


class TestLifetime:
    @pytest.mark.parametrize(("expected", "ttl", "expires"), [(5, 5, 200), (5, 10, 105), (-1, 10, 99)])
    def test_shorter(self, expected: float, ttl: float, expires: float) -> None:
        """A copy lives as long as its layer keeps entries, and never longer than its entry."""
        assert expected == lifetime(ttl, expires, now=100)
