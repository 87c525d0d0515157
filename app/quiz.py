"""One round of practice: choose -> show -> commit -> grade -> keep, and the model's reading of a question. No page.

A question's key, explanations and the model's reading leave this module only after the learner has committed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from app.calibration import Mode, read
from app.earned import Earned, Ledger, earned
from app.eci import ANSWER_SET_MASS
from app.engine.base import Engine
from app.engine.switch import held
from app.errors import BadInput, Conflict, NotFound
from app.questions import Bank
from app.readings import Scores, form_of, labels_of, read_scores
from app.records import Attempt, Confidence, Question, Round
from app.store import Store

MAX_SECONDS = 24 * 3600.0


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


@dataclass(frozen=True)
class Progress:
    """A round as its grid shows it: the questions in order, the attempts made, the flags, and where to go on."""

    round: Round
    questions: tuple[Question, ...]
    attempts: dict[str, Attempt]
    flags: frozenset[str]

    @property
    def current(self) -> str:
        """The first question that is not answered; the first of all when none is left."""
        open_ones = [question.id for question in self.questions if question.id not in self.attempts]
        return open_ones[0] if open_ones else self.questions[0].id


@dataclass(frozen=True)
class Tally:
    """How many questions of a kind there are, were answered, and were right."""

    name: str
    total: int
    answered: int
    correct: int


class Quiz:
    """The bank, and every visitor's rounds through it."""

    def __init__(
        self, bank: Bank, store: Store, engine: Engine, *, ledger: Ledger | None = None, seed: int | None = None
    ) -> None:
        """``ledger``: what was measured of models; none by default. ``seed`` fixes the order of rounds, for tests; without it
        every round has an order of its own."""
        self._questions = {question.id: question for question in bank.questions}
        self._store = store
        self._engine = engine
        self._ledger = ledger
        self._random = random.Random(seed)

    def progress(self, visitor: int) -> Progress:
        """The visitor's current round, begun where there is none yet."""
        current = self._store.current_round(visitor) or self._begin(visitor, 1)
        return self._progress(visitor, current)

    def new_round(self, visitor: int) -> Progress:
        """A further round; the attempts of earlier ones stay kept."""
        current = self._store.current_round(visitor)
        return self._progress(visitor, self._begin(visitor, current.number + 1 if current else 1))

    def question(self, identity: str) -> Question:
        """Raises NotFound when the bank does not have it."""
        found = self._questions.get(identity)
        if found is None:
            raise NotFound(f"The bank has no question {identity!r:.60}. Choose another in the grid.")
        return found

    def hint(self, identity: str, number: int) -> str:
        """Hint ``number``, from 1, of growing strength."""
        hints = self.question(identity).hints
        if not 1 <= number <= len(hints):
            raise NotFound(f"There is no hint {number}; this question has {len(hints)}.")
        return hints[number - 1]

    def commit(
        self,
        visitor: int,
        identity: str,
        *,
        round_id: str,
        chosen: str,
        confidence: str,
        seconds: float,
        hints: int = 0,
        struck: Sequence[str] = (),
    ) -> Attempt:
        """Grades and keeps an answer. Committing again, from any page, gives the first one back.

        Raises:
            BadInput: a letter, confidence or time that cannot be.
            NotFound: no such question or round.
        """
        question = self.question(identity)
        for letter in (chosen, *struck):
            if letter not in question.options:
                raise BadInput(f"{letter!r:.20} is no option of this question; expected one of {', '.join(question.options)}.")
        if confidence not in list(Confidence):
            raise BadInput(f"The confidence is {confidence!r:.20}; expected guess, unsure or sure.")
        if not 0 <= seconds <= MAX_SECONDS:
            raise BadInput(f"The time is {seconds} seconds; expected 0 to {MAX_SECONDS:.0f}.")
        attempt = Attempt(
            question=identity,
            chosen=chosen,
            key=question.key,
            confidence=Confidence(confidence),
            seconds=seconds,
            hints=max(0, min(hints, len(question.hints))),
            struck=tuple(sorted(set(struck))),
        )
        return self._store.add_attempt(visitor, round_id, attempt)

    def attempt(self, visitor: int, identity: str) -> Attempt | None:
        """The attempt at a question in the current round."""
        current = self._store.current_round(visitor)
        return self._store.attempts(visitor, current.id).get(identity) if current else None

    def readout_after_commit(self, visitor: int, identity: str, *, careful: bool = False) -> Readout:
        """The model's reading, for a learner who has committed; ``careful`` as in ``read_many``.

        Raises:
            Conflict: not committed yet.
            EngineError: there is no model, or it has no labels.
        """
        question = self.question(identity)
        if self.attempt(visitor, identity) is None:
            raise Conflict("The model's reading is shown after you commit an answer. Choose an option and press Enter.")
        return self.read(question, careful=careful)

    def read(self, question: Question, *, careful: bool = False) -> Readout:
        """Any question read as by ``read_many``, with what was measured of the model."""
        return read_options(self._engine, question, careful=careful, ledger=self._ledger)

    def set_flag(self, visitor: int, identity: str, flagged: bool) -> None:
        self._store.set_flag(visitor, self.question(identity).id, flagged)

    def _begin(self, visitor: int, number: int) -> Round:
        order = list(self._questions)
        self._random.shuffle(order)
        return self._store.add_round(visitor, number, order)

    def _progress(self, visitor: int, current: Round) -> Progress:
        # A question may have left the bank since the round began, or joined it: those come last.
        known = [identity for identity in current.order if identity in self._questions]
        known += [identity for identity in self._questions if identity not in set(known)]
        if not known:
            raise NotFound("The question bank is empty. Put question files (*.jsonl) into assets/bank and start again.")
        attempts = self._store.attempts(visitor, current.id)
        flags = frozenset(self._store.flags(visitor))
        return Progress(current, tuple(self._questions[identity] for identity in known), attempts, flags)


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


def tally_by_system(progress: Progress) -> list[Tally]:
    systems = sorted({question.system for question in progress.questions})
    return [
        _tally(system, [question for question in progress.questions if question.system == system], progress.attempts)
        for system in systems
    ]


def tally_by_confidence(progress: Progress) -> list[Tally]:
    return [_tally(level.value, _at(level, progress), progress.attempts) for level in Confidence]


def _at(level: Confidence, progress: Progress) -> list[Question]:
    attempts = progress.attempts
    return [question for question in progress.questions if question.id in attempts and attempts[question.id].confidence is level]


def _tally(name: str, questions: Sequence[Question], attempts: dict[str, Attempt]) -> Tally:
    made = [attempts[question.id] for question in questions if question.id in attempts]
    return Tally(name, len(questions), len(made), sum(attempt.correct for attempt in made))
