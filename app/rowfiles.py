"""Files -> rows with their line numbers, unjudged, and the sentence for what could not be read.

JSON Lines, one JSON object of objects, or CSV as MMLU has it. Knows no other layout, and no question.
"""

from __future__ import annotations

import csv
import enum
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
_BLANK = re.compile(rb"[ \t\n\r\x0b\f]*+")  # what bytes.strip() takes away


class Fault(enum.StrEnum):
    """What is wrong with a row, for counting."""

    UNREADABLE = "unreadable row"
    MISSING = "missing field"
    LABEL = "unknown label"
    VALUE = "unusable value"
    PICTURE = "needs a picture"
    DUPLICATE = "duplicate id"
    LONG = "over-long row"
    EMPTY = "empty file"
    OVERLAP = "overlap with evaluation"


class BadRow(Exception):
    """A row that is refused; ``field`` is called as its file calls it. Never leaves the readers."""

    def __init__(self, field: str, reason: str, fault: Fault = Fault.VALUE) -> None:
        super().__init__(reason)
        self.field = field
        self.fault = fault


@dataclass(frozen=True)
class Refusal:
    """A row that was left out. ``line`` counts from 1; 0 stands for the whole file."""

    file: str
    line: int
    field: str
    reason: str
    fault: Fault = Fault.VALUE

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        said = f"{where}, field {self.field}: {self.reason}" if self.field else f"{where}: {self.reason}"
        return said.encode(errors="backslashreplace").decode()  # a name out of the row may hold half of a character


def read_objects(path: Path) -> tuple[list[tuple[int, Row]], list[Refusal]]:
    """The JSON objects of a file with their line numbers, unjudged, and what could not be read.

    JSON Lines; or one object of objects, as PubMedQA's ``ori_pqal.json``, each then with its name as ``pmid``; or, for a name
    that ends in ``.csv``, MMLU's lines.
    """
    try:
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        return [], [_unreadable(path, error)]
    if path.suffix.lower() != ".csv":
        return json_objects(path.name, raw)
    try:
        return _csv_objects(path, raw)
    except BadRow as bad:
        return [], [refusal(path, 0, bad)]


def json_objects(
    name: str, raw: bytes, *, longest: int | None = None, most: int | None = None
) -> tuple[list[tuple[int, Row]], list[Refusal]]:
    """The same of the bytes of a file of that name that is no CSV. ``longest``: bytes that a line may have; ``most``: how many
    rows are looked at."""
    rows: list[tuple[int, Row]] = []
    refusals: list[Refusal] = []
    try:
        whole = _whole(raw, most)
    except BadRow as bad:
        return [], [_refused(name, 0, bad)]
    if whole is not None:
        return whole, []
    for number, line in islice(_lines(raw), most):
        try:
            if longest is not None and len(line) > longest:
                reason = f"it has {len(line):,} bytes; at most {longest:,} are read. Shorten it."
                raise BadRow("", reason, Fault.LONG)
            rows.append((number, _decode(line)))
        except BadRow as bad:
            refusals.append(_refused(name, number, bad))
    return rows, refusals


def refusal(path: Path, line: int, bad: BadRow) -> Refusal:
    return _refused(path.name, line, bad)


def _refused(name: str, line: int, bad: BadRow) -> Refusal:
    return Refusal(name, line, bad.field, str(bad), bad.fault)


def _unreadable(path: Path, error: OSError) -> Refusal:
    return Refusal(path.name, 0, "", f"it cannot be read ({error.strerror}). Check its permissions.", Fault.UNREADABLE)


def _lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, each with its number; one by one, for a file of line ends alone has millions."""
    place, number = 3 if raw.startswith(b"\xef\xbb\xbf") else 0, 1
    while blank := _BLANK.match(raw, place):
        number += raw.count(b"\n", place, blank.end())
        if blank.end() == len(raw):
            return
        start = max(raw.rfind(b"\n", place, blank.end()) + 1, place)
        end = raw.find(b"\n", blank.end())
        place = end if end >= 0 else len(raw)
        yield number, raw[start:place]


def _whole(raw: bytes, most: int | None) -> list[tuple[int, Row]] | None:
    """The rows of a file that is one JSON object of objects, each with the line of its name, and at most so many; None where it
    is not."""
    head = next(_lines(raw), (0, b""))[1].strip()
    if head.startswith(b"[") and raw.rstrip().endswith(b"]") and raw.lstrip()[1:].lstrip().startswith(b"{"):
        raise BadRow("", "it is one JSON list. Write one JSON object a line.", Fault.UNREADABLE)
    # JSON Lines begin with an object of fields; here the first line is "{" alone, or holds objects only.
    if not re.match(rb'\{\s*($|"[^"\\]*"\s*:\s*\{)', head):
        return None
    try:
        value = _decode(raw)
    except BadRow:
        return None
    if not value or not all(isinstance(row, dict) for row in value.values()):
        return None
    rows: list[tuple[int, Row]] = []
    place, line = 0, 1
    for name, row in islice(value.items(), most):
        found = max(raw.find(json.dumps(name).encode(), place), place)
        line += raw.count(b"\n", place, found)
        place = found
        rows.append((line, {"pmid": name, **row}))
    return rows


def _csv_row(values: Sequence[str], subject: str) -> Row:
    """MMLU's files have no header: question, options, letter of the key. Their subject is the file's name."""
    if len(values) < 4:
        reason = f"it has {len(values)} columns; expected question, options and the key's letter, without a header."
        raise BadRow("", reason, Fault.UNREADABLE)
    return {"question": values[0], "choices": values[1:-1], "answer": values[-1].strip(), "subject": subject}


def _csv_objects(path: Path, raw: bytes) -> tuple[list[tuple[int, Row]], list[Refusal]]:
    try:
        lines = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True)
    except UnicodeDecodeError as error:
        raise BadRow("", f"byte {error.start} is not UTF-8. Save the file as UTF-8.", Fault.UNREADABLE) from error
    rows: list[tuple[int, Row]] = []
    refusals: list[Refusal] = []
    subject = re.sub(r"_(test|dev|val|train)$", "", path.stem).replace("_", " ")
    while True:
        number = lines.line_num + 1
        try:
            values = next(lines, None)
            if values is None:
                return rows, refusals
            if values:
                rows.append((number, _csv_row(values, subject)))
        except csv.Error as error:
            refusals.append(Refusal(path.name, number, "", f"it is not CSV ({error}). Quote it anew.", Fault.UNREADABLE))
        except BadRow as bad:
            refusals.append(refusal(path, number, bad))


def _decode(line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise BadRow("", f"byte {error.start} is not UTF-8. Save the file as UTF-8.", Fault.UNREADABLE) from error
    except (ValueError, RecursionError) as error:
        raise BadRow("", f"it is not JSON ({error}). Write one JSON object a line.", Fault.UNREADABLE) from error
    if not isinstance(row, dict):
        raise BadRow("", f"it is a JSON {type(row).__name__}. Write one JSON object a line.", Fault.UNREADABLE)
    return row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name stand twice and keeps the last; a key that was graded wrongly could come in that way."""
    value: dict[str, Any] = {}
    for name, part in pairs:
        if name in value:
            raise BadRow(name, "it stands twice in the row. Keep one.", Fault.UNREADABLE)
        value[name] = part
    return value
