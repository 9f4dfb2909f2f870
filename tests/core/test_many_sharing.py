"""Functions of many ids beside others of the same entries: one load for all, and one use case for two."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gcache.conformance.waiting import wait_until
from gcache.core.joint import JointFlight, Tickets
from tests.core.layers import SyncLayer
from tests.core.many import Rows, many
from tests.core.stage import (
    PATIENCE_SEC,
    AsyncSide,
    Clock,
    Source,
    SyncSide,
    in_background,
    in_threads,
    waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for what never comes fails the test, instead of loading by itself in the end."""
    monkeypatch.setattr("gcache.core.loading.FLIGHT_LIMIT_SEC", 2 * PATIENCE_SEC)


@pytest.fixture
def here() -> SyncSide:
    """Threads, for tests in which the calls run into each other."""
    return SyncSide()


class Gate:
    """Holds up a load until it is opened, and tells when somebody stands before it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE_SEC)

    def open(self) -> None:
        self._open.set()


class TestThreads:
    def test_overlap(self, gcache: GCache, here: SyncSide) -> None:
        """A call loads what nobody loads, in one run, and waits for what another does."""
        gate, rows = Gate(), Rows()
        get_users = many(here, gcache, rows)
        with gcache.enable():
            rows.before = gate
            with in_background(lambda: get_users([1, 2])) as first:
                assert gate.reached.wait(PATIENCE_SEC)
                rows.before = lambda: None
                with in_background(lambda: get_users([1, 2, 3, 4])) as second:
                    wait_until(lambda: waiting(gcache) > 0, sentence="the second one waits")
                    gate.open()

                    assert {1: "1.0", 2: "2.0", 3: "3.1", 4: "4.1"} == second()
                assert {1: "1.0", 2: "2.0"} == first()
        assert [[1, 2], [3, 4]] == rows.asked

    def test_crossed(self, gcache: GCache, here: SyncSide, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of two calls that want the same at the same time one loads it all: neither waits for part of it."""
        rows, both, board = Rows(), threading.Barrier(2), Tickets.board
        get_users = many(here, gcache, rows)

        def board_at_once(self: Tickets, joint: JointFlight, visits: Any, others: Any) -> Any:
            both.wait(PATIENCE_SEC)
            return board(self, joint, visits, others)

        monkeypatch.setattr(Tickets, "board", board_at_once)

        def ask(number: int) -> Any:
            with gcache.enable():
                return get_users([1, 2] if number else [2, 1])

        first, second = in_threads(2, ask)

        assert first == second
        assert [[1, 2]] == [sorted(asked) for asked in rows.asked]

    def test_cached_waits(self, gcache: GCache, here: SyncSide) -> None:
        """A `cached` call waits for the value that a call for many ids loads."""
        gate, rows, source = Gate(), Rows(), Source()
        rows.before = gate
        get_users = many(here, gcache, rows)
        get_user = here.cached(gcache, source, use_case="GetUsers")
        with gcache.enable(), in_background(lambda: get_users([1, 2])):
            assert gate.reached.wait(PATIENCE_SEC)
            with in_background(lambda: get_user(2)) as one:
                wait_until(lambda: waiting(gcache) > 0, sentence="the single call waits")
                gate.open()

                assert "2.0" == one()
        assert 0 == source.loads

    def test_waits_for_cached(self, gcache: GCache, here: SyncSide) -> None:
        """A call for many ids waits for the value that a `cached` call loads."""
        gate, rows, source = Gate(), Rows(), Source("one")
        source.before = gate
        get_users = many(here, gcache, rows)
        get_user = here.cached(gcache, source, use_case="GetUsers")
        with gcache.enable(), in_background(lambda: get_user(2)):
            assert gate.reached.wait(PATIENCE_SEC)
            with in_background(lambda: get_users([1, 2])) as two:
                wait_until(lambda: waiting(gcache) > 0, sentence="the call for two waits")
                gate.open()

                assert {1: "1.0", 2: "one"} == two()
        assert [[1]] == rows.asked

    def test_cached_fails(self, gcache: GCache, here: SyncSide) -> None:
        """If the `cached` call that it waits for fails, a call for many ids asks its own source."""
        gate, rows, source = Gate(), Rows(), Source(LookupError())
        source.before = gate
        get_users = many(here, gcache, rows)
        get_user = here.cached(gcache, source, use_case="GetUsers")

        def fail() -> None:
            with pytest.raises(LookupError):
                get_user(2)

        with gcache.enable(), in_background(fail) as failed:
            assert gate.reached.wait(PATIENCE_SEC)
            with in_background(lambda: get_users([1, 2])) as two:
                wait_until(lambda: waiting(gcache) > 0, sentence="the call for two waits")
                gate.open()

                assert {1: "1.0", 2: "2.1"} == two()
            failed()
        assert [[1], [2]] == rows.asked

    @pytest.mark.parametrize("failures", [0, 1])
    def test_many_wait(self, gcache: GCache, here: SyncSide, failures: int) -> None:
        """Of many equal calls one loads, and all get what it gets: values, absences or the exception."""
        gate, rows = Gate(), Rows(absent={2}, failures=failures)
        rows.before = gate
        get_users = many(here, gcache, rows)

        def ask(_: int) -> Any:
            with gcache.enable():
                return get_users([1, 2])

        def open_at_last() -> None:
            wait_until(lambda: waiting(gcache) >= 7, sentence="all are waiting")
            gate.open()

        with in_background(open_at_last):
            answers = in_threads(8, ask)

        assert [[1, 2]] == rows.asked
        assert [LookupError if failures else dict] * 8 == [type(answer) for answer in answers]

    def test_absent_for_cached(self, gcache: GCache, here: SyncSide) -> None:
        """A `cached` call that waits for an id which the source leaves out asks its own source."""
        gate, rows, source = Gate(), Rows(absent={2}), Source("one")
        rows.before = gate
        get_users = many(here, gcache, rows)
        get_user = here.cached(gcache, source, use_case="GetUsers")
        with gcache.enable(), in_background(lambda: get_users([2])) as none:
            assert gate.reached.wait(PATIENCE_SEC)
            with in_background(lambda: get_user(2)) as one:
                wait_until(lambda: waiting(gcache) > 0, sentence="the single call waits")
                gate.open()

                assert ({}, "one") == (none(), one())

    def test_nested(self, gcache: GCache, here: SyncSide) -> None:
        """A source that asks for one of its own ids, by itself or among others, loads that again."""
        rows, source = Rows(), Source("one")
        get_users = many(here, gcache, rows)
        get_user = here.cached(gcache, source, use_case="GetUsers")

        def ask_again() -> None:
            rows.before = lambda: None
            rows.nested = (get_user(2), get_users([1, 3]))  # type: ignore[attr-defined]

        rows.before = ask_again
        with gcache.enable():
            get_users([1, 2])

        assert ("one", {1: "1.1", 3: "3.1"}) == rows.nested  # type: ignore[attr-defined]

    def test_nothing_left(self, make_gcache: Callable[..., GCache], here: SyncSide, clock: Clock) -> None:
        """However a call ends, nobody is left waiting, and no interest in a key stays behind."""
        gcache = make_gcache(layers=[SyncLayer("remote", clock)])
        get_users = many(here, gcache, Rows(failures=1), track_for_invalidation=True)
        with gcache.enable():
            with pytest.raises(LookupError):
                get_users([1, 2])
            get_users([1, 2])

        assert {} == gcache._engine.chain.flights.travellers


