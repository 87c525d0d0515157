"""Practice on the real bank, a real database and the fake engine: what is chosen, answered, counted, and what a model reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.calibration import Calibration, EciRecord, Threshold
from app.database import Database
from app.earned import ALL, DataSet, Ledger, Measurement, Skill, skill_figures
from app.engine.base import LabelRequest
from app.engine.fake import FAKE_INFO, FakeEngine
from app.errors import BadInput, Conflict, EngineError, NotFound
from app.own_store import OwnStore
from app.prompts import prompt_digest
from app.questions import Bank
from app.quiz import Opened, Quiz
from app.readings import form_of
from app.readout import Readout, read_many, read_options
from app.records import Attempt, Confidence, Miss, Mode, ModelView, Question
from app.review import review_all, review_session
from app.sessions import Asked, Selection, Source
from app.tallies import Dimension, tally
from app.ui.practise_routes import agreement, opened_readout_json
from tests.conftest import Clock, quiz_on


@pytest.fixture
def session(quiz: Quiz, visitor: int) -> str:
    return quiz.begin(visitor, Selection(count=5)).session.id


def question_at(quiz: Quiz, visitor: int, session: str, position: int = 1) -> Question:
    return quiz.deck.question(visitor, quiz.progress(visitor, session).items[position - 1].question)


def wrong_letter(question: Question) -> str:
    return next(letter for letter in question.options if letter != question.key)


def commit(quiz: Quiz, visitor: int, session: str, position: int = 1, *, right: bool = True, **more: object) -> Opened:
    """Answers an item, rightly unless told otherwise."""
    question = question_at(quiz, visitor, session, position)
    values = {"chosen": question.key if right else wrong_letter(question), "confidence": "sure", "seconds": 30.0, **more}
    return quiz.commit(visitor, session, position, **values)  # type: ignore[arg-type]


def answer_all(quiz: Quiz, visitor: int, session: str, *, right: bool) -> list[str]:
    """Commits every item; answers with the questions in order."""
    items = quiz.progress(visitor, session).items
    for item in items:
        commit(quiz, visitor, session, item.position, right=right)
    return [item.question for item in items]


def all_attempts(quiz: Quiz, visitor: int, *sessions: str) -> list[Attempt]:
    return [attempt for session in sessions for attempt in quiz.practice.attempts(visitor, session).values()]


# Answering


def test_a_session_goes_on_at_the_first_open_item_after_a_restart(
    quiz: Quiz, bank: Bank, database: Database, visitor: int, session: str
) -> None:
    commit(quiz, visitor, session)
    again = quiz_on(database, bank, FakeEngine()).progress(visitor, session)
    assert (set(again.attempts), again.current) == ({1}, 2)
    assert again.items == quiz.progress(visitor, session).items


def test_committing_twice_keeps_the_first_answer(quiz: Quiz, visitor: int, session: str) -> None:
    first = commit(quiz, visitor, session, right=False, confidence="guess")
    second = commit(quiz, visitor, session, right=True, confidence="sure", struck=["A"])
    assert first.attempt == second.attempt
    assert first.attempt is not None and not first.attempt.correct
    tallies = quiz.practice.tallies(visitor)
    assert tallies[Dimension.CONFIDENCE]["guess"].n == 1
    assert "sure" not in tallies[Dimension.CONFIDENCE]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"chosen": "Z"}, "expected one of A"),
        ({"confidence": "certain"}, "expected guess, unsure or sure"),
        ({"seconds": -1.0}, "expected 0 to"),
        ({"seconds": float("nan")}, "expected 0 to"),
        ({"seconds": float("inf")}, "expected 0 to"),
        ({"struck": ["Q"]}, "expected one of A"),
    ],
)
def test_an_impossible_answer_is_refused_with_what_was_expected(
    quiz: Quiz, visitor: int, session: str, wrong: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        commit(quiz, visitor, session, **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=sentence):
        quiz.keep(visitor, session, 1, **wrong)  # type: ignore[arg-type]
    progress = quiz.progress(visitor, session)
    assert progress.attempts == {}
    assert progress.items[0].seconds == 0.0


@pytest.mark.parametrize("spans", [[(-1, 2)], [(3, 3)], [(4, 2)], [(0, 2_000_000)], [(n, n + 1) for n in range(201)]])
def test_highlights_that_are_no_stretches_of_text_are_refused(
    quiz: Quiz, visitor: int, session: str, spans: list[tuple[int, int]]
) -> None:
    with pytest.raises(BadInput, match="stretches"):
        quiz.keep(visitor, session, 1, highlights=spans)


def test_highlights_and_strikes_are_kept_in_order_and_highlights_after_the_answer_too(
    quiz: Quiz, visitor: int, session: str
) -> None:
    quiz.keep(visitor, session, 1, highlights=[(9, 12), (0, 4)], struck=["C", "A", "C"])
    item = quiz.open(visitor, session, 1).item
    assert (item.highlights, item.struck) == (((0, 4), (9, 12)), ("A", "C"))
    commit(quiz, visitor, session, struck=["B"])
    quiz.keep(visitor, session, 1, highlights=[(1, 2)], seconds=0.0)
    opened = quiz.open(visitor, session, 1)
    assert opened.item.highlights == ((1, 2),)
    assert opened.attempt is not None and opened.attempt.struck == ("B",)
    for change in ({"seconds": 1.0}, {"chosen": "A"}, {"struck": ["A"]}):
        with pytest.raises(Conflict, match="answered already"):
            quiz.keep(visitor, session, 1, **change)  # type: ignore[arg-type]


def test_only_a_wrong_answer_has_a_kind_of_miss_and_it_can_be_taken_back(quiz: Quiz, visitor: int, session: str) -> None:
    with pytest.raises(Conflict, match="Answer the item first"):
        quiz.name_miss(visitor, session, 1, "misread")
    commit(quiz, visitor, session, 1, right=True)
    commit(quiz, visitor, session, 2, right=False)
    with pytest.raises(Conflict, match="Only a wrong answer"):
        quiz.name_miss(visitor, session, 1, "misread")
    with pytest.raises(BadInput, match="expected one of knowledge, misread, reasoning, time"):
        quiz.name_miss(visitor, session, 2, "laziness")
    for kind in ("misread", "time", ""):
        quiz.name_miss(visitor, session, 2, kind)
        attempt = quiz.open(visitor, session, 2).attempt
        assert attempt is not None and attempt.miss == (Miss(kind) if kind else None)
        assert {name: sums.n for name, sums in quiz.practice.tallies(visitor)[Dimension.MISS].items()} == {kind: 1}


def test_notes_and_flags_belong_to_the_question_and_outlive_the_session(quiz: Quiz, visitor: int, session: str) -> None:
    question = question_at(quiz, visitor, session).id
    quiz.set_flag(visitor, question, True)
    quiz.set_note(visitor, question, "  Look this up.  ")
    quiz.end(visitor, session)
    again = quiz.begin(visitor, Selection(count=1, statuses=(Asked.FLAGGED,)))
    opened = quiz.open(visitor, again.session.id, 1)
    assert (opened.question.id, opened.flagged, opened.note) == (question, True, "Look this up.")
    with pytest.raises(BadInput, match=r"4,001 characters; at most 4,000"):
        quiz.set_note(visitor, question, "x" * 4001)
    for call in (lambda: quiz.set_flag(visitor, "none-such", True), lambda: quiz.set_note(visitor, "none-such", "x")):
        with pytest.raises(NotFound, match="no question 'none-such'"):
            call()


# Time


def test_time_in_view_adds_up_and_never_exceeds_what_has_passed(quiz: Quiz, visitor: int, session: str, clock: Clock) -> None:
    clock.move(15)
    assert quiz.keep(visitor, session, 1, seconds=15).seconds == 15
    clock.move(10)
    assert quiz.keep(visitor, session, 1, seconds=4).seconds == 19
    clock.move(5)
    assert quiz.keep(visitor, session, 1, seconds=3600).seconds == 24
    clock.move(6)
    opened = commit(quiz, visitor, session, seconds=6)
    assert opened.attempt is not None and opened.attempt.seconds == 30


def test_two_pages_that_report_the_same_seconds_count_once(quiz: Quiz, visitor: int, session: str, clock: Clock) -> None:
    for _ in range(4):
        clock.move(15)
        for _page in range(2):
            quiz.keep(visitor, session, 1, seconds=15)
    assert quiz.open(visitor, session, 1).item.seconds == 60


def test_a_change_without_seconds_takes_no_time_from_the_next_report(
    quiz: Quiz, visitor: int, session: str, clock: Clock
) -> None:
    clock.move(10)
    quiz.keep(visitor, session, 1, struck=["A"])
    clock.move(5)
    assert quiz.keep(visitor, session, 1, seconds=15).seconds == 15


# Two processes


@pytest.fixture
def beside(bank: Bank, tmp_path: Path, clock: Clock, quiz: Quiz) -> Iterator[Quiz]:
    """The same folder as a second process sees it."""
    database = Database(tmp_path / "data", clock)
    yield quiz_on(database, bank, FakeEngine())
    database.close()


def test_of_two_commits_at_once_one_counts_and_both_are_told_which(quiz: Quiz, beside: Quiz, visitor: int, session: str) -> None:
    for position in range(1, 6):
        gate = threading.Barrier(2)

        def go(which: tuple[Quiz, bool], position: int = position, gate: threading.Barrier = gate) -> Attempt | None:
            gate.wait()
            return commit(which[0], visitor, session, position, right=which[1]).attempt

        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(go, ((quiz, True), (beside, False))))
        assert told[0] is not None and told[0] == told[1]
    attempts = all_attempts(quiz, visitor, session)
    assert len(attempts) == 5
    assert sum(sums.n for sums in beside.practice.tallies(visitor)[Dimension.DAY].values()) == 5
    assert all(beside.practice.standing(visitor, attempt.question).attempts == 1 for attempt in attempts)  # type: ignore[union-attr]


def test_what_one_process_did_the_other_goes_on_with(quiz: Quiz, beside: Quiz, visitor: int, clock: Clock) -> None:
    session = quiz.begin(visitor, Selection(mode=Mode.TIMED, count=2)).session.id
    beside.keep(visitor, session, 1, chosen="A")
    beside.pause(visitor, session)
    with pytest.raises(Conflict, match="paused"):
        quiz.keep(visitor, session, 1, chosen="B")
    quiz.resume(visitor, session)
    assert beside.end(visitor, session).attempts.keys() == quiz.progress(visitor, session).attempts.keys() == {1}


def test_a_block_that_both_close_is_graded_once(quiz: Quiz, beside: Quiz, visitor: int) -> None:
    session = quiz.begin(visitor, Selection(mode=Mode.TIMED, count=2)).session.id
    quiz.keep(visitor, session, 1, chosen="A")
    gate = threading.Barrier(2)

    def close(which: Quiz) -> None:
        gate.wait()
        which.close_block(visitor, session, 1)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(close, (quiz, beside)))
    assert sum(sums.n for sums in quiz.practice.tallies(visitor)[Dimension.DAY].values()) == 1


# Choosing


def ids(quiz: Quiz, visitor: int, **selection: object) -> set[str]:
    return set(quiz.deck.matching(visitor, Selection(**selection)))  # type: ignore[arg-type]


def test_an_empty_selection_matches_the_whole_bank_once(quiz: Quiz, bank: Bank, visitor: int) -> None:
    assert sorted(quiz.deck.matching(visitor, Selection())) == sorted(question.id for question in bank.questions)


def test_systems_subjects_and_steps_narrow_together(quiz: Quiz, bank: Bank, visitor: int) -> None:
    one = bank.questions[0]
    other_step = next(question for question in bank.questions if question.step != one.step)
    assert ids(quiz, visitor, systems=(one.system,)) == {q.id for q in bank.questions if q.system == one.system}
    assert ids(quiz, visitor, subjects=(one.subject,)) == {q.id for q in bank.questions if q.subject == one.subject}
    both = ids(quiz, visitor, systems=(one.system,), steps=(one.step, other_step.step))
    assert both == {q.id for q in bank.questions if q.system == one.system and q.step in (one.step, other_step.step)}
    assert ids(quiz, visitor, systems=("no such system",)) == set()


def test_statuses_are_any_of(quiz: Quiz, bank: Bank, visitor: int, session: str) -> None:
    items = [item.question for item in quiz.progress(visitor, session).items]
    commit(quiz, visitor, session, 1, right=False, confidence="sure")
    commit(quiz, visitor, session, 2, right=False, confidence="unsure")
    commit(quiz, visitor, session, 3, right=True)
    quiz.set_flag(visitor, items[3], True)
    unused = {question.id for question in bank.questions} - set(items[:3])
    assert ids(quiz, visitor, statuses=(Asked.UNUSED,)) == unused
    assert ids(quiz, visitor, statuses=(Asked.WRONG,)) == set(items[:2])
    assert ids(quiz, visitor, statuses=(Asked.SURE_WRONG,)) == {items[0]}
    assert ids(quiz, visitor, statuses=(Asked.FLAGGED,)) == {items[3]}
    assert ids(quiz, visitor, statuses=(Asked.FLAGGED, Asked.WRONG)) == {*items[:2], items[3]}
    assert ids(quiz, visitor, statuses=(Asked.DUE,)) == set()
    counts = quiz.deck.shelves(visitor).all
    assert (counts.total, counts.unused, counts.wrong, counts.flagged, counts.sure_wrong) == (
        len(bank.questions),
        len(unused),
        2,
        1,
        1,
    )
    for what in (*Asked, "answered", "all"):
        wanted = {"answered": set(items[:3]), "all": {question.id for question in bank.questions}}
        assert set(quiz.deck.filtered(visitor, what)) == (wanted.get(what) or ids(quiz, visitor, statuses=(what,)) or set())
    with pytest.raises(BadInput, match="expected one of answered, all, unused"):
        quiz.deck.filtered(visitor, "everything")


def test_a_later_right_answer_is_no_longer_wrong(quiz: Quiz, visitor: int, session: str, clock: Clock) -> None:
    question = question_at(quiz, visitor, session).id
    commit(quiz, visitor, session, right=False)
    clock.move(days=1)
    again = quiz.begin(visitor, Selection(count=5, statuses=(Asked.WRONG,))).session.id
    assert [item.question for item in quiz.progress(visitor, again).items] == [question]
    commit(quiz, visitor, again, right=True)
    assert ids(quiz, visitor, statuses=(Asked.WRONG,)) == set()


def test_what_is_due_comes_longest_due_first(quiz: Quiz, visitor: int, session: str, clock: Clock) -> None:
    order = (3, 1, 5)
    for position in order:
        commit(quiz, visitor, session, position, right=False)
        clock.move(29)
    items = {item.position: item.question for item in quiz.progress(visitor, session).items}
    assert quiz.deck.matching(visitor, Selection(statuses=(Asked.DUE,))) == [items[3]]
    clock.move(hours=1)
    assert quiz.deck.matching(visitor, Selection(statuses=(Asked.DUE,))) == [items[position] for position in order]
    begun = quiz.begin(visitor, Selection(count=2, statuses=(Asked.DUE,)))
    assert [item.question for item in begun.items] == [items[3], items[1]]


def test_a_topic_brings_its_best_match_first(quiz: Quiz, bank: Bank, visitor: int) -> None:
    wanted = bank.questions[7]
    selection = Selection(topic=f"{wanted.objective} {wanted.options[wanted.key]}", count=3)
    assert quiz.deck.matching(visitor, selection)[0] == wanted.id
    assert quiz.begin(visitor, selection).items[0].question == wanted.id


def test_a_session_has_no_more_than_it_was_asked_for_and_no_question_twice(quiz: Quiz, bank: Bank, visitor: int) -> None:
    for count in (1, 7, 400):
        items = [item.question for item in quiz.begin(visitor, Selection(count=count)).items]
        assert len(items) == len(set(items)) == min(count, len(bank.questions))


def test_where_nothing_matches_no_session_is_begun(quiz: Quiz, visitor: int) -> None:
    with pytest.raises(NotFound, match="No question matches"):
        quiz.begin(visitor, Selection(statuses=(Asked.WRONG,)))
    assert quiz.open_sessions(visitor) == []


MINE = Question(id="", stem="A zebrafish swims. Which fin?", options={"A": "Tail", "B": "Back"}, key="B", system="renal")


@pytest.fixture
def mine(database: Database, visitor: int) -> str:
    """A question of the visitor's own; answers with its id."""
    own = OwnStore(database)
    own.add_batch(visitor, "mine.csv", [MINE])
    (identity,) = own.topics(visitor)
    return identity


