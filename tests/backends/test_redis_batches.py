"""Reads that many tasks make at once leave together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from gcache import GCache, GCacheConfig, GCacheKeyConfig, RedisConfig
from gcache.backends._redis_batches import MOST_KEYS, Batches
from gcache.backends.redis import RedisLayer

if TYPE_CHECKING:
    from tests.servers.process import Server


class Way:
    """A way to a server that answers when it is told to, and takes note of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.batches = Batches(self._read)

    async def _read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self.asked.append(list(keys))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        await answer
        return [key.encode() for key in keys]

    async def ask(self, *reads: str) -> list[asyncio.Task[Sequence[bytes | None]]]:
        """Begin one read for each of `reads`, of the keys that are its letters."""
        tasks = [asyncio.create_task(self.batches.read(list(read))) for read in reads]
        await settled()
        return tasks

    async def answer(self, error: Exception | None = None) -> None:
        answer = self.answers.pop(0)
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class TestBatches:
    async def test_together(self) -> None:
        """The first read goes at once, and those that come meanwhile go together; each gets its own."""
        way = Way()
        tasks = await way.ask("a", "bc", "d")
        await way.answer()
        await way.answer()

        assert [["a"], ["b", "c", "d"]] == way.asked
        assert [[b"a"], [b"b", b"c"], [b"d"]] == [await task for task in tasks]

    async def test_one_after_another(self) -> None:
        """Reads that do not overlap are what they are."""
        way = Way()
        for name in "ab":
            [task] = await way.ask(name)
            await way.answer()
            await task

        assert [["a"], ["b"]] == way.asked

    async def test_together_again(self) -> None:
        """Those who have read together, and read on at once, read together again: not one of them alone."""
        way = Way()

        async def ask_on(name: str) -> None:
            for _ in range(3):
                await way.batches.read([name])

        tasks = [asyncio.create_task(ask_on(name)) for name in "abcd"]
        await settled()
        while not all(task.done() for task in tasks):
            await way.answer()

        assert [["a"], ["b", "c", "d", "a"], ["b", "c", "d", "a"], ["b", "c", "d"]] == way.asked

    async def test_given_up(self) -> None:
        """When somebody cancels the task that reads for others, these have an error, and wait no longer."""
        way = Way()
        first, *others = await way.ask("a", "b", "c")
        await way.answer()

        [reading] = [task for task in way.batches._tasks if not task.done()]
        reading.cancel()
        way.answers.clear()
        await settled()

        assert [b"a"] == await first
        assert all(task.done() for task in others)
        for task in others:
            with pytest.raises(ConnectionError, match="given up"):
                await task
        [later] = await way.ask("d")
        await way.answer()
        assert [b"d"] == await later

    async def test_given_up_before_it_began(self) -> None:
        """When somebody cancels all tasks but his own, as at a shutdown, later reads are made."""
        way = Way()
        await way.ask("a", "b")
        way.answers[0].set_result(None)
        while not way.batches._tasks:
            await asyncio.sleep(0)

        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settled()
        [later] = await way.ask("c")
        await settled()
        way.answers = [answer for answer in way.answers if not answer.done()]
        await way.answer()

        assert later.done()
        assert [b"c"] == await later

    async def test_failure(self) -> None:
        """A failure is that of all who went together, and of nobody else."""
        way = Way()
        first, *others = await way.ask("a", "b", "c")
        await way.answer()
        await way.answer(ConnectionError("gone"))
        [later] = await way.ask("d")
        await way.answer()

        assert [b"a"] == await first
        for task in others:
            with pytest.raises(ConnectionError, match="gone"):
                await task
        assert [b"d"] == await later

    async def test_failure_of_the_first(self) -> None:
        """Those who wait for a read that fails have theirs made all the same."""
        way = Way()
        first, second = await way.ask("a", "b")
        await way.answer(ConnectionError("gone"))
        await way.answer()

        with pytest.raises(ConnectionError):
            await first
        assert [b"b"] == await second

    @pytest.mark.parametrize("answer", [None, 5])
    async def test_no_list(self, answer: Any) -> None:
        """When the server's answer is no list, those who wait have an error, and wait no longer."""

        async def read(keys: Sequence[str]) -> Any:
            await asyncio.sleep(0)
            return answer

        batches = Batches(read)
        first, *others = [asyncio.create_task(batches.read([name])) for name in "abc"]
        await settled()

        assert first.done()
        assert answer == await first
        assert all(task.done() for task in others)
        assert [TypeError] * 2 == [type(task.exception()) for task in others]

    async def test_alone_after_many(self) -> None:
        """Who reads on at once, as the others are done, is waited for by those who come meanwhile."""
        way = Way()
        _, other = await way.ask("a", "b")

        async def read_on() -> None:
            await other
            await way.batches.read(["c"])

        task = asyncio.create_task(read_on())
        await settled()
        await way.answer()
        await way.answer()
        later = [asyncio.ensure_future(way.batches.read([name])) for name in "de"]
        await settled()

        assert [["a"], ["b"], ["c"]] == way.asked
        await way.answer()
        await way.answer()
        await asyncio.gather(task, *later)
        assert ["d", "e"] == way.asked[-1]

    @pytest.mark.parametrize("place", [0, 1, 2])
    async def test_cancelled(self, place: int) -> None:
        """Whoever is cancelled takes nobody along, be it the first, one who waits, or one under way."""
        way = Way()
        tasks = await way.ask("a", "b", "c")
        if place == 2:
            await way.answer()
        tasks[place].cancel()
        await settled()
        while way.answers:
            if way.answers[0].done():
                way.answers.pop(0)
            else:
                await way.answer()

        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [place] == [
            number for number, result in enumerate(results) if isinstance(result, BaseException)
        ]

    async def test_most(self) -> None:
        """No batch asks for more than it may, and nobody is left out."""
        way = Way()
        tasks = await way.ask("a", *"b" * (MOST_KEYS + 10))
        for _ in range(3):
            await way.answer()

        assert [1, MOST_KEYS, 10] == [len(keys) for keys in way.asked]
        assert {b"a", b"b"} == {(await task)[0] for task in tasks}

    def test_loop_that_ends(self) -> None:
        """A loop may end while reads are under way and others wait."""

        async def main() -> None:
            await Way().ask("a", "b", "c")

        asyncio.run(main())


