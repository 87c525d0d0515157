"""Training rows: questions, conversations and texts from JSON Lines, with a report of every row that cannot be used.

``kind`` says what a row is: ``question`` (the default; fields of DESIGN.md, Question), ``chat`` (``id``, ``messages``), ``text``
(``id``, ``text``, perhaps ``title``). Files of the public question sets are read as they are. Knows no tokens and no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from app.errors import BadInput
from app.layouts import Layout, recognise
from app.prompts import answer_text, question_text
from app.questions import parse_question, read_questions
from app.records import Question
from app.rowfiles import BadRow, Fault, Refusal, read_objects, refusal

OnBad = Literal["drop", "stop"]
ROLES = ("system", "user", "assistant")
SHOWN = 3  # reasons in an error sentence


@dataclass(frozen=True)
class QuestionRow:
    """``examples`` are other questions to be shown before it, with their keys: a few-shot row."""

    question: Question
    examples: tuple[Question, ...] = ()

    @property
    def id(self) -> str:
        return self.question.id


@dataclass(frozen=True)
class ChatRow:
    """Turns (role, text) in order, the last one the assistant's."""

    id: str
    turns: tuple[tuple[str, str], ...]
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class TextRow:
    """A passage for continued pretraining."""

    id: str
    text: str
    title: str = ""
    source: str = ""
    licence: str = ""

    @property
    def passage(self) -> str:
        """What is trained on: the text under its title."""
        return f"{self.title}\n\n{self.text}" if self.title else self.text


Row = QuestionRow | ChatRow | TextRow


def _none() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Report:
    """What was read and what was not: ``counts`` by fault, ``reasons`` one sentence each, in the order of the files."""

    read: int = 0
    kept: int = 0
    counts: Mapping[str, int] = field(default_factory=_none)
    reasons: tuple[str, ...] = ()

    @property
    def found(self) -> int:
        return sum(self.counts.values())

    def adding(self, fault: str, reasons: Sequence[str], *, dropped: bool = True) -> Report:
        """With what somebody else found, one sentence a row: rows over a token limit, say. ``dropped``: they are not kept."""
        counts = {**self.counts, fault: self.counts.get(fault, 0) + len(reasons)} if reasons else self.counts
        kept = self.kept - len(reasons) if dropped else self.kept
        return replace(self, kept=kept, counts=counts, reasons=(*self.reasons, *reasons))

    def text(self, most: int = 20) -> str:
        """For people: the counts, then at most ``most`` of the reasons."""
        head = f"{self.kept} of {self.read} rows kept"
        counts = [f"  {count} x {fault}" for fault, count in self.counts.items()]
        reasons = [f"  - {reason}" for reason in self.reasons[:most]]
        more = [f"  - and {len(self.reasons) - most} more"] if len(self.reasons) > most else []
        return "\n".join([head + (":" if counts else "."), *counts, *reasons, *more])

    def record(self) -> dict[str, Any]:
        """For files: every reason."""
        return {"read": self.read, "kept": self.kept, "counts": dict(self.counts), "reasons": list(self.reasons)}

    def json(self) -> str:
        return json.dumps(self.record(), ensure_ascii=False, indent=1)

    __str__ = text


@dataclass(frozen=True)
class Rows:
    rows: tuple[Row, ...]
    report: Report


class Reading(NamedTuple):
    """What one file (or hub set) gave, by line."""

    name: str
    rows: Sequence[tuple[int, Row]]
    refusals: Sequence[Refusal]


def read_rows(paths: Iterable[Path], *, on_bad: OnBad, max_chars: int | None = None) -> Rows:
    """The rows of all files, each id once.

    ``max_chars`` is a first cut: questions (prompt and answer) and conversations of more characters count as over-long; texts
    are cut into pieces by the training and may have any length.

    Raises:
        BadInput: a file cannot be opened, no row is left, or with ``on_bad="stop"`` any row or file cannot be used.
    """
    return collect((read_path(path) for path in paths), on_bad=on_bad, max_chars=max_chars)


def read_path(path: Path) -> Reading:
    """One file of training rows or of a public question set.

    Raises:
        BadInput: it cannot be opened.
    """
    found, refusals = _opened(path)
    layout = next((known for _, row in found if "kind" not in row and (known := recognise(row))), None)
    rows: list[tuple[int, Row]] = []
    if layout not in (None, Layout.OWN):
        questions, refusals = read_questions(path, layout=layout)
        rows = [(line, QuestionRow(question)) for line, question in questions]
    elif found and layout is None and not any("kind" in row for _, row in found):
        reason = (
            f"it holds no training rows: the first row has the fields {', '.join(list(found[0][1])[:8])}. "
            "Convert it: python -m finetune.data convert FILE --out ROWS.jsonl"
        )
        refusals = [Refusal(path.name, 0, "", reason, Fault.UNREADABLE)]
    else:
        for line, row in found:
            try:
                rows.append((line, parse_training_row(row)))
            except BadRow as bad:
                refusals.append(refusal(path, line, bad))
    return Reading(str(path), rows, refusals)


