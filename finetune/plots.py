"""The pictures of an evaluation: are the probabilities right, and what is gained by leaving out the least sure ones.

The only home of matplotlib in the evaluation. Colours are Okabe and Ito's, which stay apart for colour-blind eyes; lines differ
in marker and dash too, for grey prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from app.measure import BINS, BoolArray, FloatArray, risk_coverage_curve

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one fewer than colours, so that no pair comes back soon
DASHES = ("-", "--", "-.", ":")
MIN_SHOWN = 5  # questions in a bin; the share of right answers among fewer says nothing
BESIDE = 5  # methods that a legend inside the picture has room for
MIN_COVERED = 10  # questions answered; the risk of fewer jumps
NONE = "no method here gives probabilities"


PICTURES = ("reliability.png", "risk_coverage.png")


@dataclass(frozen=True)
class Curve:
    """One method: for each question the probability of the chosen label, and whether the choice was right."""

    name: str
    confidence: FloatArray
    correct: BoolArray


def draw(curves: Sequence[Curve], folder: Path, *, n: int, title: str = "") -> None:
    """Both pictures, as PNG."""
    for plot, name in zip((reliability, risk_coverage), PICTURES, strict=True):
        plot(curves, folder / name, n=n, title=title)


def reliability(curves: Sequence[Curve], path: Path, *, n: int, title: str = "") -> None:
    """Share of right answers against the probability of the chosen label, in ten bins, and how many questions a bin holds."""
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="#888888", linewidth=1, label="as often right as said")
    edges = np.arange(BINS + 1) / BINS
    width = 0.8 / BINS / max(len(curves), 1)
    for number, curve in enumerate(curves):
        place = np.searchsorted(edges[1:-1], curve.confidence, side="left")
        counts = np.bincount(place, minlength=BINS)
        shown = counts >= MIN_SHOWN
        said, right = (
            np.bincount(place, weights=of, minlength=BINS)[shown] / counts[shown] for of in (curve.confidence, curve.correct)
        )
        upper.plot(said, right, label=curve.name, **_style(number))
        lower.bar(edges[:-1] + 0.1 / BINS + (number + 0.5) * width, counts, width, color=COLOURS[number % len(COLOURS)])
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of right answers", title=_title("Reliability", title, n))
    upper.set_aspect("auto")
    lower.set(xlabel="probability of the chosen label", ylabel="questions")
    _finish(figure, upper, path, empty=not curves)


def risk_coverage(curves: Sequence[Curve], path: Path, *, n: int, title: str = "") -> None:
    """Share of wrong answers among the surest questions, against how many of all those are."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        coverage, risk = risk_coverage_curve(curve.confidence, curve.correct)
        start = min(MIN_COVERED, len(risk)) - 1
        style = {**_style(number), "markevery": max(len(risk) // 10, 1)}
        axes.plot(coverage[start:], risk[start:], label=curve.name, **style)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="coverage: share of questions answered, surest first",
        ylabel="risk: share of wrong answers",
    )
    axes.set_title(_title("Risk and coverage", title, n))
    _finish(figure, axes, path, empty=not curves)


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
        "linewidth": 1.6,
        "markersize": 6,
    }


def _title(kind: str, title: str, n: int) -> str:
    return f"{kind}: {title} (n = {n})" if title else f"{kind} (n = {n})"


def _finish(figure: Figure, axes: Axes, path: Path, *, empty: bool) -> None:
    if empty:
        axes.text(0.5, 0.6, NONE, ha="center", transform=axes.transAxes)
    elif axes.get_legend_handles_labels()[0]:
        beside = len(axes.get_legend_handles_labels()[0]) > BESIDE
        if beside:
            figure.set_figwidth(10)
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9)
        else:
            axes.legend(loc="best", fontsize=9, framealpha=0.9)
    for each in figure.axes:
        each.grid(visible=True, color="#dddddd", linewidth=0.6)
        each.set_axisbelow(True)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120)
