"""Run the jobs, print a table, write build/bench.json and a chart, build/bench.png.

`python -m benchmarks [--peers] [--check] [--write] [job ...]`, where a job is the name of a module here.
With `--peers` caches of others take turns with ours, each in an environment of its own under build/. With
`--check` the exit code is 1 if a target is missed. `--write` puts tables and chart into docs/performance.md.
"""

from __future__ import annotations

import argparse
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

from benchmarks import page, results
from benchmarks.markers import rewritten
from benchmarks.peers.turns import NOBODY, Peers, installed

JOBS = (
    "local_hit",
    "local_hit_async",
    "local_hit_keywords",
    "local_hit_keys",
    "disabled",
    "redis_hit",
    "redis_hit_async",
    "redis_hit_many",
    "redis_hit_threads",
    "cached_many",
    "startup",
    "miss",
    "local_hit_threads",
    "growth",
    "memory_worst",
    "memory_per_entry",
    "hit_ratio",
    "flushall",
    "bus",
    "stampede",
)
_OUTPUT, _CHART = Path("build", "bench.json"), Path("build", "bench.png")
_PAGE, _PEERS = Path("docs", "performance.md"), Path("build", "peers")


def main() -> int:
    chosen = _arguments()
    if chosen.show:
        _show(is_page=True)
        return 0
    where = results.circumstances()
    peers = installed(_PEERS) if chosen.peers else NOBODY
    results.print_head(where)
    rows: list[tuple[str, results.Row]] = []
    for name in chosen.jobs or JOBS:
        for row in measured(name, peers):
            print(row, flush=True)
            rows.append((name, row))
    for who, why in peers.notes.items():
        print(f"{who}: {why}")
    results.write(_OUTPUT, where, rows, peers.notes)
    _show(is_page=chosen.write)
    missed = sum(row.verdict == "MISSED" for _, row in rows)
    print(f"\n{missed} of {sum(row.target is not None for _, row in rows)} targets missed")
    return 1 if chosen.check and missed else 0


def measured(job: str, peers: Peers) -> list[results.Row]:
    """Run one job, with `peers` if it is one of those that they take part in."""
    run = import_module(f"benchmarks.{job}").run
    rows: list[results.Row] = run(peers) if "peers" in signature(run).parameters else run()
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="job", help=f"of {', '.join(JOBS)}; all if none is named")
    parser.add_argument("--peers", action="store_true", help="install peers, and have them take part")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--write", action="store_true", help=f"put tables and chart into {_PAGE}")
    parser.add_argument("--show", action="store_true", help=f"do so with what is in {_OUTPUT}, run nothing")
    chosen = parser.parse_args()
    if chosen.write and (chosen.jobs or not chosen.peers):
        parser.error(f"{_PAGE} is about all jobs, with peers: name no jobs, and give --peers.")
    if unknown := set(chosen.jobs) - set(JOBS):
        parser.error(f"no such job: {', '.join(sorted(unknown))}")
    return chosen


def _show(is_page: bool) -> None:
    """Draw the chart, if there is matplotlib; put tables and chart into the page if it is asked for."""
    where, rows = results.read(_OUTPUT)
    if is_page:
        if left_out := set(JOBS) - {module for module, _ in rows}:
            raise SystemExit(f"{_OUTPUT} is not of a whole run, it has no {', '.join(sorted(left_out))}.")
        text = page.tables(where, rows)
        _PAGE.write_text(rewritten(_PAGE.read_text(), "bench", text))
    if find_spec("matplotlib"):
        from benchmarks.chart import draw

        caption = f"{where['cpu']}, {where['cpus']} CPUs, {where['python']}, {date.today().isoformat()}"
        for path in (_CHART, _PAGE.with_suffix(".png")) if is_page else (_CHART,):
            draw([row for _, row in rows], path, caption)


if __name__ == "__main__":
    raise SystemExit(main())
