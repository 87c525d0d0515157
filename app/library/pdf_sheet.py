"""What a reader sees of the characters on a PDF's page: where they stand, how high they are, whether they are hidden."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pypdfium2 as pdfium
import pypdfium2.raw as native

SMALLEST = 1.5  # points; smaller letters are there to be overlooked
WHITE = 250  # of each colour's 255, from here on
Box = tuple[float, float, float, float]  # left, bottom, right, top, in points
COVERING = (native.FPDF_PAGEOBJ_PATH, native.FPDF_PAGEOBJ_IMAGE, native.FPDF_PAGEOBJ_SHADING, native.FPDF_PAGEOBJ_FORM)


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


class Sheet:
    """One page, asked for its characters by their numbers."""

    def __init__(self, page: pdfium.PdfPage, text: pdfium.PdfTextPage, ink: Ink) -> None:
        self._page = page
        self._text = text
        self._ink = ink
        self._bounds: Box = page.get_bbox()
        self._turn = page.get_rotation()
        self._grounds: list[Box] | None = None
        self._drawn: int | None = None  # the address of what was asked for last
        self._shown = False

    def character(self, unit: int) -> int:
        """The number of the character that a unit of the page's text belongs to."""
        found: int = native.FPDFText_GetCharIndexFromTextIndex(self._text, unit)
        return max(0, found)

    def upright(self, character: int) -> tuple[float, float, float]:
        """Left, top and height of a character, as the page is turned."""
        return _upright(self._text.get_charbox(character, loose=True), self._turn)

    def drawn(self, character: int) -> int | None:
        """The address of the piece of text that the character is drawn with; None for one that is only understood, as spaces."""
        address: int | None = ctypes.cast(native.FPDFText_GetTextObject(self._text, character), ctypes.c_void_p).value
        return address

    def shows(self, character: int) -> bool:
        """Whether a reader sees it; those that are drawn together have the answer of the first."""
        address = self.drawn(character)
        if address is None or address != self._drawn:
            self._drawn, self._shown = address, self._shows(character)
        return self._shown

    def _shows(self, character: int) -> bool:
        box = self._text.get_charbox(character, loose=True)
        _, _, height = _upright(box, self._turn)
        if height < SMALLEST or not _lies_on(box, self._bounds):
            return False
        if not self._is_clear(character):
            return True
        if self._grounds is None:
            self._grounds = _grounds(self._page, self._ink)
        return any(_lies_on(box, ground) for ground in self._grounds)

    def _is_clear(self, character: int) -> bool:
        """Whether it shows on coloured ground alone: white, or drawn without ink, as recognised text is over its picture."""
        if self._ink.is_clear(native.FPDFText_GetFillColor, self._text, character):
            return True
        drawn = native.FPDFText_GetTextObject(self._text, character)
        return bool(drawn) and native.FPDFTextObj_GetTextRenderMode(drawn) == native.FPDF_TEXTRENDERMODE_INVISIBLE


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
