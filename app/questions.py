"""Question files -> Question. A bad row is refused by file, line, field and cure, and the others are kept.

Layout: JSON Lines with the fields of DESIGN.md, Question. Knows no database and no page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.records import OPTION_LETTERS, Question

TEXTS = ("id", "stem", "key", "objective", "subject", "system", "step", "source", "licence")
HINTS = 3
STEPS = ("1", "2 CK", "3")
MIN_OPTIONS = 2


@dataclass(frozen=True)
class Refusal:
    """A row that was left out. ``line`` counts from 1; 0 stands for the whole file."""

    file: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{where}, field {self.field}: {self.reason}" if self.field else f"{where}: {self.reason}"


@dataclass(frozen=True)
class Bank:
    """The questions that could be read, in the order of their files, and the rows that could not."""

    questions: tuple[Question, ...]
    refusals: tuple[Refusal, ...] = ()


class _Bad(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def read_bank(folder: Path) -> Bank:
    """Every ``*.jsonl`` of a folder, by name. An id that stands twice is kept once, the first time."""
    questions: dict[str, Question] = {}
    refusals: list[Refusal] = []
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        refusals.append(Refusal(str(folder), 0, "", "no question file (*.jsonl) is there. Put one in the folder."))
    for path in files:
        rows, refused = read_file(path)
        refusals += refused
        for line, question in rows:
            if question.id in questions:
                refusals.append(
                    Refusal(
                        path.name,
                        line,
                        "id",
                        f"{question.id!r} stands twice in the bank. Give each row an id of its own.",
                    )
                )
            else:
                questions[question.id] = question
    return Bank(tuple(questions.values()), tuple(refusals))


def read_file(path: Path) -> tuple[list[tuple[int, Question]], list[Refusal]]:
    """The rows of one file with their line numbers, and what was refused. Never raises for what the file holds."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return [], [Refusal(path.name, 0, "", f"it cannot be read ({error.strerror}). Check its permissions.")]
    rows: list[tuple[int, Question]] = []
    refusals: list[Refusal] = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, parse_row(_decode(line))))
        except _Bad as bad:
            refusals.append(Refusal(path.name, number, bad.field, str(bad)))
    return rows, refusals


def _decode(line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _Bad("", f"byte {error.start} is not UTF-8. Save the file as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise _Bad("", f"it is not JSON ({error}). Write one JSON object a line.") from error
    if not isinstance(row, dict):
        raise _Bad("", f"it is a JSON {type(row).__name__}. Write one JSON object a line.")
    return row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name stand twice and keeps the last; a key that was graded wrongly could come in that way."""
    value: dict[str, Any] = {}
    for name, part in pairs:
        if name in value:
            raise _Bad(name, "it stands twice in the row. Keep one.")
        value[name] = part
    return value


def parse_row(row: Mapping[str, Any]) -> Question:
    """One row of the bank, complete and consistent."""
    texts = {field: _text(row, field) for field in TEXTS}
    options = _lettered(row, "options")
    if not MIN_OPTIONS <= len(options) <= len(OPTION_LETTERS):
        raise _Bad("options", f"it has {len(options)}; expected {MIN_OPTIONS} to {len(OPTION_LETTERS)}.")
    _no_repeat(options.values())
    if texts["key"] not in options:
        raise _Bad("key", f"{texts['key']!r} is no option; expected one of {', '.join(options)}.")
    explanations = _lettered(row, "explanations")
    if explanations.keys() != options.keys():
        missing = sorted(options.keys() ^ explanations.keys())[0]
        raise _Bad(
            "explanations",
            f"option {missing} and its explanation do not go together. Explain every option, and no other.",
        )
    if texts["step"] not in STEPS:
        raise _Bad("step", f"it is {texts['step']!r}; expected one of {', '.join(STEPS)}.")
    hints = row.get("hints")
    if not isinstance(hints, list) or len(hints) != HINTS:
        raise _Bad("hints", f"expected a list of {HINTS} texts of growing strength.")
    return Question(
        **texts, options=options, explanations=explanations, hints=tuple(_clean("hints", "a hint", hint) for hint in hints)
    )


def _text(row: Mapping[str, Any], field: str) -> str:
    if field not in row:
        raise _Bad(field, "it is missing; expected a text that is not empty.")
    return _clean(field, "it", row[field])


def _clean(field: str, name: str, value: object) -> str:
    """A text without outer white space; ``name`` is what a refusal calls it."""
    if not isinstance(value, str) or not value.strip():
        raise _Bad(field, f"{name} is {value!r:.40}; expected a text that is not empty.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Bad(field, f"{name} holds half of a character ({value[error.start]!r}). Write the character itself.") from error
    return value.strip()


def _lettered(row: Mapping[str, Any], field: str) -> dict[str, str]:
    value = row.get(field)
    if not isinstance(value, dict) or not value:
        raise _Bad(field, 'expected an object of letters and texts, like {"A": "...", "B": "..."}.')
    expected = OPTION_LETTERS[: len(value)]
    if sorted(value) != list(expected):
        raise _Bad(field, f"its letters are {', '.join(sorted(map(str, value)))}; expected {', '.join(expected)}.")
    return {letter: _clean(field, letter, value[letter]) for letter in expected}


def _no_repeat(options: Iterable[str]) -> None:
    seen: set[str] = set()
    for text in options:
        if text.casefold() in seen:
            raise _Bad("options", f"{text!r} stands twice. Make every option different.")
        seen.add(text.casefold())
