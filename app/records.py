"""The records that flow between modules: frozen, without behaviour beyond small derivations.

They know nothing of files, databases, models or pages.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

OPTION_LETTERS = "ABCDEFGHIJ"
ANSWER_WORDS = ("yes", "no", "maybe")  # the labels of a question that is answered with a word, as PubMedQA's
LABELS = (*OPTION_LETTERS, *ANSWER_WORDS)  # every label that a class can have (DESIGN.md, ECI)
NO_SOURCE = "model knowledge, no source"


@dataclass(frozen=True)
class Segment:
    """A stretch of a prompt. Only a control segment is tokenized with special tokens on."""

    text: str
    control: bool = False


Prompt = tuple[Segment, ...]


class Role(enum.StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class Status(enum.StrEnum):
    """How an answer ended. STREAMING on disk means: being written, or cut off by a crash."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    CUT = "cut"


@dataclass(frozen=True)
class Speed:
    """What one answer cost. ``first_token`` in seconds from the request, ``tokens`` written."""

    first_token: float | None = None
    tokens_per_second: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Conversation:
    id: str
    title: str
    updated: datetime


class Confidence(enum.StrEnum):
    """How sure the learner said they were, before the key was shown."""

    GUESS = "guess"
    UNSURE = "unsure"
    SURE = "sure"

    def said(self, options: int) -> float:
        """The probability of being right that this stands for, 0 to 1, in a question with so many options: a guess is as good
        as chance, unsure right 6 times in 10, sure 9 times in 10. The page says so beside the words."""
        return {Confidence.GUESS: 1 / options, Confidence.UNSURE: 0.6, Confidence.SURE: 0.9}[self]


class Miss(enum.StrEnum):
    """What the learner says went wrong in a wrong answer."""

    KNOWLEDGE = "knowledge"
    MISREAD = "misread"
    REASONING = "reasoning"
    TIME = "time"


class Grade(enum.StrEnum):
    """How well an item was recalled, as FSRS calls it."""

    AGAIN = "again"
    HARD = "hard"
    GOOD = "good"
    EASY = "easy"


class Mode(enum.StrEnum):
    """TUTOR: feedback at once. TIMED: one block, 90 s an item, feedback at the end. EXAM: blocks that close for good."""

    TUTOR = "tutor"
    TIMED = "timed"
    EXAM = "exam"


def _no_explanations() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Question:
    """One record for practice, training and evaluation (DESIGN.md, Question).

    ``options`` by label: letters with the options' texts, or the words of ``ANSWER_WORDS`` with themselves. ``context`` is a
    text that the question is about, "" for most. ``fact`` is what decides it, ``reference`` where somebody read that, and
    ``reasoning`` the kind of thinking that it asks for.
    """

    id: str
    stem: str
    options: Mapping[str, str]
    key: str
    explanations: Mapping[str, str] = field(default_factory=_no_explanations)
    objective: str = ""
    hints: tuple[str, ...] = ()
    subject: str = ""
    system: str = ""
    step: str = ""
    source: str = ""
    licence: str = ""
    context: str = ""
    difficulty: str = ""
    reasoning: str = ""
    fact: str = ""
    reference: str = ""

    @property
    def worded(self) -> bool:
        """Answered with a word instead of a letter."""
        return not self.options.keys() <= set(OPTION_LETTERS)

    def in_order(self, order: Sequence[int]) -> Question:
        """The same question with its option texts in another order: the letter at place p takes the text of the one at
        ``order[p]``, with its explanation; the key goes with its text. Words stay themselves and are only listed in that order.

        Raises:
            ValueError: ``order`` is no order of the options.
        """
        letters = tuple(self.options)
        if sorted(order) != list(range(len(letters))):
            raise ValueError(f"the order is {list(order)}; expected each of 0 to {len(letters) - 1} once")
        if self.worded:
            return replace(self, options={letters[old]: self.options[letters[old]] for old in order})
        taken = {letter: letters[place] for letter, place in zip(letters, order, strict=True)}
        return replace(
            self,
            options={letter: self.options[old] for letter, old in taken.items()},
            key=next((letter for letter, old in taken.items() if old == self.key), self.key),
            explanations={letter: self.explanations[old] for letter, old in taken.items() if old in self.explanations},
        )


@dataclass(frozen=True)
class Topic:
    """What a question is filed under; "" where its file did not say."""

    system: str = ""
    subject: str = ""
    step: str = ""
    difficulty: str = ""


@dataclass(frozen=True)
class ModelView:
    """What a model made of an item that the learner answered. ``choice`` and its ``probability``; ``key_probability``, that of
    the right one; ``earned``: the probabilities were measured to be better than chance in the item's system."""

    model: str
    choice: str
    probability: float
    key_probability: float
    earned: bool


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One graded answer. ``seconds`` is the learner's time on the item with the page in view; ``options``, how many it had."""

    question: str
    chosen: str
    key: str
    confidence: Confidence
    seconds: float
    when: datetime
    options: int = 5
    hints: int = 0
    struck: tuple[str, ...] = ()
    topic: Topic = Topic()
    miss: Miss | None = None
    model: ModelView | None = None

    @property
    def correct(self) -> bool:
        return self.chosen == self.key


