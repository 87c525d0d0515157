"""What a run shows and keeps of its steps: a bar, metrics as JSON Lines, curves as a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure
from tqdm import tqdm

from app.files import write_aside
from finetune.loop import Step

WINDOW = 20  # steps that the bar's figures and the curves' lines are the mean of


class Progress:
    """One line a step on disk, and a bar with the means of the last steps; ``shown`` False on all processes but the first."""

    def __init__(self, metrics: Path, *, steps: int, done: int, shown: bool) -> None:
        self._metrics = metrics
        self._shown = shown
        self.history = keep_until(metrics, done) if shown else []
        self._bar = tqdm(total=steps, initial=done, unit="step", file=sys.stderr, disable=not shown, dynamic_ncols=True)

    def tell(self, step: Step) -> None:
        if not self._shown:
            return
        self.history.append(step.as_dict())
        with self._metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(step.as_dict()) + "\n")
        last = self.history[-WINDOW:]
        seconds = sum(row["seconds"] for row in last)
        shown = {
            "loss": f"{mean(last, 'loss'):.3f}",
            "tokens/s": f"{sum(row['tokens'] for row in last) / max(seconds, 1e-9):.0f}",
        }
        if (accuracy := accuracy_of(last)) is not None:
            shown["labels"] = f"{accuracy:.0%}"
        self._bar.set_postfix(shown)
        self._bar.update()

    def close(self) -> None:
        self._bar.close()


def keep_until(metrics: Path, step: int) -> list[dict[str, Any]]:
    """The steps up to ``step`` that a file tells of; it is cut there, since what comes after is done again."""
    kept: dict[int, dict[str, Any]] = {}
    if metrics.is_file():
        for line in metrics.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # a line that a kill cut short
            if row["step"] <= step:
                kept[row["step"]] = row
    rows = [kept[number] for number in sorted(kept)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_aside(metrics, lambda aside: aside.write_text(text, encoding="utf-8"))
    return rows


def mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows) / len(rows))


def accuracy_of(rows: Sequence[dict[str, Any]]) -> float | None:
    """Over all labelled rows of some steps, None where there was none."""
    labelled = sum(row["labelled"] for row in rows)
    return sum((row["label_accuracy"] or 0) * row["labelled"] for row in rows) / labelled if labelled else None


def draw_curves(path: Path, history: Sequence[dict[str, Any]], *, title: str) -> None:
    """Losses and label accuracy over the steps: each step as a dot, the mean of the last WINDOW as a line."""
    figure = matplotlib.figure.Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    steps = [row["step"] for row in history]
    for name, label, colour in (("text_loss", "text", "#0072b2"), ("class_loss", "class", "#d55e00")):
        if any(row[name] for row in history):
            above.plot(steps, [row[name] for row in history], ".", markersize=3, alpha=0.4, color=colour)
            above.plot(
                steps,
                [mean(history[max(0, n - WINDOW) : n], name) for n in range(1, len(history) + 1)],
                color=colour,
                label=label,
            )
    above.set(ylabel="loss (nats)", title=title)
    above.legend(frameon=False)
    running = [accuracy_of(history[max(0, n - WINDOW) : n]) for n in range(1, len(history) + 1)]
    known = [(step, value) for step, value in zip(steps, running, strict=True) if value is not None]
    if known:
        below.plot(*zip(*known, strict=True), color="#009e73")
    below.set(ylabel="label accuracy", xlabel="step", ylim=(0, 1))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    write_aside(path, lambda aside: figure.savefig(aside, format="png", dpi=120))
