"""Practice after years: 10,000 own questions and 100,000 answers of one visitor, and what each call of the page then takes.

    python -m tests.benchmarks.practice [--questions N] [--answers N] [--calls N]

A real database on disk and the real application's routes, on a model that is none. Prints a Markdown table; ends with 1 where a
median is over the limit.
"""

from __future__ import annotations

import argparse
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from app.bank import BANK
from app.database import Database
from app.engine.fake import FakeEngine
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.questions import read_bank
from app.records import Attempt, Confidence, Miss, Mode, ModelView, Question, Topic
from app.sessions import State
from app.store import Store
from app.ui.visitors import HEADER
from app.web import build_web
from tests.conftest import Clock, parts_for, settings_for

LIMIT = 0.2  # seconds that a call may take, the median
SESSION = 40  # answers
HOURS = 3  # from one session to the next
SEED = 7


@dataclass(frozen=True)
class Took:
    """Seconds of every call, and what of them this process computed; the rest is waiting, on a busy machine also for others."""

    name: str
    seconds: tuple[float, ...]
    computed: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def own_questions(like: Sequence[Question], count: int) -> list[Question]:
    """Questions as long as those of the bank, each with words of its own."""
    drawn = random.Random(SEED)
    return [
        replace(
            like[number % len(like)],
            id=f"made-{number}",
            stem=f"Case {number}. {like[number % len(like)].stem} {' '.join(f'{drawn.getrandbits(20):x}' for _ in range(5))}",
        )
        for number in range(count)
    ]


def fill(database: Database, clock: Clock, visitor: int, topics: dict[str, Topic], answers: int) -> None:
    """Sessions of tutor mode, all answered and ended but the last."""
    practice, drawn, names = PracticeStore(database), random.Random(SEED), list(topics)
    for first in range(0, answers, SESSION):
        count = min(SESSION, answers - first)
        chosen = [names[(first + place) % len(names)] for place in range(count)]
        with database.write():
            items = [(question, 0) for question in chosen]
            session = practice.add_session(visitor, mode=Mode.TUTOR, title="All topics", blocks=(), items=items)
            for position, question in enumerate(chosen, start=1):
                clock.move(seconds=60)
                practice.add_attempt(visitor, session.id, position, answer(question, topics[question], clock, drawn))
            if first + SESSION < answers:
                practice.keep_session(replace(session, state=State.ENDED, ended=clock.now))
        clock.move(hours=HOURS)


def answer(question: str, topic: Topic, clock: Clock, drawn: random.Random) -> Attempt:
    right, read = drawn.random() < 0.65, drawn.random() < 0.5
    view = ModelView("Fake", drawn.choice("ABCDE"), drawn.uniform(0.2, 1), 0.3, drawn.random() < 0.5) if read else None
    return Attempt(
        question=question,
        chosen="A" if right else "B",
        key="A",
        confidence=drawn.choice(list(Confidence)),
        seconds=drawn.expovariate(1 / 80),
        when=clock.now,
        topic=topic,
        miss=None if right else drawn.choice([None, *Miss]),
        model=view,
    )


def measured(client: TestClient, calls: int) -> Iterator[Took]:
    """The calls of the page, each ``calls`` times after one that is not counted."""
    start = "/api/practise"
    choice = {"mode": "tutor", "count": 40}
    filters = {**choice, "systems": ["cardiovascular", "nervous"], "statuses": ["unused", "wrong", "due"]}
    session = client.post(f"{start}/sessions", json=choice).json()["id"]
    recent = client.get(f"{start}/overview").json()["recent"][0]["id"]
    asked: dict[str, Callable[[int], Any]] = {
        "start page": lambda _: client.get(f"{start}/overview"),
        "matching: all": lambda _: client.post(f"{start}/matching", json=choice),
        "matching: two systems, three statuses": lambda _: client.post(f"{start}/matching", json=filters),
        "matching: a topic": lambda _: client.post(f"{start}/matching", json={**choice, "topic": "atrial fibrillation"}),
        "results: everything": lambda _: client.get(f"{start}/results"),
        "results: one session": lambda _: client.get(f"{start}/results", params={"session": recent}),
        "begin: tutor, 40 items": lambda _: client.post(f"{start}/sessions", json=choice),
        "begin: exam, 40 items that are due": lambda _: client.post(
            f"{start}/sessions", json={"mode": "exam", "count": 40, "statuses": ["due"]}
        ),
        "open a session": lambda _: client.get(f"{start}/sessions/{session}"),
        "open an item": lambda turn: client.get(f"{start}/sessions/{session}/items/{turn + 1}"),
        "keep a choice": lambda turn: client.put(
            f"{start}/sessions/{session}/items/{turn + 1}", json={"chosen": "A", "seconds": 1}
        ),
        "commit an answer": lambda turn: client.post(
            f"{start}/sessions/{session}/items/{turn + 1}/commit", json={"chosen": "A", "confidence": "sure", "seconds": 1}
        ),
    }
    for name, call in asked.items():
        seconds, computed = zip(*[timed(call, turn) for turn in range(calls + 1)][1:], strict=True)
        yield Took(name, seconds, computed)


def timed(call: Callable[[int], Any], turn: int) -> tuple[float, float]:
    begun, before = time.perf_counter(), time.process_time()
    response = call(turn)
    took = time.perf_counter() - begun, time.process_time() - before
    assert response.status_code == 200, response.text
    return took


def table(tooks: Sequence[Took]) -> str:
    names = ("call", "median, ms", "slowest, ms", "computed, ms", f"within {LIMIT * 1000:.0f} ms")
    rows = [names, ("---", "---:", "---:", "---:", "---")]
    for took in tooks:
        times = (took.median, max(took.seconds), statistics.median(took.computed))
        rows.append((took.name, *(f"{1000 * seconds:.0f}" for seconds in times), "yes" if took.median <= LIMIT else "NO"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.practice", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=int, default=10_000, help="own questions (10000)")
    parser.add_argument("--answers", type=int, default=100_000, help="answers that were given (100000)")
    parser.add_argument("--calls", type=int, default=20, help="calls that are timed, at most 39 (20)")
    given = parser.parse_args(argv)
    bank = read_bank(BANK)
    with tempfile.TemporaryDirectory() as folder:
        clock, token = Clock(), secrets.token_urlsafe(32)
        database = Database(Path(folder), clock)
        visitor = Store(database).visitor(token)
        OwnStore(database).add_batch(visitor, "made.jsonl", own_questions(bank.questions, given.questions))
        begun = time.perf_counter()
        engine = FakeEngine()
        parts = parts_for(engine, database, bank)
        fill(database, clock, visitor, dict(parts.quiz.deck.catalogue(visitor)), given.answers)
        print(f"{given.answers:,} answers to {given.questions:,} own questions and the bank's {len(bank.questions)}: ", end="")
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"kept in {time.perf_counter() - begun:.0f} s, {size / 1e6:.0f} MB\n")
        client = TestClient(build_web(settings_for(Path(folder)), parts), headers={HEADER: token})
        tooks = list(measured(client, given.calls))
        parts.close()
    print(table(tooks))
    return int(any(took.median > LIMIT for took in tooks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
