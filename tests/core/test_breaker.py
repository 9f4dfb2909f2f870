"""Whether a layer is asked at all."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache.core.breaker import (
    FIRST_PAUSE_SEC,
    LONGEST_PAUSE_SEC,
    MOST_PROBES,
    PATIENCE_SEC,
    SETTLED_SEC,
    Breaker,
    Probe,
)
from tests.core.stage import Clock, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

DOWN = ConnectionError("down")
QUICK_SEC = 0.001


def about(expected: Any) -> Any:
    """Return what equals `expected` but for the steps in which pauses are measured."""
    return pytest.approx(expected, abs=0.02)


class Layer:
    """A breaker, and what it told. Its pauses are not shortened unless `chance` says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.chance = 0.0
        self.told: list[str | float] = []
        self.breaker = Breaker(self.clock.monotonic, lambda: self.chance, self.told.append, self.told.append)

    def fail(self, times: int = 1, cost_sec: float = QUICK_SEC) -> None:
        for _ in range(times):
            self.breaker.failed(self.breaker.turn, cost_sec, DOWN)

    def answer(self) -> None:
        self.breaker.succeeded(self.breaker.turn)

    def probe(self) -> Probe:
        probe = self.breaker.probe()
        assert probe is not None
        return probe

    def pause(self) -> float:
        """Return how long it takes until the next probe, by steps of a hundredth of a second."""
        began = self.clock.now
        while (probe := self.breaker.probe()) is None:
            self.clock.advance(0.01)
        self.breaker.probed(probe, DOWN)
        return self.clock.now - began


@pytest.fixture
def layer() -> Layer:
    return Layer()


class TestOpening:
    def test_third_failure(self, layer: Layer) -> None:
        """Three failures in a row open it, two do not."""
        layer.fail(2)
        before = layer.breaker.is_open
        layer.fail()

        assert [False, True] == [before, layer.breaker.is_open]
        assert ["ConnectionError: down"] == layer.told

    def test_success_between(self, layer: Layer) -> None:
        """An answer ends the row."""
        for _ in range(10):
            layer.fail(2, cost_sec=0.15)
            layer.answer()

        assert [] == layer.told
        assert not layer.breaker.is_marked

    @pytest.mark.parametrize(("costs", "is_open"), [([0.5], True), ([0.2, 0.2], True), ([0.3], False)])
    def test_cost(self, layer: Layer, costs: list[float], is_open: bool) -> None:
        """What failures in a row have cost together opens it, too."""
        for cost_sec in costs:
            layer.fail(cost_sec=cost_sec)

        assert is_open == layer.breaker.is_open

    def test_row_of_the_past(self, layer: Layer) -> None:
        """After a return it takes a row of failures again."""
        layer.fail(3)
        layer.answer()
        layer.fail(2)

        assert not layer.breaker.is_open

    def test_told_once(self, layer: Layer) -> None:
        """Further failures of the same outage are no news."""
        layer.fail(50, cost_sec=0.5)

        assert ["ConnectionError: down"] == layer.told


