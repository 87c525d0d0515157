"""What a visitor's answers say, of one session or of all, and what to practise next. Puts figures and lists together; no page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from app.deck import Counts
from app.errors import Conflict
from app.practice_store import Kept
from app.quiz import Quiz
from app.records import Mode, Question
from app.results import Results, Suggestion, results, suggest
from app.sessions import State
from app.tallies import tally


@dataclass(frozen=True)
class Review:
    """``questions``: those that the lists speak of and that still are."""

    title: str
    results: Results
    sure_wrong: tuple[Kept, ...]
    disagreements: tuple[Kept, ...]
    questions: Mapping[str, Question]
    suggestion: Suggestion | None


def review_all(quiz: Quiz, visitor: int, limit: int) -> Review:
    """Of everything that the visitor has answered; ``limit`` items a list."""
    tallies = quiz.practice.tallies(visitor)
    return _review(quiz, visitor, "All your answers", results(tallies), limit=limit)


def review_session(quiz: Quiz, visitor: int, identity: str, limit: int) -> Review:
    """Of one session.

    Raises:
        NotFound: the visitor has none of that name.
        Conflict: its feedback comes after its end.
    """
    progress = quiz.progress(visitor, identity)
    session = progress.session
    if not session.feedback:
        raise Conflict("The results of this session come after its end. Go on with it, or end it.")
    left_out = session.mode is not Mode.TUTOR and session.state is State.ENDED
    omitted = len(progress.items) - len(progress.attempts) if left_out else 0
    found = results(tally(progress.attempts.values()), omitted=omitted)
    return _review(quiz, visitor, f"Session {session.number}: {session.title}", found, limit=limit, session=identity)


def suggestion_of(quiz: Quiz, visitor: int, counts: Counts) -> Suggestion | None:
    """What to practise next."""
    return suggest(quiz.practice.tallies(visitor), asdict(counts))


def _review(quiz: Quiz, visitor: int, title: str, found: Results, *, limit: int, session: str | None = None) -> Review:
    sure_wrong = quiz.practice.sure_and_wrong(visitor, limit, session)
    disagreements = quiz.practice.disagreements(visitor, limit, session)
    spoken_of = list(dict.fromkeys(kept.attempt.question for kept in (*sure_wrong, *disagreements)))
    questions = {question.id: question for question in quiz.deck.questions(visitor, spoken_of)}
    suggestion = suggestion_of(quiz, visitor, quiz.deck.counts(visitor))
    return Review(title, found, tuple(sure_wrong), tuple(disagreements), questions, suggestion)
