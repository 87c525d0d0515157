"""What an answer stands on: passages found before the model is asked, a short answer of their own sentences, and the model's
sentences held against them afterwards. Knows the library and no page; its shape is ours, so that it holds with any model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.citations import without_citations
from app.claims import match
from app.earned import ALL, Ledger, earned
from app.engine.base import Engine, ModelInfo
from app.extract import best_sentences
from app.grounds import short_text
from app.judging import judge
from app.library.library import Library
from app.prompts import grounded_text
from app.records import (
    NO_SOURCE,
    Block,
    Claim,
    Found,
    Grounds,
    Message,
    Passage,
    Prose,
    Role,
    Scope,
    SearchResult,
    Support,
)
from app.shapes import QUICK, Part, Template, assumed, search_words, template_of, told
from app.topics import content_words

SHOWN = 6  # passages of the search that is made for the question itself
MOST_PASSAGES = 10  # of an answer, with those that its parts were looked up in
PART_PASSAGES = 4
RANKED = 4  # candidates of a differential
PART_DOCUMENTS = 3  # the best documents, in which the parts of an answer are looked up
SHORT_QUESTION = 3  # content words; a shorter question is looked up together with the one before it
MOST_FOLLOWUPS = 3
DULL_SECTIONS = ("overview", "what this page leaves out", "")
NOTHING = "No source: nothing in your library bears on this question."
WITHHELD = f"{NOTHING} Answers from the model alone are switched off, so there is none."
NO_SENTENCE = "No sentence of the passages says this."
BY_WORDS = "Each sentence is held against the passages by its words, numbers and negations, not by the model."


@dataclass(frozen=True)
class Wanted:
    """What the visitor set for a question. ``withhold``: no answer where nothing is found, instead of the model's knowledge.

    Raises:
        BadInput: a template or an assumption that does not exist.
    """

    scope: Scope = Scope.ALL
    documents: tuple[str, ...] = ()
    withhold: bool = False
    template: str = QUICK
    assumptions: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        template_of(self.template)
        object.__setattr__(self, "assumptions", assumed(self.assumptions or {}))


class Grounding:
    """Where questions are looked up. ``owner`` gives the name under which a visitor owns documents."""

    def __init__(self, library: Library, owner: Callable[[int], str], ledger: Ledger | None) -> None:
        self._library = library
        self._owner = owner
        self._ledger = ledger

    def of(self, visitor: int, history: Sequence[Message], wanted: Wanted) -> Ground:
        """``history`` ends in the question."""
        return Ground(self._library, self._owner(visitor), self._ledger, history, wanted)


class Ground:
    """What one answer stands on. ``look_up`` comes first; all of it is called by one thread."""

    def __init__(self, library: Library, owner: str, ledger: Ledger | None, history: Sequence[Message], wanted: Wanted) -> None:
        self.template: Template = template_of(wanted.template)
        self.grounds = Grounds(found=False, sentence=NOTHING)
        self._ledger = ledger
        self._wanted = wanted
        self._assumptions = dict(wanted.assumptions or {})
        self._query = _query(history, self._assumptions)
        self._search = partial(library.search, owner, scope=wanted.scope)
        self._sections = partial(library.passages, owner)
        self._missing = library.missing

    def look_up(self) -> Grounds:
        """Searches the library and makes the short answer. Raises StoreError where the library cannot be read."""
        result = self._search(self._query, limit=SHOWN, documents=self._wanted.documents)
        kept = Grounds(
            found=result.relevant,
            sentence=NOTHING,
            template=self.template.id,
            assumptions=self._assumptions,
            expanded=result.expanded,
        )
        if not result.relevant:
            withheld = self._wanted.withhold
            self.grounds = replace(kept, sentence=WITHHELD, prose=Prose.NONE) if withheld else kept
            return self.grounds
        shown = _Numbered(result.found)
        short = self._ranked(result, shown) if self.template.ranked else self._parts(result, shown)
        self.grounds = replace(
            kept,
            sentence=_found_sentence(shown.found),
            passages=tuple(shown.found),
            short=tuple(short),
            followups=tuple(self._followups(result, short, shown)),
        )
        return self.grounds

    def _parts(self, result: SearchResult, shown: _Numbered) -> list[Block]:
        if len(self.template.parts) == 1:
            return [self._block(part, "", result.found, shown) for part in self.template.parts]
        documents = list(dict.fromkeys(found.passage.document for found in result.found))[:PART_DOCUMENTS]
        return [self._block(part, part.heading, self._for_part(part, documents), shown) for part in self.template.parts]

    def _ranked(self, result: SearchResult, shown: _Numbered) -> list[Block]:
        titles = {found.passage.document: found.passage.title for found in reversed(result.found)}
        order = list(dict.fromkeys(found.passage.document for found in result.found))[:RANKED]
        blocks: list[Block] = []
        for document in order:
            rank = 1 + len(blocks) // len(self.template.parts)
            found = [
                self._block(part, f"{rank}. {titles[document]}: {part.heading.lower()}", self._for_part(part, [document]), shown)
                for part in self.template.parts
            ]
            if any(block.quotes for block in found):  # a candidate that nothing speaks of is none
                blocks += found
        return blocks or [Block("", missing=NO_SENTENCE)]

    def _for_part(self, part: Part, documents: Sequence[str]) -> Sequence[Found]:
        query = f"{self._query} {' '.join(part.cues)}"
        return self._search(query, limit=PART_PASSAGES, documents=documents).found

    def _block(self, part: Part, heading: str, found: Sequence[Found], shown: _Numbered) -> Block:
        passages = [each.passage for each in found]
        quotes = best_sentences(self._query, passages, cues=part.cues, most=part.most)
        numbered = [replace(quote, number=shown.number(found[quote.number - 1])) for quote in quotes]
        known = tuple(quote for quote in numbered if quote.number)
        return Block(heading, known, "" if known else NO_SENTENCE)

    def _followups(self, result: SearchResult, short: Sequence[Block], shown: _Numbered) -> list[str]:
        """Questions that the best document answers too: its sections that the short answer did not use."""
        best = result.found[0].passage
        used = {shown.found[quote.number - 1].passage.section for block in short for quote in block.quotes}
        _, _, passages = self._sections(best.document, start=0, count=40)
        sections = dict.fromkeys(passage.section.rpartition(" › ")[2] for passage in passages if passage.section not in used)
        wanted = [section for section in sections if section.lower() not in DULL_SECTIONS and not section.endswith("?")]
        return [f"{best.title} – {section.lower()}?" for section in wanted[:MOST_FOLLOWUPS]]

    def know_model(self, info: ModelInfo) -> None:
        """Decides what becomes of the model's text: only a model that was measured to be better than chance writes prose."""
        why = unearned(info, self._ledger)
        self.grounds = replace(self.grounds, prose=Prose.FOLDED if why else Prose.OPEN, prose_why=why)

    def question(self, question: Message, part: Part, most: int) -> Message:
        """What the model reads in place of ``question``: with the first ``most`` passages, for one part of the answer."""
        texts = [_as_data(found.passage) for found in self.grounds.passages[:most]]
        return replace(question, text=grounded_text(question.text, texts, told=told(self._assumptions), ask=part.ask))

    def shown(self, answer: Message, written: str) -> Message:
        """The answer with what the model has written so far in its place."""
        text, removed = self._cited(written)
        if self.grounds.prose is Prose.OPEN:
            grounds = replace(self.grounds, removed=removed)
            return replace(answer, text=text, grounds=grounds, source=self._source())
        said = short_text(self.grounds.short) if self.grounds.found else self.grounds.sentence
        return replace(answer, text=said, grounds=replace(self.grounds, draft=text, removed=removed), source=self._source())

    def held_against(self, written: str, engine: Engine | None = None) -> None:
        """Matches each sentence that the model wrote to the passages; ``engine`` judges them where it was measured to."""
        text, _ = self._cited(written)
        passages = [found.passage.text for found in self.grounds.passages]
        claims = match(text, passages)
        judged = BY_WORDS
        if engine is not None and any(claim.passage for claim in claims):
            claims, judged = _judged(engine, self._ledger, claims, passages)
        self.grounds = replace(self.grounds, claims=tuple(claims), judged_by=judged)

    def _cited(self, written: str) -> tuple[str, int]:
        passages = [found.passage.text for found in self.grounds.passages]
        return without_citations(written, len(passages), passages=passages)

    def gone(self) -> bool:
        """A document that is quoted was erased meanwhile."""
        documents = sorted(self.grounds.documents)
        return bool(documents) and bool(self._missing(documents))

    def _source(self) -> str:
        return self.grounds.sentence if self.grounds.found else NO_SOURCE


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


