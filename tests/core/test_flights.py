"""One load per key at a time, across the threads and event loops of a process."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

from gcache import GCacheKeyConfig
from gcache.conformance.waiting import wait_until
from gcache.core.flights import Flight, Flights, Leading
from gcache.core.runtime import LoopRuntime, Outcome
from tests.core.layers import SyncLayer
from tests.core.stage import (
    PATIENCE_SEC,
    AsyncSide,
    Clock,
    Recorded,
    Source,
    SyncSide,
    in_background,
    in_threads,
    waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache


@pytest.fixture
def flights() -> Flights:
    return Flights()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for what never comes fails the test, instead of loading by itself in the end."""
    monkeypatch.setattr("gcache.core.loading.FLIGHT_LIMIT_SEC", 2 * PATIENCE_SEC)


def land(flights: Flights, key: str, value: object) -> Flight:
    """Return a flight that has landed with `value`, or was given up for None, and been retired."""
    leader = flights.enter(key)
    flight, _ = leader.board(None)
    flight.land(None if value is None else Outcome(value))
    leader.retire(flight)
    leader.hand_in()
    return flight


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

    def open_when(self, condition: Callable[[], bool]) -> None:
        """Open once `condition` holds, without anybody having to wait for it here."""

        def watch() -> None:
            try:
                wait_until(condition, sentence="all are waiting")
            finally:
                self.open()

        threading.Thread(target=watch, daemon=True).start()


