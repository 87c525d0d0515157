"""A PDF -> the blocks of its pages. Run as ``python -m app.library.parsing_pdf KIND MEMORY CPU`` by `reading`."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as native

from app.library.blocks import one_line, without_title
from app.library.child import serve
from app.library.parsed import Parsed, Unreadable
from app.library.pdf_layout import Line, laid_out
from app.library.pdf_sheet import Ink, Sheet

MAX_PAGES = 20_000
RAISED = 0.85  # of the height of what is before it, at the most, has a power
TIMES = ("x", "X", "×", "·", "*")
BOLD = 600  # of a font's weight
FONT_NAME = 128  # bytes of a font's name that are looked at
DAMAGED = "it is a damaged PDF. Save it anew from the program that made it."
NO_TEXT = "it holds no text, only pictures of pages ({pages:,}). Run text recognition (OCR) on it first."
_WORD = re.compile(r"\S+")
_POWER = re.compile(r"(?:^|([xX×·*]))10([-−–]?\d{1,2})(?!\d)")
_BOLD_NAME = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_DATE = re.compile(r"(?:D:)?(\d{4})(?:(\d\d)(\d\d)?)?")
_NO_TITLE = re.compile(
    r"untitled|document\d*|microsoft (?:word|powerpoint) - .*|.*\.(?:docx?|pdf|indd|pptx?|qxd|tex|dvi)", re.IGNORECASE
)


def parse_pdf(raw: bytes) -> Parsed:
    """Each block has its page. Larger or bold lines are headings; running heads, page numbers and what a reader cannot see
    (white on nothing, outside the page, letters of less than 1.5 points) are left out, with a note.

    Raises:
        Unreadable: encrypted, damaged, of too many pages, or without text.
    """
    try:
        document = pdfium.PdfDocument(raw)
    except pdfium.PdfiumError as error:
        raise _refused(error) from None
    count = len(document)
    if not 0 < count <= MAX_PAGES:
        reason = f"it has {count:,} pages; at most {MAX_PAGES:,} are read. Split it." if count > 0 else "it has no pages."
        raise Unreadable(reason, large=count > 0)
    reader = Reader(document)
    pages = [reader.lines(number) for number in range(count)]
    laid = laid_out(pages)
    blocks = laid.blocks.finish()
    if not blocks:
        raise Unreadable(NO_TEXT.format(pages=count) if not reader.broken else DAMAGED)
    said = document.get_metadata_dict()
    title = one_line(said.get("Title", ""))
    title = laid.title if not title or _NO_TITLE.fullmatch(title) else title
    empty = sum(not page for page in pages) - reader.broken
    notes = _notes(hidden=reader.hidden, broken=reader.broken, empty=empty, running=laid.running)
    date = _day(said.get("ModDate", "")) or _day(said.get("CreationDate", ""))
    return Parsed(title, "pdf", without_title(blocks, title), pages=count, date=date, notes=notes)


@dataclass
class Reader:
    """The lines of a document's pages, one page open at a time."""

    document: pdfium.PdfDocument
    hidden: int = 0  # characters that were left out
    broken: int = 0  # pages
    _ink: Ink = field(default_factory=Ink)
    _name: ctypes.Array[ctypes.c_char] = field(default_factory=lambda: ctypes.create_string_buffer(FONT_NAME))

    def lines(self, number: int) -> list[Line]:
        try:
            page = self.document[number]
        except pdfium.PdfiumError:
            self.broken += 1
            return []
        try:
            text = page.get_textpage()
        except pdfium.PdfiumError:
            self.broken += 1
            return []
        else:
            found = list(self._lines(page, text))
            text.close()
            return found
        finally:
            page.close()

    def _lines(self, page: pdfium.PdfPage, text: pdfium.PdfTextPage) -> Iterator[Line]:
        sheet = Sheet(page, text, self._ink)
        place = 0
        for written in text.get_text_range().splitlines(keepends=True):
            start, place = place, place + _units(written)
            words = _words(written, start, sheet)
            seen = [word for word in words if sheet.shows(word.first)]
            self.hidden += len(_joined(words)) - len(_joined(seen))
            if seen:
                left, top, height = sheet.upright(seen[0].first)
                bold = self._is_bold(text, seen[0].first) and self._is_bold(text, seen[-1].last)
                yield Line(_joined(_with_powers(seen, sheet)), left, top, height, bold)

    def _is_bold(self, text: pdfium.PdfTextPage, character: int) -> bool:
        if native.FPDFText_GetFontWeight(text, character) >= BOLD:
            return True
        native.FPDFText_GetFontInfo(text, character, self._name, FONT_NAME, None)
        return bool(_BOLD_NAME.search(self._name.value))


class Word(NamedTuple):
    """``first`` and ``last``: the numbers of its characters on the page."""

    text: str
    first: int
    last: int


def _words(written: str, start: int, sheet: Sheet) -> list[Word]:
    """Of a line that begins at unit ``start`` of the page's text; one that was drawn in one go is as one word."""
    said = one_line(written)
    if not said:
        return []
    ends = _units(written[: len(written) - len(written.lstrip())]), _units(written.rstrip()) - 1
    first, last = (sheet.character(start + unit) for unit in ends)
    if sheet.drawn(first) == sheet.drawn(last):
        return [Word(said, first, last)]
    places = ((found[0], first + _units(written[: found.start()]) - ends[0]) for found in _WORD.finditer(written))
    return [Word(word, place, place + _units(word) - 1) for word, place in places]


def _joined(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def _with_powers(words: Sequence[Word], sheet: Sheet) -> Iterator[Word]:
    """Each power of ten that is set smaller with a sign before it, or 10 with its power would say 109."""
    before = ""
    for word in words:
        found = _POWER.search(word.text) if "10" in word.text else None
        if found and (found[1] or before in TIMES):
            place = word.first + _units(word.text[: found.start(2)])
            if sheet.upright(place)[2] < RAISED * sheet.upright(place - 1)[2]:
                yield Word(f"{word.text[: found.start(2)]}^{word.text[found.start(2) :]}", word.first, word.last)
                continue
        yield word
        before = word.text


def _units(text: str) -> int:
    """Its length as pdfium counts, in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _refused(error: pdfium.PdfiumError) -> Unreadable:
    if error.err_code in (native.FPDF_ERR_PASSWORD, native.FPDF_ERR_SECURITY):
        return Unreadable("it is encrypted. Save it without a password and add it again.")
    return Unreadable(DAMAGED)


def _notes(*, hidden: int, broken: int, empty: int, running: int) -> tuple[str, ...]:
    said = (
        (hidden, "{:,} characters that a reader cannot see were left out."),
        (broken, "{:,} damaged pages were left out."),
        (empty, "{:,} pages hold no text, only pictures; text recognition (OCR) would add theirs."),
        (running, "{:,} running heads, feet and page numbers were left out."),
    )
    return tuple(sentence.format(count) for count, sentence in said if count)


def _day(text: str) -> str:
    """Of a date as D:20240131120000, as far as it goes."""
    found = _DATE.match(text)
    return "-".join(part for part in found.groups() if part) if found else ""


if __name__ == "__main__":
    serve({"pdf": parse_pdf})
