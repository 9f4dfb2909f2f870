"""The chart: how fast, who answered, the ramp, and the outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from .invalidation import Invalidations
from .outage import SECONDS, Outage
from .ramp import STEP_SEC, STEPS
from .timeline import windows
from .traffic import ANSWERERS, Run

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

_COLOURS = {"local": "#2a9d8f", "remote": "#457b9d", "source": "#e76f51"}
_RUN_COLOURS = ("#e76f51", "#2a9d8f", "#9aa5b1", "#1d3557")
_OUTAGE_WINDOW_SEC = 0.1
_RAMP_WINDOWS = 5
_LINEAR_BELOW = 100


@dataclass(frozen=True)
class Findings:
    """All that the scenes have brought. The last two runs are the ramp and the outage."""

    runs: list[Run]
    invalidations: Invalidations
    outage: Outage


def draw(findings: Findings, path: Path) -> None:
    """Draw the four panels to `path`."""
    *phases, ramp, _ = findings.runs
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(14, 9.5), layout="constrained")
        figure.suptitle("gcache: looking up every identifier of Python's standard library", fontsize=16)
        _latency(axes[0, 0], phases)
        _answerers(axes[0, 1], findings.runs)
        _ramp(axes[1, 0], ramp)
        _outage(axes[1, 1], findings.outage)
        figure.supxlabel(_footnote(findings.invalidations), fontsize=10, color="#444444")
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _footnote(result: Invalidations) -> str:
    slowest = max(result.seen_after_ms)
    return (
        f"Invalidation: {result.rounds} names changed in the source and invalidated in one process. "
        f"Stale reads after it: {result.stale_here} in that process, "
        f"{result.stale_there} in the other, which had the new value within {slowest:.1f} ms."
    )


_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "grid.color": "#e6e6e6",
    "font.size": 10,
    "legend.frameon": False,
}


def _latency(axes: Axes, runs: Sequence[Run]) -> None:
    """For each run, the share of calls that were answered within a time."""
    percents = [number / 10 for number in range(1, 1000)]
    for run, colour in zip(runs, _RUN_COLOURS, strict=True):
        took = sorted(run.took)
        times = [took[int(percent / 100 * len(took))] / 1e9 for percent in percents]
        axes.plot(times, percents, color=colour, linewidth=2, label=f"{run.title} ({run.calls:,} calls)")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.set(title="How long a call takes", xlabel="time (log scale)", ylabel="calls answered by then, %")
    axes.set_ylim(0, 100)
    axes.legend(loc="lower right")


def _answerers(axes: Axes, runs: Sequence[Run]) -> None:
    """For each run, the shares of its calls that each layer and the source answered."""
    left = [0.0] * len(runs)
    titles = [run.title for run in runs]
    for answerer in ANSWERERS:
        shares = [100 * run.share(answerer) for run in runs]
        bars = axes.barh(titles, shares, left=left, color=_COLOURS[answerer], label=answerer, height=0.62)
        labels = [f"{share:.0f}" if share >= 4 else "" for share in shares]
        axes.bar_label(bars, labels, label_type="center", color="white", fontweight="bold")
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(title="Who answered", xlabel="share of the calls, %", xlim=(0, 100))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, -0.24), ncols=3)


def _ramp(axes: Axes, run: Run) -> None:
    """The dial, and the hits that came of it, over time."""
    width = STEP_SEC / _RAMP_WINDOWS
    cut = windows(run, width, len(STEPS) * _RAMP_WINDOWS)
    ends = [number * STEP_SEC for number in range(len(STEPS) + 1)]
    axes.stairs(STEPS, ends, baseline=None, color="#9aa5b1", linewidth=2, label="ramp, % of the entities")
    middles = [window.start_sec + width / 2 for window in cut]
    shares = [100 * window.hit_share for window in cut]
    axes.plot(middles, shares, "o-", markersize=3, color="#2a9d8f", label="hits, % of the calls")
    axes.set(title="A ramp turned up at run time", xlabel="time, s", ylabel="share, %")
    axes.set(ylim=(-3, 103), xlim=(0, ends[-1]))
    axes.legend(loc="upper left")


def _outage(axes: Axes, outage: Outage) -> None:
    """Calls per second by who answered them, while the server goes and comes."""
    width = _OUTAGE_WINDOW_SEC
    cut = windows(outage.run, width, int(SECONDS / width))
    middles = [window.start_sec + width / 2 for window in cut]
    for answerer in ANSWERERS:
        rates = [window.per_second(answerer) for window in cut]
        axes.plot(middles, rates, color=_COLOURS[answerer], linewidth=2, label=answerer)
    axes.axvspan(outage.killed_sec, outage.back_sec, color="black", alpha=0.08, label="server dead")
    axes.set(
        title=f"The server killed amid {outage.run.calls:,} calls: {outage.run.failures} failed",
        xlabel="time, s",
        ylabel=f"calls per second (log scale, linear below {_LINEAR_BELOW})",
        xlim=(0, SECONDS),
    )
    axes.set_yscale("symlog", linthresh=_LINEAR_BELOW)
    axes.set_ylim(bottom=0, top=8 * axes.get_ylim()[1])
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(loc="upper left", ncols=4)