@pytest.mark.parametrize("server", ["valkey"], indirect=True)
class TestServer:
    @pytest.mark.parametrize("is_tracked", [False, True])
    def test_few_commands(self, server: Server, is_tracked: bool) -> None:
        """A thousand tasks at once ask the server a few times, and each gets its own value."""
        config = GCacheConfig(
            redis_config=RedisConfig(host=server.host, port=server.port), urn_prefix="urn:batches"
        )

        async def main() -> tuple[list[int], int]:
            async with GCache(config) as gcache:

                @gcache.cached(
                    key_type="user_id",
                    id_arg="user_id",
                    track_for_invalidation=is_tracked,
                    default_config=GCacheKeyConfig(ttl_sec={"remote": 60}, ramp={"remote": 100}),
                )
                async def get_user(user_id: int) -> int:
                    return user_id

                with gcache.enable():
                    await asyncio.gather(*[get_user(number) for number in range(1000)])
                    server.command("CONFIG", "RESETSTAT")
                    values = await asyncio.gather(*[get_user(number) for number in range(1000)])
            return values, server.command("INFO", "commandstats")["cmdstat_mget"]["calls"]

        values, calls = asyncio.run(main())

        assert list(range(1000)) == values
        assert calls <= 2 * 1000 / MOST_KEYS + 2

    def test_health_check(self, server: Server) -> None:
        """Connections that redis-py is to look after before each use are looked after."""
        config = RedisConfig(
            host=server.host, port=server.port, redis_py_options={"health_check_interval": 1e-9}
        )

        async def main() -> None:
            layer = RedisLayer(config)
            await layer.aget(["key"])
            server.command("CONFIG", "RESETSTAT")
            await layer.aget(["key"])
            await layer.aclose()

        asyncio.run(main())

        assert 1 == server.command("INFO", "commandstats")["cmdstat_ping"]["calls"]
