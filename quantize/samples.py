"""The questions and texts on which models are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.bases import CALIBRATION_ROWS, CONFORMAL_ROWS
from app.errors import BadInput
from app.questions import read_bank, read_questions
from app.records import Question

BANK = Path(__file__).parents[1] / "assets" / "bank"
WANTED = 1000  # questions: their interval of agreement is then within a point
TEXTS = 10
MOST_CHARACTERS = 6000  # of a question's texts: some 1,500 tokens
# Short questions are taken first: what is compared is arithmetic, not knowledge, and four models have to read them all.
SHORT_CHARACTERS = 160


@dataclass(frozen=True)
class Sample:
    """``sources``: file -> how many questions of it."""

    questions: tuple[Question, ...]
    sources: dict[str, int]
    refused: int

    @property
    def words(self) -> str:
        listed = ", ".join(f"{Path(name).name} ({count})" for name, count in self.sources.items())
        few = f"; {WANTED} are wanted, so the interval is wide" if len(self.questions) < WANTED else ""
        return f"{len(self.questions)} questions of {listed}{few}"


def sample(files: Sequence[Path], wanted: int) -> Sample:
    """As many questions of each file as come to ``wanted`` in all, the same ones each time; a folder is read as a bank.

    Raises:
        BadInput: a file is not there, or no question can be used.
    """
    pools, refused = [], 0
    for path in files:
        found, bad = _read(path)
        refused += bad
        pools.append(sorted(found, key=_order))
    chosen: list[list[Question]] = [[] for _ in pools]
    order = sorted(range(len(pools)), key=lambda place: len(pools[place]))  # the smallest first: others take up its rest
    for done, place in enumerate(order):
        left = wanted - sum(map(len, chosen))
        chosen[place] = pools[place][: -(-left // (len(pools) - done))]
    questions = [question for pool in chosen for question in pool][:wanted]
    if not questions:
        raise BadInput(f"No question could be read of {', '.join(map(str, files)) or 'no file'}. Name files with --questions.")
    sources = {str(path): len(pool) for path, pool in zip(files, chosen, strict=True) if pool}
    return Sample(tuple(questions), sources, refused)


def default_files(folder: Path, run: dict[str, Any]) -> list[Path]:
    """What a training says of the questions that it was not trained on: those held out for the thresholds, and the evaluation
    files that are where they were. Our own bank where there is none."""
    data = run["config"]["data"]
    held = [folder / CONFORMAL_ROWS]
    named = [Path(data["root"]) / file for file in data["evaluation"]]
    return [path for path in (*held, *named) if path.is_file() and path.stat().st_size] or [BANK]


def held_out(folder: Path) -> tuple[list[Question], list[Question]]:
    """The questions for a calibration and for its thresholds, as the training kept them; empty where it kept none."""
    parts = [_read(folder / name)[0] if (folder / name).is_file() else [] for name in (CALIBRATION_ROWS, CONFORMAL_ROWS)]
    return parts[0], parts[1]


def texts() -> list[str]:
    """Stems of our own bank with the explanation of the key, each on one line."""
    questions = read_bank(BANK).questions
    step = max(len(questions) // TEXTS, 1)
    joined = [f"{one.stem} {one.explanations[one.key]}" for one in questions[::step][:TEXTS]]
    return [" ".join(text.split()) for text in joined]


def _read(path: Path) -> tuple[list[Question], int]:
    if path.is_dir():
        bank = read_bank(path)
        return list(bank.questions), len(bank.refusals)
    if not path.is_file():
        raise BadInput(f"The question file {path} is not there. Check the path after --questions.")
    if not path.stat().st_size:
        return [], 0
    rows, refusals = read_questions(path)
    short = [one for _, one in rows if _characters(one) <= MOST_CHARACTERS]
    return short, len(refusals) + len(rows) - len(short)


def _order(question: Question) -> tuple[bool, bytes]:
    return _characters(question) > SHORT_CHARACTERS, hashlib.sha256(question.id.encode()).digest()


def _characters(question: Question) -> int:
    return len(question.stem) + len(question.context) + sum(map(len, question.options.values()))


def write_questions(path: Path, questions: Sequence[Question]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(questions)), encoding="utf-8")


def _rows(questions: Sequence[Question]) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(questions):
        record = {"id": f"{number:05}-{one.id}", "stem": one.stem, "options": dict(one.options), "key": one.key}
        yield record | ({"context": one.context} if one.context else {})
