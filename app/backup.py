"""The file of one visitor's practice: what it may hold, checked to the last value before anything is done with it. Pure.

    {"format": "llamacare.practice/1", "sessions": [{..., "blocks": [], "items": [], "attempts": [], "tutor": []}],
     "flags": [ids], "notes": [{"question", "text", "updated"}], "own": [{"file", "created", "questions": [rows of our layout]}]}

It names no visitor. Columns are the database's; times are ISO 8601 with their zone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NoReturn

from app.errors import BadInput, TooLarge
from app.imports import own_row_question, plain_name
from app.records import LABELS, OPTION_LETTERS, Confidence, Miss, Mode, Question, Role, Status
from app.rowfiles import BadRow
from app.sessions import BlockState, State

FORMAT = "llamacare.practice/1"
MAX_BACKUP = 64_000_000  # bytes
MAX_PARTS = 4_000_000  # objects and lists; more would fill the memory
MAX_NAME = 200  # characters of an id, a name, a title
MAX_TITLE = 4_000
MAX_TEXT = 200_000  # of a message or a note
MAX_COUNT = 1_000_000_000
MAX_SPANS = 1_000  # highlighted stretches of an item
YEAR = 365 * 86_400.0  # seconds

Row = dict[str, Any]
Check = Callable[[Any], Any]
Columns = Mapping[str, Check]


@dataclass(frozen=True)
class SavedSession:
    """A session's own columns, and those of what belongs to it."""

    row: Row
    blocks: tuple[Row, ...]
    items: tuple[Row, ...]
    attempts: tuple[Row, ...]
    tutor: tuple[Row, ...]


@dataclass(frozen=True)
class SavedBatch:
    file: str
    created: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Backup:
    sessions: tuple[SavedSession, ...]
    flags: tuple[str, ...]
    notes: tuple[Row, ...]
    own: tuple[SavedBatch, ...]


class _Wrong(Exception):
    """A value that is not what it should be; its text says what was expected."""


def read_backup(raw: bytes) -> Backup:
    """Every value of a backup checked, texts and times in the form in which they are kept.

    Raises:
        TooLarge: it is over ``MAX_BACKUP``.
        BadInput: it is cut, no backup, or holds a value that cannot be.
    """
    if len(raw) > MAX_BACKUP:
        raise TooLarge(f"This file has {len(raw):,} bytes; a backup may have {MAX_BACKUP:,}. Choose a file that you saved here.")
    value = _parsed(raw)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise BadInput(f'This file is no backup of practice: its "format" is not {FORMAT}. Choose a file that you saved here.')
    try:
        sessions = tuple(_session(row, f"sessions, entry {place}") for place, row in _entries(value, "sessions"))
        if len({session.row["id"] for session in sessions}) < len(sessions):
            raise _Wrong("sessions: an id stands twice; expected each once")
        return Backup(
            sessions=sessions,
            flags=tuple(_checked(name, _name, f"flags, entry {place}") for place, name in _entries(value, "flags")),
            notes=tuple(_row(row, NOTE, f"notes, entry {place}") for place, row in _entries(value, "notes")),
            own=tuple(_batch(row, f"own, entry {place}") for place, row in _entries(value, "own")),
        )
    except _Wrong as wrong:
        sentence = f"This backup cannot be restored. {wrong}. Nothing was changed; choose a file as it was saved here."
        raise BadInput(sentence.encode(errors="backslashreplace").decode()) from None


def _parsed(raw: bytes) -> Any:
    if raw.count(b"{") + raw.count(b"[") > MAX_PARTS:
        raise TooLarge(f"This file has more than {MAX_PARTS:,} parts; no backup has. Choose a file that you saved here.")
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadInput("This file is no backup, or it is cut: it is not JSON. Choose a file that you saved here.") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


# One value


def _name(value: Any) -> str:
    return _text(value, MAX_NAME, empty=False)


def _title(value: Any) -> str:
    return _text(value, MAX_NAME)


def _long_text(value: Any) -> str:
    return _text(value, MAX_TEXT)


