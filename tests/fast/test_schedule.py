"""When an item comes back: the grades, and the package's own schedule card for card."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from fsrs import Card, Rating, Scheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from app.records import Attempt, Confidence, Grade
from app.schedule import Memory, grade_of, review
from tests.conftest import MORNING

RATINGS = {Grade.AGAIN: Rating.Again, Grade.HARD: Rating.Hard, Grade.GOOD: Rating.Good, Grade.EASY: Rating.Easy}
graded = st.sampled_from(Grade)
gaps = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))
series = st.lists(st.tuples(graded, gaps), min_size=1, max_size=12)


def attempt(grade: Grade, when: datetime) -> Attempt:
    confidence = {Grade.HARD: Confidence.GUESS, Grade.GOOD: Confidence.UNSURE}.get(grade, Confidence.SURE)
    chosen = "B" if grade is Grade.AGAIN else "A"
    return Attempt(question="q", chosen=chosen, key="A", confidence=confidence, seconds=1.0, when=when)


def timed(steps: list[tuple[Grade, timedelta]]) -> list[Attempt]:
    """Attempts of these grades, each so long after the one before it."""
    when, made = MORNING, []
    for grade, gap in steps:
        when += gap
        made.append(attempt(grade, when))
    return made


def fold(attempts: list[Attempt]) -> Memory:
    memory = None
    for each in attempts:
        memory = review(memory, each)
    assert memory is not None
    return memory


@pytest.mark.parametrize(
    ("correct", "confidence", "hints", "grade"),
    [
        (False, Confidence.SURE, 0, Grade.AGAIN),
        (False, Confidence.GUESS, 3, Grade.AGAIN),
        (True, Confidence.GUESS, 0, Grade.HARD),
        (True, Confidence.UNSURE, 0, Grade.GOOD),
        (True, Confidence.SURE, 0, Grade.EASY),
        (True, Confidence.SURE, 1, Grade.HARD),
        (True, Confidence.UNSURE, 2, Grade.HARD),
    ],
)
def test_correctness_confidence_and_hints_make_the_grade(correct: bool, confidence: Confidence, hints: int, grade: Grade) -> None:
    made = Attempt(
        question="q",
        chosen="A" if correct else "B",
        key="A",
        confidence=confidence,
        seconds=1,
        when=MORNING,
        hints=hints,
    )
    assert grade_of(made) is grade


@settings(deadline=None)
@given(series)
def test_a_series_of_reviews_is_the_packages_own_series_card_for_card(steps: list[tuple[Grade, timedelta]]) -> None:
    scheduler, card, memory = Scheduler(enable_fuzzing=False), Card(card_id=1), None
    for (grade, _), made in zip(steps, timed(steps), strict=True):
        assert grade_of(made) is grade
        card, _log = scheduler.review_card(card, RATINGS[grade], made.when)
        memory = review(memory, made)
        theirs = (int(card.state), card.step, card.stability, card.difficulty, card.due, card.last_review)
        assert (memory.state, memory.step, memory.stability, memory.difficulty, memory.due, memory.last_review) == theirs


@settings(deadline=None)
@given(series)
def test_the_memory_can_be_made_again_from_the_attempts(steps: list[tuple[Grade, timedelta]]) -> None:
    assert fold(timed(steps)) == fold(timed(steps))


@settings(deadline=None)
@given(series, graded, gaps)
def test_an_attempt_that_comes_to_light_late_counts_at_the_time_of_the_last_one(
    steps: list[tuple[Grade, timedelta]], grade: Grade, ago: timedelta
) -> None:
    memory = fold(timed(steps))
    late = review(memory, attempt(grade, memory.last_review - ago))
    assert late == review(memory, attempt(grade, memory.last_review))
    assert late.last_review == memory.last_review


@settings(deadline=None)
@given(series)
def test_an_item_is_due_after_its_review_and_a_better_grade_never_brings_it_back_sooner(
    steps: list[tuple[Grade, timedelta]],
) -> None:
    memory = fold(timed(steps))
    assert memory.due > memory.last_review
    assert 1 <= memory.difficulty <= 10
    assert memory.stability > 0
    when = memory.last_review + timedelta(days=3)
    dues = [review(memory, attempt(grade, when)).due for grade in (Grade.HARD, Grade.GOOD, Grade.EASY)]
    assert dues == sorted(dues)
