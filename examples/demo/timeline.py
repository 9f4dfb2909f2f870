"""A run cut into windows of equal length, to see how it went over time."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from .traffic import ANSWERERS, Run


@dataclass(frozen=True)
class Window:
    """The calls that began within `width_sec` from `start_sec`, counted by who answered."""

    start_sec: float
    width_sec: float
    counts: dict[str, int]

    @property
    def calls(self) -> int:
        return sum(self.counts.values())

    @property
    def hit_share(self) -> float:
        """Which part of the calls, 0 to 1, did not need the source."""
        return 1 - self.counts["source"] / self.calls if self.calls else 0.0

    def per_second(self, answerer: str) -> float:
        return self.counts[answerer] / self.width_sec


def windows(run: Run, width_sec: float, number: int) -> list[Window]:
    """Cut the first `number` windows of `width_sec` seconds out of `run`."""
    origin = run.began[0]
    edges = [bisect_left(run.began, origin + int(n * width_sec * 1e9)) for n in range(number + 1)]
    return [_window(run, n * width_sec, width_sec, slice(*edges[n : n + 2])) for n in range(number)]


def _window(run: Run, start_sec: float, width_sec: float, calls: slice) -> Window:
    answerer = run.answerer[calls]
    counts = {name: answerer.count(number) for number, name in enumerate(ANSWERERS)}
    return Window(start_sec, width_sec, counts)
