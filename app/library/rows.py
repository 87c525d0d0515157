"""JSON Lines in the layout of MedQuAD -> one small document a row. Streamed; what is no use is refused by line and reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.library.cleaning import clean
from app.library.kinds import shown
from app.library.parsed import Block, Parsed
from app.rowfiles import BadRow, Fault, Refusal

LONGEST = 2**20  # bytes of a line
MAX_QUESTION = 1000  # characters; it stands with each passage of its answer
MAX_ABOUT = 300  # characters of a title, an id, a source, a date, a licence
MAX_REFUSED = 1000  # rows that are refused one by one; the rest of the file is then left
EXPECTED = 'Write one object a line, as {"id": "1", "focus": "Asthma", "question": "What is asthma?", "answer": "..."}.'


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question with its answer. ``id`` is the row's own, or "line N" where it has none."""

    id: str
    title: str
    question: str
    answer: str
    source: str = ""
    url: str = ""
    date: str = ""
    licence: str = ""

    def parsed(self) -> Parsed:
        """The question is the heading, the answer the text."""
        block = Block(self.question, None, self.answer)
        return Parsed(self.title, "jsonl", (block,), date=self.date, licence=self.licence, source=self.url or self.source)


def rows_of(name: str, raw: bytes) -> Iterator[tuple[int, Row | Refusal]]:
    """Each row with its line from 1. After ``MAX_REFUSED`` refusals a last one says that the rest was left."""
    name, refusals = shown(name), 0
    for number, line in _lines(raw):
        try:
            yield number, _row(_object(line), number)
        except BadRow as bad:
            yield number, Refusal(name, number, bad.field, str(bad), bad.fault)
            refusals += 1
            if refusals == MAX_REFUSED:
                reason = f"{refusals:,} rows were refused; the rest of the file was not read. {EXPECTED}"
                yield number, Refusal(name, 0, "", reason, Fault.UNREADABLE)
                return


def _lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, one by one, each with its number; of one that is too long only its beginning."""
    place, number = 3 if raw.startswith(b"\xef\xbb\xbf") else 0, 0
    while place < len(raw):
        end = raw.find(b"\n", place)
        end = len(raw) if end < 0 else end
        number += 1
        line = raw[place : min(end, place + LONGEST + 1)]
        place = end + 1
        if line.strip():
            yield number, line


def _object(line: bytes) -> Mapping[str, Any]:
    if len(line) > LONGEST:
        raise BadRow("", f"it is longer than {LONGEST // 2**20} MB. Split it.", Fault.LONG)
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRow("", f"byte {error.start} is not UTF-8. Save the file as UTF-8.", Fault.UNREADABLE) from error
    except (ValueError, RecursionError) as error:
        raise BadRow("", f"it is not JSON ({_why(error)}). {EXPECTED}", Fault.UNREADABLE) from error
    if not isinstance(row, dict):
        raise BadRow("", f"it is a JSON {type(row).__name__}. {EXPECTED}", Fault.UNREADABLE)
    return row


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]


def _row(row: Mapping[str, Any], number: int) -> Row:
    answer = _text(row, "answer")
    if not answer:
        raise BadRow("answer", "it is empty. A row needs an answer to be found.", Fault.MISSING)
    question = _line(row, "question", MAX_QUESTION)
    title = _line(row, "focus") or _line(row, "title") or question
    if not title:
        raise BadRow("question", "question and focus are empty. A row needs one of them.", Fault.MISSING)
    return Row(
        id=_line(row, "id") or f"line {number}",
        title=title,
        question=question,
        answer=answer,
        source=_line(row, "source"),
        url=_line(row, "url"),
        date=_line(row, "date"),
        licence=_line(row, "licence") or _line(row, "license"),
    )


def _line(row: Mapping[str, Any], field: str, most: int = MAX_ABOUT) -> str:
    line = " ".join(_text(row, field).split())
    if len(line) > most:
        raise BadRow(field, f"it has {len(line):,} characters; at most {most:,} are kept. Shorten it.", Fault.LONG)
    return line


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadRow(field, f"it is a JSON {type(value).__name__}; expected text.", Fault.VALUE)
    return clean(value).text.strip()