def test_own_questions_are_practised_beside_the_bank_or_alone(
    quiz: Quiz, bank: Bank, visitor: int, other: int, mine: str
) -> None:
    everything = {question.id for question in bank.questions}
    assert ids(quiz, visitor) == everything | {mine}
    assert ids(quiz, visitor, own=Source.BANK) == everything
    assert ids(quiz, visitor, own=Source.OWN) == {mine}
    assert ids(quiz, visitor, topic="zebrafish fin") == {mine}
    assert (ids(quiz, other), ids(quiz, other, own=Source.OWN)) == (everything, set())
    assert quiz.deck.shelves(visitor).own == 1
    session = quiz.begin(visitor, Selection(own=Source.OWN)).session.id
    opened = commit(quiz, visitor, session)
    assert opened.attempt is not None
    assert (opened.attempt.options, opened.attempt.topic.system, opened.attempt.correct) == (2, "renal", True)
    with pytest.raises(NotFound):
        quiz.deck.question(other, mine)


def test_answers_to_an_own_question_that_was_deleted_stay_in_the_statistics(
    quiz: Quiz, database: Database, visitor: int, mine: str
) -> None:
    session = quiz.begin(visitor, Selection(own=Source.OWN)).session.id
    commit(quiz, visitor, session, right=False)
    timed = quiz.begin(visitor, Selection(own=Source.OWN, mode=Mode.TIMED)).session.id
    quiz.keep(visitor, timed, 1, chosen="A")
    own = OwnStore(database)
    own.delete_batch(visitor, own.batches(visitor)[0].id)
    assert review_all(quiz, visitor, 10).results.n == 1
    assert quiz.end(visitor, timed).attempts == {}, "there is no key any more to grade it by"
    with pytest.raises(NotFound, match="may have been deleted"):
        quiz.open(visitor, session, 1)


