"""Uploaded bytes -> text -> the records of a separated table (CSV). Pure; knows no column and no question.

Python's csv module is not used: its limit on a cell's length is one for the whole process, and a cell may hold an image.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.rowfiles import BadRow, Fault

SEPARATORS = ",;\t|"
MAX_CELLS = 200  # of one record
_UTF16_SAMPLE = 4096  # bytes
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_REST_OF_RECORD = re.compile(r'(?:"[^"]*+"|[^"\r\n]++)*+')
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?:[ \t]*+(?:\r\n|\r|\n))++")
_SEPARATOR_LINE = re.compile(r"sep=(.)(?:\r\n|\r|\n)")  # Excel's own first line
_BYTE = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")


@dataclass(frozen=True)
class Text:
    """What the bytes say. A byte that is no UTF-8 is kept as the lone surrogate of Python's ``surrogateescape``."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One record of a table. ``line`` is where it begins, ``size`` its length in characters. ``broken``: why it has no cells,
    "" for a good one; ``last``: what follows it cannot be told apart any more."""

    line: int
    cells: tuple[str, ...]
    size: int = 0
    broken: str = ""
    last: bool = False


def decode(raw: bytes) -> Text:
    """UTF-8, or UTF-16 by its mark or its NULs; Windows-1252 only where nothing in the file is UTF-8's.

    Raises:
        BadRow: UTF-32.
    """
    if raw.startswith(codecs.BOM_UTF8):
        return _utf8(raw.removeprefix(codecs.BOM_UTF8))
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise BadRow("", "it is UTF-32, which is not read. Save the file as UTF-8.", Fault.UNREADABLE)
    for mark, order in ((codecs.BOM_UTF16_LE, "LE"), (codecs.BOM_UTF16_BE, "BE")):
        if raw.startswith(mark):
            return _utf16(raw.removeprefix(mark), order)
    unmarked = _utf16_without_mark(raw)
    return _utf16(raw, unmarked) if unmarked else _utf8(raw)


def wrong_byte(text: str) -> str:
    """The first byte of a text that was no UTF-8, as 0xe4; "" where there is none."""
    found = _BYTE.search(text)
    return f"0x{ord(found[0]) - 0xDC00:02x}" if found else ""


def records(text: str, separator: str) -> Iterator[Record]:
    """The records of a table from its header on; lines without anything in them are no records.

    A quote within a cell is doubled (RFC 4180). A quote that is not closed, or text behind a closing one, makes the rest of the
    file doubtful: that record is the last.
    """
    plain = re.compile(rf"[^{re.escape(separator)}\r\n]*+")
    place, line = _start(text)
    while True:
        skipped = _BLANK_LINES.match(text, place)
        if skipped:
            line += _line_ends(text, place, skipped.end())
            place = skipped.end()
        if place >= len(text):
            return
        record, end = _record(text, place, line, separator, plain)
        yield record
        if record.last:
            return
        after = _LINE_END.match(text, end)
        end = after.end() if after else end
        line += _line_ends(text, place, end)
        place = end


def named_separator(text: str) -> str | None:
    """The separator of Excel's first line ``sep=;``."""
    found = _SEPARATOR_LINE.match(text)
    return found[1] if found and found[1] in SEPARATORS else None


def _start(text: str) -> tuple[int, int]:
    found = _SEPARATOR_LINE.match(text)
    return (found.end(), 2) if found and found[1] in SEPARATORS else (0, 1)


def _record(text: str, start: int, line: int, separator: str, plain: re.Pattern[str]) -> tuple[Record, int]:
    """The record that begins at ``start``, and where it ends."""
    cells: list[str] = []
    place = start
    while True:
        if text.startswith('"', place):
            quoted = _QUOTED.match(text, place)
            if quoted is None:
                reason = 'a quote (") that is opened in this row is never closed. Close it; nothing from here on was read.'
                return Record(line, (), broken=reason, last=True), len(text)
            cells.append(quoted[1].replace('""', '"'))
            place = quoted.end()
        else:
            bare = plain.match(text, place)
            assert bare is not None  # it matches nothing, too
            cells.append(bare[0])
            place = bare.end()
        following = text[place : place + 1]
        if following in ("", "\r", "\n"):
            return Record(line, tuple(cells), size=place - start), place
        if following != separator:
            reason = (
                f"text stands behind a closing quote ({text[place : place + 20]!r}); perhaps a quote is not closed, or one within"
                " a cell is not doubled. Mend it; nothing from here on was read."
            )
            return Record(line, (), broken=reason, last=True), place
        if len(cells) == MAX_CELLS:
            rest = _REST_OF_RECORD.match(text, place)
            assert rest is not None
            return Record(line, (), broken=f"it has more than {MAX_CELLS} cells. Check the separator."), rest.end()
        place += 1


def _line_ends(text: str, start: int, end: int) -> int:
    """How many lines end between two places: by a line feed, a carriage return, or both together."""
    pairs = text.count("\r\n", start, end)
    return text.count("\n", start, end) + text.count("\r", start, end) - pairs


def _utf8(raw: bytes) -> Text:
    text = raw.decode("utf-8", "surrogateescape")
    if not wrong_byte(text) or _BEYOND_ASCII.search(text):
        return Text(text, "UTF-8")
    try:
        western = raw.decode("cp1252")
    except UnicodeDecodeError:
        return Text(text, "UTF-8")
    note = (
        "The file is not UTF-8; it was read as Windows-1252. Look in the preview whether letters with accents and signs such as"
        " µ and ≥ are right; if not, save the file as UTF-8 and choose it again."
    )
    return Text(western, "Windows-1252", (note,))


def _utf16(raw: bytes, order: str) -> Text:
    """A half character stays as it is, for its row to be refused."""
    whole = raw[: len(raw) // 2 * 2]
    cut = ("The file ends in the middle of a character; its end may be missing.",) if len(whole) < len(raw) else ()
    return Text(whole.decode(f"utf-16-{order.lower()}", "surrogatepass"), f"UTF-16 {order}", cut)


def _utf16_without_mark(raw: bytes) -> str | None:
    """Western text in UTF-16 has a NUL in every other byte."""
    sample = raw[:_UTF16_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    least = len(sample) // 5
    if odd > least and even <= odd // 10:
        return "LE"
    return "BE" if even > least and odd <= even // 10 else None
