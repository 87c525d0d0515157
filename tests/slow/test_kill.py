"""Practice killed with SIGKILL at each of its steps: what was acknowledged is there, nothing is counted twice, and it goes on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from app.practice_store import PracticeStore
from app.quiz import Quiz
from app.records import Attempt
from app.sessions import State
from app.tallies import Tallies, tally
from tests.slow.practising import open_quiz

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STEPS = ("begin", "keep", "commit", "start", "close", "end")
KILLS = [*((step, 1) for step in STEPS), ("commit", 8), ("keep", 19)]
LONGEST = 0.01  # seconds from the announcement to the kill; a call takes some milliseconds
Said = list[list]


def practise_until(folder: Path, step: str, times: int, delay: float) -> Said:
    """Practises in a second process until it is about to do ``step`` for so many times, then kills it; what it said it did."""
    command = [sys.executable, "-m", "tests.slow.practising", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said: Said = []
        while times:
            line = process.stdout.readline()
            assert line, "it ended by itself"
            said.append(json.loads(line))
            times -= said[-1][:2] == ["doing", step]
        time.sleep(delay)
        process.kill()
        said += [json.loads(line) for line in process.stdout if line.endswith("\n")]
        assert process.wait() == -signal.SIGKILL
    return [what for state, *what in said if state == "done"]


def attempts_of(practice: PracticeStore, visitor: int) -> dict[tuple[str, int], Attempt]:
    sessions = [summary.session.id for ended in (False, True) for summary in practice.summaries(visitor, ended=ended, limit=1000)]
    return {(id_, place): attempt for id_ in sessions for place, attempt in practice.attempts(visitor, id_).items()}


def assert_counted_once(practice: PracticeStore, visitor: int) -> None:
    """The sums and standings that are kept are those of the attempts, and stay so when they are made anew."""
    attempts = list(attempts_of(practice, visitor).values())
    seen = Counter(attempt.question for attempt in attempts)
    for _ in range(2):
        assert flat(practice.tallies(visitor)) == flat(tally(attempts))
        for question, times in seen.items():
            standing = practice.standing(visitor, question)
            assert standing is not None and standing.attempts == times
        practice.rebuild(visitor)


def flat(tallies: Tallies) -> dict[tuple[str, str], object]:
    """Compared to the millionth: what is added in another order differs in its last digit."""
    return {
        (dimension, name): (sums.n, sums.correct, round(sums.seconds, 6), round(sums.said, 6), round(sums.error, 6))
        for dimension, names in tallies.items()
        for name, sums in names.items()
    }


def assert_all_is_there(quiz: Quiz, visitor: int, done: Said) -> None:
    attempts = attempts_of(quiz.practice, visitor)
    for name, *what in done:
        if name == "begin":
            continue
        progress = quiz.progress(visitor, what[0])
        if name == "begun":
            assert progress.items
        elif name == "keep":
            _, place, chosen = what
            assert progress.items[place - 1].chosen == chosen
            if progress.session.blocks and progress.session.state is State.ENDED:
                assert attempts[what[0], place].chosen == chosen
        elif name == "commit":
            _, place, chosen = what
            assert attempts[what[0], place].chosen == chosen
        elif name == "start":
            assert progress.session.blocks[what[1] - 1].state != "waiting"
        elif name == "close":
            assert progress.session.blocks[what[1] - 1].state == "closed"
        else:
            assert progress.session.state is State.ENDED


def go_on(quiz: Quiz, visitor: int) -> None:
    """Finishes what is open as a learner would; every kept answer is then graded."""
    for summary in quiz.open_sessions(visitor):
        session = summary.session.id
        progress = quiz.progress(visitor, session)
        if not progress.session.blocks:
            for item in progress.items:
                quiz.commit(visitor, session, item.position, chosen=item.chosen or "C", confidence="guess", seconds=0)
        elif progress.session.running is None and progress.session.next_block:
            quiz.start_block(visitor, session, progress.session.next_block.number)
        ended = quiz.end(visitor, session)
        graded = {item.position for item in ended.items if item.chosen is not None}
        assert (ended.session.state, set(ended.attempts)) == (State.ENDED, graded)


@pytest.mark.parametrize(("step", "times"), KILLS, ids=str)
def test_practice_that_is_killed_loses_nothing_acknowledged_counts_nothing_twice_and_goes_on(
    tmp_path: Path, step: str, times: int
) -> None:
    delay = random.Random(f"{step} {times}").uniform(0, LONGEST)
    done = practise_until(tmp_path, step, times, delay)
    database, quiz, visitor = open_quiz(tmp_path)
    try:
        assert database.row("pragma integrity_check") == {"integrity_check": "ok"}
        assert_all_is_there(quiz, visitor, done)
        assert_counted_once(quiz.practice, visitor)
        go_on(quiz, visitor)
        assert_all_is_there(quiz, visitor, done)
        assert_counted_once(quiz.practice, visitor)
    finally:
        database.close()