class TestThreads:
    def test_one_load(self, gcache: GCache) -> None:
        """64 threads that ask at once get the value of one load."""
        gate, source = Gate(), Source()
        source.before = gate
        get_user = SyncSide().cached(gcache, source)

        def ask(_: int) -> Any:
            with gcache.enable():
                return get_user(1)

        gate.open_when(lambda: waiting(gcache) == 63)

        assert [1] * 64 == in_threads(64, ask)
        assert 1 == source.loads

    def test_other_keys(self, gcache: GCache) -> None:
        """Loads of different keys do not wait for each other."""
        together, source = threading.Barrier(8), Source()
        source.before = lambda: together.wait(PATIENCE_SEC)
        get_user = SyncSide().cached(gcache, source)

        def ask(user_id: int) -> Any:
            with gcache.enable():
                return get_user(user_id)

        in_threads(8, ask)

        assert 8 == source.loads

    def test_exception(self, gcache: GCache) -> None:
        """All who wait for a load that fails get its exception, as itself; it is not kept."""
        error = LookupError("gone")
        gate, source = Gate(), Source(error)
        source.before = gate
        get_user = SyncSide().cached(gcache, source)

        def ask(_: int) -> Any:
            with gcache.enable():
                return get_user(1)

        gate.open_when(lambda: waiting(gcache) == 7)

        assert [error] * 8 == in_threads(8, ask)
        assert 2 == ask(0)

    def test_stop_iteration(self, gcache: GCache) -> None:
        """A StopIteration reaches those who wait as itself, too."""
        error = StopIteration("end")
        gate, source = Gate(), Source(error)
        source.before = gate
        get_user = SyncSide().cached(gcache, source)

        def ask(_: int) -> Any:
            with gcache.enable():
                return get_user(1)

        gate.open_when(lambda: waiting(gcache) == 3)

        assert [error] * 4 == in_threads(4, ask)

    def test_interrupted_leader(self, gcache: GCache) -> None:
        """What ends the leader itself is not passed on: one of those who waited loads instead."""
        gate, source = Gate(), Source(KeyboardInterrupt())
        source.before = gate
        get_user = SyncSide().cached(gcache, source)

        def ask(_: int) -> Any:
            with gcache.enable():
                return get_user(1)

        gate.open_when(lambda: waiting(gcache) == 7)
        results = in_threads(8, ask)

        assert [2] * 7 == [result for result in results if not isinstance(result, KeyboardInterrupt)]
        assert 2 == source.loads

    def test_limit(self, gcache: GCache, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who has waited long enough loads by itself."""
        monkeypatch.setattr("gcache.core.loading.FLIGHT_LIMIT_SEC", 0.001)
        gate = Gate()
        source = Source()
        source.before = lambda: gate() if source.loads == 1 else None
        get_user = SyncSide().cached(gcache, source)

        with gcache.enable(), in_background(lambda: get_user(1)) as first:
            assert gate.reached.wait(PATIENCE_SEC)
            second = get_user(1)
            gate.open()

            assert (1, 2) == (first(), second)


class TestLoops:
    async def test_one_load(self, gcache: GCache) -> None:
        """200 tasks that ask at once get the value of one load."""
        loads = 0

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            nonlocal loads
            loads += 1
            while waiting(gcache) < 199:
                await asyncio.sleep(0)
            return loads

        with gcache.enable():
            results = await asyncio.wait_for(asyncio.gather(*(get_user(1) for _ in range(200))), PATIENCE_SEC)

        assert [1] * 200 == results
        assert 1 == loads

    async def test_exception(self, gcache: GCache) -> None:
        """All tasks get the exception of the one load."""
        error = LookupError("gone")

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            while waiting(gcache) < 9:
                await asyncio.sleep(0)
            raise error

        with gcache.enable():
            results = await asyncio.gather(*(get_user(1) for _ in range(10)), return_exceptions=True)

        assert [error] * 10 == results

    async def test_cancelled_leader(self, gcache: GCache) -> None:
        """A leader that is cancelled hands over to one of those who wait; the others wait for that one."""
        loads = 0
        may_land = asyncio.Event()

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            nonlocal loads
            loads += 1
            await may_land.wait()
            return loads

        with gcache.enable():
            leader, *others = [asyncio.create_task(get_user(1)) for _ in range(10)]
            while waiting(gcache) < 9:
                await asyncio.sleep(0)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            may_land.set()
            results = await asyncio.wait_for(asyncio.gather(*others), PATIENCE_SEC)

        assert [2] * 9 == results

    async def test_cancelled_follower(self, gcache: GCache) -> None:
        """One who waits and is cancelled takes nobody along."""
        may_land = asyncio.Event()

        @gcache.cached("user_id", "user_id", "GetUser")
        async def get_user(user_id: int) -> int:
            await may_land.wait()
            return 1

        with gcache.enable():
            leader, follower, other = [asyncio.create_task(get_user(1)) for _ in range(3)]
            while waiting(gcache) < 2:
                await asyncio.sleep(0)
            follower.cancel()
            with pytest.raises(asyncio.CancelledError):
                await follower
            may_land.set()

            assert [1, 1] == await asyncio.wait_for(asyncio.gather(leader, other), PATIENCE_SEC)

    def test_across_loops_and_threads(self, gcache: GCache) -> None:
        """Threads and loops wait for each other's loads under one explicit key."""
        gate, source = Gate(), Source()
        source.before = gate
        get_user = SyncSide().cached(gcache, source)
        key = get_user.key(1)

        def ask(number: int) -> Any:
            side = AsyncSide() if number % 2 else SyncSide()
            with gcache.enable():
                try:
                    return side.get(gcache, key, source)
                finally:
                    side.close()

        gate.open_when(lambda: waiting(gcache) == 15)

        assert [1] * 16 == in_threads(16, ask)

    def test_leader_in_own_loop(self, gcache: GCache) -> None:
        """A sync call on the loop whose task leads the flight does not wait for the loop that it stops."""
        source = Source()
        key = SyncSide().cached(gcache, source).key(1)

        async def main() -> list[Any]:
            begun, may_end = asyncio.Event(), asyncio.Event()

            async def load() -> str:
                begun.set()
                await may_end.wait()
                return "awaited"

            leader = asyncio.create_task(gcache.aget(key, load))
            await begun.wait()
            blocking = gcache.get(key, lambda: "blocking")
            may_end.set()
            return [blocking, await leader]

        with gcache.enable(), in_background(lambda: asyncio.run(main())) as results:
            assert ["blocking", "awaited"] == results()


class TestCircles:
    def test_own_key(self, gcache: GCache, side: SyncSide | AsyncSide) -> None:
        """A load that asks for its own key gets a load of its own, and does not wait for itself."""
        depth = 0
        functions: dict[str, Any] = {}

        if isinstance(side, SyncSide):

            @gcache.cached("user_id", "user_id", "GetUser")
            def get_user(user_id: int) -> int:
                nonlocal depth
                depth += 1
                return depth if depth == 3 else functions["get"](user_id)

            functions["get"] = get_user

            def call():
                return get_user(1)
        else:

            @gcache.cached("user_id", "user_id", "GetUser")
            async def aget_user(user_id: int) -> int:
                nonlocal depth
                depth += 1
                return depth if depth == 3 else await functions["get"](user_id)

            functions["get"] = aget_user

            def call():
                return side.run(aget_user(1))

        with gcache.enable(), in_background(call) as value:
            assert 3 == value()

    def test_two_threads(self, gcache: GCache) -> None:
        """Two keys whose loads ask for each other, in two threads at once, both come to an end."""
        both_began = threading.Barrier(2)
        loads: list[str] = []

        @gcache.cached("user_id", "name", "GetTwin")
        def get_twin(name: str, depth: int = 0) -> str:
            raise NotImplementedError

        def load(name: str, other: str) -> str:
            loads.append(name)
            if loads.count(name) == 1:
                both_began.wait(PATIENCE_SEC)
                return name + gcache.get(get_twin.key(other), lambda: load(other, name))
            return name

        def ask(number: int) -> str:
            name, other = ("ab", "ba")[number]
            with gcache.enable():
                return gcache.get(get_twin.key(name), lambda: load(name, other))

        results = in_threads(2, ask)

        assert all(isinstance(result, str) for result in results)
        assert {"a", "b"} == {result[0] for result in results}

    async def test_two_tasks(self, gcache: GCache) -> None:
        """The same goes for tasks of one loop."""
        began: list[str] = []

        @gcache.cached("user_id", "name", "GetTwin")
        async def get_twin(name: str) -> str:
            began.append(name)
            if began.count(name) > 1:
                return name
            while len(set(began)) < 2:
                await asyncio.sleep(0)
            return name + await get_twin("ba"["ab".index(name)])

        with gcache.enable():
            results = await asyncio.wait_for(asyncio.gather(get_twin("a"), get_twin("b")), PATIENCE_SEC)

        assert ["a", "b"] == [result[0] for result in results]

    def test_three_flights(self, flights: Flights) -> None:
        """A circle is seen however many flights it goes through, and no more once one of them is over."""
        a, b, c = (flights.enter(key).board(None)[0] for key in "abc")
        ticket = flights.enter("a")
        b.waits_for.add(a)
        c.waits_for.update({b, c})

        with Leading(a):
            _, is_mine = flights.enter("c").board(None)
            a.land(None)
            _, is_mine_then = flights.enter("c").board(None)

        assert (True, False) == (is_mine, is_mine_then)
        assert ticket.board(None) == (a, False)


class TestTickets:
    def test_late_arrival(self, flights: Flights) -> None:
        """Who looked before a flight landed is served by it, who comes afterwards flies anew."""
        outcome: Outcome[int] = Outcome(1)
        leader, early = flights.enter("key"), flights.enter("key")
        flight, _ = leader.board(None)
        flight.land(outcome)
        leader.retire(flight)
        late = flights.enter("key")

        assert (flight, False) == early.board(None)
        assert late.board(None)[1]

    @pytest.mark.parametrize("others", [0, 3], ids=["at once", "among others"])
    def test_ticket_afterwards(self, flights: Flights, others: int) -> None:
        """Who takes its ticket as of when it looked is served by what has landed since; no newcomer is."""
        before = flights.next
        flight = land(flights, "key", 1)
        for number in range(others):
            land(flights, f"other {number}", number)

        late = flights.enter_late("key", flights.next)
        early = flights.enter_late("key", before)

        assert (flight, False) == early.board(None)
        assert late.board(None)[1]

    def test_ticket_afterwards_of_the_last(self, flights: Flights) -> None:
        """Of several that have landed since, the last one serves, and only its own generation."""
        before = flights.next
        land(flights, "key", 1)
        last = land(flights, "key", 2)

        assert (last, False) == flights.enter_late("key", before).board(None)
        assert flights.enter_late("key", before).board(b"another")[1]

    @pytest.mark.parametrize("how", ["one", "all", "given up"])
    def test_ticket_afterwards_of_nothing(self, flights: Flights, how: str) -> None:
        """What has landed and was forgotten since, or after which a flight was given up, serves nobody."""
        before = flights.next
        land(flights, "key", 1)
        if how == "given up":
            land(flights, "key", None)
        elif how == "one":
            flights.forget("key")
        else:
            flights.forget_all()

        assert flights.enter_late("key", before).board(None)[1]

    def test_nothing_is_kept(self, flights: Flights) -> None:
        """What has landed is kept for as long as somebody looks who may need it, and no longer."""
        before = flights.next
        landed = [ref(land(flights, f"key {number}", number)) for number in range(10_000)]

        assert None not in [flight() for flight in landed]
        del before
        assert {None} == {flight() for flight in landed}

    def test_given_up(self, flights: Flights) -> None:
        """A flight that was given up serves nobody."""
        leader, early = flights.enter("key"), flights.enter("key")
        flight, _ = leader.board(None)
        leader.retire(flight)

        new, is_mine = early.board(None)

        assert (True, True) == (is_mine, new is not flight)

    def test_newer_epoch(self, flights: Flights) -> None:
        """A caller of a newer epoch joins neither a flight under way nor one that has landed."""
        leader, newer, newest = (flights.enter("key") for _ in range(3))
        old, _ = leader.board(b"old")
        new, is_mine = newer.board(b"new")
        old.land(Outcome(1))
        leader.retire(old)
        _, is_mine_too = newest.board(b"newest")

        assert (True, True) == (is_mine, is_mine_too)
        assert new is not old
        assert (new, False) == flights.enter("key").board(b"new")

    def test_forget(self, flights: Flights) -> None:
        """What is forgotten is joined by nobody, and told that its value is void."""
        leader, follower = flights.enter("key"), flights.enter("key")
        flight, _ = leader.board(None)

        flights.forget("key")
        flights.forget("other")
        new, is_mine = follower.board(None)
        flight.land(Outcome(1))
        leader.retire(flight)

        assert flight.is_void
        assert (True, False) == (is_mine, new.is_void)
        assert (new, False) == flights.enter("key").board(None)

    def test_forget_landed(self, flights: Flights) -> None:
        """A landed flight that is forgotten serves nobody any more."""
        leader, early = flights.enter("key"), flights.enter("key")
        flight, _ = leader.board(None)
        flight.land(Outcome(1))
        leader.retire(flight)

        flights.forget_all()

        assert early.board(None)[1]

    def test_hand_in(self, flights: Flights) -> None:
        """A key that nobody is interested in any more takes no room."""
        one, other = flights.enter("key"), flights.enter("key")

        one.hand_in()
        assert ["key"] == list(flights.travellers)
        other.hand_in()

        assert [] == list(flights.travellers)

    def test_never_taken_out(self, flights: Flights) -> None:
        """A flight that nobody took out, as a signal handler raised, ends with its travellers."""
        interrupted = flights.enter("key")
        flight, _ = interrupted.board(None)
        flight.land(Outcome(1))
        interrupted.hand_in()

        assert {} == flights.under_way
        assert flights.enter("key").board(None)[1]

    def test_finalizer(self, flights: Flights) -> None:
        """A value that is let go of here may come back from its finalizer."""
        finalized: list[str] = []

        class Value:
            def __del__(self) -> None:
                flights.enter("key").hand_in()
                finalized.append("done")

        def travel() -> None:
            leader, other = flights.enter("key"), flights.enter("key")
            flight, _ = leader.board(None)
            flight.land(Outcome(Value()))
            leader.retire(flight)
            leader.hand_in()
            del flight
            other.hand_in()

        thread = threading.Thread(target=travel, daemon=True)
        thread.start()
        thread.join(PATIENCE_SEC)

        assert ["done"] == finalized
        assert {} == flights.travellers

    def test_land_once(self, flights: Flights) -> None:
        """The first end of a flight is its end; who asks afterwards is told at once."""
        flight, _ = flights.enter("key").board(None)
        woken: list[str] = []
        flight.when_over(lambda: woken.append("early"))

        flight.land(Outcome(1))
        flight.land(None)
        flight.when_over(lambda: woken.append("late"))

        assert flight.outcome is not None
        assert (1, ["early", "late"]) == (flight.outcome.value, woken)

    async def test_loop_closed_at_the_last_moment(
        self, flights: Flights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A loop that closes while a flight lands troubles neither the leader nor the others who wait."""
        flight, _ = flights.enter("key").board(None)
        woken: list[str] = []

        def wait_on_another_loop() -> None:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(LoopRuntime().landed(flight, 0))
            loop.close()
            monkeypatch.setattr(loop, "is_closed", lambda: False)  # as it was when it was asked

        in_threads(1, lambda _: wait_on_another_loop())
        flight.when_over(lambda: woken.append("other"))

        flight.land(Outcome(1))

        assert ["other"] == woken

    def test_loop_closed_before(self, gcache: GCache, flights: Flights) -> None:
        """A loop that has closed since is not woken."""
        flight, _ = flights.enter("key").board(None)
        asyncio.run(LoopRuntime().landed(flight, 0))

        flight.land(Outcome(1))

        assert flight.is_over


class TestChain:
    """What the chain makes of it."""

    @pytest.fixture
    def layer(self, clock: Clock) -> SyncLayer:
        return SyncLayer("remote", clock)

    def test_served_by_landed(
        self, make_gcache: Callable[..., GCache], layer: SyncLayer, recorded: Recorded
    ) -> None:
        """One who looked before an entry was written is served by its load, though it asks afterwards."""
        gcache = make_gcache(layers=[layer])
        source = Source()
        get_user = SyncSide().cached(gcache, source)
        looked, may_go_on = threading.Event(), threading.Event()

        def hold_up() -> None:
            layer.before.pop("get")
            looked.set()
            assert may_go_on.wait(PATIENCE_SEC)

        layer.before["get"] = hold_up
        original = layer.stored

        with gcache.enable(), in_background(lambda: get_user(1)) as slow:
            assert looked.wait(PATIENCE_SEC)
            first = get_user(1)
            layer.stored = {}  # what the slow one is about to see: it looked before
            may_go_on.set()

            assert (1, 1) == (first, slow())
        layer.stored = original
        assert 1 == source.loads

    def test_nothing_is_kept_meanwhile(
        self, make_gcache: Callable[..., GCache], side: SyncSide | AsyncSide, layer: SyncLayer
    ) -> None:
        """Whoever loads holds on to nothing of what others load meanwhile, however long it takes."""
        gcache = make_gcache(layers=[layer], config_refresh_sec=1000)
        get_user = side.cached(gcache, source := Source())
        get_other = gcache.cached("user_id", "user_id", "Another")(lambda user_id: {user_id})
        landed: list[Any] = []

        def load_another() -> None:
            landed.append(ref(get_other(2)))
            gc.collect()
            landed.append(landed[0]())

        with gcache.enable():
            get_user(1)
            get_other(1)
            source.before = load_another
            get_user(2)

        assert landed[1] is None

    def test_after_invalidation(self, make_gcache: Callable[..., GCache], layer: SyncLayer) -> None:
        """A caller that comes after an invalidation does not join a load that began before it."""
        gcache = make_gcache(layers=[layer])
        gate, source = Gate(), Source()
        source.before = lambda: gate() if source.loads == 1 else None
        get_user = SyncSide().cached(gcache, source, track_for_invalidation=True)

        with gcache.enable(), in_background(lambda: get_user(1)) as old:
            assert gate.reached.wait(PATIENCE_SEC)
            gcache.invalidate("user_id", 1)
            new = get_user(1)
            gate.open()
            old()

            assert (2, 2) == (new, get_user(1))

    @pytest.mark.parametrize("verb", ["delete", "flushall", "put", "refresh"])
    def test_void(self, make_gcache: Callable[..., GCache], layer: SyncLayer, verb: str) -> None:
        """What was under way when a key was deleted, or written anew, is not kept."""
        gcache = make_gcache(layers=[layer], cache_config_provider=lambda key: GCacheKeyConfig.enabled(60))
        gate = Gate()
        source = Source("old", "new", "newer")
        source.before = lambda: gate() if source.loads == 1 else None
        get_user = SyncSide().cached(gcache, source)
        actions: dict[str, Callable[[], object]] = {
            "delete": lambda: gcache.delete(get_user.key(1)),
            "flushall": gcache.flushall,
            "put": lambda: gcache.put(get_user.key(1), "new"),
            "refresh": lambda: get_user.refresh(1),
        }

        with gcache.enable(), in_background(lambda: get_user(1)) as old:
            assert gate.reached.wait(PATIENCE_SEC)
            actions[verb]()
            gate.open()

            assert "old" == old()
            assert "new" == get_user(1)
