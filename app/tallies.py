"""What attempts add up to, by system, day, confidence and so on: sums that can be kept, added to and taken back. Pure.

One definition serves the sums that the database keeps as answers come and the sums of one session that are made when asked
for, so both always say the same.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from app.records import Attempt

BINS = 10  # of the model's probability, each a tenth wide
SLOWEST = 600  # seconds; longer times count as this one in the distribution


class Dimension(enum.StrEnum):
    """What attempts are counted by. Under LEARNER_* ``said`` is the learner's stated probability, under MODEL_* the model's of
    its own choice, whose being the key is then what ``correct`` counts; only readings with earned skill, or none, see MODEL_*."""

    SYSTEM = "system"
    SUBJECT = "subject"
    STEP = "step"
    DIFFICULTY = "difficulty"
    CONFIDENCE = "confidence"
    MISS = "miss"
    DAY = "day"
    SECONDS = "seconds"
    MODEL = "model"  # name: the model's name, then "/earned" or "/unearned"
    MODEL_BIN = "model bin"  # name: model/earned/number of the tenth
    MODEL_SYSTEM = "model system"  # name: model/earned/system


@dataclass(frozen=True)
class Sums:
    """``seconds``, ``said`` (stated probabilities) and ``error`` (squared distances of those to the truth) are totals."""

    n: int = 0
    correct: int = 0
    seconds: float = 0.0
    said: float = 0.0
    error: float = 0.0

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        return Sums(
            self.n + sign * other.n,
            self.correct + sign * other.correct,
            self.seconds + sign * other.seconds,
            self.said + sign * other.said,
            self.error + sign * other.error,
        )


Tallies = Mapping[Dimension, Mapping[str, Sums]]


def parts(attempt: Attempt) -> Iterator[tuple[Dimension, str, Sums]]:
    """What one attempt adds, and where."""
    said = attempt.confidence.said(attempt.options)
    learner = _sums(attempt.correct, attempt.seconds, said)
    topic = attempt.topic
    for dimension, name in (
        (Dimension.SYSTEM, topic.system),
        (Dimension.SUBJECT, topic.subject),
        (Dimension.STEP, topic.step),
        (Dimension.DIFFICULTY, topic.difficulty),
        (Dimension.CONFIDENCE, attempt.confidence.value),
        (Dimension.DAY, attempt.when.date().isoformat()),
        (Dimension.SECONDS, str(min(round(attempt.seconds), SLOWEST))),
    ):
        yield dimension, name, learner
    if not attempt.correct:
        yield Dimension.MISS, attempt.miss.value if attempt.miss else "", learner
    if attempt.model is not None:
        view = attempt.model
        model = _sums(view.choice == attempt.key, 0.0, view.probability)
        name = f"{view.model}/{'earned' if view.earned else 'unearned'}"
        yield Dimension.MODEL, name, model
        yield Dimension.MODEL_BIN, f"{name}/{min(int(view.probability * BINS), BINS - 1)}", model
        yield Dimension.MODEL_SYSTEM, f"{name}/{topic.system}", model


def tally(attempts: Iterable[Attempt]) -> Tallies:
    """The sums of these attempts."""
    found: dict[Dimension, dict[str, Sums]] = defaultdict(dict)
    for attempt in attempts:
        for dimension, name, sums in parts(attempt):
            found[dimension][name] = found[dimension].get(name, Sums()).plus(sums)
    return found


def _sums(correct: bool, seconds: float, said: float) -> Sums:
    return Sums(1, int(correct), seconds, said, (said - correct) ** 2)
