"""Something done again and again beside the calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], None], every_sec: float) -> Iterator[None]:
    """Do `work` once before the block begins, and then in a thread until it ends.

    What it raises ends the repetition, and is raised at the end of the block.
    """
    ended = threading.Event()
    raised: list[Exception] = []

    def repeat() -> None:
        try:
            while not ended.wait(every_sec):
                work()
        except Exception as error:
            raised.append(error)

    work()
    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if raised:
        raise raised[0]
