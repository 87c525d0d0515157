"""A page -> the blocks that its reader sees. Run as ``python -m app.library.parsing_html KIND MEMORY CPU`` by `reading`."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from bs4.element import NavigableString, PreformattedString, Tag

from app.library.blocks import Blocks, needs_caret, one_line, without_title
from app.library.child import ENCODINGS, serve
from app.library.decoding import text_of
from app.library.hidden import Hidden, hidden_rules
from app.library.html_tree import Page
from app.library.parsed import Parsed

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
SKIPPED = frozenset(
    {"script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "canvas", "audio", "video", "head"}
    | {"button", "select", "input", "textarea", "datalist", "map"}
)
NO_DATA = ("table", "ul", "ol", "pre", *HEADINGS)  # a row of a table that holds these is there for the layout
OWN_LINES = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt"}
    | {"fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "li", "main", "ol", "p", "pre"}
    | {"section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", *HEADINGS}
)
DATES = ("article:modified_time", "article:published_time", "citation_publication_date", "dcterms.modified", "dcterms.date")
NEAR = 8  # parts of an element among which its first text is looked for
LICENCES = ("dcterms.license", "dc.rights", "dcterms.rights", "rights")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_DAY = re.compile(r"\d{4}(?:[-/]\d{1,2}(?:[-/]\d{1,2})?)?")


def parse_html(raw: bytes) -> Parsed:
    """Scripts, styles, navigation and controls are left out, and so is what the page hides, with a note that says how much.

    Raises:
        Unreadable: the bytes are no text, or the page is nested without end.
    """
    text, notes = _decoded(raw)
    page = Page(_without_comments(text))
    walk = Walk(Hidden(hidden_rules(style.get_text() for style in page.find_all("style"))))
    walk.through(page)
    blocks = walk.blocks.finish()
    title = one_line(page.title.get_text()) if page.title else ""
    title = title or walk.first_heading
    if walk.hidden:
        notes = (*notes, f"{walk.hidden:,} characters that the page hides from its readers were left out.")
    return Parsed(
        title,
        "html",
        without_title(blocks, walk.first_heading),
        date=_day(_meta(page, DATES)),
        licence=_meta(page, LICENCES),
        source=_address(page),
        notes=notes,
    )


@dataclass
class Walk:
    """Goes through a page in reading order, without recursion, for a page may be nested deeply."""

    rules: Hidden
    blocks: Blocks = field(default_factory=Blocks)
    hidden: int = 0  # characters that were left out
    first_heading: str = ""
    _line: list[str] = field(default_factory=list)
    _rows: list[Tag] = field(default_factory=list)  # open rows of tables
    _formatted: int = 0  # open <pre>
    _item: bool = False  # the line is an item of a list

    def through(self, page: Tag) -> None:
        open_tags: list[tuple[Tag, Iterator[object]]] = [(page, iter(page.contents))]
        while open_tags:
            tag, within = open_tags[-1]
            child = next(within, None)
            if child is None:
                open_tags.pop()
                self._leave(tag)
            elif isinstance(child, Tag):
                if self._enter(child):
                    open_tags.append((child, iter(child.contents)))
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                self._line.append(child if self._formatted else _SPACE.sub(" ", child))
        self._end_line()

    def _enter(self, tag: Tag) -> bool:
        """Whether what the element holds is read."""
        if tag.name in SKIPPED or tag.get("role") == "navigation":
            return False
        if self.rules.hides(tag):
            self.hidden += len(one_line(tag.get_text()))
            return False
        if tag.name == "br":
            self._line.append("\n")
        elif tag.name == "sup":
            if self._line and needs_caret(self._line[-1], _first_text(tag)):
                self._line.append("^")
        elif self._rows and tag.name in ("td", "th"):
            self._line.append(" | " if any(map(str.strip, self._line)) else "")
        elif self._rows:
            self._line += [" "] if tag.name in OWN_LINES else []
        elif tag.name in OWN_LINES:
            self._end_line()
            self._item = self._item or tag.name == "li"
        if tag.name == "tr" and not tag.find(NO_DATA):
            self._end_line(tight=True)  # of the row before, where its end is not marked
            self._rows.append(tag)
        elif tag.name == "pre":
            self._formatted += 1
        return True

    def _leave(self, tag: Tag) -> None:
        if self._rows and self._rows[-1] is tag:
            self._rows.pop()
            self._end_line(tight=True)
        elif self._rows:
            self._line += [" "] if tag.name in OWN_LINES else []
        elif tag.name in HEADINGS:
            self._heading(int(tag.name[1]))
        elif tag.name in OWN_LINES:
            self._end_line()
            self._item = self._item and tag.name != "li"
        if tag.name == "pre":
            self._formatted -= 1

    def _heading(self, level: int) -> None:
        said = one_line("".join(self._line))
        self._line.clear()
        self.blocks.heading(level, said)
        self.first_heading = self.first_heading or said

    def _end_line(self, *, tight: bool = False) -> None:
        said = "".join(self._line)
        self._line.clear()
        lines = said.split("\n") if self._formatted else [one_line(line) for line in said.split("\n")]
        text = "\n".join(lines).strip()
        if text:
            self.blocks.paragraph(f"- {text}" if self._item else text, tight=tight or self._item)
            self._item = False


def _first_text(tag: Tag) -> str:
    strings = (str(part).strip() for part in islice(tag.descendants, NEAR) if isinstance(part, NavigableString))
    return next(filter(None, strings), "")


def _without_comments(text: str) -> str:
    """The parser looks for the end of each one that is never closed up to the end of the page; then only its mark goes."""
    pieces: list[str] = []
    place = 0
    while (start := text.find("<!--", place)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        pieces.append(text[place:start])
        place = end + 3
    return "".join(pieces) + text[place:].replace("<!--", "")


def _decoded(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """As the page says that it is written, where that is an encoding that is known here and fits."""
    named = _CHARSET.search(raw[:4096])
    name = named[1].decode("ascii", "ignore").lower() if named else ""
    known = {codecs.lookup(encoding).name: encoding for encoding in ENCODINGS}
    try:
        encoding = known.get(codecs.lookup({"iso-8859-1": "cp1252", "latin1": "cp1252"}.get(name, name)).name) if name else None
        if encoding and not encoding.startswith("utf"):
            return raw.decode(encoding), ()
    except (LookupError, UnicodeDecodeError):
        pass  # then as any text
    return text_of(raw)


def _meta(page: Page, names: Iterable[str]) -> str:
    """The first of these that the page's head gives, "" for none."""
    said = {
        str(tag.get("name") or tag.get("property") or "").lower(): str(tag.get("content") or "") for tag in page.find_all("meta")
    }
    return next((one_line(said[name])[:200] for name in names if said.get(name)), "")


def _day(text: str) -> str:
    found = _DAY.match(text)
    return found[0].replace("/", "-") if found else ""


def _address(page: Page) -> str:
    """Where the page says that it stands."""
    links = page.find_all("link", rel="canonical")
    said = str(links[0].get("href") or "") if links else _meta(page, ("og:url",))
    return said[:500] if said.startswith(("http://", "https://")) else ""


if __name__ == "__main__":
    serve({"html": parse_html})
