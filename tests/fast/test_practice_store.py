"""Practice as it is kept: visitors apart, sums and memories that always say what the attempts say, and rounds of old files."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from app.database import FILE, Database
from app.engine.fake import FakeEngine
from app.errors import NotFound
from app.migrations import all_migrations
from app.practice_store import PracticeStore, Standing
from app.questions import Bank
from app.records import Attempt, Confidence, Message, Miss, Mode, ModelView, Role, Status, Topic
from app.schedule import review
from app.sessions import Asked, Session, State, plan_blocks
from app.store import INTERRUPTED, Store
from app.tallies import Dimension, Sums, Tallies, tally
from tests.conftest import MORNING, Clock, quiz_on

ITEMS = 4
SESSIONS = 3


def add(practice: PracticeStore, visitor: int, *questions: str, mode: Mode = Mode.TUTOR) -> str:
    blocks = plan_blocks(mode, len(questions), practice.now())
    items = [(question, 1 if blocks else 0) for question in questions]
    return practice.add_session(visitor, mode=mode, title="All", blocks=blocks, items=items).id


def tried(question: str = "renal-01", chosen: str = "A", when: datetime = MORNING, **more: object) -> Attempt:
    values = {"confidence": Confidence.UNSURE, "seconds": 12.5, "hints": 1, "struck": ("C", "D"), **more}
    return Attempt(question=question, chosen=chosen, key="B", when=when, **values)  # type: ignore[arg-type]


def attempts_of(practice: PracticeStore, visitor: int, sessions: list[str]) -> list[Attempt]:
    return [attempt for session in sessions for attempt in practice.attempts(visitor, session).values()]


def assert_same(found: Tallies, expected: Tallies) -> None:
    assert {d: set(names) for d, names in found.items()} == {d: set(names) for d, names in expected.items()}
    for dimension, names in expected.items():
        for name, sums in names.items():
            kept = found[dimension][name]
            assert (kept.n, kept.correct) == (sums.n, sums.correct)
            assert vars(kept) == pytest.approx(vars(sums), abs=1e-6)


# Sessions and items


def test_a_session_comes_back_as_it_was_kept(practice: PracticeStore, visitor: int) -> None:
    identity = add(practice, visitor, "a", "b", mode=Mode.TIMED)
    session = practice.session(visitor, identity)
    assert (session.number, session.mode, session.state, session.created) == (1, Mode.TIMED, State.OPEN, MORNING)
    assert session.blocks == plan_blocks(Mode.TIMED, 2, MORNING)
    paused = replace(session, state=State.PAUSED)
    practice.keep_session(paused)
    assert practice.session(visitor, identity) == paused
    assert practice.session(visitor, add(practice, visitor, "a")).number == 2


def test_an_item_comes_back_as_it_was_kept(practice: PracticeStore, visitor: int) -> None:
    identity = add(practice, visitor, "a", "b")
    done = replace(
        practice.item(visitor, identity, 2),
        chosen="C",
        confidence=Confidence.GUESS,
        struck=("A",),
        highlights=((0, 3), (5, 9)),
        hints=2,
        seconds=4.5,
        touched=MORNING,
    )
    practice.keep_item(identity, done)
    assert practice.items(visitor, identity) == [practice.item(visitor, identity, 1), done]


def test_committing_again_gives_the_first_answer_back_and_adds_up_once(practice: PracticeStore, visitor: int) -> None:
    identity = add(practice, visitor, "renal-01")
    assert practice.add_attempt(visitor, identity, 1, tried(chosen="A")) == tried(chosen="A")
    assert practice.add_attempt(visitor, identity, 1, tried(chosen="B")) == tried(chosen="A")
    assert practice.attempts(visitor, identity) == {1: tried(chosen="A")}
    assert practice.tallies(visitor) == tally([tried(chosen="A")])


def test_two_visitors_never_share_practice(practice: PracticeStore, visitor: int, other: int) -> None:
    mine, theirs = add(practice, visitor, "a", "b"), add(practice, other, "a", "b")
    practice.add_attempt(visitor, mine, 1, tried("a", "A"))
    practice.set_flag(visitor, "b", True)
    practice.set_note(visitor, "b", "Mine")
    assert practice.attempts(other, mine) == practice.attempts(other, theirs) == {}
    assert (practice.tallies(other), practice.statuses(other), practice.flags(other)) == ({}, {}, frozenset())
    assert (practice.note(other, "b"), practice.items(other, mine), practice.standing(other, "a")) == ("", [], None)
    assert practice.last_attempts(other, ["a"]) == {}
    assert [summary.session.id for summary in practice.summaries(other, ended=False, limit=9)] == [theirs]
    for call in (
        lambda: practice.session(other, mine),
        lambda: practice.item(other, mine, 1),
        lambda: practice.set_miss(other, mine, 1, Miss.TIME),
        lambda: practice.tutor_messages(other, mine, 1),
    ):
        with pytest.raises(NotFound):
            call()
    practice.set_flag(other, "b", False)
    assert practice.flags(visitor) == {"b"}


def test_a_flag_is_set_and_taken_away_however_often(practice: PracticeStore, visitor: int) -> None:
    for flagged in (True, True):
        practice.set_flag(visitor, "renal-01", flagged)
    assert practice.flags(visitor) == {"renal-01"}
    for flagged in (False, False):
        practice.set_flag(visitor, "renal-01", flagged)
    assert practice.flags(visitor) == frozenset()


def test_an_empty_note_takes_the_note_away(practice: PracticeStore, visitor: int) -> None:
    for text in ("First", "Second", ""):
        practice.set_note(visitor, "renal-01", text)
        assert practice.note(visitor, "renal-01") == text


def test_answers_about_an_item_that_a_crash_left_open_are_marked_at_the_start(practice: PracticeStore, visitor: int) -> None:
    identity = add(practice, visitor, "a")
    question = Message(id="q", role=Role.USER, text="Why?")
    practice.add_tutor_turn(identity, 1, question, Message(id="a", role=Role.ASSISTANT, text="", status=Status.STREAMING))
    practice.close_interrupted(INTERRUPTED)
    kept = practice.tutor_messages(visitor, identity, 1)
    assert kept[0] == question
    assert (kept[1].status, kept[1].note) == (Status.FAILED, INTERRUPTED)


# What it adds up to


views = st.builds(
    ModelView,
    model=st.just("Fake"),
    choice=st.sampled_from("ABC"),
    probability=st.floats(0, 1),
    key_probability=st.floats(0, 1),
    earned=st.booleans(),
)
places = st.tuples(st.integers(0, SESSIONS - 1), st.integers(1, ITEMS))
answers = st.tuples(
    st.just("commit"),
    places,
    st.tuples(
        st.sampled_from("ABC"),
        st.sampled_from(Confidence),
        st.floats(0, 900),
        st.integers(-100_000, 1_000_000),
        st.integers(0, 2),
    ),
)
misses = st.tuples(st.just("miss"), places, st.none() | st.sampled_from(Miss))
readings = st.tuples(st.just("model"), places, views)


@settings(max_examples=40, deadline=None)
@given(st.lists(answers | answers | misses | readings, min_size=1, max_size=16))
def test_what_is_kept_is_what_the_attempts_say_in_whatever_order_things_happen(steps: list[tuple]) -> None:
    """Answers come in any order of their times, as when a session is graded after its deadline."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder), Clock())
        practice, visitor = PracticeStore(database), Store(database).visitor("token")
        questions = [f"q{number}" for number in range(ITEMS)]
        sessions = [add(practice, visitor, *questions) for _ in range(SESSIONS)]
        for kind, (which, position), value in steps:
            session = sessions[which]
            if kind == "commit":
                chosen, confidence, seconds, offset, hints = value
                attempt = tried(
                    questions[position - 1],
                    chosen,
                    MORNING + timedelta(seconds=offset),
                    confidence=confidence,
                    seconds=seconds,
                    hints=hints,
                    topic=Topic("renal" if position % 2 else "blood", step="1"),
                )
                practice.add_attempt(visitor, session, position, attempt)
            elif practice.attempt(visitor, session, position) is None:
                continue
            elif kind == "miss":
                practice.set_miss(visitor, session, position, value)
            else:
                practice.set_model(visitor, session, position, value)
        made = attempts_of(practice, visitor, sessions)
        assert_same(practice.tallies(visitor), tally(made))

        by_question: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in made:
            by_question[attempt.question].append(attempt)
        standings = {question: practice.standing(visitor, question) for question in questions}
        for question, some in by_question.items():
            standing = standings[question]
            assert standing is not None and standing.attempts == len(some)
            times = sorted(attempt.when for attempt in some)
            assert standing.memory.last_review == times[-1]
            if len(set(times)) == len(times):
                assert standing.memory == folded(some)
        practice.rebuild(visitor)
        assert_same(practice.tallies(visitor), tally(made))
        assert {question: practice.standing(visitor, question) for question in questions} == standings
        database.close()


