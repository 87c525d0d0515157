"""Headings and paragraphs, as a parser comes by them -> blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from app.library.parsed import SECTION_SEPARATOR, Block, Unreadable

MAX_HEADING = 200  # characters of a heading that a section's path carries
MAX_BLOCKS = 200_000  # each costs its memory and its row, be there a letter in it
DEEPEST = 6  # levels of headings; those below count as the deepest
_RAISED = re.compile(r"[-+\u2212\u2013]?\d")  # the beginning of a power, or of a note's number
_SPACE = re.compile(r"\s+")


def one_line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def needs_caret(before: str, raised: str) -> bool:
    """Whether a superscript would say something else without a sign before it: 10 with its power 109, 25 with a note's 4 254.
    Squares and cubes of units are written as "m2" and "cm3"."""
    return bool(before[-1:].strip() and _RAISED.match(raised)) and (before[-1].isdigit() or raised not in ("2", "3"))


@dataclass
class Blocks:
    """Collects paragraphs under the headings above them. A heading under which nothing stands is kept as text.

    Raises:
        Unreadable: there are more than ``MAX_BLOCKS``.
    """

    done: list[Block] = field(default_factory=list)
    _path: list[tuple[int, str]] = field(default_factory=list)  # level and text of the headings above
    _bare: bool = False  # the last heading has nothing under it yet
    _page: int | None = None
    _pieces: list[str] = field(default_factory=list)  # paragraphs of the block and what parts them
    _tight: bool = False

    def heading(self, level: int, text: str, page: int | None = None) -> None:
        """``level`` from 1, the highest."""
        said = one_line(text)
        if not said:
            return
        level = min(level, DEEPEST)
        self._flush()
        if self._bare and level <= self._path[-1][0]:
            self._keep_bare()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, said))
        self._bare, self._page = True, page

    def paragraph(self, text: str, page: int | None = None, *, tight: bool = False) -> None:
        """``tight``: an item of a list or a row of a table, with no blank line between it and the one before."""
        text = text.strip()
        if not text:
            return
        if page != self._page:
            self._flush()
            self._page = page
        self._bare = False
        if self._pieces:
            self._pieces.append("\n" if tight and self._tight else "\n\n")
        self._pieces.append(text)
        self._tight = tight

    def finish(self) -> tuple[Block, ...]:
        self._flush()
        if self._bare:
            self._keep_bare()
        return tuple(self.done)

    def _flush(self) -> None:
        if self._pieces:
            if len(self.done) == MAX_BLOCKS:
                reason = f"it has more than {MAX_BLOCKS:,} parts under headings or on pages. Split it into smaller files."
                raise Unreadable(reason, large=True)
            section = SECTION_SEPARATOR.join(heading[:MAX_HEADING] for _, heading in self._path)
            self.done.append(Block(section, self._page, "".join(self._pieces)))
            self._pieces.clear()

    def _keep_bare(self) -> None:
        _, heading = self._path.pop()
        self._pieces.append(heading)
        self._flush()
        self._bare = False


def without_title(blocks: tuple[Block, ...], title: str) -> tuple[Block, ...]:
    """The paths without a first heading that only says the document's title again."""
    head = one_line(title)[:MAX_HEADING].casefold()
    return tuple(Block(_below(block.section, head), block.page, block.text) for block in blocks)


def retold(blocks: tuple[Block, ...], tell: Callable[[str], str]) -> tuple[Block, ...]:
    """The blocks with ``tell`` of each text and section, and without those that it leaves empty."""
    told = (Block(one_line(tell(block.section)), block.page, tell(block.text).strip()) for block in blocks)
    return tuple(block for block in told if block.text)


def _below(section: str, head: str) -> str:
    first, _, rest = section.partition(SECTION_SEPARATOR)
    return rest if first.casefold() == head else section
