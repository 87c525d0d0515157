"""An uploaded file -> the questions in it, and a refusal by line, field and cure for every row that cannot be used. Pure.

Any bytes are answered with an ``Upload``; nothing raises. What is stricter here than for training: texts are shown on a page and
graded, so a key that is numbered must be told by its file, characters must be printable, and pictures must lie in the file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from types import MappingProxyType
from typing import Literal

from app.columns import Columns, known_columns, numbered_keys, own_row, read_header
from app.layouts import Layout, counted_from, numbered
from app.questions import DIFFICULTIES, layout_of, parse_question, parse_rows, unknown_layout
from app.records import OPTION_LETTERS, Question
from app.rowfiles import BadRow, Fault, Refusal, Row, json_objects
from app.stems import ImageBlock, stem_blocks
from app.tables import SEPARATORS, Record, Text, decode, named_separator, records, wrong_byte

CSV: Literal["csv"] = "csv"
MAX_FILE = 32_000_000  # bytes
MAX_ROWS = 20_000
MAX_ROW = 1_500_000  # bytes of a line of JSON, characters of a record of CSV: room for one picture
MAX_PARTS = 2_000_000  # objects and lists of JSON; more would fill the memory
MAX_PICTURE = 1_000_000  # bytes
MAX_LABEL = 200  # characters of what a list or a chip shows
LABELS = ("id", "subject", "system", "source", "licence", "difficulty", "reasoning")
COUNTING = "Whether this file counts its options from 0 or from 1 cannot be told. Write the option's letter."
# What a picture of each kind begins with.
_SIGNATURES: Mapping[str, re.Pattern[bytes]] = MappingProxyType(
    {
        "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "jpeg": re.compile(rb"\xff\xd8\xff"),
        "gif": re.compile(rb"GIF8[79]a"),
        "webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)
_DATA = re.compile(r"data:image/(png|jpeg|gif|webp);base64,(.*)", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\[\]\n]{0,500}\]\s{0,9}[(\[]|<(?:img|svg|picture|image|object|embed)\b", re.IGNORECASE)
_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_UNTIDY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # what either of these finds
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Upload:
    """What a file held. ``layout``: a ``Layout``'s name or "csv", "" where none was found; ``separator`` of a table, else "";
    questions with the lines where they begin, under their files' ids; ``notes`` are sentences for the user."""

    file: str
    layout: str = ""
    encoding: str = ""
    separator: str = ""
    questions: tuple[tuple[int, Question], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """What one way of reading a file gave."""

    layout: str
    questions: Sequence[tuple[int, Question]] = ()
    refusals: Sequence[Refusal] = ()
    separator: str = ""
    notes: tuple[str, ...] = ()


def own_id(question: Question) -> str:
    """The id of an own question: that of its stem, context and options, so that it is the same in every file."""
    content = json.dumps([question.stem, question.context, list(question.options.items())])
    return f"own:{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def own_row_question(row: Row) -> Question:
    """A row of our own layout as a question that can be shown, under its own id; a figure of a bank is taken on trust.

    Raises:
        BadRow: it cannot be used.
    """
    return _tidied(parse_question(row, Layout.OWN), None)


def read_upload(
    name: str, raw: bytes, layout: Layout | Literal["csv"] | None = None, *, figures: frozenset[str] = frozenset()
) -> Upload:
    """The questions of a file by its name and bytes; without ``layout``, by what it looks like. ``figures``: the names of the
    bank's figures, which a row that was exported from it may show."""
    file = plain_name(name)
    try:
        if len(raw) > MAX_FILE:
            reason = f"it has {len(raw):,} bytes; at most {MAX_FILE:,} are read. Split it."
            raise BadRow("", reason, Fault.LONG)
        text = decode(raw)
        if not text.text.strip():
            raise BadRow("", "it is empty. Choose another file.", Fault.EMPTY)
        table = layout == CSV or (layout in (None, Layout.MMLU) and not text.text.lstrip().startswith(("{", "[")))
        found = _table(file, text, layout) if table else _json(file, text, raw, Layout(layout) if layout else None)
    except BadRow as bad:
        return Upload(file, refusals=(_refusal(file, 0, bad),))
    questions, refused = _usable(file, found.questions, figures)
    refusals = sorted((*found.refusals, *refused), key=lambda refusal: refusal.line)
    notes = (*text.notes, *found.notes, *_notes(questions))
    return Upload(file, found.layout, text.encoding, found.separator, tuple(questions), tuple(refusals), notes)


def plain_name(name: str) -> str:
    """A file's name as it can be shown: its last part, without control characters and halves of characters."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(char for char in last if char.isprintable()).strip()[:MAX_LABEL] or "file"


# Tables


def _table(file: str, text: Text, layout: str | None) -> _Found:
    separator, header = _header(text.text)
    rows = list(islice(records(text.text, separator), MAX_ROWS + 2))
    _expect_at_most(len(rows) - 1)
    if layout == Layout.MMLU or (layout is None and known_columns(header) < 2 and _is_mmlu(rows)):
        return _mmlu(file, separator, rows)
    columns = read_header(header)
    body = rows[1:]
    found = [key for record in body if not record.broken for key in numbered_keys(columns, record.cells)]
    first = counted_from(found)
    kept: list[tuple[int, Row]] = []
    refusals: list[Refusal] = []
    for record in body:
        if not any(cell.strip() for cell in record.cells) and not record.broken:
            continue
        try:
            kept.append((record.line, _own_row(columns, record, first)))
        except BadRow as bad:
            refusals.append(_refusal(file, record.line, bad))
    questions, refused = parse_rows(file, kept, Layout.OWN)
    return _Found(CSV, questions, [*refusals, *refused], separator, _table_notes(columns, first, bool(found)))


def _table_notes(columns: Columns, first: int | None, by_number: bool) -> tuple[str, ...]:
    unused = ", ".join(columns.unused)
    counted = f"Keys that are numbers were read as counting from {first}, which the whole file tells." if by_number else ""
    left = f"Columns that were not used: {unused[:300]}." if unused else ""
    return tuple(filter(None, (counted if first is not None else "", left)))


def _own_row(columns: Columns, record: Record, first: int | None) -> Row:
    _expect_readable(record)
    return own_row(columns, record.cells, first)


def _expect_readable(record: Record) -> None:
    if record.broken:
        raise BadRow("", record.broken, Fault.UNREADABLE)
    if record.size > MAX_ROW:
        raise BadRow("", f"it has {record.size:,} characters; at most {MAX_ROW:,} are read. Shorten it.", Fault.LONG)
    if byte := wrong_byte("".join(record.cells)):
        raise BadRow("", f"it holds the byte {byte}, which is not UTF-8. Save the file as UTF-8.", Fault.UNREADABLE)


def _header(text: str) -> tuple[str, Sequence[str]]:
    """The separator and the first record's cells: by the separator that gives most columns that are known, then most at all."""
    named = named_separator(text)
    firsts = {separator: next(records(text, separator), None) for separator in (named or SEPARATORS)}
    cells = {
        separator: record.cells for separator, record in firsts.items() if record and not record.broken and record.size <= MAX_ROW
    }
    if not cells:
        raise BadRow("", "its first line is no line of a table. Name the columns in the first line.", Fault.UNREADABLE)
    best = max(cells, key=lambda separator: (known_columns(cells[separator]), len(cells[separator])))
    return best, cells[best]


def _is_mmlu(rows: Sequence[Record]) -> bool:
    """Whether rows without a header are a question, its options and the key's letter: the first one ends with such a letter, and
    the first column is the longest, which one of numbers would not be."""
    cells = [record.cells for record in rows if not record.broken]
    if not cells or len(cells[0]) < 4 or cells[0][-1].strip() not in tuple(OPTION_LETTERS[: len(cells[0]) - 2]):
        return False
    lengths: dict[int, int] = defaultdict(int)
    for record in cells:
        for place, cell in enumerate(record):
            lengths[place] += len(cell)
    return all(length < lengths[0] for place, length in lengths.items() if place)


def _mmlu(file: str, separator: str, rows: Sequence[Record]) -> _Found:
    subject = re.sub(r"_(test|dev|val|train)$", "", file.rpartition(".")[0] or file).replace("_", " ")
    kept: list[tuple[int, Row]] = []
    refusals: list[Refusal] = []
    for record in rows:
        try:
            _expect_readable(record)
            if len(record.cells) < 4:
                reason = f"it has {len(record.cells)} columns; expected question, options and the key's letter."
                raise BadRow("", reason, Fault.UNREADABLE)
            question, *choices, answer = record.cells
            kept.append((record.line, {"question": question, "choices": choices, "answer": answer.strip(), "subject": subject}))
        except BadRow as bad:
            refusals.append(_refusal(file, record.line, bad))
    questions, refused = parse_rows(file, kept, Layout.MMLU)
    note = "There is no line of column names: it was read as question, options, letter of the key. Look at the preview."
    return _Found(Layout.MMLU, questions, [*refusals, *refused], separator, (note,))


# JSON


def _json(file: str, text: Text, raw: bytes, layout: Layout | None) -> _Found:
    if text.encoding != "UTF-8":
        raw = text.text.encode("utf-8", "surrogatepass")
    if raw.count(b"{") + raw.count(b"[") > MAX_PARTS:
        raise BadRow("", f"it has more than {MAX_PARTS:,} objects and lists. Split it.", Fault.LONG)
    rows, refusals = json_objects(file, raw, longest=MAX_ROW, most=MAX_ROWS + 1)
    _expect_at_most(len(rows) + len(refusals))
    layout = layout or layout_of(rows)
    if layout is None:
        return _Found("", (), [unknown_layout(file, rows), *refusals] if rows else refusals)
    found = {line: key for line, row in rows if (key := numbered(layout, row))}
    first = counted_from(found.values())
    if first is None:
        reason = (BadRow(key.field, f"it is {key.number}. {COUNTING}", Fault.LABEL) for key in found.values())
        refusals += [_refusal(file, line, bad) for line, bad in zip(found, reason, strict=True)]
        rows = [(line, row) for line, row in rows if line not in found]
    questions, refused = parse_rows(file, rows, layout, first=first or 0)
    counted = (f"Keys that are numbers were read as counting from {first}, which the whole file tells.",) if found else ()
    return _Found(layout, questions, [*refusals, *refused], "", counted if first is not None else ())


# Questions


def _usable(
    file: str, found: Sequence[tuple[int, Question]], figures: frozenset[str]
) -> tuple[list[tuple[int, Question]], list[Refusal]]:
    """The questions that can be shown and graded, each once, and what was refused of them."""
    tidy: list[tuple[int, Question]] = []
    refusals: list[Refusal] = []
    for line, question in found:
        try:
            tidy.append((line, _tidied(question, figures)))
        except BadRow as bad:
            refusals.append(_refusal(file, line, bad))
    copies: dict[str, list[tuple[int, Question]]] = defaultdict(list)
    for line, question in tidy:
        copies[own_id(question)].append((line, question))
    kept: list[tuple[int, Question]] = []
    for same in copies.values():
        (line, question), *others = same
        if len({copy.key for _, copy in same}) > 1:
            reason = f"the same question stands in lines {_lines(same)} with different keys. Keep the right one."
            refusals += [_refusal(file, number, BadRow("key", reason, Fault.DUPLICATE)) for number, _ in same]
            continue
        kept.append((line, question))
        reason = f"the same question stands in line {line}. Keep one."
        refusals += [_refusal(file, number, BadRow("stem", reason, Fault.DUPLICATE)) for number, _ in others]
    return kept, refusals


def _expect_at_most(rows: int) -> None:
    if rows > MAX_ROWS:
        raise BadRow("", f"it has more than {MAX_ROWS:,} rows. Split it.", Fault.LONG)


def _lines(rows: Sequence[tuple[int, Question]]) -> str:
    return " and ".join(str(line) for line, _ in rows[:5])


def _tidied(question: Question, figures: frozenset[str] | None) -> Question:
    """The question with its texts tidied and its pictures looked at.

    Raises:
        BadRow: something in it cannot be shown.
    """
    clean = _each_text(question, _tidy)
    size = len(clean.stem) + sum(len(text) for texts in (clean.options, clean.explanations) for text in texts.values())
    if size > MAX_ROW:
        raise BadRow("", f"it has {size:,} characters; at most {MAX_ROW:,} are read. Shorten it.", Fault.LONG)
    if len(set(clean.options.values())) < len(clean.options):
        raise BadRow("options", "two of them are the same. Make every option different.")
    for field in LABELS:
        value = getattr(clean, field)
        if len(value) > MAX_LABEL or "\n" in value:
            raise BadRow(field, f"it is {value[:40]!r}...; expected one line of at most {MAX_LABEL} characters.")
    difficulty = clean.difficulty.casefold()
    if difficulty not in ("", *DIFFICULTIES):
        raise BadRow("difficulty", f"it is {clean.difficulty[:40]!r}; expected one of {', '.join(DIFFICULTIES)}, or nothing.")
    _check_pictures("stem", clean.stem, figures)
    _check_pictures("context", clean.context, figures)
    return replace(clean, difficulty=difficulty)


def _each_text(question: Question, change: Callable[[str, str], str]) -> Question:
    """The question with ``change`` (field, text) made of each of its texts."""
    changed: dict[str, object] = {}
    for field in fields(question):
        value = getattr(question, field.name)
        if isinstance(value, str):
            changed[field.name] = change(field.name, value)
        elif isinstance(value, tuple):
            changed[field.name] = tuple(change(field.name, text) for text in value)
        else:
            changed[field.name] = {label: change(field.name, text) for label, text in value.items()}
    return replace(question, **changed)  # type: ignore[arg-type]


def _tidy(field: str, text: str) -> str:
    """One rule for all texts: a line break of any kind becomes a line feed; any other control character but a tab is refused."""
    if not _UNTIDY.search(text):
        return text
    text = _LINE_BREAKS.sub("\n", text).strip()
    if control := _CONTROL.search(text):
        reason = f"it holds the control character U+{ord(control[0]):04X} at place {control.start() + 1}. Delete it."
        raise BadRow(field, reason)
    return text


def _check_pictures(field: str, text: str, figures: frozenset[str] | None) -> None:
    """Raises BadRow for a picture that cannot be shown. One on a line of its own, in the text itself, can."""
    if "![" not in text and "<" not in text:
        return
    rest = text
    for block in stem_blocks(text):
        if isinstance(block, ImageBlock):
            _check_picture(field, block.src, figures)
            rest = rest.replace(f"({block.src})", "", 1)
    shown = [line for line in rest.split("\n") if not re.fullmatch(r"\s*!\[[^\[\]]*\]\s*", line)]
    if found := _PICTURE.search("\n".join(shown)):
        start = "\n".join(shown)[found.start() : found.start() + 40]
        reason = (
            f"it holds a picture that cannot be shown ({start!r}). Put it on a line of its own as"
            " ![what it shows](data:image/png;base64,...), a PNG, JPEG, GIF or WebP; or leave the row out."
        )
        raise BadRow(field, reason, Fault.PICTURE)


def _check_picture(field: str, source: str, figures: frozenset[str] | None) -> None:
    data = _DATA.fullmatch(source)
    if data is None:
        if figures is not None and source.removeprefix("figures/") not in figures:
            reason = f"the picture {source[:60]!r} is not in this file. Put it into the row as data:image/png;base64,..."
            raise BadRow(field, reason, Fault.PICTURE)
        return
    try:
        picture = base64.b64decode(data[2], validate=True)
    except binascii.Error as error:
        raise BadRow(field, "a picture's base64 is cut or broken. Encode it anew.", Fault.PICTURE) from error
    if len(picture) > MAX_PICTURE:
        reason = f"a picture has {len(picture):,} bytes; at most {MAX_PICTURE:,} are read. Make it smaller."
        raise BadRow(field, reason, Fault.PICTURE)
    if not _SIGNATURES[data[1]].match(picture):
        raise BadRow(field, f"a picture is called {data[1]} and is none. Name its kind.", Fault.PICTURE)


def _notes(questions: Sequence[tuple[int, Question]]) -> tuple[str, ...]:
    if not questions:
        return ()
    texts = (
        ("explanations", "No explanations are in this file: after an answer only the key is shown."),
        ("system", "No organ systems are in this file: results by system cannot tell these questions apart."),
    )
    return tuple(sentence for field, sentence in texts if not any(getattr(question, field) for _, question in questions))


def _refusal(file: str, line: int, bad: BadRow) -> Refusal:
    return Refusal(file, line, bad.field, str(bad), bad.fault)