def folded(attempts: list[Attempt]) -> object:
    memory = None
    for attempt in sorted(attempts, key=lambda attempt: attempt.when):
        memory = review(memory, attempt)
    return memory


def test_an_answer_that_is_graded_late_does_not_overrule_a_later_one(practice: PracticeStore, visitor: int) -> None:
    early, late = add(practice, visitor, "a"), add(practice, visitor, "a")
    practice.add_attempt(visitor, late, 1, tried("a", "B", MORNING + timedelta(hours=1), confidence=Confidence.SURE))
    practice.add_attempt(visitor, early, 1, tried("a", "A", MORNING))
    standing = practice.standing(visitor, "a")
    assert standing is not None
    assert (standing.attempts, standing.correct, standing.sure) == (2, True, True)
    assert practice.statuses(visitor)["a"].isdisjoint({Asked.WRONG, Asked.SURE_WRONG})


def test_what_is_due_is_listed_longest_due_first_on_the_stores_clock(practice: PracticeStore, visitor: int, clock: Clock) -> None:
    identity = add(practice, visitor, "a", "b", "c")
    for position, question in enumerate("abc", start=1):
        practice.add_attempt(visitor, identity, position, tried(question, "A", MORNING - timedelta(minutes=position)))
    assert practice.due(visitor) == ["c", "b", "a"]
    clock.move(-61)
    assert practice.due(visitor) == ["c"]


