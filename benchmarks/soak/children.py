"""Children that are forked in the middle of everything, with all their parent's threads gone."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import random
import signal
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

from benchmarks.soak.callers import TTL_SEC, Callers

_PATIENCE_SEC = 30.0
_READS = 10


def fork_and_judge(callers: Callers, own: Sequence[int], entities: int) -> None:
    """Have a child read, write and close; what it complains of, or that it hangs, is complained of here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _live(callers, own, entities, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ended = _awaited(child)
        said = pipe.read().decode(errors="replace")
    if not ended:
        callers.tally.complain(f"a child did not end within {_PATIENCE_SEC:.0f} s:\n{said}")
        return
    try:
        figures = json.loads(said)
    except ValueError:
        callers.tally.complain(f"a child died:\n{said}")
        return
    callers.tally.add("reads in children", figures["reads"])
    for complaint in figures["complaints"]:
        callers.tally.complain(f"in a child: {complaint}")


def _awaited(child: int) -> bool:
    """Wait for its end, so that it becomes no zombie; end it if it does not end itself."""
    deadline = time.monotonic() + _PATIENCE_SEC
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.02)
    return True


def _live(callers: Callers, own: Sequence[int], entities: int, writing: int) -> None:
    try:
        faulthandler.dump_traceback_later(_PATIENCE_SEC - 5, file=writing)
        callers.after_fork()
        for _ in range(_READS):
            callers.read(random.choice(list(TTL_SEC)), random.randrange(entities))
        asyncio.run(_read_in_loop(callers, entities))
        callers.write(random.choice(own))
        callers.gcache.close()
        faulthandler.cancel_dump_traceback_later()
        tally = callers.tally
        reads = sum(count for what, count in tally.counts.items() if what.startswith("reads"))
        os.write(writing, json.dumps({"reads": reads, "complaints": tally.complaints}).encode())
    except BaseException:
        os.write(writing, traceback.format_exc().encode())
    finally:
        os._exit(0)


async def _read_in_loop(callers: Callers, entities: int) -> None:
    reads = [callers.aread(random.choice(list(TTL_SEC)), random.randrange(entities)) for _ in range(_READS)]
    await asyncio.gather(*reads)
