"""`enable()`: off by default, and off again whatever happens inside."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from gcache import DecorationError
from tests.core.stage import in_threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from gcache import GCache


@pytest.fixture(params=[0, 1000], ids=["no hot path", "hot path"])
def gcache(request: pytest.FixtureRequest, make_gcache: Callable[..., GCache]) -> GCache:
    """An instance whose hits go through the chain, or come from the wrapper itself."""
    return make_gcache(config_refresh_sec=request.param)


@pytest.fixture
def is_on(gcache: GCache) -> Callable[[], bool]:
    """Tells whether caching is enabled, by whether a cached function answers twice the same."""
    loads = 0

    @gcache.cached("user_id", "user_id", "Probe")
    def probe(user_id: int) -> int:
        nonlocal loads
        loads += 1
        return loads

    return lambda: probe(1) == probe(1)


class TestBlock:
    def test_off_by_default(self, is_on: Callable[[], bool]) -> None:
        """Nothing is cached until somebody says so."""
        assert not is_on()

    def test_block(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """Caching is on inside the block, and off again after it."""
        with gcache.enable():
            assert is_on()
        assert not is_on()

    def test_nested(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A block ends with what was before it, on or off."""
        with gcache.enable():
            with gcache.enable(False):
                with gcache.enable():
                    assert is_on()
                assert not is_on()
            with gcache.enable():
                assert is_on()
            assert is_on()
        assert not is_on()

    def test_exception(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """An exception leaves the block, and with it caching is off again."""
        with pytest.raises(LookupError), gcache.enable():
            raise LookupError
        assert not is_on()

    def test_reused(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """One switch may be entered again, inside itself too."""
        switch = gcache.enable()

        with switch:
            with switch:
                assert is_on()
            assert is_on()
        assert not is_on()
        with switch:
            assert is_on()

    def test_instances(
        self, make_gcache: Callable[..., GCache], gcache: GCache, is_on: Callable[[], bool]
    ) -> None:
        """Each instance is enabled for itself."""
        with make_gcache().enable():
            assert not is_on()

    def test_left_elsewhere(self, gcache: GCache) -> None:
        """A block that is left in another context than it was entered in ends there, too."""
        enabled = gcache._engine.enabled
        switch = gcache.enable()
        contextvars.copy_context().run(switch.__enter__)

        def leave() -> bool:
            enabled.set(True)
            switch.__exit__(None, None, None)
            return enabled.get()

        assert not contextvars.copy_context().run(leave)


class TestDecorator:
    def test_sync(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A decorated function runs with caching on, at every call."""

        @gcache.enable()
        def report(title: str, *, page: int = 1) -> tuple[str, int, bool]:
            """Report."""
            return title, page, is_on()

        assert [("a", 2, True)] * 2 == [report("a", page=2), report("a", page=2)]
        assert ("report", "Report.") == (report.__name__, report.__doc__)
        assert not is_on()

    async def test_async(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A decorated coroutine function is one still, and runs with caching on to its end."""

        @gcache.enable()
        async def report() -> bool:
            await asyncio.sleep(0)
            return is_on()

        assert inspect.iscoroutinefunction(report)
        assert [True, True] == await asyncio.gather(report(), report())
        assert not is_on()

    def test_off(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A function may switch caching off for itself."""
        with gcache.enable():
            assert not gcache.enable(False)(is_on)()
            assert is_on()

    def test_exception(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A decorated function that raises leaves caching off."""

        @gcache.enable()
        def fail() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            fail()
        assert not is_on()

    def test_recursion(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """It may call itself."""

        @gcache.enable()
        def down(depth: int) -> list[bool]:
            return [is_on()] if depth == 0 else [*down(depth - 1), is_on()]

        assert [True] * 4 == down(3)

    def test_generators(self, gcache: GCache) -> None:
        """A generator is refused: between its steps its caller would run with caching on."""

        def count() -> Iterator[int]:
            yield 1

        async def acount() -> AsyncIterator[int]:
            yield 1

        for generator in (count, acount):
            with pytest.raises(DecorationError, match="is a generator"):
                gcache.enable()(generator)

    async def test_bound_method(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A cached async method of an instance is switched on until it has been awaited."""

        class Repository:
            @gcache.cached("user_id", "user_id", "Get")
            async def get(self, user_id: int) -> bool:
                await asyncio.sleep(0)
                return is_on()

        assert await gcache.enable()(Repository().get)(1)


class TestIsolation:
    def test_threads(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A thread knows nothing of the block that it was started in."""
        with gcache.enable():
            assert [False, False] == in_threads(2, lambda _: is_on())

    async def test_tasks(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """A task has what was on when it was made, and what it switches is its own."""
        entered, may_leave = asyncio.Event(), asyncio.Event()

        async def switch() -> bool:
            with gcache.enable():
                entered.set()
                await may_leave.wait()
                return is_on()

        async def look() -> bool:
            await entered.wait()
            found = is_on()
            may_leave.set()
            return found

        assert [True, False] == await asyncio.gather(switch(), look())
        with gcache.enable():
            inside = asyncio.create_task(asyncio.to_thread(is_on))
        assert await inside

    async def test_shared_switch(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """One switch may be entered by many tasks, which leave it in any order."""
        switch: Any = gcache.enable()
        leaving = [asyncio.Event() for _ in range(3)]

        async def enter(number: int) -> tuple[bool, bool]:
            with switch:
                await leaving[number].wait()
                inside = is_on()
            return inside, is_on()

        tasks = [asyncio.create_task(enter(number)) for number in range(3)]
        for number in (1, 0, 2):
            await asyncio.sleep(0)
            leaving[number].set()

        assert [(True, False)] * 3 == await asyncio.gather(*tasks)


class TestOrder:
    def test_blocks_of_generators(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """Two generators that end in the order in which they began leave caching off."""

        def rows() -> Iterator[int]:
            with gcache.enable():
                yield from range(2)

        assert [(0, 0), (1, 1)] == list(zip(rows(), rows(), strict=True))

        assert not is_on()

    def test_an_outer_block_goes_on(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """What ends late ends alone: the block that is still open holds."""
        inner, outer = gcache.enable(False), gcache.enable()

        inner.__enter__()
        outer.__enter__()
        inner.__exit__()
        between = is_on()
        outer.__exit__()

        assert (True, False) == (between, is_on())

    async def test_one_switch_for_many_tasks(self, gcache: GCache, is_on: Callable[[], bool]) -> None:
        """Tasks that share a switch do not undo each other's blocks."""
        switch = gcache.enable()
        first_is_in, second_is_out = asyncio.Event(), asyncio.Event()

        async def first() -> bool:
            with switch:
                first_is_in.set()
                await second_is_out.wait()
            return is_on()

        async def second() -> bool:
            await first_is_in.wait()
            with switch:
                pass
            second_is_out.set()
            return is_on()

        assert [False, False] == await asyncio.gather(first(), second())
