"""Practises for ever in a data folder: ``python -m tests.slow.practising FOLDER``, to be killed at any moment.

Says before each call what it is about to do, and once the call has returned, what it did; each as a line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from app.database import Database
from app.deck import Deck
from app.engine.fake import FakeEngine
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.questions import Bank
from app.quiz import Progress, Quiz
from app.records import Mode, Question
from app.sessions import Selection
from app.store import Store

TOKEN = "k" * 43
BANK = Bank(
    tuple(
        Question(id=f"q{n}", stem=f"Which one is number {n}?", options=dict.fromkeys("ABCDE", f"{n}"), key="ABCDE"[n % 5])
        for n in range(45)
    )
)


def open_quiz(folder: Path) -> tuple[Database, Quiz, int]:
    """The visitor's quiz in a data folder; the database is to be closed."""
    database = Database(folder)
    practice = PracticeStore(database)
    quiz = Quiz(Deck(BANK, OwnStore(database), practice), practice, FakeEngine(), seed=1)
    return database, quiz, Store(database).visitor(TOKEN)


def main(folder: str) -> None:
    _, quiz, visitor = open_quiz(Path(folder))
    while True:
        tutor(quiz, visitor)
        in_blocks(quiz, visitor, Mode.EXAM, 21)
        in_blocks(quiz, visitor, Mode.TIMED, 3)


def tutor(quiz: Quiz, visitor: int) -> None:
    session = begin(quiz, visitor, Mode.TUTOR, 12)
    for item in quiz.progress(visitor, session).items:
        chosen = "ABCDE"[item.position % 5]
        place = item.position
        told("keep", lambda p=place, c=chosen: quiz.keep(visitor, session, p, chosen=c), session, place, chosen)
        told(
            "commit",
            lambda p=place, c=chosen: quiz.commit(visitor, session, p, chosen=c, confidence="sure", seconds=0.0),
            session,
            place,
            chosen,
        )
    told("end", lambda: quiz.end(visitor, session), session)


def in_blocks(quiz: Quiz, visitor: int, mode: Mode, count: int) -> None:
    """A session in blocks, whose last is left to the end of the session."""
    session = begin(quiz, visitor, mode, count)
    blocks = quiz.progress(visitor, session).session.blocks
    for block in blocks:
        number = block.number
        told("start", lambda n=number: quiz.start_block(visitor, session, n), session, number)
        for place in range(block.first, block.last + 1, 3):
            told("keep", lambda p=place: quiz.keep(visitor, session, p, chosen="B"), session, place, "B")
        if number != len(blocks):
            told("close", lambda n=number: quiz.close_block(visitor, session, n), session, number)
    told("end", lambda: quiz.end(visitor, session), session)


def begin(quiz: Quiz, visitor: int, mode: Mode, count: int) -> str:
    begun: Progress = told("begin", lambda: quiz.begin(visitor, Selection(mode=mode, count=count)))
    print(json.dumps(["done", "begun", begun.session.id]), flush=True)
    return begun.session.id


def told(name: str, call: Callable[[], Progress], *what: object) -> Progress:
    print(json.dumps(["doing", name, *what]), flush=True)
    result = call()
    print(json.dumps(["done", name, *what]), flush=True)
    return result


if __name__ == "__main__":
    main(sys.argv[1])
