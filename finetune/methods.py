"""The ways to get an answer out of a model, each a function from questions to predictions. Knows no file.

``eci``, ``letters`` and ``paper`` read label scores at ``Answer:``; ``branched`` reads each option in a sequence of its own;
``generate`` writes and parses; ``majority`` needs no model.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from app.calibration import Calibration, EciRecord
from app.eci import FloatArray, probabilities
from app.errors import BadInput, NoLabels
from app.prompts import Style, prompt_digest, written_label, written_prompt
from app.readings import Labels, labels_of
from app.records import Question
from finetune.predictions import Prediction
from finetune.readers import Reader
from finetune.readings import NO, YES, Asking, Method, origins, permutation, reading

MAX_TOKENS = {Style.LABEL: 48, Style.STEPS: 300}  # 48: a label, the option's text and no more than a word of reason
Asked = TypeVar("Asked", bound=Hashable)
Found = TypeVar("Found")


class Answers(Protocol):
    """Answers a batch of questions; the same batch of the same seed gets the same answers from the same model."""

    def __call__(self, questions: Sequence[Question]) -> list[Prediction]: ...


# The methods


def answers_of(asking: Asking, reader: Reader | None, prior: Sequence[Question] = ()) -> Answers:
    """The method as a function. ``prior``: the questions whose keys `majority` counts.

    Raises:
        BadInput: a method that needs a model got none.
    """
    if asking.method is Method.MAJORITY:
        return partial(_majority, key_shares(prior))
    if reader is None:
        raise BadInput(f"The method {asking.method} needs a model; add --model with a .gguf file or a model's folder.")
    if asking.method is Method.GENERATE:
        return partial(_generated, reader, asking)
    return partial(_scored, reader, asking)


def head_of(asking: Asking, reader: Reader) -> str:
    """The head that the method reads; ``branched`` takes the trained one where it knows yes and no."""
    if asking.method is Method.BRANCHED:
        return "eci" if {YES, NO} <= reader.labels("eci") else "letters"
    return str(asking.method)


def refuse_unreadable(asking: Asking, reader: Reader, questions: Sequence[Question]) -> None:
    """Raises NoLabels when the model can't read every label that the method will ask for."""
    if asking.method in (Method.GENERATE, Method.MAJORITY):
        return
    head = head_of(asking, reader)
    readable = reader.labels(head)
    if not readable:
        cure = "Give the folder of a baseline trained with finetune.train" if head == "paper" else "Try --method generate"
        raise NoLabels(f"{reader.name} has no labels to read for --method {asking.method}. {cure}, or choose another model.")
    needed = {YES, NO} if asking.method is Method.BRANCHED else {label for one in questions for label in one.options}
    if missing := sorted(needed - readable):
        without = sum(bool(needed & set(one.options) - readable) for one in questions)
        of = f" for {without} of {len(questions)} questions" if asking.method is not Method.BRANCHED else ""
        raise NoLabels(
            f"{reader.name} reads the labels {', '.join(sorted(readable))}, and --method {asking.method} needs "
            f"{', '.join(missing)} too{of}. Leave those questions out, or try --method generate."
        )


def calibration_for(asking: Asking, reader: Reader, labels: Labels) -> tuple[Calibration | None, str]:
    """The calibration that holds for what is asked, and the words that stand beside the figures."""
    record = reader.record
    if asking.method is not Method.ECI or record is None:
        return None, "uncalibrated"
    if reason := _not_applied(asking, record, reader):
        return None, f"uncalibrated ({reason})"
    found = record.calibration(labels, asking.mode)
    if found is None:
        return None, f"uncalibrated (the model carries no calibration for {'/'.join(labels)} in {asking.mode} mode)"
    return found, found.word


def _not_applied(asking: Asking, record: EciRecord, reader: Reader) -> str:
    """Why a model's calibrations are not used at all: what was fitted on one way of asking does not hold for another."""
    if asking.uncalibrated:
        return "as asked"
    if record.prompt_digest != prompt_digest(reader.form, asking.style):
        return "the model's calibration was fitted on another prompt"
    return "the model's calibration was fitted without examples" if asking.examples else ""


def _scored(reader: Reader, asking: Asking, questions: Sequence[Question]) -> list[Prediction]:
    orders = [permutation(question, asking.seed) for question in questions]
    pairs = [
        (reading(reader.form, question, asking), reading(reader.form, question.in_order(order), asking))
        for question, order in zip(questions, orders, strict=True)
    ]
    # Original and permuted stand side by side, so that a reader can share what they begin with.
    asked = [request for pair in pairs for one in pair for request in one.requests]
    own = [request for first, _ in pairs for request in first.requests]
    score = partial(reader.scores, head=head_of(asking, reader))
    found, seconds = _timed(score, asked, own=own, questions=len(questions))
    predictions = []
    for question, order, pair in zip(questions, orders, pairs, strict=True):
        here, there = (one.combine([found[request] for request in one.requests]) for one in pair)
        calibration, _ = calibration_for(asking, reader, labels_of(question))
        blank = _blank(question, seconds)
        predictions.append(_chosen(blank, origins(question, order), here=here, there=there, calibration=calibration))
    return predictions


