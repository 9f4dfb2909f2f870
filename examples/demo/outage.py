"""The server is killed and started again under traffic, and no call may fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns, sleep

from .lookup import Lookup
from .screen import Screen
from .server import Server
from .trace import at_random, for_seconds
from .traffic import Run, drive

SECONDS = 6.0
_KILL_AFTER_SEC = 1.0
_DOWN_SEC = 1.25


@dataclass
class Outage:
    """The traffic, and when the server was killed and answered again, in seconds from the first call."""

    run: Run
    killed_sec: float
    back_sec: float


def outage(screen: Screen, lookup: Lookup, server: Server, names: Sequence[str]) -> Outage:
    """Kill the server amid calls, and start it anew, empty."""
    screen.scene(
        "6  The server dies",
        f"SIGKILL amid the calls, and {_DOWN_SEC} s later a new, empty server on the same port.",
    )
    accident = _Accident(server)
    with lookup.gcache.enable(), screen.progress("calling on", SECONDS) as report, accident:
        run = drive("6 server killed", lookup, for_seconds(SECONDS, at_random(names), report))
    result = Outage(run, *((moment - run.began[0]) / 1e9 for moment in (accident.killed, accident.back)))
    _tell(screen, result)
    return result


def _tell(screen: Screen, result: Outage) -> None:
    run = result.run
    screen.say(
        f"{run.calls:,} calls, {run.failures} failed, the slowest took {max(run.took) / 1e6:.1f} ms. "
        f"The server was away for {result.back_sec - result.killed_sec:.1f} s, "
        f"in which the remote layer failed {run.layer_errors:,} times without a caller noticing."
    )


class _Accident(threading.Thread):
    """Kills the server after a while, and brings it back."""

    def __init__(self, server: Server) -> None:
        super().__init__(name="accident", daemon=True)
        self._server = server
        self.killed = self.back = 0

    def run(self) -> None:
        sleep(_KILL_AFTER_SEC)
        self._server.kill()
        self.killed = perf_counter_ns()
        sleep(_DOWN_SEC)
        self._server.restart()
        self.back = perf_counter_ns()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.join()
        if kind is None and not self.back:
            raise RuntimeError("The server did not come back: what it said stands above.")