class Scope(enum.StrEnum):
    """Which documents may answer: all that the visitor may read, the visitor's own, those that the administrator shares, or
    none, which asks the model alone."""

    ALL = "all"
    OWN = "own"
    SHARED = "shared"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document of the library. ``date`` as its source gave it, ``added`` when it came here; ``pages`` None where it has
    none; ``characters`` of its cleaned text. ``sample``: one of the pages that come with the application."""

    id: str
    title: str
    kind: str
    file: str
    added: datetime
    passages: int
    characters: int
    pages: int | None = None
    date: str = ""
    licence: str = ""
    source: str = ""
    shared: bool = False
    sample: bool = False


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A stretch of a document's cleaned text, from character ``start`` to ``end``, never across a heading or a page.

    ``place`` counts the document's passages from 0; ``section`` is the path of headings above it; ``title``, ``date``,
    ``licence`` and ``source`` are the document's.
    """

    id: int
    document: str
    place: int
    title: str
    text: str
    start: int
    end: int
    section: str = ""
    page: int | None = None
    date: str = ""
    licence: str = ""
    source: str = ""
    shared: bool = False
    sample: bool = False


class Bearing(enum.StrEnum):
    """How far a passage bears on what was asked: an answer may stand on it, a reader may look at it, or neither."""

    ANSWERS = "answers"
    NEAR = "near"
    FAR = "far"


@dataclass(frozen=True)
class Found:
    """A passage that a search found. ``score``: higher is better, comparable within one search; ``marks``: where in its text
    words of the question stand."""

    passage: Passage
    score: float
    marks: tuple[tuple[int, int], ...] = ()
    bearing: Bearing = Bearing.ANSWERS


@dataclass(frozen=True)
class SearchResult:
    """What a search found, best first. ``expanded``: the abbreviations and names that were looked up in other words too, as
    "MI = myocardial infarction"; ``others``: these words."""

    found: tuple[Found, ...]
    expanded: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def relevant(self) -> bool:
        """Whether something in it bears on what was asked."""
        return any(one.bearing is Bearing.ANSWERS for one in self.found)


class Support(enum.StrEnum):
    """How far a passage carries a sentence."""

    SUPPORTED = "supported"
    WEAK = "weak"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Claim:
    """One sentence of an answer, from ``start`` to ``end`` in its text, and what carries it.

    ``numbers``: the passages that do, from 1, best first; ``passage``: the best one, 0 where none does; ``quote``: where in
    that passage's text; ``why``: the reason in words.
    """

    start: int
    end: int
    text: str
    support: Support
    numbers: tuple[int, ...] = ()
    passage: int = 0
    quote: tuple[int, int] = (0, 0)
    why: str = ""


@dataclass(frozen=True)
class Quote:
    """A sentence of a passage: ``number`` of the passage from 1, and where in its text it stands."""

    number: int
    start: int
    end: int
    text: str


class Prose(enum.StrEnum):
    """What becomes of the model's own text: it stands in the answer, it is folded away and marked because the model has not
    earned prose, or there is none."""

    OPEN = "open"
    FOLDED = "folded"
    NONE = "none"


@dataclass(frozen=True)
class Block:
    """A part of a short answer: sentences of passages under a heading; ``missing`` says that there are none."""

    heading: str
    quotes: tuple[Quote, ...] = ()
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What an answer stands on.

    Attributes:
        found: something in the library bears on the question. sentence: what was found, in words.
        passages: numbered from 1 in this order, as blocks and claims name them; where nothing bears on the question, those
            that come nearest, on which no answer stands.
        short: the passages' own sentences. draft: what a model wrote that has not earned prose; ``prose_why``, in words.
        claims: of the model's text, wherever that stands; ``judged_by`` says how; ``removed``: citations that did not resolve.
        erased: a document that it quoted is gone, and with it all of this.
    """

    found: bool
    sentence: str
    passages: tuple[Found, ...] = ()
    short: tuple[Block, ...] = ()
    prose: Prose = Prose.FOLDED
    prose_why: str = ""
    template: str = ""
    assumptions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    expanded: tuple[str, ...] = ()
    draft: str = ""
    claims: tuple[Claim, ...] = ()
    judged_by: str = ""
    removed: int = 0
    followups: tuple[str, ...] = ()
    erased: bool = False

    @property
    def stood_on(self) -> tuple[Found, ...]:
        """The passages that the answer stands on."""
        return self.passages if self.found else ()

    @property
    def documents(self) -> frozenset[str]:
        """The ids of the documents that are quoted."""
        return frozenset(found.passage.document for found in self.passages)


@dataclass(frozen=True, kw_only=True)
class Message:
    id: str
    role: Role
    text: str
    reasoning: str = ""  # what a thinking model wrote before its answer; shown, never given back to the model
    status: Status = Status.COMPLETE
    note: str = ""
    model: str = ""
    source: str = ""
    speed: Speed = Speed()
    context_used: int | None = None
    grounds: Grounds | None = None  # None where the model alone was asked
