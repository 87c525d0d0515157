"""Labelled sets: questions with keys that a model can be measured on, read from files in any public layout."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from app.errors import BadInput
from app.questions import read_questions
from app.records import Question
from app.rowfiles import Refusal


@dataclass(frozen=True)
class LabelledSet:
    """A set that can be measured on: ``n`` usable questions in a file, or in a folder of *.jsonl."""

    name: str
    path: Path
    n: int


@dataclass(frozen=True)
class Labelled:
    """A set as it was read. ``digest`` is of everything that the model sees of the questions, and their keys."""

    name: str
    questions: tuple[Question, ...]
    refusals: tuple[Refusal, ...]

    @property
    def digest(self) -> str:
        digest = hashlib.sha256()
        for one in self.questions:
            row = [one.id, one.context, one.stem, list(one.options.items()), one.key]
            digest.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
        return digest.hexdigest()


def read_labelled(path: Path, name: str = "") -> Labelled:
    """The questions of a file in any public layout, or of every *.jsonl in a folder; of an id that stands twice the first.

    Raises:
        BadInput: it is not there, or nothing in it can be used.
    """
    if not path.exists():
        raise BadInput(f"The question file {str(path)!r} does not exist; expected a file in any public layout, or a folder.")
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    questions: dict[str, Question] = {}
    refusals: list[Refusal] = []
    for file in files:
        rows, refused = read_questions(file)
        refusals += refused
        for _, question in rows:
            questions.setdefault(question.id, question)
    if not questions:
        reason = f" ({refusals[0]})" if refusals else ""
        raise BadInput(f"{str(path)!r} holds no question that can be used{reason}. Give a question file, or a folder of them.")
    return Labelled(name or path.stem, tuple(questions.values()), tuple(refusals))