def test_a_kind_of_miss_of_an_item_without_an_answer_is_not_found(practice: PracticeStore, visitor: int) -> None:
    identity = add(practice, visitor, "a")
    with pytest.raises(NotFound, match="no graded answer"):
        practice.set_miss(visitor, identity, 1, Miss.TIME)


def test_summaries_count_what_is_graded_and_before_that_what_is_chosen(practice: PracticeStore, visitor: int) -> None:
    timed, tutor = add(practice, visitor, "a", "b", mode=Mode.TIMED), add(practice, visitor, "a", "b", "c")
    practice.keep_item(timed, replace(practice.item(visitor, timed, 1), chosen="A"))
    practice.add_attempt(visitor, tutor, 2, tried("b", "B"))
    found = practice.summaries(visitor, ended=False, limit=9)
    assert [(s.session.id, s.total, s.answered, s.correct) for s in found] == [(tutor, 3, 1, 1), (timed, 2, 1, 0)]
    session: Session = practice.session(visitor, timed)
    practice.keep_session(replace(session, state=State.ENDED, ended=MORNING))
    assert [s.session.id for s in practice.summaries(visitor, ended=True, limit=9)] == [timed]


# Rounds of old files


def old_file(folder: Path, order: list[str]) -> None:
    """A database of before there were sessions: two visitors, the first with two rounds and three answers."""
    folder.mkdir()
    db = sqlite_utils.Database(folder / FILE)
    all_migrations().apply(db, stop_before="0004_sessions")
    for visitor in (1, 2):
        db.table("visitors").insert({"id": visitor, "token_hash": str(visitor), "created": "2026-01-01T00:00:00+00:00"})
    for visitor, number in ((1, 1), (1, 2), (2, 1)):
        db.table("rounds").insert(
            {
                "id": f"round-{visitor}-{number}",
                "visitor": visitor,
                "number": number,
                "question_order": json.dumps(order),
                "started": f"2026-01-0{number}T08:00:00+00:00",
            }
        )
    answers_kept = (("round-1-1", 0, "A", "sure", 1), ("round-1-1", 1, "B", "guess", 0), ("round-1-2", 0, "B", "unsure", 2))
    for minute, (round_, place, chosen, confidence, hints) in enumerate(answers_kept):
        db.table("attempts").insert(
            {
                "round": round_,
                "question": order[place],
                "chosen": chosen,
                "key": "B",
                "confidence": confidence,
                "seconds": 30.5,
                "hints": hints,
                "struck": '["C"]',
                "created": f"2026-01-0{round_[-1]}T09:0{minute}:00+00:00",
            }
        )
    db.table("flags").insert({"visitor": 1, "question": order[2]})
    db.close()


