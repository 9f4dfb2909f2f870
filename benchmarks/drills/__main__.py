"""Make every fault on real servers, call cached functions meanwhile, and print tables of what that costs.

The exit code is 1 if a call of ours failed, hung or got a wrong value, or a drill of ours could not be done.
With `--peers` the peers go through the drills that they can take part in, each in an environment of its own
in build/. Everything measured is left in build/drills.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.drills import report, subjects
from benchmarks.drills.catalogue import DRILLS, Drill
from benchmarks.drills.conduct import Row, conduct
from benchmarks.drills.subjects import Subject
from benchmarks.markers import rewritten

_OUTPUT = Path("build", "drills.json")
_PEERS = Path("build", "peers")
_PAGE = Path("docs", "reliability.md")


def main() -> int:
    chosen = _arguments()
    drills = [drill for drill in DRILLS if not chosen.fault or drill.name in chosen.fault]
    ours = subjects.ours()
    peers = [subjects.installed(peer, _PEERS.resolve()) for peer in subjects.PEERS] if chosen.peers else []
    where = results.circumstances()
    results.print_where(where)
    rows: list[Row] = []
    for row in _rows(drills, [ours, *peers]):
        print(report.line(row), flush=True)
        rows.append(row)
    report.write(_OUTPUT, where, rows)
    tables = _tables(rows, [peer.name for peer in peers])
    if chosen.write:
        _PAGE.write_text(rewritten(_PAGE.read_text(), "drills", tables))
    else:
        print(f"\n{tables}")
    bad = [row.drill.name for row in rows if row.subject.is_ours and not row.is_harmless]
    print(f"Callers were hurt: {', '.join(bad)}" if bad else "No caller of ours was hurt.")
    return 1 if bad or not rows else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=__doc__)
    parser.add_argument("fault", nargs="*", metavar="fault", help="names of faults; without any, all")
    parser.add_argument("--peers", action="store_true", help="have the peers go through the drills, too")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {_PAGE}")
    return parser.parse_args()


def _rows(drills: Sequence[Drill], contestants: Sequence[Subject]) -> Iterator[Row]:
    for subject in contestants:
        for drill in drills:
            if subject.is_ours or not drill.peers:
                yield conduct(drill, subject)


def _tables(rows: Sequence[Row], peers: Sequence[str]) -> str:
    tables = report.table_of_ours(row for row in rows if row.subject.is_ours)
    return f"{tables}\n{report.table_of_peers(rows, peers)}" if peers else tables


if __name__ == "__main__":
    raise SystemExit(main())
