"""What is asked of a model to read one question: the prompts, and how the labels' scores come out of what was read.

Each question is asked in two orders of its options, as it stands and permuted, for the flips. Knows no model.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.calibration import Mode
from app.eci import FloatArray, cyclic_orders
from app.engine.base import LabelRequest
from app.prompts import ChatFormat, Style, question_prompt
from app.readings import Labels, combined, labels_of, requests_for
from app.records import ANSWER_WORDS, Question

YES, NO = ANSWER_WORDS[:2]


class Method(enum.StrEnum):
    ECI = "eci"
    LETTERS = "letters"
    GENERATE = "generate"
    PAPER = "paper"
    MAJORITY = "majority"
    BRANCHED = "branched"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How questions are asked. ``examples`` by label set, shown before every question of that set."""

    method: Method
    mode: Mode = "fast"
    style: Style = Style.LABEL
    seed: int = 0
    uncalibrated: bool = False
    examples: Mapping[Labels, tuple[Question, ...]] = field(default_factory=dict)

    def before(self, question: Question) -> tuple[Question, ...]:
        return self.examples.get(labels_of(question), ())


# Orders of the options


def permutation(question: Question, seed: int) -> list[int]:
    """An order of the options that is no turning of them, so that `careful`, the mean over all turnings, can't see through it.

    Two options have but their swap. The same for the same id and seed on every machine.
    """
    count = len(question.options)
    order = list(range(count))
    if count == 2:
        return [1, 0]
    turnings = cyclic_orders(count).tolist()
    rng = random.Random(f"{seed} {question.id}")
    while order in turnings:
        rng.shuffle(order)
    return order


def origins(question: Question, order: Sequence[int]) -> dict[str, str]:
    """Label in the permuted question -> label of the same option in the question as it stands."""
    listed = tuple(question.options)
    if question.worded:
        return {label: label for label in listed}
    return {label: listed[old] for label, old in zip(listed, order, strict=True)}


# What is asked of one question in one order, and what its answers amount to


@dataclass(frozen=True)
class Reading:
    """Requests for one question in one order; ``combine`` makes one row of label scores of theirs, in ``labels_of``'s order."""

    requests: tuple[LabelRequest, ...]
    combine: Callable[[Sequence[FloatArray]], FloatArray]


def branched_reading(form: ChatFormat, question: Question, asking: Asking) -> Reading:
    """Each option proposed alone behind the shared stem; its score is how much yes outweighs no, in logits.

    No option sees another or a letter, so the order in which they are listed can't matter. Worded questions go the same way, each
    word proposed as the answer.
    """
    examples = tuple(
        # Right and wrong proposals in turn; the wrong ones by text and not by place, for the same blindness.
        proposed(one, one.key if place % 2 == 0 else _wrong(one, asking.seed))
        for place, one in enumerate(asking.before(question))
    )
    requests = tuple(
        LabelRequest(question_prompt(form, proposed(question, label), examples, style=asking.style), (YES, NO))
        for label in labels_of(question)
    )
    return Reading(requests, lambda rows: np.asarray([row[0] - row[1] for row in rows], dtype=np.float64))


def proposed(question: Question, label: str) -> Question:
    """One option as a question of its own, to be answered with yes or no."""
    return Question(
        id=question.id,
        context=question.context,
        stem=f"{question.stem}\n\nIs this the best answer: {question.options[label]}?",
        options={YES: YES, NO: NO},
        key=YES if label == question.key else NO,
    )


def _wrong(question: Question, seed: int) -> str:
    others = sorted((text, label) for label, text in question.options.items() if label != question.key)
    return random.Random(f"{seed} {question.id}").choice(others)[1]


def reading(form: ChatFormat, question: Question, asking: Asking) -> Reading:
    if asking.method is Method.BRANCHED:
        return branched_reading(form, question, asking)
    requests = requests_for(form, question, asking.mode, asking.before(question), style=asking.style)
    return Reading(requests, lambda rows: combined(question, rows, asking.mode))