def test_a_blank_bank_has_nothing_to_practise_and_says_so(database: Database, visitor: int) -> None:
    blank = quiz_on(database, Bank(()), FakeEngine())
    assert blank.deck.shelves(visitor).all.total == 0
    assert blank.deck.matching(visitor, Selection(topic="heart")) == []
    with pytest.raises(NotFound, match="No question matches"):
        blank.begin(visitor, Selection())
    assert review_all(blank, visitor, 10).results.n == 0


def test_a_bank_that_lost_questions_since_the_session_began_still_shows_the_session(
    bank: Bank, database: Database, visitor: int
) -> None:
    session = quiz_on(database, Bank(bank.questions[:10]), FakeEngine()).begin(visitor, Selection(count=10)).session.id
    later = quiz_on(database, Bank(bank.questions[5:12]), FakeEngine())
    progress = later.progress(visitor, session)
    assert {item.question for item in progress.items} == {question.id for question in bank.questions[:10]}
    gone = next(item for item in progress.items if item.question == bank.questions[0].id)
    with pytest.raises(NotFound, match="no question"):
        later.open(visitor, session, gone.position)


# Results


def test_the_results_of_a_session_are_its_own_and_those_of_all_are_of_all(quiz: Quiz, visitor: int, session: str) -> None:
    answer_all(quiz, visitor, session, right=True)
    second = quiz.begin(visitor, Selection(count=4)).session.id
    commit(quiz, visitor, second, right=False)
    assert review_session(quiz, visitor, session, 10).results.score.of_all.correct == 5
    found = review_all(quiz, visitor, 10)
    assert (found.results.n, found.results.score.of_all.correct) == (6, 5)
    assert [kept.session for kept in found.sure_wrong] == [second]
    assert quiz.practice.tallies(visitor) == tally(all_attempts(quiz, visitor, session, second))