class TestProbing:
    def test_only_after_a_pause(self, layer: Layer) -> None:
        """Nothing is let through before the pause is over, and then one probe only."""
        layer.fail(3)
        at_once = layer.breaker.probe()
        layer.clock.advance(FIRST_PAUSE_SEC)
        first, second = layer.breaker.probe(), layer.breaker.probe()

        assert (None, None) == (at_once, second)
        assert isinstance(first, Probe)

    def test_closed(self, layer: Layer) -> None:
        """While it is closed there is nothing to probe."""
        assert layer.breaker.probe() is None

    def test_answer_closes(self, layer: Layer) -> None:
        """A probe that is answered closes it, and it says for how long it was open."""
        layer.fail(3)
        layer.clock.advance(7.0)
        layer.breaker.probed(layer.probe(), None)

        assert not layer.breaker.is_open
        assert ["ConnectionError: down", 7.0] == layer.told

    def test_growing_pauses(self, layer: Layer) -> None:
        """Each failed probe makes the pause twice as long, up to 4 s."""
        layer.fail(3)

        assert about([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0]) == [layer.pause() for _ in range(8)]

    def test_counted_from_the_beginning_of_the_probe(self, layer: Layer) -> None:
        """What a probe takes is part of the pause, so that a return is noticed within 4 s and a little."""
        layer.fail(3)
        for _ in range(10):
            layer.pause()
        layer.clock.advance(LONGEST_PAUSE_SEC)
        probe = layer.probe()
        layer.clock.advance(0.5)
        layer.breaker.probed(probe, DOWN)

        assert about(LONGEST_PAUSE_SEC - 0.5) == layer.pause()

    def test_jitter(self, layer: Layer) -> None:
        """Chance shortens pauses, by half at most."""
        layer.chance = 0.999
        layer.fail(3)

        assert about(0.05) == layer.pause()

    @pytest.mark.parametrize(("well_sec", "pause_sec"), [(SETTLED_SEC - 1, 0.8), (SETTLED_SEC + 1, 0.1)])
    def test_relapse(self, layer: Layer, well_sec: float, pause_sec: float) -> None:
        """A layer that fails soon after its return goes on with longer pauses, a later one begins anew."""
        layer.fail(3)
        for _ in range(2):
            layer.pause()
        layer.answer()
        layer.clock.advance(well_sec)
        layer.fail(3)

        assert about(pause_sec) == layer.pause()

    def test_latest_trouble(self, layer: Layer) -> None:
        """What is wrong is what the last probe met."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        layer.breaker.probed(layer.probe(), TimeoutError("silent"))

        assert "TimeoutError: silent" == layer.breaker.trouble

    def test_one_of_many(self, layer: Layer) -> None:
        """Of many threads that find the pause over, one has leave to probe."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        leaves = in_threads(64, lambda number: layer.breaker.probe())

        assert 1 == sum(leave is not None for leave in leaves)