def unearned(info: ModelInfo, ledger: Ledger | None) -> str:
    """Why a model's text is folded away, "" where it was measured to be better than chance over all questions."""
    counts = earned(info, ledger)
    overall = [skill for skill in counts.skills if skill.name == ALL]
    if any(skill.earned for skill in overall):
        return ""
    if overall:
        return f"{info.name}: {overall[0].sentence}. So what it writes is folded away, below what the passages say."
    return f"Nobody has measured {info.name} here, so what it writes is folded away. The Models page measures it."


def _query(history: Sequence[Message], assumptions: Mapping[str, str]) -> str:
    """What is looked up: the question, with the one before it where it is too short to stand alone, and what is assumed."""
    asked = [message.text for message in history if message.role is Role.USER]
    parts = asked[-1:]
    if len(content_words(asked[-1])) < SHORT_QUESTION:
        parts = asked[-2:]
    return " ".join([*parts, search_words(assumptions)]).strip()


def _found_sentence(found: Sequence[Found]) -> str:
    documents = {each.passage.document for each in found}
    samples = all(each.passage.sample for each in found)
    passages = "1 passage" if len(found) == 1 else f"{len(found)} passages"
    pages = "1 document" if len(documents) == 1 else f"{len(documents)} documents"
    return f"{passages} of {pages}{', all of the sample library' if samples else ''}"


def _as_data(passage: Passage) -> str:
    heading = f"{passage.title}: {passage.section}" if passage.section else passage.title
    return f"{heading}\n{passage.text}"


def _judged(engine: Engine, ledger: Ledger | None, claims: Sequence[Claim], passages: Sequence[str]) -> tuple[list[Claim], str]:
    """The claims that have a passage, as the model's read-out judges them, where it was measured to have skill for it."""
    cited = [place for place, claim in enumerate(claims) if claim.passage]
    judged = judge(engine, ledger, [(claims[place].text, passages[claims[place].passage - 1]) for place in cited])
    if judged.values is None:
        return list(claims), f"{BY_WORDS} {judged.sentence}"
    values: dict[int, Support] = dict(zip(cited, judged.values, strict=True))
    return [replace(claim, support=values.get(place, claim.support)) for place, claim in enumerate(claims)], judged.sentence