class TestLoops:
    def test_cancelled(self, gcache: GCache) -> None:
        """When the caller who loads is cancelled, those who wait load by themselves."""
        side, rows, reached, never = AsyncSide(), Rows(), asyncio.Event(), asyncio.Event()

        @gcache.cached_many("user_id", ids_arg="user_ids")
        async def get_users(user_ids: list[int]) -> dict[int, str]:
            answer: dict[int, str] = rows(user_ids, 1)
            if len(rows.asked) == 1:
                reached.set()
                await never.wait()
            return answer

        async def play() -> Any:
            first = asyncio.create_task(get_users([1, 2]))
            await reached.wait()
            second = asyncio.create_task(get_users([2, 3, 1]))
            while not waiting(gcache):
                await asyncio.sleep(0)
            first.cancel()
            return await second

        with gcache.enable():
            assert {2: "2.2", 3: "3.1", 1: "1.2"} == side.run(play())
        assert [[1, 2], [3], [2, 1]] == rows.asked
        assert {} == gcache._engine.chain.flights.travellers
        side.close()

    def test_tasks(self, gcache: GCache) -> None:
        """Tasks that ask for the same ids get the values of one load, in their own orders."""
        side, rows = AsyncSide(), Rows()

        @gcache.cached_many("user_id", ids_arg="user_ids")
        async def get_users(user_ids: list[int]) -> dict[int, str]:
            await asyncio.sleep(0)
            answer: dict[int, str] = rows(user_ids, 1)
            return answer

        async def play() -> Any:
            return await asyncio.gather(get_users([1, 2]), get_users([2, 1]), get_users([2]))

        with gcache.enable():
            answers = side.run(play())

        assert [[1, 2], [2, 1], [2]] == [list(answer) for answer in answers]
        assert [[1, 2]] == rows.asked
        side.close()
