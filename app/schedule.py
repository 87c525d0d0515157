"""When an item comes back: FSRS with its default parameters (the ``fsrs`` package; Ye, Su and Cao, KDD 2022). Pure.

The memory of an item is the fold of its attempts in time order, so it can be made again from them at any time. The package's
random spread of due days is off: it would make that fold another one each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fsrs import Card, Rating, Scheduler, State

from app.records import Attempt, Confidence, Grade


@dataclass(frozen=True)
class Memory:
    """FSRS's state of one item: ``stability`` in days, ``difficulty`` 1 to 10, ``due`` when it should come back."""

    state: int
    step: int | None
    stability: float
    difficulty: float
    due: datetime
    last_review: datetime


def grade_of(attempt: Attempt) -> Grade:
    """Correctness and confidence make the grade: wrong is AGAIN; right is HARD for a guess or with a hint, GOOD when unsure,
    EASY when sure."""
    if not attempt.correct:
        return Grade.AGAIN
    if attempt.hints or attempt.confidence is Confidence.GUESS:
        return Grade.HARD
    return Grade.EASY if attempt.confidence is Confidence.SURE else Grade.GOOD


def review(memory: Memory | None, attempt: Attempt) -> Memory:
    """The item's memory after an attempt; ``memory`` is None before its first one. An attempt that came to light later than
    one made after it (a restored backup, another clock) counts at the time of that one: FSRS knows no negative intervals."""
    when = attempt.when if memory is None else max(attempt.when, memory.last_review)
    card = Card(card_id=0) if memory is None else _card(memory)  # without an id it would sleep to make one
    reviewed, _ = Scheduler(enable_fuzzing=False).review_card(card, Rating[grade_of(attempt).name.title()], when)
    assert reviewed.stability is not None and reviewed.difficulty is not None
    return Memory(int(reviewed.state), reviewed.step, reviewed.stability, reviewed.difficulty, reviewed.due, when)


def _card(memory: Memory) -> Card:
    return Card(
        card_id=0,
        state=State(memory.state),
        step=memory.step,
        stability=memory.stability,
        difficulty=memory.difficulty,
        due=memory.due,
        last_review=memory.last_review,
    )
