"""What drills have shown: tables for the page, and a file with everything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.drills.conduct import BACK_LIMIT_SEC, Pass, Row
from benchmarks.drills.conversation import PATIENCE_SEC

_COLUMNS = (
    *("fault", "calls", "failed", "wrong values", "hits meanwhile"),
    *("median added", "worst added", "hits again after"),
)


def line(row: Row) -> str:
    """One line for whoever watches."""
    shown = "; ".join(f"{each.side}: {_summary(each)}" for each in row.passes)
    return f"{row.drill.name:<28} {row.subject.name:<20} {shown}"


def table_of_ours(rows: Iterable[Row]) -> str:
    head = f"| {' | '.join(_COLUMNS)} |\n|---|{'--:|' * (len(_COLUMNS) - 1)}\n"
    return head + "".join(_our_line(row) for row in rows)


def table_of_peers(rows: Sequence[Row], peers: Sequence[str]) -> str:
    """A cell has the median and the worst added, and when hits came again; before that, what went wrong."""
    by_place = {(row.drill.name, row.subject.name): row for row in rows}
    drills = list(dict.fromkeys(row.drill.name for row in rows if row.subject.name in peers))
    lines = ["| fault | ours | " + " | ".join(peers) + " |", "|---|" + "---|" * (1 + len(peers))]
    for drill in drills:
        cells = [_cell(by_place.get((drill, subject))) for subject in ("ours", *peers)]
        lines.append(f"| {drill} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_left_out(rows)]) + "\n"


def write(path: Path, where: Mapping[str, Any], rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [
        {
            "fault": row.drill.name,
            "subject": row.subject.name,
            "passes": [asdict(each) for each in row.passes],
        }
        for row in rows
    ]
    path.write_text(json.dumps({**where, "drills": told}, indent=1) + "\n")


def _our_line(row: Row) -> str:
    passes = row.passes
    if silent := _silent(passes):
        return f"| {row.drill.name} | {silent} |||||||\n"
    sums = [sum(getattr(each, name) for each in passes) for name in ("calls", "failed", "wrong")]
    cells = [row.drill.name, *(f"{number:,}" for number in sums)]
    if after := sum(each.hurt_after for each in passes):
        cells[2] += f" (and {after:,} calls hurt after it)"
    cells += [f"{min(each.hit_percent for each in passes):.0f} %"]
    cells += [_median(passes), _worst(passes), _back(passes)]
    return "| " + " | ".join(cells) + " |\n"


def _left_out(rows: Iterable[Row]) -> list[str]:
    """Say which drills peers had no part in, and why."""
    reasons: dict[str, list[str]] = {}
    for drill in dict.fromkeys(row.drill for row in rows if row.drill.peers):
        reasons.setdefault(drill.peers, []).append(drill.name)
    return [f"- Without peers, {reason}: {', '.join(names)}." for reason, names in reasons.items()]


def _cell(row: Row | None) -> str:
    if row is None or not row.passes:
        return "-"
    if silent := _silent(row.passes):
        return silent
    calls, failed, wrong = (
        sum(getattr(each, name) for each in row.passes) for name in ("calls", "failed", "wrong")
    )
    bad = f"**{failed:,} of {calls:,} failed**, " if failed else ""
    bad += f"**{wrong:,} of {calls:,} wrong**, " if wrong else ""
    after = sum(each.hurt_after for each in row.passes)
    bad += f"**{after:,} hurt after it**, " if after else ""
    return f"{bad}{_median(row.passes)}, {_worst(row.passes)}, {_back(row.passes)}"


def _silent(passes: Iterable[Pass]) -> str:
    said = dict.fromkeys(each.silent.partition(":")[0] for each in passes if each.silent)
    return f"**{', '.join(said)}**" if said else ""


def _median(passes: Sequence[Pass]) -> str:
    if not all(each.added_ms for each in passes):
        return _worst(passes)
    return _ms(max(each.median_ms for each in passes))


def _worst(passes: Sequence[Pass]) -> str:
    if any(each.stuck for each in passes):
        return f"over {PATIENCE_SEC:.0f} s"
    return _ms(max(each.worst_ms for each in passes))


def _back(passes: Sequence[Pass]) -> str:
    back = [each.back_sec for each in passes]
    if None in back:
        return f"not in {BACK_LIMIT_SEC:.0f} s"
    return _ms(1000 * max(sec for sec in back if sec is not None))


def _ms(ms: float) -> str:
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{max(ms, 0.0):.1f} ms"


def _summary(each: Pass) -> str:
    if each.silent:
        return f"{each.silent.partition(':')[0]}: {each.silent.strip().splitlines()[-1]}"
    back = "no hits" if each.back_sec is None else f"hits after {_ms(1000 * each.back_sec)}"
    bad = f" {each.failed} failed {each.wrong} wrong {each.stuck} stuck" if each.hurt else ""
    bad += f" {each.hurt_after} of {each.calls_after} hurt after it" if each.hurt_after else ""
    errors = f" {each.errors}" if each.errors else ""
    return (
        f"{each.calls:,} calls{bad}, {each.hit_percent:.0f} % hits, +{_ms(each.median_ms)}, "
        f"worst +{_ms(each.worst_ms)}, all +{_ms(each.total_ms)}, {back}{errors}"
    )