def _chosen(
    blank: Prediction, back: Mapping[str, str], *, here: FloatArray, there: FloatArray, calibration: Calibration | None
) -> Prediction:
    """Scores as a prediction.

    Args:
        back: label in the permuted question -> label of that option in the question as it stands.
        here, there: shape (labels,), scores of the question as it stands and permuted.
    """
    rows = [probabilities(here), probabilities(there)]
    fitted = rows if calibration is None else [calibration.probabilities(here), calibration.probabilities(there)]
    raw, calibrated = ([blank.labels[int(row.argmax())] for row in pair] for pair in (rows, fitted))
    return replace(
        blank,
        probabilities=tuple(fitted[0].tolist()),
        uncalibrated=tuple(rows[0].tolist()),
        choice=calibrated[0],
        choice_uncalibrated=raw[0],
        choice_permuted=back[raw[1]],
        choice_permuted_calibrated=back[calibrated[1]],
    )


def _generated(reader: Reader, asking: Asking, questions: Sequence[Question]) -> list[Prediction]:
    orders = [permutation(question, asking.seed) for question in questions]
    turned = [question.in_order(order) for question, order in zip(questions, orders, strict=True)]
    here, there = (
        [written_prompt(reader.form, one, asking.before(one), style=asking.style) for one in each] for each in (questions, turned)
    )
    write = partial(reader.write, max_tokens=MAX_TOKENS[asking.style])
    asked = [prompt for pair in zip(here, there, strict=True) for prompt in pair]
    found, seconds = _timed(write, asked, own=here, questions=len(questions))
    predictions = []
    for question, order, first, second in zip(questions, orders, here, there, strict=True):
        choice, other = (written_label(found[prompt], labels_of(question)) for prompt in (first, second))
        permuted = None if other is None else origins(question, order)[other]
        predictions.append(
            replace(
                _blank(question, seconds),
                choice=choice,
                choice_uncalibrated=choice,
                choice_permuted=permuted,
                choice_permuted_calibrated=permuted,
                written=found[first],
            )
        )
    return predictions


def _timed(
    ask: Callable[[Sequence[Asked]], Sequence[Found]], asked: Sequence[Asked], *, own: Sequence[Asked], questions: int
) -> tuple[dict[Asked, Found], float]:
    """What was found for each that was asked, in one call and each once, and the seconds for a question.

    Args:
        own: those of the questions as they stand; the seconds are theirs by their share, without the permuted ones.
    """
    distinct = list(dict.fromkeys(asked))
    begun = time.perf_counter()
    found = dict(zip(distinct, ask(distinct), strict=True))
    share = len(dict.fromkeys(own)) / len(distinct)
    return found, (time.perf_counter() - begun) * share / questions


def key_shares(questions: Sequence[Question]) -> dict[Labels, dict[str, float]]:
    """How often each label is the key, by label set; one is added to each count, for a label that was never the key can be it."""
    counts: dict[Labels, Counter[str]] = {}
    for question in questions:
        labels = labels_of(question)
        counts.setdefault(labels, Counter(dict.fromkeys(labels, 1)))[question.key] += 1
    return {labels: {label: count[label] / count.total() for label in labels} for labels, count in counts.items()}


def _majority(shares: Mapping[Labels, Mapping[str, float]], questions: Sequence[Question]) -> list[Prediction]:
    predictions = []
    for question in questions:
        labels = labels_of(question)
        row = shares.get(labels)
        if row is None:
            raise BadInput(
                f"Question {question.id!r} has the labels {', '.join(labels)}, and --prior-from has no question with those. "
                "Add a file that has."
            )
        values = tuple(row[label] for label in labels)
        choice = max(labels, key=lambda label: row[label])
        blank = _blank(question, 0.0)
        predictions.append(
            replace(blank, probabilities=values, uncalibrated=values, choice=choice, choice_uncalibrated=choice, permuted=False)
        )
    return predictions


def _blank(question: Question, seconds: float) -> Prediction:
    return Prediction(
        id=question.id,
        truth=question.key,
        labels=labels_of(question),
        probabilities=None,
        uncalibrated=None,
        choice=None,
        choice_uncalibrated=None,
        choice_permuted=None,
        choice_permuted_calibrated=None,
        permuted=True,
        written=None,
        seconds=seconds,
        subject=question.subject,
        system=question.system,
        step=question.step,
    )
