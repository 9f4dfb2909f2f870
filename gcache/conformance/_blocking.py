"""Whether code keeps its caller waiting, told by what it asks of the system and not by a clock."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from gcache.conformance._together import Child

_ALWAYS = frozenset(
    [
        "socket.getaddrinfo",
        "subprocess.Popen",
        "os.system",
        "urllib.Request",
        "http.client.connect",
    ]
)


def kept_waiting(work: Callable[[], Any]) -> list[str]:
    """Return what `work` waits for in its own thread, in a forked process.

    Known are sleeping, names that are looked up, connections that a blocking socket makes, and programs.
    """

    def watched() -> list[str]:
        told: list[str] = []
        own = threading.get_ident()

        def hook(event: str, args: tuple[Any, ...]) -> None:
            if threading.get_ident() == own and (event in _ALWAYS or _connects(event, args)):
                told.append(event)

        def sleep(_: Any) -> None:
            if threading.get_ident() == own:
                told.append("time.sleep")

        # For ever, as both end with their process. Before 3.13 sleeping is no audit event.
        time.sleep = sleep
        sys.addaudithook(hook)
        work()
        return told

    found: list[str] = Child(watched).result()
    return found


def _connects(event: str, args: tuple[Any, ...]) -> bool:
    return event == "socket.connect" and args[0].gettimeout() != 0
