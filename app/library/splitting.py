"""A document's blocks -> passages: along headings and pages first, which the blocks are, then paragraphs and sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from langchain_text_splitters import RecursiveCharacterTextSplitter

from app.library.parsed import Parsed
from app.library_store import Piece

PARAGRAPHS = "\n\n"  # between two blocks of the whole text
TARGET = 800  # characters that the splitter fills; what is too short goes to its neighbour
SHORT = 100  # characters that a passage has at least, where its block has them
LONG = 900
STRETCH = 50_000  # characters that are split at a time, for the splitter lists all words of what it splits
SENTENCE = r"(?<=[.!?])(?<!\b(?:Dr|Mr|vs|No|al)\.)(?<!\b(?:Mrs|Fig|e\.g|i\.e)\.)[\")\]]?\s+"
# Where text is cut, the best place first: paragraphs, lines, ends of sentences, words, anywhere. "Anywhere" goes by the piece,
# for langchain's own way there makes a list of all single characters.
CUTS = (r"\n\n+", r"\n+", SENTENCE, r"\s+", r"(?s:.{400})")


def whole_text(parsed: Parsed) -> str:
    """The text that passages' offsets count in."""
    return PARAGRAPHS.join(block.text for block in parsed.blocks)


def passages_of(parsed: Parsed) -> list[Piece]:
    """Passages in order, without overlap; between them nothing but white space of the whole text. About ``LONG`` characters at
    most, and never across two blocks."""
    splitter = RecursiveCharacterTextSplitter(
        separators=list(CUTS),
        is_separator_regex=True,
        keep_separator="end",
        chunk_size=TARGET,
        chunk_overlap=0,
        strip_whitespace=False,
    )
    pieces: list[Piece] = []
    offset = 0
    for block in parsed.blocks:
        texts = [block.text]
        if len(block.text) > LONG:
            texts = [text for stretch in _stretches(block.text) for text in splitter.split_text(stretch)]
        for start, end in _joined(_spans(texts)):
            pieces.append(Piece(offset + start, offset + end, block.text[start:end], block.section, block.page))
        offset += len(block.text) + len(PARAGRAPHS)
    return pieces


def _stretches(text: str) -> Iterator[str]:
    """All of the text in parts, cut at the end of a paragraph, else of a line, of a sentence, of a word, or anywhere."""
    place = 0
    while len(text) - place > STRETCH:
        end = place + STRETCH
        cuts = ((text.rfind(mark, place + STRETCH // 2, end), len(mark)) for mark in ("\n\n", "\n", ". ", " "))
        end = next((found + length for found, length in cuts if found >= 0), end)
        yield text[place:end]
        place = end
    yield text[place:]


def _spans(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where each stands in the text that all of them make, without the white space around it; blank ones nowhere."""
    offset = 0
    for text in texts:
        body = text.strip()
        if body:
            start = offset + len(text) - len(text.lstrip())
            yield start, start + len(body)
        offset += len(text)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Short ones joined to the one before, or where that would make it long, to the one after."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and (_is_short(joined[-1]) or (end - start < SHORT and end - joined[-1][0] <= LONG)):
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    if len(joined) > 1 and _is_short(joined[-1]):
        *joined, (start, _), (_, end) = joined
        joined.append((start, end))
    return joined


def _is_short(span: tuple[int, int]) -> bool:
    return span[1] - span[0] < SHORT
