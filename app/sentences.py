"""Where the sentences of a text begin and end, in prose and in Markdown. Pure; linear time on any text.

Offsets count characters (code points). A span leaves out what only sets text: list marks, heading marks, table bars, and the
emphasis marks at its edges, so that something put at its end stays within the emphasis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

WRAPPED = 50  # characters from which on a line without an end is taken as wrapped, whatever the next one begins with

_FENCE = re.compile(r"[ \t]{0,8}(?:```|~~~)")
_RULE = re.compile(r"[ \t]{0,8}(?:[-*_=|:+][ \t]{0,8}){3,}\Z")
_QUOTED = re.compile(r"(?:[ \t]{0,3}>)+[ \t]{0,3}")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}(?:[ \t]+|\Z)")
_ITEM = re.compile(r"[ \t]{0,40}(?:[-*+•‣◦▪–·]|\(?\d{1,3}[.)]|\(?[a-zA-Z]\))[ \t]{1,8}(?=\S)")
_ROW = re.compile(r"[ \t]{0,8}\|")
_BOLD_LINE = re.compile(r"[ \t]*(\*\*|__)[^*_\n]{1,120}\1:?[ \t]*\Z")
# A run of ends with what closes after it: quotes, brackets, emphasis, citation marks; then space. A run is entered once.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?:\[\d{1,3}\])*+(?=\s|\Z)|[。！？]++")
_TOKEN = re.compile(r"[^\s(\[\"'“‘*_,;:]{1,24}\Z")
_NEXT = re.compile(r"\s*+[\"'“‘«(\[*_]{0,6}(\S{0,24})")
_EDGES = " \t\n\r\f\v*_|"
_TERMINAL = re.compile(r"[.!?…:;。！？][\"'”’»)\]*_]{0,6}(?:\[\d{1,3}\]){0,6}\Z")

_NEVER = frozenset(
    {
        "dr",
        "prof",
        "mr",
        "mrs",
        "ms",
        "st",
        "vs",
        "v",
        "e.g",
        "eg",
        "i.e",
        "ie",
        "cf",
        "approx",
        "ca",
        "al",
        "viz",
        "spp",
        "sp",
        "subsp",
    }
)
_BEFORE_NUMBER = frozenset(
    {"no", "nos", "fig", "figs", "vol", "tab", "ch", "p", "pp", "eq", "ref", "refs", "sect", "sec", "para"}
)
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]\Z")  # q.d, b.i.d, i.v, U.S
_LETTERED = frozenset(
    {
        "hepatitis",
        "vitamin",
        "vitamins",
        "group",
        "type",
        "factor",
        "stage",
        "class",
        "grade",
        "influenza",
        "protein",
        "option",
        "answer",
    }
)
_STARTERS = frozenset(
    {
        "a",
        "an",
        "and",
        "as",
        "at",
        "but",
        "by",
        "each",
        "for",
        "give",
        "he",
        "her",
        "his",
        "however",
        "if",
        "in",
        "it",
        "its",
        "no",
    }
    | {"not", "on", "one", "other", "patients", "she", "some", "such", "the", "their", "then", "there", "these", "they", "this"}
    | {"those", "to", "two", "use", "we", "when", "while", "with", "you"}
)


@dataclass(frozen=True)
class Span:
    """One sentence, from ``start`` to ``end`` of the whole text. ``heading``: it only names what follows; ``item``: it stands
    in a list or a table."""

    start: int
    end: int
    text: str
    heading: bool = False
    item: bool = False


@dataclass(frozen=True)
class _Block:
    start: int
    end: int
    heading: bool = False
    item: bool = False


def sentences(text: str) -> list[Span]:
    """The sentences of the text in their order: of prose, each item of a list, each heading, each row of a table."""
    return [span for block in _blocks(text) for span in _cut(text, block)]


def _blocks(text: str) -> Iterator[_Block]:
    """Stretches that no sentence reaches across."""
    open_block: _Block | None = None
    for match in re.finditer(r"[^\n]+|\n(?=\n|[ \t]+\n)|\n\Z", text):
        line = match.group()
        if not line.strip() or _FENCE.match(line) or _RULE.match(line):
            if open_block:
                yield open_block
            open_block = None
            continue
        block = _begun(line, match.start(), match.end())
        if open_block and _goes_on(text, open_block, block, match.start()):
            open_block = _Block(open_block.start, match.end(), item=open_block.item)
            continue
        if open_block:
            yield open_block
        open_block = block
    if open_block:
        yield open_block


def _begun(line: str, start: int, end: int) -> _Block:
    quoted = _QUOTED.match(line)
    inside = quoted.end() if quoted else 0
    rest = line[inside:]
    if heading := _HEADING.match(rest):
        return _Block(start + inside + heading.end(), end, heading=True)
    if item := _ITEM.match(rest):
        return _Block(start + inside + item.end(), end, item=True)
    if _ROW.match(rest):
        return _Block(start + inside, end, item=True)
    return _Block(start + inside, end, heading=_BOLD_LINE.match(rest) is not None)


def _goes_on(text: str, before: _Block, now: _Block, line_start: int) -> bool:
    """Whether a line is the rest of the block above it: neither begins anything, and it looks wrapped."""
    if before.heading or now.heading or now.item or _ROW.match(text, before.start):
        return False
    last = text.rfind("\n", before.start, before.end) + 1
    above = text[max(last, before.start) : before.end].rstrip()
    if _TERMINAL.search(above[-16:]):
        return False
    first = text[now.start : now.end].lstrip()[:1]
    return first.islower() or len(above) >= WRAPPED or (before.item and text[line_start] in " \t")


def _cut(text: str, block: _Block) -> Iterator[Span]:
    start = block.start
    if not block.heading:
        for match in _END.finditer(text, block.start, block.end):
            if _is_end(text, block, match):
                yield from _span(text, start, match.end(), block)
                start = match.end()
    yield from _span(text, start, block.end, block)


def _is_end(text: str, block: _Block, match: re.Match[str]) -> bool:
    end = match.group()
    if end[0] in "。！？":
        return True
    following = _NEXT.match(text, match.end(), block.end)
    word = following.group(1) if following else ""
    if not word:
        return True
    lower = word[0].islower() and not any(letter.isupper() for letter in word)
    if not end.startswith(".") or end.startswith(".."):
        return not lower
    token = _TOKEN.search(text, max(block.start, match.start() - 24), match.start())
    return not lower and not _abbreviates(text, token, word)


def _abbreviates(text: str, token: re.Match[str] | None, word: str) -> bool:
    """Whether the full stop after the token belongs to it, before a word that a sentence could begin with."""
    if token is None:
        return False
    name = token.group().casefold()
    if name in _NEVER:
        return True
    if name in _BEFORE_NUMBER:
        return word[0].isdigit()
    if _DOTTED.match(token.group()):
        return word[0].isdigit()
    if len(name) == 1 and token.group().isupper():
        before = text[max(0, token.start() - 26) : token.start()].split()
        lettered = bool(before) and before[-1].casefold() in _LETTERED
        return not lettered and word.casefold().rstrip(",") not in _STARTERS
    return False


def _span(text: str, start: int, end: int, block: _Block) -> Iterator[Span]:
    while start < end and text[start] in _EDGES:
        start += 1
    while end > start and text[end - 1] in _EDGES:
        end -= 1
    if any(letter.isalnum() for letter in text[start:end]):
        yield Span(start, end, text[start:end], block.heading, block.item)
