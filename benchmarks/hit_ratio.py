"""How many accesses find their key where there is room for a tenth of the keys, by what decides who goes.

Nothing is timed, so one run is all, but for W-TinyLFU, which is theine's and tosses coins: the median of
three counts. It takes part with peers only, and without it nobody can say whether a target is met.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks import policies, traces
from benchmarks.peers.catalogue import THEINE
from benchmarks.peers.turns import NOBODY, Peers
from benchmarks.results import Row

_HITS = Path(__file__).parent / "peers" / "inside" / "hits.py"
_RUNS = 3
_TINY_LFU, _LRU, _S3_FIFO = f"W-TinyLFU of {THEINE}", "LRU", "S3-FIFO"


def _by_theine(python: Path, keys: Sequence[str], room: int) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(keys))
        file.flush()
        command = [str(python), "-E", str(_HITS), file.name, str(room)]
        return median(int(subprocess.check_output(command, text=True)) for _ in range(_RUNS))


def _rows(
    job: str, keys: Sequence[str], room: int, peers: Peers, points: float, *, only_tiny_lfu: bool = False
) -> list[Row]:
    """Return a row for each other policy; the best of them, or W-TinyLFU, may be `points` above ours."""
    hits: dict[str, float] = {_LRU: policies.lru(keys, room), _S3_FIFO: policies.s3_fifo(keys, room)}
    if python := peers.python(THEINE):
        hits[_TINY_LFU] = _by_theine(python, keys, room)
    ours = 100 * policies.ours(keys, room) / len(keys)
    aim = _TINY_LFU if only_tiny_lfu else max(hits, key=hits.__getitem__)
    rows: list[Row] = []
    for name, count in hits.items():
        theirs = 100 * count / len(keys)
        below = theirs - ours
        target = points if name == aim and python else None
        rows.append(Row(f"hit ratio, {job}", ours, theirs, below, target, name, below, below, 1, unit="%"))
    return rows


def run(peers: Peers = NOBODY) -> list[Row]:
    zipf, mixed, demo = traces.zipf(), traces.zipf_with_scans(), traces.demo()
    tenth = traces.KEYS // 10
    more = (traces.KEYS + traces.SCANNED) // 10
    return [
        *_rows("Zipf 0.99", zipf, tenth, peers, 1.0, only_tiny_lfu=True),
        *_rows("scans mixed into Zipf", mixed, more, peers, 0.2),
        *_rows("the demo's trace", demo, len(set(demo)) // 10, peers, 0.2),
    ]
