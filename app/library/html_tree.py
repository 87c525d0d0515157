"""A page's text -> its tree of elements, within a bound of depth, and with the end tags that HTML lets a page leave out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from bs4 import BeautifulSoup
from bs4.element import Tag

from app.library.parsed import Unreadable

MAX_DEPTH = 1000  # elements within one another; browsers stop at about 500
NEAR = 30  # elements around a new one among which one is looked for that ends where it begins
_BLOCKS = ("p", "div", "ul", "ol", "dl", "table", "pre", "hr", "blockquote", "section", "article", "form")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
# Elements; which ones end where one of them begins; and within which others those do not.
_RULES = (
    (("li",), ("li",), ("ul", "ol", "menu", "dir")),
    (("dt", "dd"), ("dt", "dd"), ("dl",)),
    (("td", "th"), ("td", "th"), ("tr", "table")),
    (("tr",), ("tr",), ("table",)),
    (("thead", "tbody", "tfoot"), ("thead", "tbody", "tfoot", "tr"), ("table",)),
    ((*_BLOCKS, *_HEADINGS), ("p",), ("td", "th", "caption", "button", "object")),
)
IMPLIED: Mapping[str, tuple[frozenset[str], frozenset[str]]] = MappingProxyType(
    {name: (frozenset(ended), frozenset(within)) for names, ended, within in _RULES for name in names}
)


class Page(BeautifulSoup):
    """
    Raises:
        Unreadable: its elements lie too deep in one another.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, "html.parser")

    def handle_starttag(self, name: str, *about: Any, **more: Any) -> Tag | None:
        if name in IMPLIED:
            self.endData()
            self._end(*IMPLIED[name])
        tag = super().handle_starttag(name, *about, **more)
        if len(self.tagStack) > MAX_DEPTH:
            reason = f"its elements lie more than {MAX_DEPTH:,} deep in one another, as no page needs them"
            raise Unreadable(f"{reason}. Open it in a browser and save it as text or PDF.")
        return tag

    def _end(self, ended: frozenset[str], kept_within: frozenset[str]) -> None:
        """Ends the outermost of these near by: a row, and not its cell alone."""
        found = ""
        for tag in islice(reversed(self.tagStack), NEAR):
            if tag.name in kept_within:
                break
            found = tag.name if tag.name in ended else found
        while found and self.currentTag is not None and self.currentTag.name != found:
            self.popTag()
        if found:
            self.popTag()
