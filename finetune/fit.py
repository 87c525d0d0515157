"""After training: calibrations and conformal thresholds from held-out questions, per label set and mode (DESIGN.md, ECI)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.calibration import (
    Calibration,
    EciRecord,
    Figures,
    Mode,
    Threshold,
    conformal_threshold,
    fit_calibration,
    log_scores,
)
from app.eci import cyclic_orders, mean_over_orders
from app.engine.base import LabelRequest
from app.measure import measure
from app.prompts import Style, prompt_digest, question_prompt
from app.records import Question
from finetune.readings import labels_of
from finetune.torch_reader import TorchReader

LEVEL = 0.9
CHUNK = 16  # questions a call of the reader

FloatArray = npt.NDArray[np.float64]
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """Questions of one label set, in canonical label order: fast and careful scores, shape (n, labels), and the truth."""

    labels: Labels
    fast: FloatArray
    careful: FloatArray | None
    truth: npt.NDArray[np.int64]

    def of(self, mode: Mode) -> FloatArray | None:
        return self.fast if mode == "fast" else self.careful


def score(
    reader: TorchReader,
    questions: Sequence[Question],
    *,
    head: str,
    style: Style,
    careful: bool,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Scored]:
    """Every question read once, and once for each cyclic order of its options with ``careful``; grouped by label set."""
    fast: dict[Labels, list[FloatArray]] = {}
    slow: dict[Labels, list[FloatArray]] = {}
    truth: dict[Labels, list[int]] = {}
    for first in range(0, len(questions), CHUNK):
        chunk = questions[first : first + CHUNK]
        orders = [
            [question.in_order(order) for order in cyclic_orders(len(question.options)).tolist()] if careful else [question]
            for question in chunk
        ]
        requests = [
            LabelRequest(question_prompt(reader.form, order, style=style), tuple(order.options))
            for each in orders
            for order in each
        ]
        scores = iter(reader.scores(requests, head))
        for question, each in zip(chunk, orders, strict=True):
            labels, rows = labels_of(question), [next(scores) for _ in each]
            places = [tuple(question.options).index(label) for label in labels]
            fast.setdefault(labels, []).append(rows[0][places])
            truth.setdefault(labels, []).append(labels.index(question.key))
            if careful:
                slow.setdefault(labels, []).append(log_scores(mean_over_orders(rows))[places])
        tell(len(chunk))
    return [
        Scored(labels, np.array(rows), np.array(slow[labels]) if careful else None, np.array(truth[labels], dtype=np.int64))
        for labels, rows in fast.items()
    ]


def fit_record(
    reader: TorchReader,
    *,
    token_ids: dict[str, int],
    head: str,
    style: Style,
    calibration: Sequence[Scored],
    conformal: Sequence[Scored],
    name: str,
) -> EciRecord:
    """The record that travels with the model. ``skill`` is measured on the conformal rows, which nothing else was fitted on."""
    calibrations: list[Calibration] = []
    thresholds: list[Threshold] = []
    skill: dict[str, Figures] = {}
    modes: tuple[Mode, ...] = ("fast", "careful")
    for mode in modes:
        for scored in calibration:
            scores = scored.of(mode)
            if scores is not None:
                calibrations.append(fit_calibration(scores, scored.truth, scored.labels, mode, name))
        for scored in conformal:
            scores = scored.of(mode)
            fitted = next((c for c in calibrations if (c.labels, c.mode) == (scored.labels, mode)), None)
            if scores is None or fitted is None:
                continue
            shares = np.array([fitted.probabilities(row) for row in scores])
            true = shares[np.arange(len(shares)), scored.truth]
            thresholds.append(conformal_threshold(true, LEVEL, labels=scored.labels, mode=mode, name=name))
            skill[f"{name}, {len(scored.labels)} labels, {mode}"] = measure(shares, scored.truth).as_dict()
    return EciRecord(
        labels=tuple(token_ids),
        token_ids=tuple(token_ids.values()),
        prompt_digest=prompt_digest(reader.form, style),
        calibrations=tuple(calibrations),
        thresholds=tuple(thresholds),
        skill=skill,
    )