class TestProbesThatNeverEnd:
    def test_next(self, layer: Layer) -> None:
        """A probe that never ends keeps others waiting for 2 s, and no longer."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        stuck = layer.probe()
        layer.clock.advance(PATIENCE_SEC - 0.1)
        early = layer.breaker.probe()
        layer.clock.advance(0.1)
        late = layer.probe()

        assert early is None
        assert not late.is_in_person
        assert stuck is not late

    def test_bounded(self, layer: Layer) -> None:
        """Of those that never end there are four at most."""
        layer.fail(3)
        stuck = []
        for _ in range(100):
            layer.clock.advance(LONGEST_PAUSE_SEC)
            stuck.append(layer.breaker.probe())

        assert MOST_PROBES == sum(probe is not None for probe in stuck)

    def test_ended_ones(self, layer: Layer) -> None:
        """Those that have ended are not among them."""
        layer.fail(3)
        ended = []
        for number in range(20):
            layer.clock.advance(LONGEST_PAUSE_SEC)
            ended.append(layer.probe())
            if number % 2:
                layer.breaker.abandoned(ended[-1])
            else:
                layer.breaker.probed(ended[-1], DOWN)

        assert 20 == len(ended)

    def test_failing_late(self, layer: Layer) -> None:
        """One that fails after the next has begun does not count."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        stuck = layer.probe()
        layer.clock.advance(PATIENCE_SEC)
        late = layer.probe()
        layer.breaker.probed(stuck, DOWN)

        assert layer.breaker.probe() is None
        assert "ConnectionError: down" == layer.breaker.trouble
        layer.breaker.probed(late, None)
        assert not layer.breaker.is_open

    def test_answered_late(self, layer: Layer) -> None:
        """One that is answered after the next has begun closes it all the same."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        slow = layer.probe()
        layer.clock.advance(PATIENCE_SEC)
        layer.probe()
        layer.breaker.probed(slow, None)

        assert not layer.breaker.is_open

    def test_abandoned(self, layer: Layer) -> None:
        """After one that was ended from outside the next comes at once, and in person."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        layer.breaker.abandoned(layer.probe())
        gc.collect()

        assert layer.probe().is_in_person

    def test_never_begun(self, layer: Layer) -> None:
        """After one that was let go before it began the next one is in person."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        layer.probe()
        gc.collect()
        layer.clock.advance(PATIENCE_SEC)

        assert layer.probe().is_in_person

    def test_ended(self, layer: Layer) -> None:
        """After one that failed, or in the next outage, the next one is beside again."""
        layer.fail(3)
        layer.clock.advance(FIRST_PAUSE_SEC)
        layer.breaker.abandoned(layer.probe())
        gc.collect()
        layer.breaker.probed(layer.probe(), DOWN)
        layer.clock.advance(LONGEST_PAUSE_SEC)
        after_failure = layer.probe().is_in_person
        layer.answer()
        layer.fail(3)
        layer.clock.advance(LONGEST_PAUSE_SEC)

        assert [False, False] == [after_failure, layer.probe().is_in_person]


class TestStragglers:
    def test_failures_from_before_a_return(self, layer: Layer) -> None:
        """What began before it opened cannot open it again after a return."""
        turn = layer.breaker.turn
        layer.fail(3)
        layer.answer()
        for _ in range(50):
            layer.breaker.failed(turn, 0.5, DOWN)

        assert not layer.breaker.is_open

    def test_success_from_before(self, layer: Layer) -> None:
        """An answer to what was asked before it opened does not close it."""
        turn = layer.breaker.turn
        layer.fail(3)
        layer.breaker.succeeded(turn)

        assert layer.breaker.is_open

    def test_success_while_open(self, layer: Layer) -> None:
        """An answer to what was asked while it is open closes it, probe or not."""
        layer.fail(3)
        layer.answer()

        assert not layer.breaker.is_open

    def test_failure_while_open(self, layer: Layer) -> None:
        """What fails while it is open, and is no probe, makes no pause longer."""
        layer.fail(3)
        layer.fail(20, cost_sec=1)

        assert about([0.1, 0.2]) == [layer.pause(), layer.pause()]


def test_after_fork(layer: Layer) -> None:
    """A child knows what its parent knew, and probes for itself."""
    layer.fail(3)
    layer.clock.advance(FIRST_PAUSE_SEC)
    parents = layer.probe()
    layer.breaker.after_fork()

    assert layer.breaker.is_open
    assert layer.probe() is not parents


def test_told_in_between() -> None:
    """Whoever hears of it may use the layer from there."""
    layer = Layer()

    def opened(trouble: str) -> None:
        layer.breaker.failed(layer.breaker.turn, 1, DOWN)
        layer.breaker.probe()

    layer.breaker = Breaker(layer.clock.monotonic, lambda: 0.0, opened, layer.told.append)
    layer.fail(3)

    assert layer.breaker.is_open


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 6)),
        st.tuples(st.just("fail"), st.floats(0, 0.6)),
        st.tuples(
            st.sampled_from(["answer", "begin", "end late", "probe", "fails", "answered", "abandon"]),
            st.none(),
        ),
    ),
    max_size=60,
)


@given(STEPS, st.floats(0, 1, exclude_max=True))
def test_whatever_happens(steps: list[tuple[str, float | None]], chance: float) -> None:
    """Opening and closing take turns, a closed one lets nothing through, and an open one something in 5 s."""
    layer = Layer()
    layer.chance = chance
    probes: list[Probe] = []
    turns = [0]
    acts: dict[str, Callable[[float], object]] = {
        "pass": layer.clock.advance,
        "fail": lambda cost_sec: layer.fail(cost_sec=cost_sec),
        "answer": lambda _: layer.answer(),
        "begin": lambda _: turns.append(layer.breaker.turn),
        "end late": lambda _: layer.breaker.failed(turns[-1], 0.5, DOWN),
        "probe": lambda _: probes.extend(filter(None, [layer.breaker.probe()])),
        "fails": lambda _: probes and layer.breaker.probed(probes.pop(), DOWN),
        "answered": lambda _: probes and layer.breaker.probed(probes.pop(), None),
        "abandon": lambda _: probes and layer.breaker.abandoned(probes.pop()),
    }
    for act, amount in steps:
        acts[act](amount or 0.0)

        assert layer.breaker.turn == len(layer.told)
        assert layer.breaker.is_open == (layer.breaker.turn % 2 == 1)
        assert [isinstance(told, str) for told in layer.told] == [n % 2 == 0 for n in range(len(layer.told))]
        assert len(layer.breaker._probes) <= MOST_PROBES
    for probe in probes:
        layer.breaker.abandoned(probe)
    layer.clock.advance(5)
    assert layer.breaker.is_open == (layer.breaker.probe() is not None)
