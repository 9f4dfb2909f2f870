"""The chart: how many times its floor each job takes, ours and peers, with the most that it may."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.results import Row, ratio_text

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from PIL import Image

_MET, _MISSED, _FREE, _TARGET = "#2a9d8f", "#e76f51", "#9aa5b1", "#1d3557"
_PEER_COLOURS = ("#7b2cbf", "#d62828", "#0077b6", "#f4a261", "#2d6a4f", "#bc6c25", "#ff70a6", "#111111")
_COLOURS, _LEAST, _MARKERS = 160, 0.05, "osD^vPX*"
_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "grid.color": "#e6e6e6",
    "font.size": 9,
    "legend.frameon": False,
}


def draw(rows: Sequence[Row], path: Path, caption: str) -> None:
    """Draw to `path`, a PNG of a size that suits a repository. `caption` says where it was measured."""
    raced = [row for row in rows if not row.is_peer and row.unit != "%" and row.target is not None]
    shares = [row for row in rows if row.unit == "%"]
    heights = [max(2, len(raced)), 3 + len(shares)] if shares else [max(2, len(raced))]
    with plt.rc_context(_STYLE):
        size = (11, 1.6 + 0.27 * sum(heights))
        grid: Any = {"height_ratios": heights}
        figure, axes = plt.subplots(
            len(heights), 1, figsize=size, layout="constrained", gridspec_kw=grid, squeeze=False
        )
        _ratios(axes[0, 0], raced, [row for row in rows if row.is_peer])
        if shares:
            _shares(axes[1, 0], shares)
        figure.supxlabel(caption, fontsize=8, color="#444444")
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = BytesIO()
        figure.savefig(drawn, dpi=90)
        plt.close(figure)
    # Few colours make a small file.
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(path, optimize=True)


def _ratios(axes: Axes, rows: Sequence[Row], peers: Sequence[Row]) -> None:
    places = {row.job: place for place, row in enumerate(rows)}
    floors = {row.job: row.floor_ns for row in rows}
    colours = [_MISSED if row.verdict == "MISSED" else _MET for row in rows]
    axes.barh(range(len(rows)), [max(row.ratio, _LEAST) for row in rows], color=colours, height=0.62)
    for row, place in zip(rows, places.values(), strict=True):
        axes.plot([row.target or 1] * 2, [place - 0.42, place + 0.42], color=_TARGET, linewidth=2.5)
    for number, name in enumerate(dict.fromkeys(peer.floor_is for peer in peers)):
        dots = [peer for peer in peers if peer.floor_is == name and peer.job in places]
        axes.plot(
            [peer.floor_ns / floors[peer.job] for peer in dots],
            [places[peer.job] for peer in dots],
            _MARKERS[number % len(_MARKERS)],
            color=_PEER_COLOURS[number % len(_PEER_COLOURS)],
            markersize=6,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=name,
        )
    axes.set_yticks(
        range(len(rows)), [f"{row.job}   {ratio_text(row.ratio)} of {row.target:g}" for row in rows]
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set(xlim=(_LEAST, None), ylim=(len(rows) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)
    axes.set(title="Times the floor or the limit (log scale; less is better)")
    handles, labels = axes.get_legend_handles_labels()
    handles += [
        Rectangle((0, 0), 1, 1, color=_MET),
        Rectangle((0, 0), 1, 1, color=_MISSED),
        Line2D([0], [0], color=_TARGET, linewidth=2.5),
    ]
    labels += ["ours, target met", "ours, target missed", "at most"]
    axes.legend(handles, labels, loc="best", fontsize=8)


def _shares(axes: Axes, rows: Sequence[Row]) -> None:
    """Hit ratios: for each trace a bar for ours and one for each other policy."""
    jobs = list(dict.fromkeys(row.job for row in rows))
    names = ["ours", *dict.fromkeys(row.floor_is for row in rows)]
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        bars: list[tuple[float, float]] = []
        for place, job in enumerate(jobs):
            of_job = [row for row in rows if row.job == job]
            found = of_job[:1] if number == 0 else [row for row in of_job if row.floor_is == name]
            bars += [(place + number * width, row.ours_ns if number == 0 else row.floor_ns) for row in found]
        drawn = axes.bar(
            [x for x, _ in bars],
            [height for _, height in bars],
            width * 0.94,
            color=_MET if number == 0 else _FREE,
            alpha=1 if number == 0 else 1 - 0.2 * number,
            label=name,
        )
        axes.bar_label(drawn, [f"{name.split()[0]}\n{height:.1f}" for _, height in bars], fontsize=7)
    axes.set_xticks([place + width * (len(names) - 1) / 2 for place in range(len(jobs))], jobs)
    axes.set_ylim(50, 100)
    axes.grid(axis="x", visible=False)
    axes.set(title="Accesses that found their key, % (from 50 on; more is better)")