def test_items_left_out_count_against_a_timed_session_and_not_against_a_tutor_session(quiz: Quiz, visitor: int) -> None:
    for mode, omitted in ((Mode.TIMED, 3), (Mode.TUTOR, 0)):
        session = quiz.begin(visitor, Selection(mode=mode, count=4)).session.id
        question = question_at(quiz, visitor, session)
        if mode is Mode.TIMED:
            quiz.keep(visitor, session, 1, chosen=question.key)
            with pytest.raises(Conflict, match="after its end"):
                review_session(quiz, visitor, session, 10)
        else:
            commit(quiz, visitor, session)
        quiz.end(visitor, session)
        score = review_session(quiz, visitor, session, 10).results.score
        assert (score.answered, score.omitted) == (1, omitted)


# The model's reading


def test_the_models_reading_is_withheld_until_the_learner_has_committed(quiz: Quiz, visitor: int, session: str) -> None:
    with pytest.raises(Conflict, match="commit"):
        quiz.readout(visitor, session, 1)
    question = commit(quiz, visitor, session).question
    readout, _ = quiz.readout(visitor, session, 1)
    assert set(readout.probabilities) == set(question.options)
    assert sum(readout.probabilities.values()) == pytest.approx(1)
    assert readout.calibration == "uncalibrated"


