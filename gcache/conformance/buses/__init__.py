"""The suite for invalidation buses."""

from __future__ import annotations

from gcache.conformance.buses.faults import BusFaults
from gcache.conformance.buses.listeners import Listeners
from gcache.conformance.buses.memories import Memories
from gcache.conformance.buses.messages import Messages


class InvalidationBusSuite(Messages, Listeners, Memories, BusFaults):
    """All that a bus promises. Give it the fixture `make_bus`, and declare what the bus can do.

    `make_bus` is a function without arguments that opens the bus anew over the same line, as another process
    would. The suite calls it as often as it likes, in forked children too, and closes what it got. Every
    test has a channel of its own.
    """
