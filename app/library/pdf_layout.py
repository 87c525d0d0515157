"""Lines as they stand on pages -> headings and paragraphs. Pure; knows no PDF library.

Lengths are in points, heights above the foot of the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from app.library.blocks import Blocks

HYPHEN = "\ufffe"  # as pdfium writes a hyphen with which a line ends
EDGE_LINES = 2  # at the head and at the foot of a page that may be running ones
RUNNING_SHARE = 0.3  # of the pages that a line stands on at one height to be a running one
RUNNING_PAGES = 3
LARGER = 1.12  # times the size of most text
MAX_HEADING = 150  # characters
MAX_BOLD_HEADING = 100
LEADING = 1.5  # times the height of a line, from line to line at the most within a paragraph
LOOSE = 1.3  # times the usual distance of this document's lines
INDENT = 6.0
STEP = 0.5  # sizes are told apart by so much
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")
_BULLET = re.compile(r"(?:[•▪◦‣●○■□–*-]|\(?\d{1,2}[.)])\s+\S")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”’)\]]*\Z")
_HYPHENATED = re.compile(rf"(\w+){HYPHEN}(\w+)")
_WORD = re.compile(r"\w+(?:-\w+)*")


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    left: float
    top: float
    height: float
    bold: bool = False

    @property
    def size(self) -> float:
        return round(self.height / STEP) * STEP


Page = Sequence[Line]


@dataclass(frozen=True)
class Laid:
    """``title``: the largest heading of the first page, "" for none; ``running``: lines that were left out."""

    blocks: Blocks
    title: str
    running: int


def laid_out(pages: Sequence[Page]) -> Laid:
    look = _look(pages)
    kept, running = _without_running(pages, look)
    blocks, title = Blocks(), ""
    words = _words(kept)
    for number, page in enumerate(kept, start=1):
        for piece in _pieces(page, look):
            text = _joined(piece.lines, words)
            if piece.level:
                blocks.heading(piece.level, text, number)
                title = title or (text if number == 1 else "")
            else:
                blocks.paragraph(text, number, tight=piece.item)
    return Laid(blocks, title, running)


@dataclass(frozen=True)
class _Look:
    """How this document looks: the size of most of its text, the larger sizes from the largest, the usual distance of lines."""

    body: float
    larger: tuple[float, ...]
    pitch: float
    bold_body: bool

    def level(self, line: Line, *, starts: bool) -> int:
        """The level of the heading that the line is, from 1; 0 for ordinary text. ``starts``: it stands apart from what is
        above it."""
        if not _LETTER.search(line.text):
            return 0
        if line.size in self.larger and len(line.text) <= MAX_HEADING:
            return self.larger.index(line.size) + 1
        bold = line.bold and not self.bold_body and starts and len(line.text) <= MAX_BOLD_HEADING
        return len(self.larger) + 1 if bold and line.size >= self.body and not line.text.endswith((".", ",", ";")) else 0


@dataclass(frozen=True)
class _Piece:
    """A heading or a paragraph."""

    lines: list[Line]
    level: int = 0
    item: bool = False


def _look(pages: Sequence[Page]) -> _Look:
    sizes: Counter[float] = Counter()
    bold: Counter[bool] = Counter()
    distances: list[float] = []
    for page in pages:
        for line in page:
            sizes[line.size] += len(line.text)
            bold[line.bold] += len(line.text)
        distances += [d for above, below in pairwise(page) if 0 < (d := above.top - below.top) < 6 * above.height]
    body = max(sizes, key=lambda size: sizes[size], default=0.0)
    larger = sorted((size for size in sizes if size >= body * LARGER), reverse=True)
    return _Look(body, tuple(larger), median(distances) if distances else 0.0, bold[True] > bold[False])


def _pieces(page: Page, look: _Look) -> Iterator[_Piece]:
    """The lines of a page in its order, those together that run on."""
    open_piece: _Piece | None = None
    for place, line in enumerate(page):
        above = page[place - 1] if place else None
        apart = above is None or _apart(above, line, look)
        level = look.level(line, starts=apart or bool(open_piece and open_piece.level))
        item = not level and bool(_BULLET.match(line.text))
        if open_piece and not item and level == open_piece.level and not apart:
            open_piece.lines.append(line)
            continue
        if open_piece:
            yield open_piece
        open_piece = _Piece([line], level, item)
    if open_piece:
        yield open_piece


def _apart(above: Line, line: Line, look: _Look) -> bool:
    """Whether a new paragraph begins with the line."""
    down = above.top - line.top
    if abs(down) < above.height / 3:
        return False  # the same line went on
    ended = bool(_SENTENCE_END.search(above.text))
    if down < 0:
        return ended  # the next column
    indented = ended and line.left > above.left + INDENT
    return indented or down > max(LOOSE * look.pitch, LEADING * min(above.height, line.height))


def _joined(lines: Iterable[Line], words: frozenset[str]) -> str:
    """Broken words made whole: with their hyphen where the document writes them so elsewhere, and only so."""

    def whole(found: re.Match[str]) -> str:
        together, apart = found[1] + found[2], f"{found[1]}-{found[2]}"
        return apart if apart.lower() in words and together.lower() not in words else together

    text = " ".join(line.text for line in lines).replace(f"{HYPHEN} ", HYPHEN)
    return _HYPHENATED.sub(whole, text).replace(HYPHEN, "-") if HYPHEN in text else text


def _words(pages: Sequence[Page]) -> frozenset[str]:
    """In small letters, where a word is broken anywhere at all."""
    lines = [line.text for page in pages for line in page]
    if not any(HYPHEN in line for line in lines):
        return frozenset()
    return frozenset(word.lower() for line in lines for word in _WORD.findall(line))


def _without_running(pages: Sequence[Page], look: _Look) -> tuple[list[Page], int]:
    """The pages without the lines that stand at one height of many pages, but for their numbers; how many those are."""
    met: Counter[tuple[int, str]] = Counter()
    edges = [_edges(page, look) for page in pages]
    for lines in edges:
        met.update({_key(line) for line in lines})
    least = max(RUNNING_PAGES, RUNNING_SHARE * len(pages))
    running = {key for key, count in met.items() if count >= least}
    kept: list[Page] = []
    for page, lines in zip(pages, edges, strict=True):
        out = {id(line) for line in lines if _key(line) in running}
        kept.append([line for line in page if id(line) not in out] if len(out) < len(page) else page)
    return kept, sum(map(len, pages)) - sum(map(len, kept))


def _edges(page: Page, look: _Look) -> list[Line]:
    """Lines at the head and at the foot of a page that stand apart from the others and are no headings."""
    by_height = sorted(page, key=lambda line: line.top)
    found: list[Line] = []
    for lines in (by_height, by_height[::-1]):
        for most in range(1, EDGE_LINES + 1):
            inner = lines[most : most + 1]
            if inner and abs(inner[0].top - lines[most - 1].top) > LOOSE * look.pitch:
                found += lines[:most]
                break
    return [line for line in found if line.size < look.body * LARGER and len(line.text) <= MAX_HEADING]


def _key(line: Line) -> tuple[int, str]:
    return round(line.top / 4), _DIGITS.sub("#", line.text)