def test_a_reading_is_kept_beside_the_answer_and_the_last_one_counts(quiz: Quiz, visitor: int, session: str) -> None:
    commit(quiz, visitor, session)
    for careful in (False, True):
        readout, opened = quiz.readout(visitor, session, 1, careful=careful)
        kept = quiz.open(visitor, session, 1).attempt
        assert kept is not None and kept.model is not None
        assert (kept.model.choice, kept.model.probability) == (readout.choice, readout.probabilities[readout.choice])
        assert kept.model.key_probability == readout.probabilities[opened.question.key]
    assert sum(sums.n for sums in quiz.practice.tallies(visitor)[Dimension.MODEL].values()) == 1


def test_practice_goes_on_while_there_is_no_model(quiz: Quiz, engine: FakeEngine, visitor: int, session: str) -> None:
    engine.failure = "The model file is missing."
    commit(quiz, visitor, session)
    with pytest.raises(EngineError, match="missing"):
        quiz.readout(visitor, session, 1)


def opened_with(question: Question, chosen: str) -> Opened:
    attempt = Attempt(
        question=question.id, chosen=chosen, key=question.key, confidence=Confidence.SURE, seconds=1, when=Clock().now
    )
    return Opened(None, None, question, attempt, None, False, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("learner", "model", "earned", "said"),
    [
        ("B", "B", True, ""),
        ("A", "B", True, "Key and model agree on B; you chose A."),
        ("A", "A", True, "You and the model chose A; the key is B."),
        ("B", "A", True, "The key is B; the model prefers A (75 %). The key"),
        ("C", "A", True, "The key is B; the model prefers A (75 %) and you chose C."),
        ("A", "A", False, ""),
    ],
)
def test_where_model_key_and_learner_disagree_it_is_said_if_the_models_skill_is_earned(
    learner: str, model: str, earned: bool, said: str
) -> None:
    question = Question(id="q", stem="Which?", options={"A": "one", "B": "two", "C": "three"}, key="B")
    shares = {letter: 0.75 if letter == model else 0.125 for letter in "ABC"}
    readout = Readout(shares, (model,), 0.9, "uncalibrated", "Fake", earned=earned)
    sentence = agreement(readout, opened_with(question, learner))
    assert sentence.startswith(said) and bool(sentence) == bool(said)


