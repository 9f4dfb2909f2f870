"""Ids of which a bulk load brings nothing to store, beside others that are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gcache.core.flights import Ticket
from gcache.core.joint import JointFlight, Tickets
from tests.core.layers import AsyncLayer, SyncLayer
from tests.core.many import Rows, many
from tests.core.stage import AsyncSide, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcache import GCache

_MANY_BOARDINGS = 50


class _SlowToWrite(AsyncLayer):
    """A layer that writes when it is told to, while its loop goes on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("remote", clock)
        self.is_writing = asyncio.Event()
        self.may_write = asyncio.Event()

    async def aput(self, items: Mapping[str, bytes], ttl: float) -> None:
        self.is_writing.set()
        await self.may_write.wait()
        await super().aput(items, ttl)


@pytest.fixture
def boardings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The entries whose flights were boarded; who boards for ever fails, since a loop could not end that."""
    boarded: list[str] = []
    board, board_many = Ticket.board, Tickets.board

    def count(key: str) -> None:
        if key.startswith("urn:"):
            boarded.append(key)
        if len(boarded) > _MANY_BOARDINGS:
            raise RecursionError("it boards again and again")

    def counted(ticket: Ticket, generation: Any) -> Any:
        count(ticket.key)
        return board(ticket, generation)

    def many_counted(tickets: Tickets, joint: JointFlight, visits: Any, others: Any) -> Any:
        for visit in visits:
            count(visit.call.name)
        return board_many(tickets, joint, visits, others)

    monkeypatch.setattr(Ticket, "board", counted)
    monkeypatch.setattr(Tickets, "board", many_counted)
    return boarded


def test_loop_goes_on(make_gcache: Callable[..., GCache], clock: Clock, boardings: list[str]) -> None:
    """A `cached` call on the loop that waits for an absent id loads it while the others are being written."""
    side, layer, rows = AsyncSide(), _SlowToWrite(clock), Rows(absent={2})
    gcache = make_gcache(layers=[layer])
    may_load = asyncio.Event()

    @gcache.cached_many("user_id", ids_arg="user_ids", use_case="GetUsers")
    async def get_users(user_ids: list[int]) -> dict[int, str]:
        await may_load.wait()
        answer: dict[int, str] = rows(user_ids, 1)
        return answer

    @gcache.cached("user_id", id_arg="user_id", use_case="GetUsers")
    async def get_user(user_id: int) -> str:
        return "one"

    async def play() -> Any:
        users = asyncio.create_task(get_users([1, 2]))
        while not boardings:
            await asyncio.sleep(0)
        user = asyncio.create_task(get_user(2))
        while len(boardings) < 3:
            await asyncio.sleep(0)
        may_load.set()
        await layer.is_writing.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        layer.may_write.set()
        return await users, await user

    with gcache.enable():
        answers = side.run(play())
    side.close()

    assert ({1: "1.0"}, "one") == answers
    assert 4 == len(boardings)


def test_nothing_to_write(make_gcache: Callable[..., GCache], side: Any, clock: Clock) -> None:
    """A layer is not asked to store nothing, where the serializer refuses all values."""
    layer = SyncLayer("remote", clock)
    gcache = make_gcache(layers=[layer])
    with gcache.enable():
        many(side, gcache, Rows(answer={1: object(), 2: object()}))([1, 2])

    assert [] == layer.asked("put")
