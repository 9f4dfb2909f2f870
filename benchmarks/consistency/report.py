"""What trials have shown, as rows of a table and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.consistency.history import violations
from benchmarks.consistency.trial import Trial
from benchmarks.consistency.worker import Traffic

_COLUMNS = ("server", "subject", "reads", "hits", "invalidations", "violations", "per million", "worst")
HEADER = "{:<8} {:<28} {:>9} {:>7} {:>13} {:>10} {:>11} {:>10}".format(*_COLUMNS)


@dataclass(frozen=True)
class Row:
    """The outcome of one trial. `worst_ms` is for how long the stalest value read had been invalidated."""

    server: str
    subject: str
    traffic: Traffic
    reads: int = 0
    hit_percent: float = 0
    invalidations: int = 0
    violations: int = 0
    worst_ms: float = 0
    raised: int = 0
    seconds: float = 0
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    void: str = ""

    @property
    def per_million(self) -> float:
        return 1e6 * self.violations / self.reads if self.reads else 0

    def __str__(self) -> str:
        head = f"{self.server:<8} {self.subject:<28}"
        if self.void:
            return f"{head} {self.void}"
        counts = (
            f"{self.reads:>9,} {self.hit_percent:>5.1f} % {self.invalidations:>13,} {self.violations:>10,}"
        )
        note = f"  {self.raised:,} calls raised" if self.raised else ""
        return f"{head} {counts} {self.per_million:>11,.0f} {self.worst_ms:>7,.1f} ms{note}"


def judged(server: str, subject: str, traffic: Traffic, trial: Trial) -> Row:
    """Compare the readings of a trial with its invalidations."""
    stale_ns = [violation.stale_ns for violation in violations(trial.readings, trial.invalidations)]
    return Row(
        server,
        subject,
        traffic,
        reads=len(trial.readings),
        hit_percent=trial.hit_percent,
        invalidations=len(trial.invalidations),
        violations=len(stale_ns),
        worst_ms=max(stale_ns, default=0) / 1e6,
        raised=trial.raised,
        seconds=trial.seconds,
        packages=trial.packages,
    )


def write(path: Path, where: Mapping[str, Any], rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    trials = [{**asdict(row), "per_million": row.per_million} for row in rows]
    path.write_text(json.dumps({**where, "trials": trials}, indent=2) + "\n")
