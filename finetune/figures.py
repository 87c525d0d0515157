"""From predictions to figures. The figures themselves are `app.measure`'s; here is only which predictions go into which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.calibration import EciRecord, Mode, conformal_set
from app.eci import FloatArray, IntArray
from app.errors import BadInput
from app.measure import INVALID, coverage_and_size, measure, skill_sentence, wilson
from app.measure import flips as share_of_flips
from app.readings import Labels, labels_of
from app.records import LABELS, Question
from finetune.plots import Curve
from finetune.predictions import Prediction

LEAST = 5  # questions in a group; the interval of fewer covers nearly everything
GROUPS = ("subject", "system", "step")


def figures(
    predictions: Sequence[Prediction], *, mode: Mode, record: EciRecord | None, prior: Sequence[Question], seed: int
) -> dict[str, Any]:
    """All figures of one method on one set of questions, as JSON values; None where one is not defined.

    Args:
        record: of the model, where its calibration was applied; its thresholds make the conformal figures.
        prior: questions whose keys are the label prior; none for those under test, which no forecast without skill can beat.
    """
    labels = label_set([one.labels for one in predictions])
    known = [one.probabilities for one in predictions if one.probabilities is not None]
    measured = measure(
        _padded(known, len(labels)) if len(known) == len(predictions) else None,
        np.array([labels.index(one.truth) for one in predictions]),
        prior=key_counts(prior, labels) if prior else None,
        seed=seed,
        predicted=_places(predictions, labels),
        counts=np.array([len(one.labels) for one in predictions]),
    )
    seconds = sum(one.seconds for one in predictions)
    return {
        **measured.as_dict(),
        **flips(predictions),
        **conformal(predictions, record, mode),
        **{f"by_{name}": by_group(predictions, name) for name in GROUPS},
        "questions_per_s": len(predictions) / seconds if seconds else None,
        "skill": skill_sentence(measured),
    }


def label_set(sets: Sequence[Labels]) -> Labels:
    """The longest label set, of which all others are the beginning, as questions of four and of five options have them.

    Raises:
        BadInput: there are questions of other kinds, whose labels have nothing in common.
    """
    longest = max(sets, key=len)
    for labels in sets:
        if labels != longest[: len(labels)]:
            raise BadInput(
                f"The questions are of two kinds, with the labels {', '.join(longest)} and {', '.join(labels)}, and a figure "
                "over both would mean neither. Evaluate each kind into an --out of its own."
            )
    return longest


def key_counts(questions: Sequence[Question], labels: Labels) -> FloatArray:
    """How often each label is the key, shape (labels,), and one more each: a label that never was can still be it."""
    counts = np.ones(len(labels))
    for question in questions:
        if labels_of(question) == labels[: len(question.options)]:
            counts[labels.index(question.key)] += 1
    return counts


def curve_of(name: str, predictions: Sequence[Prediction]) -> Curve | None:
    """A method's line in the pictures, None where it gives no probabilities."""
    sure = [(max(one.probabilities), one.correct) for one in predictions if one.probabilities is not None]
    if not sure:
        return None
    confidence, correct = zip(*sure, strict=True)
    return Curve(name, np.array(confidence, dtype=np.float64).clip(0, 1), np.array(correct, dtype=np.bool_))


def choices(predictions: Sequence[Prediction]) -> tuple[IntArray, IntArray]:
    """Truth and choice as indices of LABELS, shape (n,) each, -1 where the answer was invalid."""
    return _index([one.truth for one in predictions]), _index([one.choice for one in predictions])


def by_group(predictions: Sequence[Prediction], name: str) -> dict[str, dict[str, float]]:
    """Accuracy with its interval for each subject, system or step that has LEAST questions and more."""
    groups: dict[str, list[bool]] = {}
    for one in predictions:
        groups.setdefault(getattr(one, name), []).append(one.correct)
    found = {}
    for group, correct in sorted(groups.items()):
        if group and len(correct) >= LEAST:
            low, high = wilson(sum(correct), len(correct))
            found[group] = {
                "n": len(correct),
                "accuracy": sum(correct) / len(correct),
                "accuracy_low": low,
                "accuracy_high": high,
            }
    return found


def flips(predictions: Sequence[Prediction]) -> dict[str, float | None]:
    """Shares of questions whose chosen option changes under their permutation: of the uncalibrated and of the final choices.

    None where nothing was permuted, because the method looks at no option.
    """
    if not all(one.permuted for one in predictions):
        return {"flips": None, "flips_calibrated": None}
    columns = zip(
        *((one.choice_uncalibrated, one.choice_permuted, one.choice, one.choice_permuted_calibrated) for one in predictions),
        strict=True,
    )
    before, before_permuted, after, after_permuted = (_index(column) for column in columns)
    return {"flips": share_of_flips(before, before_permuted), "flips_calibrated": share_of_flips(after, after_permuted)}


def conformal(predictions: Sequence[Prediction], record: EciRecord | None, mode: Mode) -> dict[str, Any]:
    """Coverage and mean size of the answer sets, over the questions whose label set has a threshold, and what it claims."""
    sets, truths, words = [], [], set()
    for one in predictions:
        threshold = record.threshold(one.labels, mode) if record is not None else None
        if threshold is None or one.probabilities is None:
            continue
        sets.append(conformal_set(np.array(one.probabilities), threshold))
        truths.append(one.labels.index(one.truth))
        of = f"{threshold.name} (n = {threshold.n})"
        words.add(f"{100 * threshold.level:.0f} % on {of}" if threshold.claims_coverage else f"none: {of} has too few rows")
    held, size = coverage_and_size(sets, np.array(truths)) if sets else (None, None)
    return {
        "conformal_coverage": held,
        "conformal_size": size,
        "conformal_n": len(sets),
        "conformal_claim": "; ".join(sorted(words)) or None,
    }


def _index(labels: Sequence[str | None]) -> IntArray:
    return np.array([INVALID if label is None else LABELS.index(label) for label in labels], dtype=np.int64)


def _places(predictions: Sequence[Prediction], labels: Labels) -> IntArray:
    places = [INVALID if one.choice is None else labels.index(one.choice) for one in predictions]
    return np.array(places, dtype=np.int64)


def _padded(rows: Sequence[Sequence[float]], width: int) -> FloatArray:
    return np.array([[*row, *(0.0,) * (width - len(row))] for row in rows], dtype=np.float64)
