"""Ramping a use case up at run time: the config provider's answer changes, and nothing is restarted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .lookup import Lookup
from .screen import Report, Screen
from .timeline import Window, windows
from .trace import at_random, for_seconds
from .traffic import Run, drive

STEPS = range(0, 101, 10)
STEP_SEC = 0.5
SECONDS = len(STEPS) * STEP_SEC
_BARS = " ▁▂▃▄▅▆▇█"


def ramp_up(screen: Screen, lookup: Lookup, names: Sequence[str]) -> Run:
    """Turn the dial from 0 to 100 under traffic."""
    [(busiest, count)] = Counter(names).most_common(1)
    screen.scene(
        "4  A ramp from 0 to 100 % at run time",
        "From here on names are drawn at random from the first tenth of the trace. The dial turns while the "
        "calls go on. A ramp takes in whole entities, and one that is in stays in: "
        f"{busiest!r}, which alone is {count / len(names):.0%} of the calls, comes in at a single step.",
    )
    with lookup.gcache.enable(), screen.progress("ramping up", SECONDS) as report:
        turning = for_seconds(SECONDS, at_random(names), _Turn(lookup, report))
        run = drive("4 ramp 0 to 100 %", lookup, turning)
    _tell(screen, windows(run, STEP_SEC, len(STEPS)))
    return run


def _tell(screen: Screen, steps: list[Window]) -> None:
    screen.say(_row("ramp %", [str(percent) for percent in STEPS]))
    screen.say(_row("hits %", [f"{step.hit_share:.0%}".rstrip("%") for step in steps]))
    screen.say(_row("", [_BARS[round(step.hit_share * (len(_BARS) - 1))] * 3 for step in steps]))


def _row(title: str, cells: list[str]) -> str:
    return f"{title:<9}" + "".join(f"{cell:>5}" for cell in cells)


class _Turn:
    """Turns the dial as time goes by."""

    def __init__(self, lookup: Lookup, report: Report) -> None:
        self._dial = lookup.dial
        self._report = report
        self._number = -1

    def __call__(self, elapsed: float) -> None:
        number = min(int(elapsed / STEP_SEC), len(STEPS) - 1)
        if number != self._number:
            self._number = number
            self._dial.local = self._dial.remote = STEPS[number]
            self._report(elapsed)
