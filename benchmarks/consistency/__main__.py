"""Conduct trials, print a table, write build/consistency.json.

Processes, threads and event loops read and write one set of entities, with the memory layer off. A read is
a violation if it gives a value that had been invalidated before the read began. The exit code is 1 if our
cache violated, or a trial of it measured nothing, or there was none. With `--peer` the very same worker runs
on the package `gcache` 3.0.0 too, which is installed into an environment in build/ for that.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from benchmarks import results, server
from benchmarks.consistency import report, subjects
from benchmarks.consistency.report import HEADER, Row
from benchmarks.consistency.subjects import Subject
from benchmarks.consistency.trial import Authority, conduct
from benchmarks.consistency.worker import Traffic

_OUTPUT = Path("build", "consistency.json")
_PEER = Path("build", f"gcache-{subjects.PEER_VERSION}")
_SERVERS: dict[str, Callable[[], AbstractContextManager[int]]] = {
    "valkey": server.valkey,
    "redis": server.redis_server,
    "cluster": server.cluster,
}


def main() -> int:
    chosen = _arguments()
    traffic = Traffic(chosen.reads, chosen.processes)
    contests = [(subjects.ours(), traffic)]
    if chosen.peer:
        contests += [(subjects.peer(_PEER.resolve()), traffic)]
    if chosen.buffer_ms:
        contests += [(subject, _buffered(traffic, chosen.buffer_ms)) for subject, _ in contests]
    where = results.circumstances()
    results.print_where(where)
    print(f"\n{HEADER}")
    rows: list[Row] = []
    for row in _rows(chosen.server, contests):
        print(row, flush=True)
        rows.append(row)
    report.write(_OUTPUT, where, rows)
    ours = [row for row in rows if row.subject.startswith(subjects.OURS)]
    return 0 if ours and not any(row.violations or row.void for row in ours) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consistency", description=__doc__)
    parser.add_argument("--reads", type=int, default=200_000, help="reads in each trial (%(default)s)")
    parser.add_argument("--server", choices=[*_SERVERS, "all"], default="all")
    parser.add_argument("--processes", type=int, default=3, help="that read and write (%(default)s)")
    parser.add_argument("--peer", action="store_true", help="conduct the same trials with the peer")
    parser.add_argument(
        "--buffer-ms",
        type=int,
        default=0,
        help="conduct them again with buffers so long, and with writes far enough apart to leave hits",
    )
    return parser.parse_args()


def _buffered(traffic: Traffic, buffer_ms: int) -> Traffic:
    return replace(traffic, buffer_ms=buffer_ms, pause_ms=max(traffic.pause_ms, 5 * buffer_ms))


def _rows(chosen: str, contests: list[tuple[Subject, Traffic]]) -> Iterator[Row]:
    for name, start in _SERVERS.items():
        if chosen not in (name, "all"):
            continue
        if name == "redis" and not server.REDIS_PROGRAM:
            print(f"{name:<8} left out: there is no redis-server on the path")
            continue
        with start() as port:
            for subject, traffic in contests:
                yield _row(Authority(name, port, name == "cluster"), subject, traffic)


def _row(authority: Authority, subject: Subject, traffic: Traffic) -> Row:
    buffer = f", buffer {traffic.buffer_ms} ms" if traffic.buffer_ms else ""
    name = subject.name + buffer
    try:
        return report.judged(authority.name, name, traffic, conduct(subject, authority, traffic))
    except RuntimeError as void:
        return Row(authority.name, name, traffic, void=str(void))


if __name__ == "__main__":
    raise SystemExit(main())
