"""The rules of the modes: on records alone, then through the quiz with a clock that the test moves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import sessions as rules
from app.database import Database
from app.engine.fake import FakeEngine
from app.errors import BadInput, Conflict, NotFound
from app.questions import Bank
from app.quiz import Progress, Quiz
from app.records import Mode, Question
from app.sessions import Block, BlockState, Selection, Session, State, plan_blocks
from tests.conftest import MORNING, Clock, quiz_on


def session_of(mode: Mode, items: int) -> Session:
    return Session(id="s", number=1, mode=mode, title="All", created=MORNING, blocks=plan_blocks(mode, items, MORNING))


def begin(quiz: Quiz, visitor: int, mode: Mode, count: int = 3) -> str:
    return quiz.begin(visitor, Selection(mode=mode, count=count)).session.id


def question_at(quiz: Quiz, visitor: int, session: str, position: int) -> Question:
    progress = quiz.progress(visitor, session)
    return quiz.deck.question(visitor, progress.items[position - 1].question)


def wrong_letter(question: Question) -> str:
    return next(letter for letter in question.options if letter != question.key)


def states(progress: Progress) -> list[str]:
    return [block.state.value for block in progress.session.blocks]


# Blocks


@settings(deadline=None)
@given(st.integers(1, rules.MAX_ITEMS))
def test_an_exams_blocks_hold_every_item_once_in_twenties_with_90_seconds_each(items: int) -> None:
    blocks = plan_blocks(Mode.EXAM, items, MORNING)
    assert [place for block in blocks for place in range(block.first, block.last + 1)] == list(range(1, items + 1))
    assert [block.number for block in blocks] == list(range(1, len(blocks) + 1))
    assert all(block.limit == 90 * (block.last - block.first + 1) for block in blocks)
    assert all(block.last - block.first == 19 and block.limit == 30 * 60 for block in blocks[:-1])
    assert all(block.state is BlockState.WAITING for block in blocks)


def test_a_timed_session_is_one_block_that_runs_from_the_start_and_tutor_mode_has_none() -> None:
    assert plan_blocks(Mode.TUTOR, 10, MORNING) == ()
    (block,) = plan_blocks(Mode.TIMED, 10, MORNING)
    assert block == Block(1, 1, 10, 900.0, BlockState.RUNNING, MORNING + timedelta(seconds=900))


def test_settling_closes_what_has_run_out_at_its_own_deadline_and_nothing_else() -> None:
    session = session_of(Mode.TIMED, 2)
    assert rules.settled(session, MORNING + timedelta(seconds=179.9)) == session
    ended = rules.settled(session, MORNING + timedelta(hours=5))
    assert (ended.state, ended.ended) == (State.ENDED, MORNING + timedelta(seconds=180))
    assert rules.settled(ended, MORNING + timedelta(hours=6)) == ended


def test_every_move_is_the_same_when_it_is_made_twice() -> None:
    timed, exam = session_of(Mode.TIMED, 2), session_of(Mode.EXAM, 25)
    paused = rules.pause(timed, MORNING + timedelta(seconds=10))
    assert rules.pause(paused, MORNING + timedelta(seconds=20)) == paused
    assert rules.resume(timed, MORNING + timedelta(seconds=5)) == timed
    started = rules.start_block(exam, 1, MORNING)
    assert rules.start_block(started, 1, MORNING + timedelta(seconds=5)) == started
    closed = rules.close_block(started, 1, MORNING + timedelta(seconds=5))
    assert rules.close_block(closed, 1, MORNING + timedelta(seconds=9)) == closed
    ended = rules.end(closed, MORNING + timedelta(seconds=10))
    assert rules.end(ended, MORNING + timedelta(seconds=99)) == ended


@pytest.mark.parametrize("number", [0, -1, 3, 99])
def test_a_block_that_is_not_there_is_refused_in_words(number: int) -> None:
    for move in (rules.start_block, rules.close_block):
        with pytest.raises(BadInput, match=rf"no block {number}; this session has 2"):
            move(session_of(Mode.EXAM, 25), number, MORNING)


@pytest.mark.parametrize("count", [0, -1, 401])
def test_a_session_of_no_or_of_too_many_items_is_refused(quiz: Quiz, visitor: int, count: int) -> None:
    with pytest.raises(BadInput, match="expected 1 to 400"):
        quiz.begin(visitor, Selection(count=count))
    assert quiz.open_sessions(visitor) == []


def test_the_title_of_a_session_says_what_it_was_made_of() -> None:
    made = Selection(systems=("renal",), steps=("1", "3"), statuses=(rules.Asked.SURE_WRONG,), topic="  kidney   stones ")
    assert made.title == "renal · Step 1, Step 3 · “kidney stones” · sure and wrong"
    assert Selection().title == "All topics"


# Tutor


def test_in_tutor_mode_an_answer_is_graded_at_once(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR)
    question = question_at(quiz, visitor, session, 1)
    opened = quiz.commit(visitor, session, 1, chosen=question.key, confidence="sure", seconds=0)
    assert opened.graded and opened.attempt is not None and opened.attempt.correct
    progress = quiz.progress(visitor, session)
    assert (set(progress.attempts), progress.current, progress.session.blocks) == ({1}, 2, ())


def test_hints_are_opened_one_by_one_and_counted_with_the_answer(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR)
    hints = question_at(quiz, visitor, session, 1).hints
    assert quiz.hints(visitor, session, 1, 1) == hints[:1]
    assert quiz.hints(visitor, session, 1, 2) == hints[:2]
    assert quiz.hints(visitor, session, 1, 1) == hints[:1], "looking again opens no more and takes none back"
    for number in (0, len(hints) + 1):
        with pytest.raises(NotFound, match=f"no hint {number}"):
            quiz.hints(visitor, session, 1, number)
    opened = quiz.commit(visitor, session, 1, chosen="A", confidence="sure", seconds=0)
    assert opened.attempt is not None and opened.attempt.hints == 2
    quiz.hints(visitor, session, 1, 3)
    after = quiz.open(visitor, session, 1)
    assert (after.item.hints, after.attempt) == (2, opened.attempt)


def test_a_paused_tutor_session_takes_nothing_and_opens_no_hint_until_it_is_resumed(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR)
    assert quiz.pause(visitor, session).session.state is State.PAUSED
    with pytest.raises(Conflict, match="paused"):
        quiz.commit(visitor, session, 1, chosen="A", confidence="sure", seconds=0)
    with pytest.raises(Conflict, match="paused"):
        quiz.keep(visitor, session, 1, chosen="A")
    with pytest.raises(Conflict, match="paused"):
        quiz.hints(visitor, session, 1, 1)
    assert quiz.resume(visitor, session).session.state is State.OPEN
    quiz.commit(visitor, session, 1, chosen="A", confidence="sure", seconds=0)


def test_an_ended_tutor_session_shows_every_answer_and_takes_no_more(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR)
    quiz.keep(visitor, session, 2, chosen="A")
    assert quiz.end(visitor, session).attempts == {}, "what was chosen and never committed is no answer"
    assert quiz.open(visitor, session, 1).graded
    for move in (quiz.pause, quiz.resume):
        with pytest.raises(Conflict, match="has ended"):
            move(visitor, session)
    with pytest.raises(Conflict, match="has ended"):
        quiz.commit(visitor, session, 1, chosen="A", confidence="sure", seconds=0)


# Timed


def test_a_timed_answer_changes_until_the_end_and_only_the_last_choice_counts(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.TIMED)
    question = question_at(quiz, visitor, session, 1)
    for chosen in (wrong_letter(question), None, question.key):
        clock.move(5)
        quiz.keep(visitor, session, 1, chosen=chosen, confidence="sure", seconds=5)
    opened = quiz.open(visitor, session, 1)
    assert opened.editable and not opened.graded and opened.attempt is None
    progress = quiz.end(visitor, session)
    assert progress.session.ended == clock.now
    (attempt,) = progress.attempts.values()
    assert (attempt.chosen, attempt.correct, attempt.seconds, attempt.when) == (question.key, True, 15, clock.now)


def test_a_timed_session_has_90_seconds_an_item(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.TIMED, 4)
    clock.move(100)
    progress = quiz.progress(visitor, session)
    assert progress.session.blocks[0].seconds_left(progress.now) == 4 * 90 - 100
    clock.move(259.9)
    assert quiz.progress(visitor, session).session.state is State.OPEN
    clock.move(0.1)
    assert quiz.progress(visitor, session).session.state is State.ENDED


def test_after_the_deadline_nothing_is_taken_and_what_was_chosen_is_graded_as_of_the_deadline(
    quiz: Quiz, visitor: int, clock: Clock
) -> None:
    session = begin(quiz, visitor, Mode.TIMED)
    deadline = clock.now + timedelta(seconds=270)
    question = question_at(quiz, visitor, session, 1)
    quiz.keep(visitor, session, 1, chosen=question.key)
    clock.move(hours=2)
    with pytest.raises(Conflict, match="ended"):
        quiz.keep(visitor, session, 1, chosen=wrong_letter(question))
    with pytest.raises(Conflict, match="ended"):
        quiz.keep(visitor, session, 2, chosen="A", seconds=1)
    progress = quiz.progress(visitor, session)
    assert progress.session.ended == deadline
    assert {place: (a.chosen, a.when) for place, a in progress.attempts.items()} == {1: (question.key, deadline)}
    assert quiz.open(visitor, session, 2).graded, "the key of what was left out is shown too"


def test_a_pause_keeps_the_seconds_that_are_left_and_hides_the_items(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.TIMED)
    clock.move(70)
    quiz.pause(visitor, session)
    clock.move(days=3)
    progress = quiz.progress(visitor, session)
    assert (progress.session.state, progress.session.blocks[0].seconds_left(progress.now)) == (State.PAUSED, 200)
    with pytest.raises(Conflict, match="paused"):
        quiz.open(visitor, session, 1)
    with pytest.raises(Conflict, match="paused"):
        quiz.keep(visitor, session, 1, chosen="A")
    progress = quiz.resume(visitor, session)
    assert progress.session.blocks[0].deadline == clock.now + timedelta(seconds=200)
    clock.move(200)
    assert quiz.progress(visitor, session).session.state is State.ENDED


def test_a_paused_session_can_be_ended_and_what_was_chosen_counts(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.TIMED)
    quiz.keep(visitor, session, 1, chosen="A")
    quiz.pause(visitor, session)
    clock.move(hours=1)
    progress = quiz.end(visitor, session)
    assert [attempt.when for attempt in progress.attempts.values()] == [clock.now]


@pytest.mark.parametrize("mode", [Mode.TIMED, Mode.EXAM])
def test_without_feedback_there_are_no_hints_no_commitments_and_no_readings_before_the_end(
    quiz: Quiz, visitor: int, mode: Mode
) -> None:
    session = begin(quiz, visitor, mode)
    quiz.start_block(visitor, session, 1)
    quiz.keep(visitor, session, 1, chosen="A")
    with pytest.raises(Conflict, match="graded at its end"):
        quiz.commit(visitor, session, 1, chosen="A", confidence="sure", seconds=0)
    with pytest.raises(Conflict, match="tutor mode"):
        quiz.hints(visitor, session, 1, 1)
    with pytest.raises(Conflict, match="commit"):
        quiz.readout(visitor, session, 1)
    with pytest.raises(Conflict, match="wrong answer"):
        quiz.name_miss(visitor, session, 1, "misread")
    assert quiz.open(visitor, session, 1).item.hints == 0


def test_a_session_whose_deadline_passed_while_the_application_was_off_is_graded_when_it_is_next_read(
    bank: Bank, tmp_path: Path
) -> None:
    clock = Clock()
    database = Database(tmp_path / "off", clock)
    quiz = quiz_on(database, bank, FakeEngine())
    database.run("insert into visitors (id, token_hash, created) values (1, 'x', 'x')")
    session = begin(quiz, 1, Mode.TIMED)
    quiz.keep(1, session, 1, chosen="A")
    database.close()

    clock.move(days=1)
    database = Database(tmp_path / "off", clock)
    quiz = quiz_on(database, bank, FakeEngine())
    assert quiz.open_sessions(1) == []
    (summary,) = quiz.recent_sessions(1, 10)
    assert (summary.session.state, summary.answered, summary.total) == (State.ENDED, 1, 3)
    assert summary.session.ended == MORNING + timedelta(seconds=270)
    database.close()


# Exam


def test_an_exam_runs_in_blocks_that_the_learner_begins_and_breaks_between_them_run_no_clock(
    quiz: Quiz, visitor: int, clock: Clock
) -> None:
    session = begin(quiz, visitor, Mode.EXAM, 25)
    clock.move(days=2)
    progress = quiz.progress(visitor, session)
    assert states(progress) == ["waiting", "waiting"]
    assert [block.limit for block in progress.session.blocks] == [1800, 450]
    progress = quiz.start_block(visitor, session, 1)
    assert progress.session.blocks[0].deadline == clock.now + timedelta(minutes=30)
    quiz.close_block(visitor, session, 1)
    clock.move(days=2)
    progress = quiz.progress(visitor, session)
    assert (states(progress), progress.session.state) == (["closed", "waiting"], State.OPEN)
    quiz.start_block(visitor, session, 2)
    clock.move(450)
    progress = quiz.progress(visitor, session)
    assert (progress.session.state, progress.session.ended) == (State.ENDED, clock.now)


def test_an_exam_is_never_paused(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.EXAM)
    quiz.start_block(visitor, session, 1)
    before = quiz.progress(visitor, session).session
    with pytest.raises(Conflict, match="runs on"):
        quiz.pause(visitor, session)
    assert quiz.progress(visitor, session).session == before


def test_the_blocks_of_an_exam_come_in_their_order_and_one_at_a_time(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.EXAM, 41)
    with pytest.raises(Conflict, match="Block 1 comes before block 2"):
        quiz.start_block(visitor, session, 2)
    with pytest.raises(Conflict, match="has not begun"):
        quiz.close_block(visitor, session, 1)
    quiz.start_block(visitor, session, 1)
    with pytest.raises(Conflict, match="Block 1 comes before block 2"):
        quiz.start_block(visitor, session, 2)
    quiz.close_block(visitor, session, 1)
    with pytest.raises(Conflict, match="stays closed"):
        quiz.start_block(visitor, session, 1)


def test_only_the_running_blocks_items_can_be_seen_and_changed(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.EXAM, 41)
    for position in (1, 21, 41):
        with pytest.raises(Conflict, match="has not begun"):
            quiz.open(visitor, session, position)
    quiz.start_block(visitor, session, 1)
    quiz.keep(visitor, session, 20, chosen="A")
    quiz.close_block(visitor, session, 1)
    quiz.start_block(visitor, session, 2)
    quiz.keep(visitor, session, 21, chosen="B")
    for position, why in ((1, "stays closed"), (20, "stays closed"), (41, "has not begun")):
        with pytest.raises(Conflict, match=why):
            quiz.open(visitor, session, position)
        with pytest.raises(Conflict, match=why):
            quiz.keep(visitor, session, position, chosen="C")
        with pytest.raises(Conflict, match=why):
            quiz.keep(visitor, session, position, highlights=[(0, 1)])
    assert [item.chosen for item in quiz.progress(visitor, session).items if item.chosen] == ["A", "B"]


def test_a_closed_block_shows_in_no_statistic_before_the_end(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.EXAM, 21)
    quiz.start_block(visitor, session, 1)
    question = question_at(quiz, visitor, session, 1)
    quiz.keep(visitor, session, 1, chosen=wrong_letter(question), confidence="sure")
    clock.move(60)
    closed_at = clock.now
    quiz.close_block(visitor, session, 1)
    clock.move(hours=1)
    assert quiz.practice.tallies(visitor) == {}
    assert quiz.practice.sure_and_wrong(visitor, 10) == []
    assert quiz.deck.shelves(visitor).all.wrong == 0
    assert quiz.deck.filtered(visitor, "answered") == []
    (summary,) = quiz.open_sessions(visitor)
    assert (summary.answered, summary.correct) == (1, 0)
    assert not summary.session.feedback
    progress = quiz.end(visitor, session)
    assert [(a.chosen, a.when) for a in progress.attempts.values()] == [(wrong_letter(question), closed_at)]
    assert quiz.deck.shelves(visitor).all.wrong == 1


def test_ending_an_exam_closes_every_block_and_grades_what_was_chosen(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.EXAM, 41)
    quiz.start_block(visitor, session, 1)
    quiz.keep(visitor, session, 3, chosen="A")
    clock.move(10)
    progress = quiz.end(visitor, session)
    assert (states(progress), progress.session.ended, set(progress.attempts)) == (["closed"] * 3, clock.now, {3})
    assert quiz.open(visitor, session, 41).graded


def test_a_block_that_ran_out_closes_at_its_deadline_however_late_one_looks(quiz: Quiz, visitor: int, clock: Clock) -> None:
    session = begin(quiz, visitor, Mode.EXAM, 40)
    quiz.start_block(visitor, session, 1)
    deadline = clock.now + timedelta(minutes=30)
    quiz.keep(visitor, session, 1, chosen="A")
    clock.move(hours=9)
    assert states(quiz.progress(visitor, session)) == ["closed", "waiting"]
    progress = quiz.end(visitor, session)
    assert [attempt.when for attempt in progress.attempts.values()] == [deadline]


# Others


def test_nothing_of_a_session_is_found_by_another_visitor(quiz: Quiz, visitor: int, other: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR)
    before = quiz.progress(visitor, session)
    calls = (
        lambda: quiz.progress(other, session),
        lambda: quiz.pause(other, session),
        lambda: quiz.resume(other, session),
        lambda: quiz.end(other, session),
        lambda: quiz.start_block(other, session, 1),
        lambda: quiz.close_block(other, session, 1),
        lambda: quiz.open(other, session, 1),
        lambda: quiz.keep(other, session, 1, chosen="A"),
        lambda: quiz.commit(other, session, 1, chosen="A", confidence="sure", seconds=0),
        lambda: quiz.hints(other, session, 1, 1),
        lambda: quiz.name_miss(other, session, 1, "time"),
        lambda: quiz.readout(other, session, 1),
    )
    for call in calls:
        with pytest.raises(NotFound, match="does not exist"):
            call()
    assert quiz.progress(visitor, session) == before
    assert quiz.open_sessions(other) == []


def test_an_item_that_the_session_has_not_is_not_found(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR)
    for position in (0, 4, -1):
        with pytest.raises(NotFound, match=f"no item {position}"):
            quiz.open(visitor, session, position)
