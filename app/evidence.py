"""A yes-or-no question weighed over a text: how the model reads it, and the sentences that this reading rests on.

The reading is `app.readout`'s, with what was measured of the model. A sentence counts by what the leading answer's probability
does when the text is read without it. No page and no document: whoever calls gives the text.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from app.calibration import Mode
from app.earned import Ledger
from app.engine.base import Engine
from app.engine.switch import held
from app.errors import BadInput, Busy, NoLabels, TooLarge
from app.library.cleaning import clean
from app.readings import form_of, requests_for
from app.readout import Readout, read_many, read_options
from app.records import ANSWER_WORDS, Question
from app.sentences import sentences

MAX_QUESTION = 1_000  # characters
MAX_TEXT = 60_000  # characters; an abstract has 2,000
MOST = 64  # readings for the sentences; of a text with more, neighbours are left out together
PER_CALL = 2  # readings a call of the engine: whoever chats waits for few prompts, and progress is told often
LEAST_SHIFT = 0.01  # what a page shows as a whole percentage point
BUSY_SECONDS = 0.5  # before a call that was turned away is made again

Place = tuple[int, int]  # characters of the text, from and to
_OPEN_QUESTION = re.compile(r"(?:what|which|who|whom|whose|when|where|why|how)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """The model has begun to read."""


@dataclass(frozen=True)
class Verdict:
    """How the model reads the question. ``caution``: why it may be none for yes or no, ""; ``removed``: kinds of characters that
    were taken out of the text; ``dropped``: sentences at its end that did not fit and were not read."""

    readout: Readout
    caution: str
    removed: tuple[str, ...]
    dropped: int


@dataclass(frozen=True)
class LeftOut:
    """``done`` of ``total`` sentences were left out, each in a reading of its own."""

    done: int
    total: int


@dataclass(frozen=True)
class Weight:
    """A stretch of the text, and by how much the leading answer's probability changes without it: below 0, it speaks for that
    answer. ``rank`` from 1, the strongest; 0 where the change is below ``LEAST_SHIFT``."""

    start: int
    end: int
    text: str
    shift: float
    rank: int


@dataclass(frozen=True)
class Rests:
    """The last event. ``context``: the text as it was read, which the places are in; ``dropped`` as in ``Verdict``."""

    weights: tuple[Weight, ...]
    context: str
    dropped: int


EvidenceEvent = Reading | Verdict | LeftOut | Rests


class Evidence:
    """Weighs questions over texts with the model that answers now."""

    def __init__(self, engine: Engine, ledger: Ledger | None = None) -> None:
        self._engine = engine
        self._ledger = ledger

    def weigh(self, question: str, texts: Sequence[str], *, careful: bool = False) -> Weighing:
        """Checks what was given; nothing is read before the first event is asked for.

        Raises:
            BadInput: no question, no text, or one that is too long. NoLabels: the model has no label for yes, no and maybe.
            EngineError: there is no model.
        """
        asked = " ".join(clean(question).text.split())
        if not asked:
            raise BadInput("The question is empty. Write one that can be answered with yes or no.")
        if len(asked) > MAX_QUESTION:
            raise TooLarge(f"The question has {len(asked):,} characters; at most {MAX_QUESTION:,} are read. Shorten it.")
        size = sum(map(len, texts))
        if size > MAX_TEXT:
            raise TooLarge(
                f"The text has {size:,} characters; at most {MAX_TEXT:,} are read. Paste the part that bears on the question."
            )
        cleaned = [clean(text) for text in texts]
        context = "\n\n".join(each.text.strip() for each in cleaned if each.text.strip())
        if not context:
            raise BadInput("There is no text to weigh. Paste an abstract, or choose passages of the library.")
        _check_labels(self._engine)
        removed = tuple(dict.fromkeys(kind for each in cleaned for kind in each.removed))
        return Weighing(self._engine, self._ledger, asked, context, careful, removed)


def _check_labels(engine: Engine) -> None:
    info = engine.info()
    if info.eci is None or not info.eci.token_ids.keys() >= set(ANSWER_WORDS):
        raise NoLabels(
            f"{info.name} has no single token for each of {', '.join(ANSWER_WORDS)}, so it cannot weigh evidence. "
            "Choose another model on the Models page."
        )


@dataclass(frozen=True)
class Weighing:
    """One question over one text, checked."""

    engine: Engine
    ledger: Ledger | None
    question: str
    context: str
    careful: bool
    removed: tuple[str, ...]

    def events(self) -> Generator[EvidenceEvent, None, None]:
        """Reading, Verdict, LeftOut after each few readings, Rests. Closing the iterator stops between two calls of the engine,
        and one model answers all of them.

        Raises:
            BadInput: not even the first sentence fits into the model's context. EngineError: no answer can be computed.
        """
        yield Reading()
        with held(self.engine) as engine:
            places = [(span.start, span.end) for span in sentences(self.context)] or [(0, len(self.context))]
            count = self._fitting(engine, places)
            text = self.context if count == len(places) else self.context[: places[count - 1][1]]
            verdict = read_options(engine, self._asked(text), careful=self.careful, ledger=self.ledger)
            dropped = len(places) - count
            yield Verdict(verdict, caution(self.question), self.removed, dropped)
            stretches = runs(places[:count], MOST)
            shifts = yield from self._shifts(engine, text, stretches, verdict)
            yield Rests(ranked(text, stretches, shifts), text, dropped)

    def _shifts(
        self, engine: Engine, text: str, stretches: Sequence[Place], verdict: Readout
    ) -> Generator[EvidenceEvent, None, list[float]]:
        """By how much the probability of the verdict's choice changes without each stretch, told after each few."""
        shifts: list[float] = []
        yield LeftOut(0, len(stretches))
        while len(shifts) < len(stretches):
            few = [self._asked(without(text, one)) for one in stretches[len(shifts) : len(shifts) + PER_CALL]]
            try:
                read = read_many(engine, few, careful=self.careful, ledger=self.ledger)
            except Busy:
                time.sleep(BUSY_SECONDS)
            else:
                shifts += [one.probabilities[verdict.choice] - verdict.probabilities[verdict.choice] for one in read]
            yield LeftOut(len(shifts), len(stretches))
        return shifts

    def _asked(self, context: str) -> Question:
        return Question(id="evidence", context=context, stem=self.question, options={word: word for word in ANSWER_WORDS}, key="")

    def _fitting(self, engine: Engine, places: Sequence[Place]) -> int:
        """How many of the first sentences the model's context holds, at least 1."""
        info, mode = engine.info(), self._mode
        form = form_of(info)

        def too_long(count: int) -> bool:
            text = self.context if count == len(places) else self.context[: places[count - 1][1]]
            prompts = [request.prompt for request in requests_for(form, self._asked(text), mode)]
            return max(engine.count(prompts)) >= info.context

        if not too_long(len(places)):
            return len(places)
        count = bisect_left(range(1, len(places) + 1), True, key=too_long)
        if not count:
            raise BadInput(
                f"Not even the first sentence fits into the {info.context:,} tokens that {info.name} reads at once. Shorten it, "
                "or start the application with a larger --context."
            )
        return count

    @property
    def _mode(self) -> Mode:
        return "careful" if self.careful else "fast"


