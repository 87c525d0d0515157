"""A Word document -> the blocks that its reader sees. Run as ``python -m app.library.parsing_docx KIND MEMORY CPU``."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from docx.opc.package import OpcPackage
from docx.opc.part import Part
from docx.opc.rel import Relationships
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.oxml.xmlchemy import BaseOxmlElement

from app.library.archive import safe_archive
from app.library.blocks import Blocks, one_line, without_title
from app.library.child import serve
from app.library.parsed import Parsed, Unreadable
from app.library.word_styles import Styles, W, styles_of

DAMAGED = "it is a damaged Word document. Open it in Word, save it anew and add it again."
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_BREAKS = re.compile(r"\n{2,}")
# What stands within a paragraph and is no text of it: deleted words, what fields are made of, old copies of drawings.
SKIPPED = frozenset(
    {f"{W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "sdtPr", "sectPr")}
    | {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)
TABS = frozenset({f"{W}tab", f"{W}ptab"})
BREAKS = frozenset({f"{W}br", f"{W}cr"})
PARAGRAPH, RUN, TEXT, TABLE, ROW, CELL = f"{W}p", f"{W}r", f"{W}t", f"{W}tbl", f"{W}tr", f"{W}tc"
HYPHEN, NOTE, TEXTBOX = f"{W}noBreakHyphen", f"{W}footnoteReference", f"{W}txbxContent"


def parse_docx(raw: bytes) -> Parsed:
    """Headings by their styles, tables as rows "a | b", footnotes under the paragraph that cites them. Hidden text is left out,
    with a note that says how much; so are comments, deleted words, headers and footers.

    Raises:
        Unreadable: another kind of file, encrypted, damaged, or made to do harm.
    """
    archive = safe_archive(raw)
    try:
        package = OpcPackage.open(archive)
        main = package.main_document_part
        walk = Walk(_styles(main), _footnotes(main))
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
    footnotes: Mapping[str, str]
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

    def _notes(self, numbers: list[str]) -> None:
        for number in numbers:
            if number in self.footnotes:
                self.blocks.paragraph(f"Note: {self.footnotes[number]}", tight=True)

    def _table(self, table: BaseOxmlElement) -> None:
        notes: list[str] = []
        for row in table.iter(ROW):
            if next(row.iterancestors(TABLE)) is not table:
                continue  # of a table within a cell, whose text its cell has
            cells = [" ".join(self._cell(cell, notes)) for cell in row.iterchildren(CELL)]
            if any(cells):
                self.blocks.paragraph(" | ".join(cells), tight=True)
        self._notes(notes)

    def _cell(self, cell: BaseOxmlElement, notes: list[str]) -> Iterator[str]:
        for paragraph in cell.iter(PARAGRAPH):
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
                self._collect(child, line, self.styles.shows(child, shown))
            elif tag == TEXT:
                if shown:
                    line.pieces.append(child.text or "")
                else:
                    self.hidden += len(child.text or "")
            elif tag in TABS:
                line.pieces.append(" ")
            elif tag in BREAKS:
                line.pieces.append("\n")
            elif tag == HYPHEN:
                line.pieces.append("-")
            elif tag == NOTE:
                line.notes.append(child.get(qn("w:id")) or "")
            elif tag == TEXTBOX:
                line.boxes.append(child)
            elif tag not in SKIPPED and tag != PARAGRAPH:
                self._collect(child, line, shown)


@dataclass
class Line:
    """A paragraph's own text, and what hangs on it: boxes of text, the numbers of its footnotes."""

    text: str = ""
    pieces: list[str] = field(default_factory=list)
    boxes: list[BaseOxmlElement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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


def _footnotes(main: Part) -> Mapping[str, str]:
    """The text of each by its number."""
    root = _related(main.rels, RELATIONSHIP_TYPE.FOOTNOTES)
    found: dict[str, str] = {}
    for note in () if root is None else root.iterchildren(qn("w:footnote")):
        found[note.get(qn("w:id")) or ""] = one_line("".join(text.text or "" for text in note.iter(TEXT)))
    return {number: text for number, text in found.items() if number and text}


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
