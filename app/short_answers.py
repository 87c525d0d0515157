"""The short answer: sentences of passages themselves, under the headings of a template, and the passages that they stand in.

Knows a search and no model. Every part is looked up for itself, so that each holds what the documents say of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from app.extract import best_sentences
from app.records import Bearing, Block, Found, Quote, SearchResult
from app.roots import root_of
from app.sentences import sentences
from app.shapes import Part, Template
from app.words import specific

MOST_PASSAGES = 16  # of an answer: as many as the parts of any template quote, and those found for the question itself
PART_PASSAGES = 4
SECTIONS = 6  # passages of one document that are looked at for what a case ends in
PART_DOCUMENTS = 3  # the best documents, in which the parts of an answer are looked up
RANKED = 4  # candidates that are shown
CANDIDATES = 8  # documents that are looked at for them
WIDE = 24  # passages of the search that gives these
NO_SENTENCE = "No sentence was found for this."
READ = "No single sentence was found to answer this. The passages above are the best there are to read."
CASE = "If it is this: {}"
ORDER = (
    "Each candidate is a document of the library. The first one names most of the question's words as findings for it: that is "
    "not how likely it is, and what the library lacks is missing here."
)


class Search(Protocol):
    """A search of all that the visitor may read and chose."""

    def __call__(self, query: str, *, limit: int, documents: Sequence[str]) -> SearchResult: ...


@dataclass(frozen=True)
class _Quoted:
    """Sentences for a part, each with its passage."""

    part: Part
    quotes: tuple[Quote, ...]
    found: tuple[Found, ...]

    def named(self, asked: frozenset[str]) -> int:
        """How many of these roots the sentences name."""
        return len(asked & _roots(" ".join(quote.text for quote in self.quotes)))


class ShortAnswers:
    """``documents``: only in these, where any are named."""

    def __init__(self, search: Search, documents: Sequence[str]) -> None:
        self._search = search
        self._documents = documents

    def make(self, template: Template, query: str, result: SearchResult) -> tuple[list[Block], list[Found]]:
        """The blocks, and the passages as these number them, with all of ``result``, which was found for the whole question."""
        if len(template.parts) == 1:
            shown = _Numbered(result.found)
            heading, quoted = self._whole(template.parts[0], query, result)
            return [replace(_block(heading, quoted, shown), missing="" if quoted.quotes else READ)], shown.found
        shown = _Numbered(())  # the quoted ones first: there is room for all of them
        blocks = self._ranked(template, query, result, shown) if template.ranked else self._parts(template, query, result, shown)
        for found in result.found:
            shown.number(found)
        return blocks, shown.found

    def _whole(self, part: Part, query: str, result: SearchResult) -> tuple[str, _Quoted]:
        """What answers the whole question; else, where it tells a case and then asks, what the best document has for what is
        asked, under a heading that says of which document."""
        answering = _answering(result)
        quoted = _quoted(part, query, result.others, answering)
        spans = [span.text for span in sentences(query[: query.rfind("?") + 1])]
        if quoted.quotes or not answering or len(spans) < 2:
            return "", quoted
        *told, asked = spans
        best = answering[0].passage
        if not any(found.bearing is not Bearing.FAR for found in self._within(best.document, " ".join(told)).found):
            return "", quoted  # it has an answer to such a question, but the case is of something else
        within = self._within(best.document, f"{asked} {best.title}")
        of_case = _quoted(part, asked, within.others, within.found)
        return (CASE.format(best.title), of_case) if of_case.quotes else ("", quoted)

    def _within(self, document: str, query: str) -> SearchResult:
        return self._search(query, limit=SECTIONS, documents=[document])

    def _parts(self, template: Template, query: str, result: SearchResult, shown: _Numbered) -> list[Block]:
        documents = _documents(_answering(result))[:PART_DOCUMENTS]
        return [_block(part.heading, self._for_part(part, query, documents), shown) for part in template.parts]

    def _ranked(self, template: Template, query: str, result: SearchResult, shown: _Numbered) -> list[Block]:
        """A candidate is a document with a sentence for the first part, by how many of the question's words these name."""
        first, *rest = template.parts
        wide = self._search(query, limit=WIDE, documents=self._documents)
        titles = {found.passage.document: found.passage.title for found in (*wide.found, *result.found)}
        documents = _documents((*result.found, *wide.found))[:CANDIDATES]
        quoted = {document: self._for_part(first, query, [document]) for document in documents}
        asked = _roots(query)
        ranked = sorted(
            (document for document in documents if quoted[document].quotes), key=lambda one: -quoted[one].named(asked)
        )
        blocks = []
        for rank, document in enumerate(ranked[:RANKED], start=1):
            said = {quote.text for quote in quoted[document].quotes}
            others = [_without(self._for_part(part, query, [document]), said) for part in rest]
            for each in (quoted[document], *others):
                blocks.append(_block(f"{rank}. {titles[document]}: {each.part.heading.lower()}", each, shown))
        return [Block("", missing=ORDER), *blocks] if blocks else [Block("", missing=NO_SENTENCE)]

    def _for_part(self, part: Part, query: str, documents: Sequence[str]) -> _Quoted:
        result = self._search(f"{query} {' '.join(part.cues)}", limit=PART_PASSAGES, documents=documents)
        return _quoted(part, query, result.others, result.found)


class _Numbered:
    """The passages of one answer, numbered from 1 in the order in which they came."""

    def __init__(self, found: Sequence[Found]) -> None:
        self.found = list(found)

    def number(self, found: Found) -> int:
        """0 where no more are taken."""
        for number, known in enumerate(self.found, start=1):
            if known.passage.id == found.passage.id:
                return number
        if len(self.found) >= MOST_PASSAGES:
            return 0
        self.found.append(found)
        return len(self.found)


def _quoted(part: Part, query: str, others: Sequence[str], found: Sequence[Found]) -> _Quoted:
    """What passages say for a part, without what its bars keep out."""
    open_to = tuple(each for each in found if not _barred(each.passage.section.rpartition(" › ")[2], part.bars))
    passages, most = [each.passage for each in open_to], part.most + len(part.bars)
    quotes = best_sentences(query, passages, others=others, cues=part.cues, most=most)
    kept = [quote for quote in quotes if not _barred(quote.text, part.bars)]
    return _Quoted(part, tuple(kept[: part.most]), open_to)


def _barred(text: str, bars: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(bar in folded for bar in bars)


def _without(quoted: _Quoted, said: set[str]) -> _Quoted:
    return replace(quoted, quotes=tuple(quote for quote in quoted.quotes if quote.text not in said))


def _block(heading: str, quoted: _Quoted, shown: _Numbered) -> Block:
    numbered = [replace(quote, number=shown.number(quoted.found[quote.number - 1])) for quote in quoted.quotes]
    known = tuple(quote for quote in numbered if quote.number)
    return Block(heading, known, "" if known else NO_SENTENCE)


def _answering(result: SearchResult) -> list[Found]:
    """Those that an answer may stand on, best first."""
    return [found for found in result.found if found.bearing is Bearing.ANSWERS]


def _documents(some: Sequence[Found]) -> list[str]:
    """Theirs, each once."""
    return list(dict.fromkeys(found.passage.document for found in some))


def _roots(text: str) -> frozenset[str]:
    """Of the words that say something of a topic."""
    return frozenset(root_of(word.text) for word in specific(text))
