"""What a Word document's styles say of a paragraph and of a run: heading, item of a list, contents, seen or hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
VAL = f"{W}val"
SMALLEST = 2  # half points; letters of one point and less are there to be overlooked
_HEADING = re.compile(r"heading (\d)")
_LIST = re.compile(r"list (?:bullet|number)")
_WHITE = re.compile(r"(?:F[A-F]){3}", re.IGNORECASE)
_NO_FILL = re.compile(r"auto|(?:F[A-F]){3}", re.IGNORECASE)
_OFF = ("0", "false", "off", "none")


@dataclass(frozen=True)
class Style:
    """``level`` of a heading from 1, 0 for the document's title, None for other text. ``contents``: an entry of a table of
    contents. ``seen`` False: hidden, white, or too small to see; None: not said."""

    level: int | None = None
    item: bool = False
    contents: bool = False
    seen: bool | None = None


PLAIN = Style()


@dataclass(frozen=True)
class Styles:
    """By the styles' ids."""

    known: Mapping[str, Style] = field(default_factory=dict)

    def of_paragraph(self, paragraph: BaseOxmlElement) -> Style:
        """The paragraph's style, with what the paragraph itself says."""
        within = paragraph.find(qn("w:pPr"))
        style = self.known.get(_value(within, "w:pStyle"), PLAIN)
        level = _level(within) if style.level is None else style.level
        item = style.item or (within is not None and within.find(qn("w:numPr")) is not None)
        return Style(level, item, style.contents, style.seen)

    def shows(self, run: BaseOxmlElement, otherwise: bool) -> bool:
        """Whether a reader sees the run's text; ``otherwise``: what its paragraph's style says."""
        within = run.find(qn("w:rPr"))
        if within is None:
            return otherwise
        style = self.known.get(_value(within, "w:rStyle"), PLAIN)
        own = _seen(within)
        if own is False and _is_white(within) and not _is_hidden(within) and _on_colour(run):
            own = None
        said = own if own is not None else style.seen
        return otherwise if said is None else said


def styles_of(root: BaseOxmlElement) -> Styles:
    """The styles of ``styles.xml``, each with what it takes over from the one that it is based on."""
    elements = {style.get(qn("w:styleId")) or "": style for style in root.iterchildren(qn("w:style"))}
    return Styles({name: _style(elements, name) for name in elements})


def _style(elements: Mapping[str, BaseOxmlElement], name: str) -> Style:
    level: int | None = None
    item = contents = False
    seen: bool | None = None
    for element in _family(elements, name):
        called = _value(element, "w:name").lower()
        heading = _HEADING.fullmatch(called)
        if level is None:
            level = int(heading[1]) if heading else (0 if called == "title" else _level(element.find(qn("w:pPr"))))
        item = item or bool(_LIST.match(called))
        contents = contents or called.startswith(("toc ", "table of figures"))
        seen = _seen(element.find(qn("w:rPr"))) if seen is None else seen
    return Style(level, item, contents, seen)


def _family(elements: Mapping[str, BaseOxmlElement], name: str) -> Iterator[BaseOxmlElement]:
    """A style and those that it is based on, nearest first; a circle ends."""
    met: set[str] = set()
    while name in elements and name not in met:
        met.add(name)
        yield elements[name]
        name = _value(elements[name], "w:basedOn")


def _level(properties: BaseOxmlElement | None) -> int | None:
    said = _value(properties, "w:outlineLvl")
    return int(said) + 1 if said.isascii() and said.isdigit() and int(said) < 9 else None


def _seen(properties: BaseOxmlElement | None) -> bool | None:
    if properties is None:
        return None
    size = _value(properties, "w:sz")
    if _is_hidden(properties) or _is_white(properties) or (size.isdigit() and int(size[:9]) <= SMALLEST):
        return False
    return True if properties.find(qn("w:vanish")) is not None or _value(properties, "w:color") else None


def _is_hidden(properties: BaseOxmlElement) -> bool:
    mark = properties.find(qn("w:vanish"))
    return mark is not None and (mark.get(VAL) or "").lower() not in _OFF


def _is_white(properties: BaseOxmlElement) -> bool:
    """White letters without a ground of their own."""
    return bool(_WHITE.fullmatch(_value(properties, "w:color"))) and not _has_ground(properties)


def _has_ground(properties: BaseOxmlElement | None) -> bool:
    """Whether they lay a colour under the text that is not white."""
    if properties is None:
        return False
    shade = properties.find(qn("w:shd"))
    fill = (shade.get(qn("w:fill")) or "") if shade is not None else ""
    return _value(properties, "w:highlight") not in ("", "none", "white") or bool(fill and not _NO_FILL.fullmatch(fill))


def is_raised(run: BaseOxmlElement) -> bool:
    """Whether the run itself says that it is a superscript."""
    return _value(run.find(qn("w:rPr")), "w:vertAlign") == "superscript"


def _on_colour(run: BaseOxmlElement) -> bool:
    """Whether something around the run gives it a ground: its paragraph, its cell, or the look of its table."""
    grounds = (qn("w:pPr"), qn("w:tcPr"))
    for around in run.iterancestors():
        if any(_has_ground(around.find(ground)) for ground in grounds):
            return True
        if around.find(f"{qn('w:tblPr')}/{qn('w:tblStyle')}") is not None:
            return True
    return False


def _value(properties: BaseOxmlElement | None, name: str) -> str:
    found = properties.find(qn(name)) if properties is not None else None
    return (found.get(VAL) or "") if found is not None else ""
