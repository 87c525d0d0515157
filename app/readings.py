"""Reading a question's labels in one order of its options or in all cyclic ones: what is asked, and how it is put together.

The one home of this for the quiz, for measuring and for training. Knows no model: whoever calls gives a ``Scorer``, as
`Engine.label_scores` is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.calibration import Mode, log_scores
from app.eci import FloatArray, IntArray, cyclic_orders, mean_over_orders
from app.engine.base import LabelRequest, ModelInfo
from app.prompts import ChatFormat, Style, question_prompt
from app.records import ANSWER_WORDS, Question

CHUNK = 16  # questions a call of the scorer
ON_TEXTS = "questions on a text"  # what skill is told by for yes, no or maybe over a text, as PubMedQA asks

Labels = tuple[str, ...]
Scorer = Callable[[Sequence[LabelRequest]], list[FloatArray]]  # one array of logits a request, shape (its labels,)


def form_of(info: ModelInfo) -> ChatFormat:
    """How the model wants its chats."""
    return ChatFormat(info.chat_template, info.bos, info.eos)


def labels_of(question: Question) -> Labels:
    """The question's labels in the order of the class: worded ones may be listed in any."""
    return tuple(word for word in ANSWER_WORDS if word in question.options) if question.worded else tuple(question.options)


def orders_of(question: Question, mode: Mode) -> list[Question]:
    """The question in each order that the mode reads, as it stands first."""
    if mode == "fast":
        return [question]
    return [question.in_order(order) for order in cyclic_orders(len(question.options)).tolist()]


def requests_for(
    form: ChatFormat, question: Question, mode: Mode, examples: Sequence[Question] = (), *, style: Style = Style.LABEL
) -> tuple[LabelRequest, ...]:
    """One request for each of ``orders_of``, the labels as in ``labels_of``."""
    return tuple(
        LabelRequest(question_prompt(form, order, examples, style=style), labels_of(order)) for order in orders_of(question, mode)
    )


def combined(question: Question, rows: Sequence[FloatArray], mode: Mode) -> FloatArray:
    """The label scores of one question in the order of ``labels_of``, shape (labels,).

    Args:
        rows: what was read for ``requests_for``, shape (labels,) each. A fast reading takes the first.

    Returns:
        logits, or in the careful mode logarithms of the mean probabilities (`app.calibration`).
    """
    if mode == "fast":
        return rows[0]
    labels, listed = labels_of(question), tuple(question.options)
    # `mean_over_orders` wants each row in the order that was listed there.
    table = [_sorted(row, labels, tuple(order.options)) for row, order in zip(rows, orders_of(question, mode), strict=True)]
    return log_scores(_sorted(mean_over_orders(table), listed, labels))


@dataclass(frozen=True)
class Scores:
    """One question read, shape (labels,) each in the order of ``labels_of``; ``careful`` None where only one order was read."""

    fast: FloatArray
    careful: FloatArray | None = None

    def of(self, mode: Mode) -> FloatArray | None:
        return self.fast if mode == "fast" else self.careful


def read_scores(
    scorer: Scorer, form: ChatFormat, questions: Sequence[Question], *, style: Style = Style.LABEL, careful: bool = False
) -> list[Scores]:
    """Each question read once, and with ``careful`` once for each cyclic order of its options, in one call of the scorer."""
    mode: Mode = "careful" if careful else "fast"
    asked = [requests_for(form, question, mode, style=style) for question in questions]
    found = iter(scorer([request for each in asked for request in each]))
    rows = [[next(found) for _ in each] for each in asked]
    return [
        Scores(each[0], combined(question, each, mode) if careful else None)
        for question, each in zip(questions, rows, strict=True)
    ]


@dataclass(frozen=True)
class Scored:
    """Questions of one label set, in canonical label order: fast and careful scores, shape (n, labels), and the truth, (n,).

    ``systems``: which system each question belongs to, by ``system_of``.
    """

    labels: Labels
    fast: FloatArray
    careful: FloatArray | None
    truth: IntArray
    systems: tuple[str, ...]

    def of(self, mode: Mode) -> FloatArray | None:
        return self.fast if mode == "fast" else self.careful


def system_of(question: Question) -> str:
    """What skill is told by: the question's system, else its subject, else ``ON_TEXTS`` or "unnamed"."""
    return question.system or question.subject or (ON_TEXTS if question.worded else "unnamed")


def gathered(questions: Sequence[Question], scores: Sequence[Scores]) -> list[Scored]:
    """What was read of each question, by label set. All were read carefully, or none."""
    groups: dict[Labels, list[tuple[Question, Scores]]] = {}
    for question, read in zip(questions, scores, strict=True):
        groups.setdefault(labels_of(question), []).append((question, read))
    return [_scored(labels, rows) for labels, rows in groups.items()]


def score(
    scorer: Scorer,
    form: ChatFormat,
    questions: Sequence[Question],
    *,
    style: Style = Style.LABEL,
    careful: bool = False,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Scored]:
    """``read_scores`` of any number of questions, by label set; ``tell`` gets how many were read since it was last called."""
    scores: list[Scores] = []
    for first in range(0, len(questions), CHUNK):
        chunk = questions[first : first + CHUNK]
        scores += read_scores(scorer, form, chunk, style=style, careful=careful)
        tell(len(chunk))
    return gathered(questions, scores)


def _scored(labels: Labels, rows: Sequence[tuple[Question, Scores]]) -> Scored:
    careful = [scores.careful for _, scores in rows if scores.careful is not None]
    return Scored(
        labels=labels,
        fast=np.array([scores.fast for _, scores in rows], dtype=np.float64),
        careful=np.array(careful, dtype=np.float64) if careful else None,
        truth=np.array([labels.index(question.key) for question, _ in rows], dtype=np.int64),
        systems=tuple(system_of(question) for question, _ in rows),
    )


def _sorted(values: FloatArray, labels: Sequence[str], wanted: Sequence[str]) -> FloatArray:
    by_label = dict(zip(labels, values, strict=True))
    return np.asarray([by_label[label] for label in wanted], dtype=np.float64)