def _text(value: Any, most: int, *, empty: bool = True) -> str:
    if not isinstance(value, str) or len(value) > most or not (value or empty):
        raise _Wrong(f"expected a text of {0 if empty else 1} to {most:,} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Wrong("it holds half of a character") from None
    return value


def _identity(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise _Wrong("expected 1 to 64 letters, digits, - and _")
    return value


def _whole(value: Any, low: int = 0, high: int = MAX_COUNT) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _Wrong(f"expected a whole number from {low} to {high:,}")
    return value


def _place(value: Any) -> int:
    return _whole(value, 1)


def _number(value: Any, high: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or not 0 <= value <= high:
        raise _Wrong(f"expected a number from 0 to {high:,.0f}")
    return float(value)


def _seconds(value: Any) -> float:
    return _number(value, YEAR)


def _share(value: Any) -> float:
    return _number(value, 1)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("expected true or false")
    return value


def _time(value: Any) -> str:
    """In UTC, as the database keeps times."""
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) and len(value) < 50 else None
        utc = when.astimezone(UTC) if when and when.tzinfo else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None or not 2000 <= utc.year < 2200:
        raise _Wrong("expected a time like 2026-03-01T12:30:00+00:00")
    return utc.isoformat()


def _one_of(value: Any, names: Iterable[str]) -> str:
    allowed = tuple(map(str, names))
    if not isinstance(value, str) or value not in allowed:
        raise _Wrong(f"expected one of {', '.join(allowed)}")
    return value


def _label(value: Any) -> str:
    return _one_of(value, LABELS)


def _or_none(value: Any, check: Check) -> Any:
    return None if value is None else check(value)


def _labels(value: Any) -> str:
    """Kept as JSON."""
    if not isinstance(value, list) or len(value) > len(LABELS):
        raise _Wrong("expected a list of option letters")
    return json.dumps([_label(label) for label in value])


def _spans(value: Any) -> str:
    """Kept as JSON."""
    if not isinstance(value, list) or len(value) > MAX_SPANS or not all(isinstance(s, list) and len(s) == 2 for s in value):
        raise _Wrong("expected a list of pairs of places")
    return json.dumps([[_whole(start), _whole(end)] for start, end in value])


# One row: what is checked of each of its columns. Another column is passed over.

SESSION: Columns = MappingProxyType(
    {
        "id": _identity,
        "number": _place,
        "mode": lambda value: _one_of(value, Mode),
        "title": lambda value: _text(value, MAX_TITLE),
        "state": lambda value: _one_of(value, State),
        "created": _time,
        "ended": lambda value: _or_none(value, _time),
    }
)
BLOCK: Columns = MappingProxyType(
    {
        "number": _place,
        "first": _place,
        "last": _place,
        "seconds": _seconds,
        "state": lambda value: _one_of(value, BlockState),
        "deadline": lambda value: _or_none(value, _time),
        "seconds_left": lambda value: _or_none(value, _seconds),
    }
)
ITEM: Columns = MappingProxyType(
    {
        "position": _place,
        "question": _name,
        "block": _whole,
        "chosen": lambda value: _or_none(value, _label),
        "confidence": lambda value: _one_of(value, Confidence),
        "struck": _labels,
        "highlights": _spans,
        "hints": _whole,
        "seconds": _seconds,
        "touched": lambda value: _or_none(value, _time),
    }
)
ATTEMPT: Columns = MappingProxyType(
    {
        "position": _place,
        "question": _name,
        "chosen": _label,
        "key": _label,
        "confidence": lambda value: _one_of(value, Confidence),
        "seconds": _seconds,
        "options": lambda value: _whole(value, 2, len(OPTION_LETTERS)),
        "hints": _whole,
        "struck": _labels,
        "system": _title,
        "subject": _title,
        "step": _title,
        "difficulty": _title,
        "miss": lambda value: _or_none(value, lambda kind: _one_of(kind, Miss)),
        "model": lambda value: _or_none(value, _title),
        "model_choice": lambda value: _or_none(value, _label),
        "model_probability": lambda value: _or_none(value, _share),
        "model_key_probability": lambda value: _or_none(value, _share),
        "model_earned": lambda value: _or_none(value, _truth),
        "created": _time,
    }
)
MESSAGE: Columns = MappingProxyType(
    {
        "id": _identity,
        "position": _place,
        "place": _place,
        "role": lambda value: _one_of(value, Role),
        "text": _long_text,
        "status": lambda value: _one_of(value, Status),
        "note": _long_text,
        "model": _title,
        "created": _time,
    }
)
BATCH: Columns = MappingProxyType({"file": _title, "created": _time})
NOTE: Columns = MappingProxyType({"question": _name, "text": _long_text, "updated": _time})
VIEW = ("model_choice", "model_probability", "model_key_probability", "model_earned")


def _entries(parent: Any, name: str) -> Iterable[tuple[int, Any]]:
    """The entries of a list in an object, counted from 1."""
    value = parent.get(name)
    if not isinstance(value, list):
        raise _Wrong(f"{name}: expected a list")
    return enumerate(value, start=1)


def _checked(value: Any, check: Check, where: str) -> Any:
    try:
        return check(value)
    except _Wrong as wrong:
        raise _Wrong(f"{where}: it is {value!r:.60}; {wrong}") from None


def _row(value: Any, columns: Columns, where: str) -> Row:
    if not isinstance(value, dict):
        raise _Wrong(f"{where}: it is {value!r:.60}; expected an object")
    return {name: _checked(value.get(name), check, f"{where}, {name}") for name, check in columns.items()}


def _rows(parent: Any, name: str, columns: Columns, where: str) -> tuple[Row, ...]:
    if not isinstance(parent, dict):
        raise _Wrong(f"{where}: it is {parent!r:.60}; expected an object")
    return tuple(_row(value, columns, f"{where}, {name}, entry {place}") for place, value in _entries(parent, name))


# Rows together


def _session(value: Any, where: str) -> SavedSession:
    session = SavedSession(
        row=_row(value, SESSION, where),
        blocks=_rows(value, "blocks", BLOCK, where),
        items=_rows(value, "items", ITEM, where),
        attempts=_rows(value, "attempts", ATTEMPT, where),
        tutor=_rows(value, "tutor", MESSAGE, where),
    )
    _expect(session.items != (), where, "it has no items")
    places = {item["position"]: item["question"] for item in session.items}
    _expect(len(places) == len(set(places.values())) == len(session.items), where, "an item stands twice")
    _expect_blocks(session, where)
    made = [(attempt["position"], attempt["question"]) for attempt in session.attempts]
    _expect(len(set(made)) == len(made) and set(made) <= set(places.items()), where, "an answer goes with none of its items")
    for attempt in session.attempts:
        given = [attempt[name] is not None for name in VIEW]
        _expect(all(given) if attempt["model"] is not None else not any(given), where, "a model's reading is not whole")
    said = [(message["position"], message["place"]) for message in session.tutor]
    _expect(len(set(said)) == len(said) and {position for position, _ in said} <= places.keys(), where, "a message has no place")
    _expect((session.row["state"] == State.ENDED) == (session.row["ended"] is not None), where, "its end is not told")
    return session


def _expect_blocks(session: SavedSession, where: str) -> None:
    blocks, items = session.blocks, session.items
    _expect((session.row["mode"] == Mode.TUTOR) == (not blocks), where, "its blocks do not go with its mode")
    _expect([block["number"] for block in blocks] == list(range(1, len(blocks) + 1)), where, "its blocks are not in order")
    by_number = {block["number"]: block for block in blocks}
    for item in items:
        block = by_number.get(item["block"])
        within = block is not None and block["first"] <= item["position"] <= block["last"]
        _expect(within if blocks else item["block"] == 0, where, "an item lies in none of its blocks")
    for block in blocks:
        _expect(block["state"] != BlockState.RUNNING or block["deadline"] is not None, where, "a block runs without a deadline")
        _expect(
            block["state"] != BlockState.PAUSED or block["seconds_left"] is not None, where, "a paused block has no time left"
        )
    _expect(sum(block["state"] in (BlockState.RUNNING, BlockState.PAUSED) for block in blocks) <= 1, where, "two blocks run")


def _expect(fine: bool, where: str, otherwise: str) -> None:
    if not fine:
        raise _Wrong(f"{where}: {otherwise}")


def _batch(value: Any, where: str) -> SavedBatch:
    row = _row(value, BATCH, where)
    questions: list[Question] = []
    for place, question in _entries(value, "questions"):
        try:
            if not isinstance(question, dict):
                raise _Wrong(f"{where}, questions, entry {place}: it is {question!r:.60}; expected an object")
            questions.append(own_row_question(question))
        except BadRow as bad:
            raise _Wrong(f"{where}, questions, entry {place}, {bad.field}: {str(bad).rstrip('.')}") from None
    return SavedBatch(plain_name(row["file"]), row["created"], tuple(questions))
