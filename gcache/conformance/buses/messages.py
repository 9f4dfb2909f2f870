"""What is said on a bus, and who hears it."""

from __future__ import annotations

from gcache.conformance.buses.bus import Bus, Buses, BusPart
from gcache.conformance.suite import needs

_AWKWARD = (b"x", b"\x00", b"\r\n", b"a\r\nb", b"PING", b"message", b"{}", "é😀".encode(), b"\xff\xfe", b" ")


class Messages(BusPart, topic="messages"):
    """Small, of any bytes, and for everybody who listens."""

    def test_any_bytes(self, bus: Bus, channel: str) -> None:
        """A message arrives as the very bytes that were published: none, all values, line ends, any words.

        Core's messages hold the text of an id, which can be anything. A changed one ends another entity.
        """
        messages = [b"", bytes(range(256)), *_AWKWARD, bytes(self.max_message_bytes)]
        subscription = bus.subscribe(channel)
        for message in messages:
            bus.publish(channel, message)
        heard = subscription.heard(len(messages))

        assert {bytes} == set(map(type, heard))
        assert sorted(messages) == sorted(heard)

    def test_from_the_subscription_on(self, bus: Bus, channel: str) -> None:
        """What is published when subscribe() has returned is heard, at once; what was said before is not.

        Core believes that it hears from then on, and keeps entries in memory. It drops everything first, so
        that it has not missed what came before.
        """
        for turn in range(20):
            bus.publish(channel, b"before")
            subscription = bus.subscribe(channel)
            bus.publish(channel, b"%d" % turn)
            heard = subscription.heard(1)
            bus.unsubscribe(subscription)

            assert [b"%d" % turn] == heard

    @needs("ordered")
    def test_in_order(self, bus: Bus, channel: str) -> None:
        """Five hundred messages of one publisher arrive in their order, each once.

        A listener that is slow for a moment must not lose one: the entity would stay in its memory.
        """
        subscription = bus.subscribe(channel)
        messages = [b"%d" % number for number in range(500)]
        for message in messages:
            bus.publish(channel, message)

        assert messages == subscription.heard(500)

    def test_none_is_lost(self, bus: Bus, channel: str) -> None:
        """Of two hundred messages that are published at once all arrive.

        An application that invalidates many entities has many invalidations under way.
        """
        subscription = bus.subscribe(channel)
        messages = [b"%d" % number for number in range(200)]
        bus.publish_at_once(channel, messages)

        assert set(messages) == set(subscription.heard(200))

    def test_channels(self, bus: Bus, channel: str) -> None:
        """A channel's messages are heard on no other one, however alike their names are.

        Core's channel is the urn_prefix: applications with prefixes that are alike share a server.
        """
        others = (
            f"{channel}x",
            channel[:-1],
            channel.upper(),
            f"{channel}:x",
            f"{channel}*",
            "urn:conformance",
        )
        subscription = bus.subscribe(channel)
        patterns = bus.subscribe(f"{channel[:-1]}*")
        for other in others:
            bus.publish(other, b"no")
        bus.publish(channel, b"last")
        bus.publish(f"{channel[:-1]}*", b"last of another")

        assert [b"last"] == subscription.heard_until(b"last")
        assert [b"last of another"] == patterns.heard_until(b"last of another")

    def test_everybody_hears(self, buses: Buses, bus: Bus, channel: str) -> None:
        """All subscribers hear each message, also those of the bus that published it, and several of one bus.

        Nobody takes a message away from others. Core tells its own from those of others by what they say.
        """
        other = buses.open()
        subscriptions = [each.subscribe(channel) for each in (bus, bus, other)]
        buses.open().publish(channel, b"from a third")
        bus.publish(channel, b"from one of them")
        heard = [sorted(subscription.heard(2)) for subscription in subscriptions]

        assert [[b"from a third", b"from one of them"]] * 3 == heard

    def test_nobody_listens(self, bus: Bus, channel: str) -> None:
        """A message that nobody listens for is published all the same.

        A process that is alone has nobody to tell. If it raised, every invalidation would stay pending.
        """
        bus.publish(channel, b"for nobody")

    def test_nothing_comes(self, bus: Bus, channel: str) -> None:
        """receive() returns None when nothing has come in time, again and again, and then what comes.

        Core looks in between whether it is to end, and pings when it hears nothing.
        """
        subscription = bus.subscribe(channel)
        found = [subscription.raw.receive(timeout) for timeout in (0.001, 0.01, 0.05)]
        bus.publish(channel, b"message")

        assert [None] * 3 == found
        assert [b"message"] == subscription.heard(1)
