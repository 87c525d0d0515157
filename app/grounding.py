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
from app.errors import LlamaCareError, NotFound
from app.grounds import short_text
from app.judging import judge
from app.library.library import Library
from app.lookup import looked_up
from app.prompts import grounded_text
from app.records import (
    NO_SOURCE,
    Bearing,
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
from app.shapes import QUICK, Part, Template, assumed, restates, search_words, template_of, told
from app.short_answers import ShortAnswers

SHOWN = 6  # passages of the search that is made for the question itself
MOST_FOLLOWUPS = 3
DULL_SECTIONS = ("overview", "what this page leaves out", "")
NEAREST = 3  # passages that are shown where none answers
NOTHING = "No source: no passage was found that bears on this question. Other words may find one."
NEAR = "No source: no passage was found that answers this question. The nearest are shown; they may be on something else."
CHOSEN = "Only the documents that you chose were searched."
WITHHELD = "Answers from the model alone are switched off, so there is none."
BY_WORDS = (
    "Each sentence is held against the passages by its words, numbers and negations, not by the model. One in words of its own "
    "comes out as weak: open its source and read."
)
RESTATED = "What only repeats the assumptions is not judged."


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
        self._asked = [message.text for message in history if message.role is Role.USER]
        self._search = partial(library.search, owner, scope=wanted.scope)
        self._sections = partial(library.passages, owner)
        self._missing = library.missing

    def look_up(self) -> Grounds:
        """Searches the library and makes the short answer. Raises StoreError where the library cannot be read."""
        documents = self._wanted.documents
        query, result = looked_up(self._asked, search_words(self._assumptions), self._found, documents)
        result = replace(result, found=tuple(found for found in result.found if found.bearing is not Bearing.FAR))
        kept = Grounds(
            found=result.relevant,
            sentence=f"{NEAR if result.found else NOTHING}{f' {CHOSEN}' if documents else ''}",
            passages=result.found[:NEAREST],
            template=self.template.id,
            assumptions=self._assumptions,
            expanded=result.expanded,
        )
        if not result.relevant:
            withheld = replace(kept, sentence=f"{kept.sentence} {WITHHELD}", prose=Prose.NONE)
            self.grounds = withheld if self._wanted.withhold else kept
            return self.grounds
        short, shown = ShortAnswers(self._search, documents).make(self.template, query, result)
        self.grounds = replace(
            kept,
            sentence=f"{_found_sentence(shown)}{', of those that you chose' if documents else ''}",
            passages=tuple(shown),
            short=tuple(short),
            followups=tuple(self._followups(short, shown)),
        )
        return self.grounds

    def _found(self, query: str, documents: Sequence[str]) -> SearchResult:
        return self._search(query, limit=SHOWN, documents=documents)

    def _followups(self, short: Sequence[Block], shown: Sequence[Found]) -> list[str]:
        """Questions that the document of the first passage answers too: its sections that the short answer did not use."""
        best = shown[0].passage
        used = {shown[quote.number - 1].passage.section for block in short for quote in block.quotes}
        try:
            _, _, passages = self._sections(best.document, start=0, count=40)
        except NotFound:  # erased a moment ago; `gone` says so
            return []
        sections = dict.fromkeys(passage.section.rpartition(" › ")[2] for passage in passages if passage.section not in used)
        wanted = [section for section in sections if section.lower() not in DULL_SECTIONS and not section.endswith("?")]
        return [f"{best.title} – {_in_line(section)}?" for section in wanted[:MOST_FOLLOWUPS]]

    def know_model(self, info: ModelInfo) -> None:
        """Decides what becomes of the model's text: only a model that was measured to be better than chance writes prose."""
        why = unearned(info, self._ledger)
        self.grounds = replace(self.grounds, prose=Prose.FOLDED if why else Prose.OPEN, prose_why=why)

    def question(self, question: Message, part: Part, most: int) -> Message:
        """What the model reads in place of ``question``: with the first ``most`` passages, for one part of the answer."""
        texts = [_as_data(found.passage) for found in self.grounds.stood_on[:most]]
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
        passages = [found.passage.text for found in self.grounds.stood_on]
        matched = match(text, passages)
        claims = [claim for claim in matched if not restates(claim.text, self._assumptions)]
        judged = BY_WORDS
        if engine is not None and any(claim.passage for claim in claims):
            claims, judged = _judged(engine, self._ledger, claims, passages)
        if len(claims) < len(matched):
            judged = f"{judged} {RESTATED}"
        self.grounds = replace(self.grounds, claims=tuple(claims), judged_by=judged)

    def _cited(self, written: str) -> tuple[str, int]:
        passages = [found.passage.text for found in self.grounds.stood_on]
        return without_citations(written, len(passages), passages=passages)

    def gone(self) -> bool:
        """A document that is quoted was erased meanwhile."""
        documents = sorted(self.grounds.documents)
        return bool(documents) and bool(self._missing(documents))

    def _source(self) -> str:
        return self.grounds.sentence if self.grounds.found else NO_SOURCE


def unearned(info: ModelInfo, ledger: Ledger | None) -> str:
    """Why a model's text is folded away, "" where it was measured to be better than chance over all questions."""
    counts = earned(info, ledger)
    overall = [skill for skill in counts.skills if skill.name == ALL]
    if any(skill.earned for skill in overall):
        return ""
    if overall:
        return f"{info.name}: {overall[0].sentence}. So what it writes is folded away, below what the passages say."
    if info.eci is None:
        return f"{counts.sentence} So what {info.name} writes is folded away, below what the passages say."
    if counts.skills:
        return f"{info.name} was not measured on exam questions, so what it writes is folded away. The Models page measures it."
    return f"Nobody has measured {info.name} here, so what it writes is folded away. The Models page measures it."


def _in_line(heading: str) -> str:
    """A heading as it stands in a sentence; "ECG" stays what it is."""
    return heading if heading[1:2].isupper() else f"{heading[:1].lower()}{heading[1:]}"


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
    try:
        judged = judge(engine, ledger, [(claims[place].text, passages[claims[place].passage - 1]) for place in cited])
    except LlamaCareError as error:  # the answer is whole: what fails after it must not fail it
        return list(claims), f"{BY_WORDS} The model could not judge them: {error.sentence}"
    if judged.values is None:
        return list(claims), f"{BY_WORDS} {judged.sentence}"
    values: dict[int, Support] = dict(zip(cited, judged.values, strict=True))
    return [replace(claim, support=values.get(place, claim.support)) for place, claim in enumerate(claims)], judged.sentence
