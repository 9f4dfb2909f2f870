"""docs/performance.md: the tables between its markers, made of what a run has left in build/bench.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.reasons import reason
from benchmarks.results import Row, ratio_text, readable

_GROUPS: Mapping[str, Sequence[str]] = {
    "Hits in memory": (
        "local_hit",
        "local_hit_async",
        "local_hit_keywords",
        "local_hit_keys",
        "local_hit_threads",
        "disabled",
        "growth",
    ),
    "Hits in Redis": (
        "redis_hit",
        "redis_hit_async",
        "redis_hit_many",
        "redis_hit_threads",
        "cached_many",
    ),
    "What is kept, and what it takes": ("hit_ratio", "memory_per_entry", "memory_worst", "flushall"),
    "Starting": ("startup",),
}
_REST = "Misses, loads and messages"


def tables(where: Mapping[str, Any], rows: Sequence[tuple[str, Row]]) -> str:
    """Return machine and versions, the score, and for each group of jobs its tables."""
    parts = [_circumstances(where), _score([row for _, row in rows])]
    grouped = {name for names in _GROUPS.values() for name in names}
    modules = list(dict.fromkeys(module for module, _ in rows))
    rest = [module for module in modules if module not in grouped]
    for title, names in {**_GROUPS, _REST: rest}.items():
        chosen = [row for name in names for module, row in rows if module == name]
        if chosen:
            parts.append(_group(title, chosen))
    return "\n\n".join([*parts, *_absent(where)]) + "\n"


def _circumstances(where: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    return (
        f"Measured on {where['cpu']}, {where['cpus']} CPUs, {where['system']}, load {where['load_average']}, "
        f"with {where['python']}; {packages}."
    )


def _score(rows: Sequence[Row]) -> str:
    aims = [row for row in rows if row.target is not None]
    missed = sum(row.verdict == "MISSED" for row in aims)
    peers = [row for row in rows if row.is_peer]
    slower = sum(row.ratio > 1 for row in peers)
    score = f"**{len(aims) - missed} of {len(aims)} targets are met, {missed} are missed.**"
    if not peers:
        return f"{score} No peer took part."
    return f"{score} Of {len(peers)} comparisons with peers ours is slower in {slower}."


def _group(title: str, rows: Sequence[Row]) -> str:
    parts = [f"## {title}"]
    if floors := [row for row in rows if not row.is_peer and row.unit != "%"]:
        head = "| job | ours | floor or limit | ratio | at most | | which is |\n|---|--:|--:|--:|--:|---|---|"
        parts.append("\n".join([head, *map(_floor_line, floors)]))
    if shares := [row for row in rows if row.unit == "%"]:
        head = (
            "| job | ours | other | points below it | at most | | which is |\n|---|--:|--:|--:|--:|---|---|"
        )
        parts.append("\n".join([head, *map(_floor_line, shares)]))
    if peers := [row for row in rows if row.is_peer]:
        head = "| job | ours | peer | which is | ours is | target | |\n|---|--:|--:|---|---|---|---|"
        parts.append("\n".join([head, *map(_peer_line, peers)]))
    parts += _reasons(dict.fromkeys(row.job for row in rows if row.verdict == "MISSED"))
    return "\n\n".join(parts)


def _reasons(missed: Iterable[str]) -> list[str]:
    """Say why, jobs with the same reason together."""
    jobs: dict[str, list[str]] = {}
    for job in missed:
        jobs.setdefault(reason(job), []).append(job)
    return ["\n".join(f"- **Missed: {'; '.join(names)}.** {why}" for why, names in jobs.items())] * bool(jobs)


def _floor_line(row: Row) -> str:
    figures = [readable(row.ours_ns, row.unit), readable(row.floor_ns, row.unit), ratio_text(row.ratio)]
    return _line(row.job, *figures, _target(row), _verdict(row), row.floor_is)


def _peer_line(row: Row) -> str:
    figures = [readable(row.ours_ns, row.unit), readable(row.floor_ns, row.unit)]
    return _line(row.job, *figures, row.floor_is, _compared(row.ratio), _aim(row), _verdict(row))


def _compared(ratio: float) -> str:
    """Say it so that nobody has to think which way the ratio goes."""
    if ratio > 1:
        return f"**{ratio:.2f} x slower**"
    return f"{1 / ratio:.3g} x faster"


def _aim(row: Row) -> str:
    """Return the target in the words of `_compared`."""
    if row.target is None:
        return ""
    return "faster" if row.target == 1 else f"{1 / row.target:.3g} x faster"


def _target(row: Row) -> str:
    return "" if row.target is None else ratio_text(row.target)


def _verdict(row: Row) -> str:
    return "**missed**" if row.verdict == "MISSED" else row.verdict


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _absent(where: Mapping[str, Any]) -> list[str]:
    absent: Mapping[str, str] = where.get("absent") or {}
    if not absent:
        return []
    return ["## Who did not take part", "\n".join(f"- {who}: {why}" for who, why in absent.items())]