def test_rounds_of_an_old_file_become_sessions_with_their_answers_and_what_those_add_up_to(tmp_path: Path, bank: Bank) -> None:
    order = [question.id for question in bank.questions[:4]]
    old_file(tmp_path / "old", order)
    database = Database(tmp_path / "old", Clock(datetime(2026, 1, 3, tzinfo=UTC)))
    quiz = quiz_on(database, bank, FakeEngine())
    practice = quiz.practice

    first, second = practice.session(1, "round-1-1"), practice.session(1, "round-1-2")
    assert [(s.number, s.mode, s.state, s.blocks) for s in (first, second)] == [
        (1, Mode.TUTOR, State.ENDED, ()),
        (2, Mode.TUTOR, State.OPEN, ()),
    ]
    assert [item.question for item in practice.items(1, "round-1-2")] == order
    kept = practice.attempts(1, "round-1-1")
    topic = quiz.deck.catalogue(1)[order[0]]
    assert kept[1] == Attempt(
        question=order[0],
        chosen="A",
        key="B",
        confidence=Confidence.SURE,
        seconds=30.5,
        when=datetime(2026, 1, 1, 9, tzinfo=UTC),
        hints=1,
        struck=("C",),
        topic=topic,
    )
    made = attempts_of(practice, 1, ["round-1-1", "round-1-2"])
    assert len(made) == 3
    assert_same(practice.tallies(1), tally(made))
    standing = practice.standing(1, order[0])
    of_first = [attempt for attempt in made if attempt.question == order[0]]
    assert isinstance(standing, Standing)
    assert (standing.attempts, standing.correct, standing.memory) == (2, True, folded(of_first))
    assert practice.tallies(2) == {}
    assert practice.flags(1) == {order[2]}
    progress = quiz.progress(1, "round-1-2")
    assert (progress.current, set(progress.attempts)) == (2, {1})
    question = bank.questions[1]
    quiz.commit(1, "round-1-2", 2, chosen=question.key, confidence="sure", seconds=1.0)
    assert sum(sums.n for sums in practice.tallies(1)[Dimension.DAY].values()) == 4
    before = practice.tallies(1)
    quiz_on(database, bank, FakeEngine())
    assert practice.tallies(1) == before, "a second start adds nothing up again"
    assert before[Dimension.SYSTEM][topic.system] != Sums()
    database.close()
