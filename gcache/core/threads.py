"""Threads beside the callers: started late, ended with the process, and patient with what is away."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queue import SimpleQueue

FIRST_PAUSE_SEC = 0.1
LONGEST_PAUSE_SEC = 5.0
HELPER_IDLE_SEC = 5.0


def started(work: Callable[[], None], name: str) -> threading.Thread | None:
    """Return a daemon thread that does `work`; None if there can be none.

    That is when the interpreter ends, or the machine is full. Somebody asks again then.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def pauses() -> Iterator[float]:
    """Yield how long to wait before each further try, in seconds: ever longer, and never quite alike."""
    import random

    pause = FIRST_PAUSE_SEC
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, LONGEST_PAUSE_SEC)


class Helpers:
    """Threads that do what is handed to them, one thing after another, and end when nothing comes.

    A thread that has nothing to do offers its inbox. Whoever takes an inbox fills it, so a thread that
    would rather end and finds its inbox taken waits on.
    """

    def __init__(self) -> None:
        self.idle: list[SimpleQueue[Callable[[], object]]] = []

    def hand(self, work: Callable[[], object]) -> None:
        """Have `work` done by an idle thread, else by a new one. Raises RuntimeError if there can be none."""
        from queue import SimpleQueue

        try:
            self.idle.pop().put(work)
        except IndexError:
            inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
            inbox.put(work)
            threading.Thread(target=self._help, args=(inbox,), name="gcache-helper", daemon=True).start()

    def _help(self, inbox: SimpleQueue[Callable[[], object]]) -> None:
        from queue import Empty

        while True:
            try:
                work = inbox.get(timeout=HELPER_IDLE_SEC)
            except Empty:
                with suppress(ValueError):
                    self.idle.remove(inbox)
                    return
                continue
            work()
            del work  # nothing of a call is to live on while its thread is idle
            self.idle.append(inbox)

    def after_fork(self) -> None:
        """Forget the threads, which only the parent has."""
        self.idle = []


helpers = Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=helpers.after_fork)