def test_disagreements_are_listed_where_the_models_skill_is_earned(quiz: Quiz, visitor: int, session: str) -> None:
    items = answer_all(quiz, visitor, session, right=True)
    keys = [quiz.deck.question(visitor, item).key for item in items]
    wrong = [wrong_letter(quiz.deck.question(visitor, item)) for item in items]
    views = ((keys[0], True), (wrong[1], True), (wrong[2], False))
    for position, (choice, earned) in enumerate(views, start=1):
        quiz.practice.set_model(visitor, session, position, ModelView("Fake", choice, 0.7, 0.2, earned))
    assert [kept.position for kept in quiz.practice.disagreements(visitor, 10)] == [2]
    assert ids(quiz, visitor, statuses=(Asked.DISAGREEMENT,)) == {items[1]}


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


def measured_readout(bank: Bank, database: Database, ledger: Ledger, visitor: int, *, careful: bool = False) -> dict[str, object]:
    quiz = quiz_on(database, bank, FakeEngine(info=MEASURED), ledger=ledger)
    session = quiz.begin(visitor, Selection(count=1)).session.id
    commit(quiz, visitor, session)
    return opened_readout_json(*quiz.readout(visitor, session, 1, careful=careful))


def of_every_system(bank: Bank, n: int, correct: int) -> list[Skill]:
    return [Skill(system, "fast", n, correct, 0.2) for system in {question.system for question in bank.questions}]


