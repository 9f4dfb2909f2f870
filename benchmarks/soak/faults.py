"""What is done to the server and to the line to it, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from gcache.conformance.proxy import FaultProxy
from tests.servers.process import Server

SHORTEST_SEC, LONGEST_SEC = 0.5, 5.0
Act = Callable[[Server, FaultProxy, Random], object]


class Fault(NamedTuple):
    """How it begins, and what has everything in order again."""

    begin: Act
    end: Act


class Planned(NamedTuple):
    """A fault, how long it lasts, and how long all is well after it."""

    name: str
    fault: Fault
    lasts_sec: float
    pause_sec: float


def _pass_through(server: Server, proxy: FaultProxy, chance: Random) -> None:
    proxy.pass_through()


def _nothing(server: Server, proxy: FaultProxy, chance: Random) -> None:
    """Leave it as it is: what was done is over at once."""


def _limit_memory(policy: str) -> Act:
    def limit(server: Server, proxy: FaultProxy, chance: Random) -> None:
        server.command("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", 1)

    return limit


def _unlimit_memory(server: Server, proxy: FaultProxy, chance: Random) -> None:
    server.command("CONFIG", "SET", "maxmemory", 0)


FAULTS = {
    "black hole": Fault(lambda server, proxy, chance: proxy.black_hole(), _pass_through),
    "refused": Fault(lambda server, proxy, chance: proxy.refuse(), _pass_through),
    "cut": Fault(lambda server, proxy, chance: proxy.cut_after(chance.randrange(200)), _pass_through),
    "delayed": Fault(lambda server, proxy, chance: proxy.delay(chance.uniform(0.01, 1)), _pass_through),
    "garbage": Fault(lambda server, proxy, chance: proxy.garbage(), _pass_through),
    "dropped": Fault(lambda server, proxy, chance: proxy.drop_connections(), _nothing),
    "frozen": Fault(
        lambda server, proxy, chance: server.freeze(), lambda server, proxy, chance: server.thaw()
    ),
    "killed": Fault(
        lambda server, proxy, chance: server.kill(), lambda server, proxy, chance: server.start()
    ),
    "flushed": Fault(lambda server, proxy, chance: server.command("FLUSHALL"), _nothing),
    "evicting": Fault(_limit_memory("allkeys-random"), _unlimit_memory),
    "full": Fault(_limit_memory("noeviction"), _unlimit_memory),
}


def planned(seed: int) -> Iterator[Planned]:
    """Yield faults for ever: each of them once, in a random order, then each again in another."""
    chance = Random(seed)
    while True:
        for name in chance.sample(list(FAULTS), len(FAULTS)):
            lasts_sec = chance.uniform(SHORTEST_SEC, LONGEST_SEC)
            yield Planned(name, FAULTS[name], lasts_sec, chance.uniform(0.5, LONGEST_SEC))