def caution(question: str) -> str:
    """Why a question is none for yes or no, "" where it may be one."""
    found = _OPEN_QUESTION.match(question)
    if found is None:
        return ""
    return (
        f"The question begins with “{found[0]}”, so yes or no does not answer it. Ask it as “Does …?” or “Is …?”; the bars show "
        "only how the model reads it as it stands."
    )


def runs(places: Sequence[Place], most: int) -> list[Place]:
    """At most ``most`` stretches of neighbours, each as it begins and ends."""
    size = -(-len(places) // most)
    groups = [places[first : first + size] for first in range(0, len(places), size)]
    return [(group[0][0], group[-1][1]) for group in groups]


def without(text: str, place: Place) -> str:
    """The text with a stretch left out, and the spaces behind it."""
    start, end = place
    return text[:start] + text[end:].lstrip(" ")


def ranked(text: str, places: Sequence[Place], shifts: Sequence[float]) -> tuple[Weight, ...]:
    """The stretches in the order of the text, ranked by how much they change."""
    counting = [number for number, shift in enumerate(shifts) if abs(shift) >= LEAST_SHIFT]
    order = sorted(counting, key=lambda number: -abs(shifts[number]))
    ranks = {number: rank for rank, number in enumerate(order, start=1)}
    return tuple(
        Weight(start, end, text[start:end], shift, ranks.get(number, 0))
        for number, ((start, end), shift) in enumerate(zip(places, shifts, strict=True))
    )
