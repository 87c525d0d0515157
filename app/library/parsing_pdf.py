"""A PDF -> the blocks of its pages. Run as ``python -m app.library.parsing_pdf KIND MEMORY CPU`` by `reading`."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pypdfium2 as pdfium
import pypdfium2.raw as native

from app.library.blocks import one_line, without_title
from app.library.child import serve
from app.library.parsed import Parsed, Unreadable
from app.library.pdf_layout import Line, laid_out

MAX_PAGES = 20_000
SMALLEST = 1.5  # points; smaller letters are there to be overlooked
BOLD = 600  # of a font's weight
FONT_NAME = 128  # bytes of a font's name that are looked at
WHITE = 250  # of each colour's 255, from here on
DAMAGED = "it is a damaged PDF. Save it anew from the program that made it."
NO_TEXT = "it holds no text, only pictures of pages ({pages:,}). Run text recognition (OCR) on it first."
_BOLD_NAME = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_DATE = re.compile(r"(?:D:)?(\d{4})(?:(\d\d)(\d\d)?)?")
_NO_TITLE = re.compile(
    r"untitled|document\d*|microsoft (?:word|powerpoint) - .*|.*\.(?:docx?|pdf|indd|pptx?|qxd|tex|dvi)", re.IGNORECASE
)
Box = tuple[float, float, float, float]  # left, bottom, right, top, in points
COVERING = (native.FPDF_PAGEOBJ_PATH, native.FPDF_PAGEOBJ_IMAGE, native.FPDF_PAGEOBJ_SHADING, native.FPDF_PAGEOBJ_FORM)


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


class Ink:
    """The colour that something is filled with, asked for again and again in one place of memory."""

    def __init__(self) -> None:
        self._parts = tuple(ctypes.c_uint() for _ in range(4))

    def is_clear(self, asked: Callable[..., int], *of: object) -> bool | None:
        """Whether it is white or lets all through; None where the document does not say."""
        if not asked(*of, *self._parts):
            return None
        red, green, blue, ink = self._parts
        return ink.value == 0 or min(red.value, green.value, blue.value) >= WHITE


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
        sheet, turn = page.get_bbox(), page.get_rotation()
        grounds: list[Box] | None = None
        place = 0
        for written in text.get_text_range().splitlines(keepends=True):
            start, place = place, place + _units(written)
            said = one_line(written)
            if not said:
                continue
            first = _character(text, start + _units(written[: len(written) - len(written.lstrip())]))
            last = _character(text, start + _units(written.rstrip()) - 1)
            box = text.get_charbox(first, loose=True)
            clear = self._is_clear(text, first) and self._is_clear(text, last)
            if clear and grounds is None:
                grounds = _grounds(page, self._ink)
            left, top, height = _upright(box, turn)
            if height < SMALLEST or not _lies_on(box, sheet) or (clear and not any(_lies_on(box, g) for g in grounds or ())):
                self.hidden += len(said)
                continue
            yield Line(said, left, top, height, self._is_bold(text, first) and self._is_bold(text, last))

    def _is_bold(self, text: pdfium.PdfTextPage, character: int) -> bool:
        if native.FPDFText_GetFontWeight(text, character) >= BOLD:
            return True
        native.FPDFText_GetFontInfo(text, character, self._name, FONT_NAME, None)
        return bool(_BOLD_NAME.search(self._name.value))

    def _is_clear(self, text: pdfium.PdfTextPage, character: int) -> bool:
        """Whether it shows on coloured ground alone: white, or drawn without ink, as recognised text is over its picture."""
        if self._ink.is_clear(native.FPDFText_GetFillColor, text, character):
            return True
        drawn = native.FPDFText_GetTextObject(text, character)
        return bool(drawn) and native.FPDFTextObj_GetTextRenderMode(drawn) == native.FPDF_TEXTRENDERMODE_INVISIBLE


def _units(text: str) -> int:
    """Its length as pdfium counts, in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _character(text: pdfium.PdfTextPage, unit: int) -> int:
    """The number of the character that a unit of the text belongs to."""
    found: int = native.FPDFText_GetCharIndexFromTextIndex(text, unit)
    return max(0, found)


def _upright(box: Box, turn: int) -> tuple[float, float, float]:
    """Left, top and height of a character as it stands when the page is turned, by 0, 90, 180 or 270 degrees."""
    left, bottom, right, top = box
    if turn == 90:
        return bottom, -left, right - left
    if turn == 180:
        return -right, -bottom, top - bottom
    return (-top, right, right - left) if turn == 270 else (left, top, top - bottom)


def _lies_on(box: Box, ground: Box) -> bool:
    """Whether the middle of a box is within another."""
    across, up = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return ground[0] <= across <= ground[2] and ground[1] <= up <= ground[3]


def _grounds(page: pdfium.PdfPage, ink: Ink) -> list[Box]:
    """Where pictures and areas that are not white lie."""
    found: list[Box] = []
    for drawn in page.get_objects(filter=COVERING, max_depth=1):
        if drawn.type == native.FPDF_PAGEOBJ_PATH and ink.is_clear(native.FPDFPageObj_GetFillColor, drawn) is not False:
            continue
        try:
            found.append(drawn.get_bounds())
        except pdfium.PdfiumError:
            continue  # it has no place
    return found


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
