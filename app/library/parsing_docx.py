"""A Word document -> the blocks that its reader sees. Run as ``python -m app.library.parsing_docx KIND MEMORY CPU``."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from docx.opc.package import OpcPackage
from docx.opc.part import Part
from docx.opc.rel import Relationships
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.oxml.xmlchemy import BaseOxmlElement

from app.library.archive import safe_archive
from app.library.blocks import Blocks, needs_caret, one_line, without_title
from app.library.child import serve
from app.library.font_signs import FIRST, WINGDINGS
from app.library.parsed import Parsed, Unreadable
from app.library.word_styles import Styles, W, is_raised, styles_of

DAMAGED = "it is a damaged Word document. Open it in Word, save it anew and add it again."
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CODE = re.compile(r"[0-9A-Fa-f]{1,4}")
_BREAKS = re.compile(r"\n{2,}")
# What stands within a paragraph and is no text of it: deleted words, what fields are made of, old copies of drawings.
SKIPPED = frozenset(
    {f"{W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "sdtPr", "sectPr")}
    | {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)
PARAGRAPH, RUN, TEXT, TABLE, ROW, CELL = f"{W}p", f"{W}r", f"{W}t", f"{W}tbl", f"{W}tr", f"{W}tc"
SIGN, TEXTBOX = f"{W}sym", f"{W}txbxContent"
Note = tuple[str, str]  # the tag of a reference to a note, and the note's number
# Which note a reference names: the relation of the part that holds it, and its element there.
NOTES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        f"{W}footnoteReference": (RELATIONSHIP_TYPE.FOOTNOTES, f"{W}footnote"),
        f"{W}endnoteReference": (RELATIONSHIP_TYPE.ENDNOTES, f"{W}endnote"),
    }
)
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
TEXTS = frozenset({TEXT, f"{MATH}t"})
PLAIN: Mapping[str, str] = MappingProxyType(
    {f"{W}tab": " ", f"{W}ptab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
)
# What stands before and behind the parts of a formula on one line: (a)/(b), x^(2).
FORMULA: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **{f"{MATH}num": ("(", ")"), f"{MATH}den": ("/(", ")"), f"{MATH}sup": ("^(", ")"), f"{MATH}sub": ("_(", ")")},
        **{f"{MATH}rad": ("√(", ")"), f"{MATH}deg": ("[", "]"), f"{MATH}d": ("(", ")")},
    }
)


def parse_docx(raw: bytes) -> Parsed:
    """Headings by their styles, tables as rows "a | b", notes under the paragraph that cites them, formulas as (a)/(b). Hidden
    text is left out, with a note that says how much; so are comments, deleted words, headers and footers.

    Raises:
        Unreadable: another kind of file, encrypted, damaged, or made to do harm.
    """
    archive = safe_archive(raw)
    try:
        package = OpcPackage.open(archive)
        main = package.main_document_part
        walk = Walk(_styles(main), _notes(main))
        walk.through(_root(main))
        title, date = _properties(package)
    except (OpcError, zipfile.BadZipFile, ValueError, KeyError, AttributeError, TypeError, SyntaxError):
        # a part that is no XML, a relation to nothing, a wrong type of content: python-docx answers with any of these
        raise Unreadable(DAMAGED) from None
    blocks = walk.blocks.finish()
    notes = (f"{walk.hidden:,} characters of hidden text were left out.",) if walk.hidden else ()
    return Parsed(title or walk.title, "docx", without_title(blocks, walk.title), date=date, notes=notes)


@dataclass
class Walk:
    """Goes through a document in reading order. Word's XML parser allows 256 elements within one another, so recursion ends."""

    styles: Styles
    notes: Mapping[Note, str]
    blocks: Blocks = field(default_factory=Blocks)
    hidden: int = 0  # characters that were left out
    title: str = ""

    def through(self, element: BaseOxmlElement) -> None:
        for child in element.iterchildren("{*}*"):
            if child.tag == PARAGRAPH:
                self._paragraph(child)
            elif child.tag == TABLE:
                self._table(child)
            elif child.tag not in SKIPPED:
                self.through(child)  # a content control and its like

    def _paragraph(self, paragraph: BaseOxmlElement) -> None:
        style = self.styles.of_paragraph(paragraph)
        line = self._line(paragraph)
        if style.contents or not line.text.strip():
            pass
        elif style.level == 0:
            self.title = self.title or one_line(line.text)
        elif style.level is not None:
            self.blocks.heading(style.level, line.text)
        else:
            self.blocks.paragraph(f"- {line.text.strip()}" if style.item else line.text, tight=style.item)
        for box in line.boxes:
            self.through(box)
        self._notes(line.notes)

    def _notes(self, named: list[Note]) -> None:
        for note in named:
            if note in self.notes:
                self.blocks.paragraph(f"Note: {self.notes[note]}", tight=True)

    def _table(self, table: BaseOxmlElement) -> None:
        notes: list[Note] = []
        for row in _own(table, ROW):  # and not those of a table within a cell, whose text its cell has
            cells = [" ".join(self._cell(cell, notes)) for cell in _own(row, CELL)]
            if any(cells):
                self.blocks.paragraph(" | ".join(cells), tight=True)
        self._notes(notes)

    def _cell(self, cell: BaseOxmlElement, notes: list[Note]) -> Iterator[str]:
        for paragraph in cell.iter(PARAGRAPH):
            if any(around.tag in SKIPPED for around in paragraph.iterancestors()):
                continue
            line = self._line(paragraph)
            notes.extend(line.notes)
            if said := one_line(line.text):
                yield said

    def _line(self, paragraph: BaseOxmlElement) -> Line:
        line = Line()
        self._collect(paragraph, line, self.styles.of_paragraph(paragraph).seen is not False)
        line.text = _BREAKS.sub("\n", "".join(line.pieces))
        return line

    def _collect(self, element: BaseOxmlElement, line: Line, shown: bool) -> None:
        for child in element.iterchildren("{*}*"):
            tag = child.tag
            if tag == RUN:
                self._run(child, line, self.styles.shows(child, shown))
            elif tag in TEXTS:
                self._say(child.text or "", line, shown)
            elif tag == SIGN:
                self._say(_sign(child), line, shown)
            elif tag in PLAIN:
                line.pieces.append(PLAIN[tag])
            elif tag in NOTES:
                line.notes.append((tag, child.get(qn("w:id")) or ""))
            elif tag == TEXTBOX:
                line.boxes.append(child)
            elif tag in FORMULA:
                self._part_of_formula(child, line, shown)
            elif tag not in SKIPPED and tag != PARAGRAPH:
                self._collect(child, line, shown)

    def _say(self, text: str, line: Line, shown: bool) -> None:
        if shown:
            line.pieces.append(text)
        else:
            self.hidden += len(text)

    def _run(self, run: BaseOxmlElement, line: Line, shown: bool) -> None:
        before = len(line.pieces)
        self._collect(run, line, shown)
        if len(line.pieces) == before:
            return
        line.raised = (line.raised or before) if is_raised(run) else 0
        start = line.raised
        if start and line.pieces[start] != "^" and needs_caret(line.pieces[start - 1], "".join(line.pieces[start:])):
            line.pieces.insert(start, "^")

    def _part_of_formula(self, part: BaseOxmlElement, line: Line, shown: bool) -> None:
        begin, end = FORMULA[part.tag]
        before = len(line.pieces)
        self._collect(part, line, shown)
        if len(line.pieces) > before:
            line.pieces.insert(before, begin)
            line.pieces.append(end)
            line.raised = 0