def _opened(path: Path) -> tuple[list[tuple[int, Mapping[str, Any]]], list[Refusal]]:
    """A file that is not there is no bad row: training without it would be another training."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}). Check the path and its permissions.") from error
    return read_objects(path)


def parse_training_row(row: Mapping[str, Any]) -> Row:
    """One row of a training file.

    Raises:
        BadRow: it cannot be used.
    """
    match row.get("kind", "question"):
        case "question":
            shown = row.get("example_records", [])
            if not isinstance(shown, list) or not all(isinstance(example, dict) for example in shown):
                raise BadRow("example_records", "expected a list of questions.")
            return QuestionRow(parse_question(row), tuple(parse_question(example) for example in shown))
        case "chat":
            origin = {name: text_of(row, name, needed=False) for name in ("source", "licence")}
            return ChatRow(text_of(row, "id"), _turns(row.get("messages")), **origin)
        case "text":
            origin = {name: text_of(row, name, needed=False) for name in ("title", "source", "licence")}
            return TextRow(text_of(row, "id"), text_of(row, "text"), **origin)
        case other:
            raise BadRow("kind", f"it is {other!r:.40}; expected question, chat or text.")


def text_of(row: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    """A field without outer white space; "" for an absent one that is not ``needed``. Raises BadRow for any other value."""
    value = row.get(name)
    if value in (None, "") and not needed:
        return ""
    if name not in row:
        raise BadRow(name, "it is missing; expected a text that is not empty.", Fault.MISSING)
    if not isinstance(value, str) or not value.strip():
        raise BadRow(name, f"it is {value!r:.40}; expected a text that is not empty.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(name, "it holds half of a character. Write the character itself.") from error
    return value.strip()


def _turns(messages: object) -> tuple[tuple[str, str], ...]:
    """Checked as chat templates demand it: perhaps a system turn, then user and assistant in turn, the assistant last."""
    if messages is None:
        raise BadRow("messages", "it is missing; expected a list of {role, content}.", Fault.MISSING)
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise BadRow("messages", "expected a list of {role, content}.")
    turns: list[tuple[str, str]] = []
    for number, message in enumerate(messages, start=1):
        role = message.get("role")
        if role not in ROLES:
            raise BadRow("messages", f"turn {number} has the role {role!r:.40}; expected {', '.join(ROLES)}.", Fault.LABEL)
        try:
            turns.append((role, text_of(message, "content")))
        except BadRow as bad:
            raise BadRow("messages", f"turn {number}, content: {bad}", bad.fault) from bad
    spoken = [role for role, _ in turns if role != "system"]
    if [role for role, _ in turns[len(turns) - len(spoken) :]] != spoken or len(turns) - len(spoken) > 1:
        raise BadRow("messages", "a system turn stands behind another. Put one at the head.")
    if not spoken or spoken != ["user", "assistant"] * (len(spoken) // 2):
        raise BadRow("messages", "expected user and assistant in turn, the assistant last.")
    return tuple(turns)


def collect(readings: Iterable[Reading], *, on_bad: OnBad, max_chars: int | None = None) -> Rows:
    """The rows of all readings, each id once, and the report.

    Raises:
        BadInput: as ``read_rows``.
    """
    kept: dict[str, Row] = {}
    names: list[str] = []
    refused: list[Refusal] = []
    read = 0
    for reading in readings:
        names.append(reading.name)
        here = [replace(one, file=reading.name) for one in reading.refusals]
        read += len(reading.rows) + sum(one.line > 0 for one in here)
        if not reading.rows and not here:
            here.append(Refusal(reading.name, 0, "", "it holds no row. Leave it out.", Fault.EMPTY))
        for line, row in reading.rows:
            if row.id in kept:
                reason = f"{row.id!r} stands twice in the training data. Keep one."
                here.append(Refusal(reading.name, line, "id", reason, Fault.DUPLICATE))
            elif max_chars is not None and (length := characters(row)) > max_chars:
                reason = f"{row.id!r} has {length} characters; expected at most {max_chars}. Shorten it, or raise the limit."
                here.append(Refusal(reading.name, line, "", reason, Fault.LONG))
            else:
                kept[row.id] = row
        refused += sorted(here, key=lambda one: one.line)
    counts = {fault.value: count for fault in Fault if (count := sum(one.fault is fault for one in refused))}
    report = Report(read, len(kept), counts, tuple(map(str, refused)))
    if not kept:
        raise BadInput(f"No training row is left of {', '.join(names) or 'no file'}. {_first(report)}".strip())
    if refused and on_bad == "stop":
        raise BadInput(
            f"{report.found} rows cannot be used. {_first(report)} Correct them, or let them be dropped (on_bad: drop)."
        )
    return Rows(tuple(kept.values()), report)


def _first(report: Report) -> str:
    more = f" And {len(report.reasons) - SHOWN} more." if len(report.reasons) > SHOWN else ""
    return " ".join(report.reasons[:SHOWN]) + more


def characters(row: Row) -> int:
    match row:
        case QuestionRow(question, examples):
            return sum(len(question_text(one)) + len(answer_text(one)) for one in (question, *examples))
        case ChatRow(turns=turns):
            return sum(len(text) for _, text in turns)
        case TextRow():
            return 0


def row_record(row: Row) -> dict[str, Any]:
    """A row as ``read_rows`` reads it back."""
    match row:
        case QuestionRow(question, examples):
            shown = {"examples": [one.id for one in examples], "example_records": [question_record(one) for one in examples]}
            return {"kind": "question", **question_record(question), **(shown if examples else {})}
        case ChatRow():
            messages = [{"role": role, "content": text} for role, text in row.turns]
            return _filled({"kind": "chat", "id": row.id, "messages": messages, "source": row.source, "licence": row.licence})
        case TextRow():
            origin = {"source": row.source, "licence": row.licence}
            return _filled({"kind": "text", "id": row.id, "title": row.title, "text": row.text, **origin})


def question_record(question: Question) -> dict[str, Any]:
    """The fields of DESIGN.md, Question, that this one has."""
    names = ("id", "stem", "context", "options", "key", "explanations", "objective", "hints", "subject", "system", "step")
    values = {name: getattr(question, name) for name in (*names, "source", "licence")}
    plain: dict[type, Callable[[Any], Any]] = {tuple: list, str: str}
    return _filled({name: plain.get(type(value), dict)(value) for name, value in values.items()})


def _filled(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value not in ("", [], {})}
