"""A stem's markup -> blocks: paragraphs, Markdown pipe tables, and figures on lines of their own. Pure; opens no file.

What is none of these is text and stands as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# A figure of the bank, or one that lies in the text itself; SVG there could hold a script, so it is none.
_IMAGE = re.compile(
    r"!\[([^\[\]]*)\]\((figures/[A-Za-z0-9][A-Za-z0-9_-]*\.svg|data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2})\)"
)
_CELL_END = re.compile(r"(?<!\\)\|")
_RULE_CELL = re.compile(r":?-{3,}:?")


@dataclass(frozen=True)
class TextBlock:
    """A paragraph; its lines are joined by line ends, as written."""

    text: str


@dataclass(frozen=True)
class TableBlock:
    """``rows`` are each as long as ``head``."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ImageBlock:
    """``src``: ``figures/NAME.svg`` in the bank's folder, or a data URI of a PNG, JPEG, GIF or WebP."""

    src: str
    alt: str


Block = TextBlock | TableBlock | ImageBlock


def stem_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a stem in their order. A table with a ragged row is text."""
    return tuple(_blocks(re.split(r"\r?\n", text)))


def plain_stem(text: str) -> str:
    """The stem for a reader without eyes: a figure is ``[Figure: what it shows]``, all else stays character by character."""
    return "\n".join(_worded(line) for line in text.split("\n"))


def _worded(line: str) -> str:
    image = _image(line)
    return f"[Figure: {image.alt}]" if image else line


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    paragraph: list[str] = []
    place = 0
    while place < len(lines):
        image = _image(lines[place])
        table, used = (image, 1) if image else _table(lines[place:])
        blank = not lines[place].strip()
        if table is None and not blank:
            # a block of lines with pipes that is no table is taken whole, so that none of it is looked at again
            paragraph += lines[place : place + used]
        elif paragraph:
            yield TextBlock("\n".join(paragraph))
            paragraph = []
        if table is not None:
            yield table
        place += used
    if paragraph:
        yield TextBlock("\n".join(paragraph))


def _image(line: str) -> ImageBlock | None:
    found = _IMAGE.fullmatch(line.strip())
    return ImageBlock(found[2], found[1].strip()) if found else None


def _table(lines: Sequence[str]) -> tuple[TableBlock | None, int]:
    """The table that these lines begin with, if they do, and how many lines are done with: at least 1."""
    grid: list[tuple[str, ...]] = []
    for line in lines:
        cells = _cells(line)
        if cells is None:
            break
        grid.append(cells)
    whole = len(grid) >= 3 and len({len(cells) for cells in grid}) == 1 and all(_RULE_CELL.fullmatch(cell) for cell in grid[1])
    return (TableBlock(grid[0], tuple(grid[2:])) if whole else None), max(1, len(grid))


def _cells(line: str) -> tuple[str, ...] | None:
    """The cells between a line's pipes; a pipe within a cell is written ``\\|``."""
    bare = line.strip()
    if len(bare) < 2 or not bare.startswith("|") or not bare.endswith("|") or bare.endswith("\\|"):
        return None
    return tuple(cell.replace("\\|", "|").strip() for cell in _CELL_END.split(bare[1:-1]))