@dataclass
class Line:
    """A paragraph's own text, and what hangs on it: boxes of text, the notes that it cites."""

    text: str = ""
    pieces: list[str] = field(default_factory=list)
    raised: int = 0  # the piece with which the superscript begins that the line ends with
    boxes: list[BaseOxmlElement] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def _own(around: BaseOxmlElement, tag: str) -> Iterator[BaseOxmlElement]:
    """A table's rows or a row's cells, those in content controls too, and not those of a table further within."""
    return (found for found in around.iter(tag) if next(found.iterancestors(around.tag)) is around)


def _sign(element: BaseOxmlElement) -> str:
    """A sign by its code in a font: those of Symbol and Wingdings, of other fonts what the code is anywhere."""
    said = element.get(qn("w:char")) or ""
    if not _CODE.fullmatch(said):
        return ""
    code, font = int(said, 16), element.get(qn("w:font")) or ""
    if font.startswith("Wingdings"):
        return WINGDINGS.get(code % 256, "•")
    return chr(FIRST + code % 256 if font == "Symbol" else code)


def _root(part: Part) -> BaseOxmlElement:
    """The part's XML; python-docx has parsed those whose type it knows, and not a document with macros."""
    return part.element if hasattr(part, "element") else parse_xml(part.blob)


def _related(rels: Relationships, kind: str) -> BaseOxmlElement | None:
    found = (relation.target_part for relation in rels.values() if relation.reltype == kind and not relation.is_external)
    part = next(found, None)
    return None if part is None else _root(part)


def _styles(main: Part) -> Styles:
    root = _related(main.rels, RELATIONSHIP_TYPE.STYLES)
    return Styles() if root is None else styles_of(root)


def _notes(main: Part) -> Mapping[Note, str]:
    """The text of each that is not empty."""
    found: dict[Note, str] = {}
    for reference, (kind, tag) in NOTES.items():
        root = _related(main.rels, kind)
        for note in () if root is None else root.iterchildren(tag):
            found[reference, note.get(qn("w:id")) or ""] = one_line("".join(text.text or "" for text in note.iter(TEXT)))
    return {note: text for note, text in found.items() if text}


def _properties(package: OpcPackage) -> tuple[str, str]:
    """Title and day of the last change, "" where the document does not say."""
    root = _related(package.rels, RELATIONSHIP_TYPE.CORE_PROPERTIES)
    if root is None:
        return "", ""
    title, changed, made = (root.findtext(qn(name)) or "" for name in ("dc:title", "dcterms:modified", "dcterms:created"))
    day = _DAY.match(changed) or _DAY.match(made)
    return one_line(title), day[0] if day else ""


if __name__ == "__main__":
    serve({"docx": parse_docx})
