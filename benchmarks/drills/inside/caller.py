"""Calls of cached functions: one after the other, or very many at once, from threads or on a loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from journal import Call, Journal
from source import Source

Work = Callable[[], None] | Coroutine[Any, Any, None]


class Side:
    """The sync or the async functions of a subject: tracked ones under True, where it has such."""

    def __init__(
        self, functions: Mapping[bool, Callable[[int], Any]], source: Source, is_async: bool
    ) -> None:
        self.source, self.is_async = source, is_async
        self._functions = functions
        self._loop = asyncio.new_event_loop()
        if is_async:
            threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def function_for(self, number: int) -> Callable[[int], Any]:
        """Odd numbers are those of tracked entities."""
        return self._functions.get(number % 2 == 1, self._functions[False])

    def _judged(self, number: int, journal: Journal) -> AbstractContextManager[Call]:
        return journal.call(self.source.value_of(number), lambda: self.source.spent_sec[number])

    def run(self, work: Work, limit_sec: float) -> None:
        """Do `work`, and leave it to itself where it takes longer than `limit_sec`."""
        if isinstance(work, Coroutine):
            done = threading.Event()
            asyncio.run_coroutine_threadsafe(work, self._loop).add_done_callback(lambda _: done.set())
            done.wait(limit_sec)
            return
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(limit_sec)

    def in_turn(self, numbers: Sequence[int], journal: Journal, pause_sec: float, limit_sec: float) -> Work:
        """Return what calls for one number after the other, so long as there is time.

        What the source took within a call is none of its latency.
        """
        deadline = time.monotonic() + limit_sec

        def work() -> None:
            for number in numbers:
                if time.monotonic() > deadline:
                    return
                with self._judged(number, journal) as call:
                    call.got = self.function_for(number)(number)
                time.sleep(pause_sec)

        async def awork() -> None:
            for number in numbers:
                if time.monotonic() > deadline:
                    return
                with self._judged(number, journal) as call:
                    call.got = await self.function_for(number)(number)
                await asyncio.sleep(pause_sec)

        return awork() if self.is_async else work

    def at_once(self, numbers: Sequence[int], journal: Journal, limit_sec: float, is_bare: bool) -> None:
        """Call for all numbers at once; `is_bare` goes straight to the source."""
        if self.is_async:
            self.run(self._gathered(numbers, journal, is_bare), limit_sec)
            return
        gate = threading.Barrier(len(numbers))

        def call(number: int) -> None:
            function = self.source.load if is_bare else self.function_for(number)
            gate.wait()
            with journal.call(self.source.value_of(number)) as call:
                call.got = function(number)

        threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in numbers]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + limit_sec
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    async def _gathered(self, numbers: Sequence[int], journal: Journal, is_bare: bool) -> None:
        async def call(number: int) -> None:
            function = self.source.aload if is_bare else self.function_for(number)
            with journal.call(self.source.value_of(number)) as call:
                call.got = await function(number)

        await asyncio.gather(*[call(number) for number in numbers])