def test_earned_skill_stands_beside_calibrated_probabilities(
    bank: Bank, database: Database, visitor: int, tmp_path: Path
) -> None:
    ledger = keep_measured(tmp_path, Skill(ALL, "fast", 800, 400, 0.2), *of_every_system(bank, 120, 73))
    shown = measured_readout(bank, database, ledger, visitor)
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


def test_skill_within_chance_is_told_as_none(bank: Bank, database: Database, visitor: int, tmp_path: Path) -> None:
    shown = measured_readout(bank, database, keep_measured(tmp_path, *of_every_system(bank, 20, 6)), visitor)
    assert (shown["measured"], shown["earned"]) == (True, False)
    assert str(shown["skill"]).startswith("no measured skill in ")
    assert str(shown["skill"]).endswith("(n = 20)")


def test_few_rows_claim_no_coverage(bank: Bank, database: Database, visitor: int, tmp_path: Path) -> None:
    ledger = keep_measured(tmp_path, Skill(ALL, "fast", 72, 50, 0.25), *of_every_system(bank, 6, 6), rows=36)
    shown = measured_readout(bank, database, ledger, visitor)
    assert shown["coverage"] is None
    assert "right in 69 % of all exam questions measured (n = 72); too few of " in str(shown["skill"])


def test_a_mode_that_was_not_measured_is_uncalibrated_and_folded_where_the_other_showed_no_skill(
    bank: Bank, database: Database, visitor: int, tmp_path: Path
) -> None:
    shown = measured_readout(bank, database, keep_measured(tmp_path, *of_every_system(bank, 20, 6)), visitor, careful=True)
    assert (shown["measured"], shown["earned"]) == (True, False)
    assert str(shown["skill"]).endswith("(n = 20) when read in one pass")
    assert (shown["calibration"], shown["coverage"]) == ("uncalibrated", None)


def test_a_model_that_nobody_measured_is_as_it_was(bank: Bank, database: Database, visitor: int, tmp_path: Path) -> None:
    shown = measured_readout(bank, database, Ledger(tmp_path), visitor)
    assert (shown["measured"], shown["earned"], shown["skill"]) == (False, False, "")
    assert shown["calibration"] == "uncalibrated"
    assert "not calibrated" in str(shown["note"])
