"""Threads, loops, processes, and the end."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from gcache.conformance._together import Child
from gcache.conformance.buses.bus import Bus, Buses, BusPart, Subscription
from gcache.conformance.suite import needs

_FILES = Path("/proc/self/fd")


class Listeners(BusPart, topic="threads, loops, processes"):
    """A bus is made once, and used from everywhere."""

    def test_sides_are_declared(self, buses: Buses) -> None:
        """A bus has the sides that the suite names, and no others.

        Core uses each side that is there; one that is not tried here may be broken.
        """
        raw = buses.open().raw
        there = [side for side, verb in (("sync", "publish"), ("async", "apublish")) if hasattr(raw, verb)]

        assert sorted(self.sides) == sorted(there)

    def test_many_threads(self, buses: Buses, bus: Bus, channel: str) -> None:
        """What eight threads publish at once all arrives, each message whole.

        Any thread may invalidate.
        """
        subscription = bus.subscribe(channel)

        def work(number: int) -> None:
            for turn in range(25):
                bus.publish(channel, b"%d:%d" % (number, turn) * 50)

        buses.in_threads(8, work)
        heard = subscription.heard(200)

        assert {b"%d:%d" % (number, turn) * 50 for number in range(8) for turn in range(25)} == set(heard)

    def test_heard_in_another_thread(self, buses: Buses, bus: Bus, channel: str) -> None:
        """A subscription is made and used in a thread of its own while others publish.

        Core listens in a thread.
        """

        def work(number: int) -> list[bytes]:
            own = bus.raw.subscribe(f"{channel}:{number}")
            try:
                bus.publish(f"{channel}:{number}", b"%d" % number)
                return Subscription(own).heard(1)
            finally:
                own.close()

        assert [[b"%d" % number] for number in range(4)] == buses.in_threads(4, work)

    def test_loop_after_loop(self, buses: Buses, bus: Bus, channel: str) -> None:
        """A bus goes on publishing on a second event loop after the first has ended.

        `asyncio.run` twice in one program is two loops.
        """
        subscription = bus.subscribe(channel)
        for turn in range(3):
            bus.publish(channel, b"%d" % turn)
            buses.loops.close()

        assert {b"0", b"1", b"2"} == set(subscription.heard(3))

    @needs("shared")
    def test_processes(self, buses: Buses, bus: Bus, channel: str) -> None:
        """Another process hears what is published here, and is heard here.

        That is what a bus is for.
        """
        subscription = bus.subscribe(channel)

        def work() -> list[bytes]:
            own = buses.open()
            theirs = own.subscribe(channel)
            own.publish(channel, b"from the child")
            heard = theirs.heard_until(b"from the parent")
            buses.close(own)
            return heard

        child = Child(work)
        ours = subscription.heard(1)
        bus.publish(channel, b"from the parent")

        assert [b"from the child"] == ours
        assert {b"from the child", b"from the parent"} == set(child.result())

    @needs("shared")
    def test_fork(self, buses: Buses, bus: Bus, channel: str) -> None:
        """After a fork, parent and child both publish by the bus that the parent had made, at the same time.

        Servers make their parts and then fork. On a connection that both write to, messages are mixed up.
        """
        subscription = bus.subscribe(channel)
        bus.publish(channel, b"before")

        def work(name: str) -> None:
            for turn in range(50):
                bus.publish(channel, b"%s:%d" % (name.encode(), turn))

        child = Child(lambda: work("child"))
        work("parent")
        child.result()
        names = (b"parent", b"child")
        expected = {b"before", *(b"%s:%d" % (name, turn) for name in names for turn in range(50))}

        assert expected == set(subscription.heard(101))

    @needs("shared")
    def test_subscribed_after_a_fork(self, bus: Bus, channel: str) -> None:
        """A child subscribes by the bus that the parent had made, and the parent's subscription goes on.

        Each listens for itself. A message that one takes from the other's connection is missed by the other.
        """
        subscription = bus.subscribe(channel)
        reading, writing = os.pipe()

        def work() -> list[bytes]:
            theirs = bus.raw.subscribe(channel)
            os.write(writing, b"!")
            heard = Subscription(theirs).heard(1)
            theirs.close()
            return heard

        child = Child(work)
        os.read(reading, 1)
        bus.publish(channel, b"for both")
        heard = [subscription.heard(1), child.result()]
        bus.publish(channel, b"for the parent")
        for pipe in (reading, writing):
            os.close(pipe)

        assert [[b"for both"]] * 2 == heard
        assert [b"for the parent"] == subscription.heard(1)

    def test_subscribed_again(self, bus: Bus, channel: str) -> None:
        """After a subscription was closed, the same bus makes a new one, which hears.

        Core subscribes anew after each failure.
        """
        heard: list[list[bytes]] = []
        for _ in range(3):
            subscription = bus.subscribe(channel)
            bus.publish(channel, b"message")
            heard.append(subscription.heard(1))
            bus.unsubscribe(subscription)

        assert [[b"message"]] * 3 == heard

    def test_one_of_several_is_closed(self, buses: Buses, bus: Bus, channel: str) -> None:
        """Closing a subscription, or another bus, leaves other subscriptions as they are.

        One instance of GCache is closed, and another of the same process goes on.
        """
        other = buses.open()
        closed, stays = bus.subscribe(channel), bus.subscribe(channel)
        other.subscribe(channel)
        bus.unsubscribe(closed)
        buses.close(other)
        bus.publish(channel, b"message")

        assert [b"message"] == stays.heard(1)

    def test_closed_subscription(self, bus: Bus, channel: str) -> None:
        """A closed subscription raises, and does not say that nothing came.

        Whoever is told None believes that nothing was invalidated.
        """
        subscription = bus.subscribe(channel)
        bus.unsubscribe(subscription)
        bus.publish(channel, b"message")
        with pytest.raises(Exception):  # noqa: B017  # which one is up to the bus
            subscription.raw.receive(0.01)

    def test_unused(self, buses: Buses) -> None:
        """A bus that was never used can be closed.

        An application may end before its first call.
        """
        buses.close(buses.open())

    @pytest.mark.skipif(not _FILES.is_dir(), reason="this system does not list a process's files")
    def test_close_lets_go(self, buses: Buses, channel: str) -> None:
        """Ten buses that were opened, used and closed leave no files and connections behind.

        Tests and reloading servers open buses again and again.
        """

        def use() -> None:
            bus = buses.open()
            bus.subscribe(channel)
            bus.publish(channel, b"message")
            buses.close(bus)

        use()
        gc.collect()
        before = len(os.listdir(_FILES))
        for _ in range(10):
            use()
        gc.collect()

        assert len(os.listdir(_FILES)) < before + 10
