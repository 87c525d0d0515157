"""Figures as a Markdown table: one line a method, a dash where a figure is not defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Metrics = Mapping[str, Any]
DASH = "–"
HEADS = (
    "method",
    "n",
    "accuracy (95 %)",
    "macro-F1",
    "invalid",
    "ECE (floor)",
    "Brier skill",
    "NLL",
    "flips",
    "AUROC of error",
    "risk at 50/80/100 %",
    "recall spread",
    "questions/s",
)
# The figures that several seeds are averaged over, and how they are written.
AVERAGED = (
    ("accuracy", "percent"),
    ("macro_f1", "number"),
    ("invalid", "percent"),
    ("ece", "number"),
    ("brier_skill", "number"),
    ("nll", "number"),
    ("flips", "percent"),
)


def percent(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"


def row(name: str, metrics: Metrics) -> tuple[str, ...]:
    floor = "" if metrics["ece_floor"] is None else f" ({number(metrics['ece_floor'])})"
    risks = [metrics["risk_50"], metrics["risk_80"], metrics["risk_100"]]
    rate = metrics["questions_per_s"]
    return (
        name,
        str(metrics["n"]),
        f"{percent(metrics['accuracy'])} ({100 * metrics['accuracy_low']:.1f} to {100 * metrics['accuracy_high']:.1f})",
        number(metrics["macro_f1"]),
        percent(metrics["invalid"]),
        f"{number(metrics['ece'])}{floor}",
        number(metrics["brier_skill"]),
        number(metrics["nll"]),
        percent(metrics["flips"]),
        number(metrics["auroc_error"]),
        DASH if risks[0] is None else " / ".join(percent(risk).removesuffix(" %") for risk in risks) + " %",
        number(metrics["recall_spread"]),
        DASH if rate is None else f"{rate:.2f}",
    )


def mean_and_range(name: str, several: Sequence[Metrics]) -> tuple[str, ...]:
    """One line for runs that differ in their seed alone: the mean of each figure, and the least and greatest."""
    texts = {figure: _spread([metrics[figure] for metrics in several], kind) for figure, kind in AVERAGED}
    return (
        f"{name}, mean of {len(several)} seeds (range)",
        str(several[0]["n"]),
        texts["accuracy"],
        texts["macro_f1"],
        texts["invalid"],
        texts["ece"],
        texts["brier_skill"],
        texts["nll"],
        texts["flips"],
        *(DASH,) * 4,
    )


def _spread(values: Sequence[float | None], kind: str) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return DASH
    mean = sum(known) / len(known)
    if kind == "percent":
        return f"{percent(mean)} ({100 * min(known):.1f} to {100 * max(known):.1f})"
    return f"{number(mean)} ({number(min(known))} to {number(max(known))})"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
