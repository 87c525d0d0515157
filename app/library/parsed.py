"""What a parser makes of a file, and how it passes from the parsing process to the application."""

from __future__ import annotations

from dataclasses import dataclass, replace

SECTION_SEPARATOR = " › "


class Unreadable(Exception):
    """A file that is refused; the text goes on where "FILE was not added: " ends. Never leaves `reading`.

    ``large``: it is over a limit, and not broken.
    """

    def __init__(self, reason: str, *, large: bool = False) -> None:
        super().__init__(reason)
        self.large = large


@dataclass(frozen=True)
class Block:
    """Text under one heading on one page: paragraphs, parted by a blank line.

    ``section``: the headings above it, parted by ``SECTION_SEPARATOR``, or ""; ``page`` counts from 1, None where there are none.
    """

    section: str
    page: int | None
    text: str


@dataclass(frozen=True)
class Parsed:
    """A document in its order. ``kind``: pdf, docx, html, markdown, text or jsonl; ``date`` as YYYY-MM-DD or as its source wrote
    it; ``notes``: sentences for whoever added it, on what was guessed or left out."""

    title: str
    kind: str
    blocks: tuple[Block, ...]
    pages: int | None = None
    date: str = ""
    licence: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> Parsed:
        return replace(self, notes=(*self.notes, *notes))
