"""A second process with a cache of its own, which shares nothing with the first but the server."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .lookup import Lookup
from .source import Whereabouts
from .trace import reading_order
from .traffic import Run, drive

_PATIENCE_SEC = 5


class SecondProcess:
    """The first process's handle on the second: it sends a command, and waits for the answer."""

    def __init__(self, database: Path, local_max_entries: int, port: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, database, local_max_entries, port), daemon=True
        )
        self._theirs = theirs

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        self._answer()
        return self

    def run(self, title: str, report: Callable[[int], None]) -> Run:
        """Have it look up the whole trace."""
        run: Run = self._ask("run", title, report=report)
        return run

    def remote_only(self) -> None:
        """Ramp its local layer down to 0."""
        self._ask("remote_only")

    def where_is(self, name: str) -> Whereabouts:
        """Have it look up one name."""
        found: Whereabouts = self._ask("where_is", name)
        return found

    def _ask(self, *command: str, report: Callable[[int], None] = lambda done: None) -> Any:
        self._pipe.send(command)
        return self._answer(report)

    def _answer(self, report: Callable[[int], None] = lambda done: None) -> Any:
        while isinstance(answer := self._pipe.recv(), int):
            report(answer)
        return answer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(_PATIENCE_SEC)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, database: Path, local_max_entries: int, port: int) -> None:
    """Do as the first process says, until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    names = reading_order(database)
    with Lookup(database, local_max_entries, port) as lookup, lookup.gcache.enable():
        pipe.send("ready")
        while True:
            try:
                pipe.send(_obey(pipe.recv(), lookup, names, pipe.send))
            except (EOFError, BrokenPipeError):
                return


def _obey(
    command: tuple[str, ...], lookup: Lookup, names: list[str], report: Callable[[int], None]
) -> Run | Whereabouts | None:
    match command:
        case ("run", title):
            return drive(title, lookup, names, report)
        case ("where_is", name):
            return lookup.where_is(name)
        case _:
            lookup.dial.local = 0
            return None
