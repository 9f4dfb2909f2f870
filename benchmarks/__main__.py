"""Run the jobs, print a table, write build/bench.json.

`python -m benchmarks [--check] [job ...]`, where a job is the name of a module here. With `--check` the
exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks import results

_JOBS = (
    "local_hit",
    "local_hit_async",
    "local_hit_keywords",
    "local_hit_keys",
    "disabled",
    "redis_hit",
    "redis_hit_async",
    "redis_hit_many",
    "startup",
    "miss",
    "local_hit_threads",
    "growth",
    "memory_worst",
    "memory_per_entry",
    "bus",
    "stampede",
)
_OUTPUT = Path("build", "bench.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="job", help=f"of {', '.join(_JOBS)}; all if none is named")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    chosen = parser.parse_args()
    if unknown := set(chosen.jobs) - set(_JOBS):
        parser.error(f"no such job: {', '.join(sorted(unknown))}")
    where = results.circumstances()
    results.print_head(where)
    rows: list[results.Row] = []
    for name in chosen.jobs or _JOBS:
        for row in import_module(f"benchmarks.{name}").run():
            print(row, flush=True)
            rows.append(row)
    results.write(_OUTPUT, where, rows)
    missed = sum(row.verdict == "MISSED" for row in rows)
    print(f"\n{missed} of {sum(row.target is not None for row in rows)} targets missed")
    return 1 if chosen.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
