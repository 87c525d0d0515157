"""A model's reading of questions: the probability of each option, and what was measured of such probabilities. No page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.calibration import Mode, read
from app.earned import Earned, Ledger, earned
from app.eci import ANSWER_SET_MASS
from app.engine.base import Engine
from app.engine.switch import held
from app.readings import Scores, form_of, labels_of, read_scores
from app.records import Question


@dataclass(frozen=True)
class Readout:
    """The model's probability for each option, and what was measured of such probabilities.

    Attributes:
        answer_set: the fewest options with ``mass`` of the probability; where ``coverage`` is claimed, the conformal set, which
            holds the key in that share of questions like those that it was fitted on.
        calibration: names what the figures were calibrated on, or begins with "uncalibrated".
        orders: of how many orders of the options it is the mean; 1 is one pass over the question as it stands.
        skill: the sentence on how often the model was right in the question's system, "" where this way of reading was not
            measured. earned: that is better than chance; without it the probabilities are folded away, unless nobody measured.
        source: who measured what, or that nobody has.
    """

    probabilities: dict[str, float]
    answer_set: tuple[str, ...]
    mass: float
    calibration: str
    model: str
    orders: int = 1
    coverage: float | None = None
    skill: str = ""
    earned: bool = False
    source: str = ""

    @property
    def sure(self) -> bool:
        return len(self.answer_set) == 1

    @property
    def choice(self) -> str:
        """The likeliest option."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])


def read_options(engine: Engine, question: Question, *, careful: bool = False, ledger: Ledger | None = None) -> Readout:
    """One question read as by ``read_many``."""
    return read_many(engine, [question], careful=careful, ledger=ledger)[0]


def read_many(
    engine: Engine, questions: Sequence[Question], *, careful: bool = False, ledger: Ledger | None = None
) -> list[Readout]:
    """The model's probability for each option of each question, in one call of the engine and without generating text.

    One prefill a question; with ``careful`` one for each cyclic order of its options, and their mean (`app.eci`), which no
    fondness of the model for a letter can move. Calibrated by what counts for the model (`app.earned.earned`), where that has
    the question's labels in this mode.

    Raises:
        EngineError: there is no model, or it has no labels.
    """
    mode: Mode = "careful" if careful else "fast"
    with held(engine) as one:
        info = one.info()
        scores = read_scores(one.label_scores, form_of(info), questions, careful=careful)
    counts = earned(info, ledger)
    return [_readout(info.name, question, each, mode, counts) for question, each in zip(questions, scores, strict=True)]


def _readout(model: str, question: Question, scores: Scores, mode: Mode, counts: Earned) -> Readout:
    labels, row, record = labels_of(question), scores.of(mode), counts.record
    assert row is not None  # it was read in this mode
    calibration, threshold = (record.calibration(labels, mode), record.threshold(labels, mode)) if record else (None, None)
    reading = read(row, calibration, threshold)
    by_label = dict(zip(labels, reading.probabilities.tolist(), strict=True))
    skill = counts.skill(question, mode)
    return Readout(
        probabilities={label: by_label[label] for label in question.options},
        answer_set=tuple(labels[place] for place in reading.answer_set),
        mass=ANSWER_SET_MASS,
        calibration=reading.calibration,
        model=model,
        orders=len(labels) if mode == "careful" else 1,
        coverage=reading.coverage,
        skill=counts.words(question, mode),
        earned=skill is not None and skill.earned,
        source=counts.sentence,
    )
