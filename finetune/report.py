"""What is written of an evaluation: metrics.json, a table of one line, and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.files import write_json
from app.readings import labels_of
from app.records import Question
from app.rowfiles import Refusal
from finetune.figures import curve_of, figures
from finetune.methods import calibration_for
from finetune.options import Options, identity
from finetune.plots import Curve
from finetune.predictions import METRICS, TABLE, Prediction, digest_of
from finetune.readers import Reader
from finetune.readings import Asking, Method
from finetune.tables import HEADS, markdown, row


class Draw(Protocol):
    """Draws the pictures of a run into a folder."""

    def __call__(self, curves: Sequence[Curve], folder: Path, *, n: int, title: str = "") -> None: ...


@dataclass(frozen=True)
class Rows:
    """Questions that could be read, and the rows that could not."""

    questions: tuple[Question, ...]
    refusals: tuple[Refusal, ...]


def metrics(
    options: Options,
    rows: Rows,
    predictions: Sequence[Prediction],
    *,
    reader: Reader | None,
    asking: Asking,
    prior: Sequence[Question],
) -> dict[str, Any]:
    """All that is written of a run, as JSON values."""
    asked = identity(options, reader)
    record = reader.record if reader is not None and _calibrated(asking, reader, rows) else None
    return {
        **figures(predictions, mode=options.mode, record=record, prior=prior, seed=options.seed),
        "name": options.name,
        "method": str(options.method),
        "mode": options.mode,
        "shots": options.shots,
        "style": str(options.style),
        "seed": options.seed,
        "limit": options.limit,
        "model": reader.name if reader else None,
        "head": _head(options.method, reader),
        "calibration": _calibrations(asking, reader, rows),
        "prior": str(options.prior_from or "the questions themselves"),
        "refused": len(rows.refusals),
        "digests": {
            "model": asked["model"],
            "questions": dict(zip(map(str, options.questions), asked["questions"], strict=True)),
            "prompt": asked["prompt"],
            "predictions": digest_of(predictions),
        },
        "command": options.command,
    }


def _head(method: Method, reader: Reader | None) -> str | None:
    """What the labels were read off."""
    if reader is None or method is Method.GENERATE:
        return None
    if method is Method.LETTERS:
        return "plain tokens"
    return f"trained ({reader.head_kind})" if reader.head_kind != "none" else "untrained"


def _calibrated(asking: Asking, reader: Reader, rows: Rows) -> bool:
    return any(calibration_for(asking, reader, labels)[0] for labels in {labels_of(one) for one in rows.questions})


def _calibrations(asking: Asking, reader: Reader | None, rows: Rows) -> str:
    """The words that stand beside the figures; one for each label set where they differ."""
    if reader is None or asking.method is Method.GENERATE:
        return "none"
    words = {
        "/".join(labels): calibration_for(asking, reader, labels)[1] for labels in sorted({labels_of(q) for q in rows.questions})
    }
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{labels}: {word}" for labels, word in words.items())


def write_results(folder: Path, name: str, found: dict[str, Any], predictions: Sequence[Prediction], draw: Draw) -> None:
    """The table, the pictures, and last metrics.json: where it stands, the run is finished."""
    table = markdown(HEADS, [row(name, found)])
    (folder / TABLE).write_text(f"{table}\n{found['skill']}\n\nCalibration: {found['calibration']}.\n", encoding="utf-8")
    curve = curve_of(name, predictions)
    draw([curve] if curve else [], folder, n=len(predictions), title=name)
    write_json(folder / METRICS, found)
