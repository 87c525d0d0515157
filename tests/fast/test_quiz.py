"""Rounds of practice on the real bank, a real database and the fake engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.calibration import Calibration, EciRecord, Threshold
from app.earned import ALL, DataSet, Ledger, Measurement, Skill, skill_figures
from app.engine.base import LabelRequest
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, Conflict, EngineError, NotFound
from app.prompts import prompt_digest
from app.questions import Bank
from app.quiz import Quiz, read_many, read_options, tally_by_confidence, tally_by_system
from app.readings import form_of
from app.records import Confidence, Question
from app.store import Store
from app.ui.practise_routes import readout_json


@pytest.fixture
def visitor(store: Store) -> int:
    return store.visitor("v" * 43)


@pytest.fixture
def quiz(bank: Bank, store: Store, engine: FakeEngine) -> Quiz:
    return Quiz(bank, store, engine, seed=1)


def commit(quiz: Quiz, visitor: int, chosen: str | None = None, **more: object) -> str:
    """Answers the current question, rightly unless told otherwise; returns its id."""
    progress = quiz.progress(visitor)
    question = quiz.question(progress.current)
    values = {"round_id": progress.round.id, "confidence": "sure", "seconds": 30.0, **more}
    quiz.commit(visitor, question.id, chosen=chosen or question.key, **values)  # type: ignore[arg-type]
    return question.id


def test_a_round_holds_every_question_of_the_bank_once(quiz: Quiz, bank: Bank, visitor: int) -> None:
    progress = quiz.progress(visitor)
    assert sorted(q.id for q in progress.questions) == sorted(q.id for q in bank.questions)


def test_the_round_goes_on_at_the_first_open_question_after_a_restart(
    quiz: Quiz, bank: Bank, store: Store, engine: FakeEngine, visitor: int
) -> None:
    first = commit(quiz, visitor)
    again = Quiz(bank, store, engine).progress(visitor)
    assert first in again.attempts
    assert again.current == again.questions[1].id
    assert [q.id for q in again.questions] == [q.id for q in quiz.progress(visitor).questions]


def test_committing_twice_keeps_the_first_answer(quiz: Quiz, visitor: int) -> None:
    progress = quiz.progress(visitor)
    question = quiz.question(progress.current)
    wrong = next(letter for letter in question.options if letter != question.key)
    answers = [
        quiz.commit(visitor, question.id, round_id=progress.round.id, chosen=chosen, confidence="guess", seconds=1.0)
        for chosen in (wrong, question.key)
    ]
    assert [answer.chosen for answer in answers] == [wrong, wrong]


def test_a_new_round_is_unanswered_and_the_old_attempts_stay(quiz: Quiz, store: Store, visitor: int) -> None:
    first = commit(quiz, visitor)
    old = quiz.progress(visitor).round
    new = quiz.new_round(visitor)
    assert new.attempts == {}
    assert new.round.number == old.number + 1
    assert first in store.attempts(visitor, old.id)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"chosen": "Z"}, "expected one of A"),
        ({"confidence": "certain"}, "expected guess, unsure or sure"),
        ({"seconds": -1.0}, "expected 0 to"),
        ({"seconds": float("nan")}, "expected 0 to"),
        ({"struck": ["Q"]}, "expected one of A"),
    ],
)
def test_an_impossible_answer_is_refused_with_what_was_expected(
    quiz: Quiz, visitor: int, wrong: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        commit(quiz, visitor, **wrong)  # type: ignore[arg-type]
    assert quiz.progress(visitor).attempts == {}


def test_a_round_of_another_visitor_takes_no_answer(quiz: Quiz, store: Store, visitor: int) -> None:
    theirs = quiz.progress(store.visitor("w" * 43)).round.id
    with pytest.raises(NotFound):
        commit(quiz, visitor, round_id=theirs)


def test_the_models_reading_is_withheld_until_the_learner_has_committed(quiz: Quiz, visitor: int) -> None:
    current = quiz.progress(visitor).current
    with pytest.raises(Conflict, match="commit"):
        quiz.readout_after_commit(visitor, current)
    assert commit(quiz, visitor) == current
    readout = quiz.readout_after_commit(visitor, current)
    assert set(readout.probabilities) == set(quiz.question(current).options)
    assert sum(readout.probabilities.values()) == pytest.approx(1)
    assert readout.calibration == "uncalibrated"


def test_the_answer_set_is_the_smallest_with_nine_tenths_of_the_mass(engine: FakeEngine, bank: Bank) -> None:
    for question in bank.questions:
        readout = read_options(engine, question)
        inside = sum(readout.probabilities[letter] for letter in readout.answer_set)
        least = min(readout.probabilities[letter] for letter in readout.answer_set)
        assert inside >= readout.mass - 1e-9 > inside - least - 1e-9
        assert readout.sure is (len(readout.answer_set) == 1)


class CountingEngine(FakeEngine):
    """Counts what it is asked; with ``favour`` it looks at the letters alone."""

    def __init__(self, *, favour: bool = False) -> None:
        super().__init__()
        self.favour = favour
        self.asked: list[int] = []

    def label_scores(self, requests: Sequence[LabelRequest]) -> list[np.ndarray]:
        self.asked.append(len(requests))
        if not self.favour:
            return super().label_scores(requests)
        return [np.array([7.0 if label == "B" else 0.0 for label in request.labels]) for request in requests]


def test_many_questions_are_read_in_one_call_and_each_as_if_alone(bank: Bank) -> None:
    engine = CountingEngine()
    together = read_many(engine, bank.questions[:5])
    assert engine.asked == [5]
    assert together == [read_options(engine, question) for question in bank.questions[:5]]


def test_no_questions_need_no_words(engine: FakeEngine) -> None:
    assert read_many(engine, []) == []


def test_the_careful_reading_asks_every_order_of_every_question_in_one_call(bank: Bank) -> None:
    engine = CountingEngine()
    questions = bank.questions[:3]
    readouts = read_many(engine, questions, careful=True)
    assert engine.asked == [sum(len(question.options) for question in questions)]
    assert [readout.orders for readout in readouts] == [len(question.options) for question in questions]
    assert readouts[1] == read_options(engine, questions[1], careful=True)


def test_the_careful_reading_does_not_follow_a_favourite_letter(bank: Bank) -> None:
    engine = CountingEngine(favour=True)
    question = bank.questions[0]
    fast, careful = read_options(engine, question), read_options(engine, question, careful=True)
    assert fast.answer_set == ("B",)
    assert list(careful.probabilities.values()) == pytest.approx([1 / len(question.options)] * len(question.options))


def test_the_careful_reading_of_a_text_is_the_same_whatever_letter_it_stands_at(engine: FakeEngine, bank: Bank) -> None:
    question = bank.questions[0]
    letters = tuple(question.options)
    first = read_options(engine, question, careful=True).probabilities
    for turn in range(1, len(letters)):
        turned = question.in_order([*range(turn, len(letters)), *range(turn)])
        shares = read_options(engine, turned, careful=True).probabilities
        by_text = {turned.options[letter]: share for letter, share in shares.items()}
        assert by_text == pytest.approx({question.options[letter]: share for letter, share in first.items()})


def test_a_question_in_another_order_keeps_its_right_answer_and_its_explanations(bank: Bank) -> None:
    for question in bank.questions:
        order = list(reversed(range(len(question.options))))
        turned = question.in_order(order)
        assert list(turned.options) == list(question.options)
        assert turned.options[turned.key] == question.options[question.key]
        assert turned.explanations[turned.key] == question.explanations[question.key]
        assert turned.in_order(order) == question


@pytest.mark.parametrize("order", [[], [0, 1], [0, 0, 1], [1, 2, 3], [0, 1, 2, 3]])
def test_what_is_no_order_of_the_options_is_refused(order: list[int]) -> None:
    question = Question(id="q", stem="Which?", options={"A": "one", "B": "two", "C": "three"}, key="A")
    with pytest.raises(ValueError, match="each of 0 to 2 once"):
        question.in_order(order)


def test_practice_goes_on_while_there_is_no_model(quiz: Quiz, engine: FakeEngine, visitor: int) -> None:
    engine.failure = "The model file is missing."
    identity = commit(quiz, visitor)
    with pytest.raises(EngineError, match="missing"):
        quiz.readout_after_commit(visitor, identity)


def test_results_count_every_system_and_confidence(quiz: Quiz, visitor: int) -> None:
    right = quiz.question(commit(quiz, visitor))
    wrong = quiz.question(quiz.progress(visitor).current)
    commit(quiz, visitor, chosen=next(x for x in wrong.options if x != wrong.key), confidence="guess")
    progress = quiz.progress(visitor)
    by_system = {tally.name: tally for tally in tally_by_system(progress)}
    assert sum(t.answered for t in by_system.values()) == 2
    assert by_system[right.system].correct >= 1
    by_confidence = {tally.name: (tally.answered, tally.correct) for tally in tally_by_confidence(progress)}
    assert by_confidence == {Confidence.GUESS: (1, 0), Confidence.UNSURE: (0, 0), Confidence.SURE: (1, 1)}


def test_hints_come_one_by_one_and_no_further_than_there_are(quiz: Quiz, visitor: int) -> None:
    current = quiz.progress(visitor).current
    hints = [quiz.hint(current, number) for number in (1, 2, 3)]
    assert len(set(hints)) == 3
    for number in (0, 4):
        with pytest.raises(NotFound):
            quiz.hint(current, number)


def test_a_bank_that_changed_since_the_round_began_still_opens(
    bank: Bank, store: Store, engine: FakeEngine, visitor: int
) -> None:
    Quiz(Bank(bank.questions[:10]), store, engine, seed=1).progress(visitor)
    progress = Quiz(Bank(bank.questions[5:12]), store, engine).progress(visitor)
    assert {q.id for q in progress.questions} == {q.id for q in bank.questions[5:12]}


# What was measured of the model


MEASURED = replace(FAKE_INFO, digest="ab" * 32)
FIVE = ("A", "B", "C", "D", "E")


def keep_measured(folder: Path, *skills: Skill, rows: int = 400) -> Ledger:
    """A ledger with one measurement: a flat calibration fitted on ``rows`` and a threshold of as many that keeps two options."""
    assert MEASURED.eci is not None
    tokens = MEASURED.eci.token_ids
    record = EciRecord(
        labels=tuple(tokens),
        token_ids=tuple(tokens.values()),
        prompt_digest=prompt_digest(form_of(MEASURED)),
        calibrations=(Calibration(FIVE, "fast", 0.5, (0.0,) * 5, rows, "exam"),),
        thresholds=(Threshold(FIVE, "fast", 0.9, 1.0, rows, "exam"),),
        skill=skill_figures(skills),
    )
    ledger = Ledger(folder)
    sets = (DataSet("exam", "d" * 64, 2 * rows),)
    measurement = Measurement(
        digest=MEASURED.digest,
        model="Fake",
        sets=sets,
        finished="2026-11-21",
        command="",
        machine="",
        modes=("fast",),
        record=record,
    )
    ledger.put(measurement)
    return ledger


def measured_readout(bank: Bank, store: Store, ledger: Ledger, visitor: int, *, careful: bool = False) -> dict[str, object]:
    quiz = Quiz(bank, store, FakeEngine(info=MEASURED), ledger=ledger, seed=1)
    return readout_json(quiz.readout_after_commit(visitor, commit(quiz, visitor), careful=careful))


def of_every_system(bank: Bank, n: int, correct: int) -> list[Skill]:
    return [Skill(system, "fast", n, correct, 0.2) for system in {question.system for question in bank.questions}]


def test_earned_skill_stands_beside_calibrated_probabilities(bank: Bank, store: Store, visitor: int, tmp_path: Path) -> None:
    ledger = keep_measured(tmp_path, Skill(ALL, "fast", 800, 400, 0.2), *of_every_system(bank, 120, 73))
    shown = measured_readout(bank, store, ledger, visitor)
    assert (shown["measured"], shown["earned"]) == (True, True)
    assert str(shown["skill"]).startswith("right in 61 % of ")
    assert shown["calibration"] == "calibrated on exam (n = 400)"
    assert shown["coverage"] == 0.9
    assert len(shown["answer_set"]) == 5  # type: ignore[arg-type]
    assert shown["note"] == (
        "Read off in one pass. Measured on this machine on exam (n = 800), 2026-11-21. "
        "Answer sets like this one hold the key in 90 % of questions like those."
    )


def test_calibrated_probabilities_are_those_of_the_measurement(bank: Bank, tmp_path: Path) -> None:
    engine, question = FakeEngine(info=MEASURED), bank.questions[0]
    plain = np.array(list(read_options(engine, question).probabilities.values()))
    shown = read_options(engine, question, ledger=keep_measured(tmp_path)).probabilities
    assert list(shown) == list(question.options)
    assert list(shown.values()) == pytest.approx(list(np.sqrt(plain) / np.sqrt(plain).sum()))


def test_skill_within_chance_is_told_as_none(bank: Bank, store: Store, visitor: int, tmp_path: Path) -> None:
    shown = measured_readout(bank, store, keep_measured(tmp_path, *of_every_system(bank, 20, 6)), visitor)
    assert (shown["measured"], shown["earned"]) == (True, False)
    assert str(shown["skill"]).startswith("no measured skill in ")
    assert str(shown["skill"]).endswith("(n = 20)")


def test_few_rows_claim_no_coverage(bank: Bank, store: Store, visitor: int, tmp_path: Path) -> None:
    ledger = keep_measured(tmp_path, Skill(ALL, "fast", 72, 50, 0.25), *of_every_system(bank, 6, 6), rows=36)
    shown = measured_readout(bank, store, ledger, visitor)
    assert shown["coverage"] is None
    assert "right in 69 % of all questions measured (n = 72); too few of " in str(shown["skill"])


def test_a_mode_that_was_not_measured_is_uncalibrated_and_folded_where_the_other_showed_no_skill(
    bank: Bank, store: Store, visitor: int, tmp_path: Path
) -> None:
    shown = measured_readout(bank, store, keep_measured(tmp_path, *of_every_system(bank, 20, 6)), visitor, careful=True)
    assert (shown["measured"], shown["earned"]) == (True, False)
    assert str(shown["skill"]).endswith("(n = 20) when read in one pass")
    assert (shown["calibration"], shown["coverage"]) == ("uncalibrated", None)


def test_a_model_that_nobody_measured_is_as_it_was(bank: Bank, store: Store, visitor: int, tmp_path: Path) -> None:
    shown = measured_readout(bank, store, Ledger(tmp_path), visitor)
    assert (shown["measured"], shown["earned"], shown["skill"]) == (False, False, "")
    assert shown["calibration"] == "uncalibrated"
    assert "not calibrated" in str(shown["note"])
