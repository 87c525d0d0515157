"""The picture of compressed files: how fast each is against how far it is from its parent. The only home of matplotlib here.

Colours are Okabe and Ito's, which stay apart for colour-blind eyes; every point is named in words too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

TITLE = "Speed against divergence from F16"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LEAST_KL = 1e-4  # nats; less is no difference, and the axis is logarithmic
DISTANCES = (9, 18, 32, 48, 66)  # points between a marker and its label, the nearest that is free
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
LEADER = 15  # points; a label further away is joined to its marker by a line
HALF_MARKER = 7  # pixels


@dataclass(frozen=True)
class Point:
    """One file: its size in bytes, tokens a second of the mix, and nats of divergence from its parent."""

    name: str
    bytes: int
    per_s: float
    kl: float


def speed_against_kl(points: Sequence[Point], path: Path, *, title: str = TITLE) -> None:
    """A PNG of 800 x 600 pixels. Up and left is better: fast and near to the parent.

    Args:
        points: at least one.
    """
    drawn(points, title).savefig(path, dpi=100, format="png")


def drawn(points: Sequence[Point], title: str = TITLE) -> Figure:
    """The picture, with a label at every point."""
    figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
    figure.set_facecolor("white")
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]  # matplotlib has no types there
    axes = figure.subplots()
    for number, point in enumerate(points):
        axes.plot(
            max(point.kl, LEAST_KL),
            point.per_s,
            MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            markersize=9,
        )
    _frame(axes, points, title)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # labels fit into what there is; it must not move beneath them
    taken = [_around(axes, point) for point in points]
    for number, point in enumerate(points):
        taken.append(_label(axes, point, COLOURS[number % len(COLOURS)], taken, renderer))
    return figure


def _frame(axes: Axes, points: Sequence[Point], title: str) -> None:
    lowest, highest = min(max(one.kl, LEAST_KL) for one in points), max(max(one.kl, LEAST_KL) for one in points)
    axes.set_xscale("log")
    axes.set_xlim(lowest / 2.5, highest * 2.5)
    slowest, fastest = min(one.per_s for one in points), max(one.per_s for one in points)
    room = 0.15 * (fastest - slowest) or 0.5 * fastest
    axes.set_ylim(max(0, slowest - room), fastest + room)
    note = f" (below {LEAST_KL:g}: drawn there)" if any(one.kl < LEAST_KL for one in points) else ""
    axes.set_xlabel(f"mean KL of the next token from the parent, nats; less is better{note}", fontsize=11)
    axes.set_ylabel("one chat and ten questions, tokens/s; more is better", fontsize=11)
    axes.set_title(title, fontsize=13)
    axes.tick_params(labelsize=10)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _around(axes: Axes, point: Point) -> Bbox:
    """A marker's place in pixels."""
    x, y = axes.transData.transform((max(point.kl, LEAST_KL), point.per_s))
    return Bbox.from_extents(x - HALF_MARKER, y - HALF_MARKER, x + HALF_MARKER, y + HALF_MARKER)


def _label(axes: Axes, point: Point, colour: str, taken: Sequence[Bbox], renderer: RendererAgg) -> Bbox:
    """Writes a label at the nearest place that is free; where none is, at the one that covers least. Returns its place."""
    inside = axes.get_window_extent()
    tried: list[tuple[float, Bbox, Annotation]] = []
    for annotation in _attempts(axes, point, colour):
        annotation.update_positions(renderer)
        box = Text.get_window_extent(annotation, renderer)  # without the line to its marker
        covered = sum(_common(box, other) for other in taken) + _area(box) - _common(box, inside)
        tried.append((covered, box, annotation))
        if covered < 1:
            break
    _, place, best = min(tried, key=lambda one: one[0])
    for _, _, annotation in tried:
        if annotation is not best:
            annotation.remove()
    return place


def _attempts(axes: Axes, point: Point, colour: str) -> Iterator[Annotation]:
    for distance in DISTANCES:
        for right, up in DIRECTIONS:
            yield axes.annotate(
                f"{point.name}, {point.bytes / 1e6:,.0f} MB",
                (max(point.kl, LEAST_KL), point.per_s),
                xytext=(right * distance, up * distance),
                textcoords="offset points",
                ha={1: "left", -1: "right", 0: "center"}[right],
                va={1: "bottom", -1: "top", 0: "center"}[up],
                fontsize=10,
                color="#111111",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8} if distance > LEADER else None,
            )


def _common(one: Bbox, other: Bbox) -> float:
    """Square pixels that both cover."""
    both = Bbox.intersection(one, other)
    return _area(both) if both is not None else 0.0


def _area(box: Bbox) -> float:
    return float(box.width * box.height)
