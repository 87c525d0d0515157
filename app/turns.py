"""One answer: search -> fit -> prompt -> stream -> keep. Knows the engine, no store and no page.

An answer that was stopped or that failed is kept and marked. What it stands on is found before the model is asked, so that
it can be read while the model writes, and what the model wrote is held against it afterwards.
"""

from __future__ import annotations

import secrets
import threading
from bisect import bisect_left
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Protocol

from app.engine.base import (
    Ending,
    Engine,
    Finished,
    ModelInfo,
    Phase,
    Piece,
    Prefilling,
    Queued,
    Sampling,
    StreamEvent,
    Thought,
)
from app.engine.switch import held
from app.errors import BadInput, LlamaCareError, StoreError
from app.grounding import Ground
from app.grounds import erased
from app.prompts import CHAT_SYSTEM, GROUNDED_SYSTEM, ChatFormat, chat_prompt
from app.records import Conversation, Grounds, Message, Prompt, Prose, Role, Segment, Speed, Status
from app.shapes import Part

KEEP_SECONDS = 2.0  # how often a growing answer is written to disk, so that a crash costs no more
WAIT_SECONDS = 0.25  # between two signs of life while the model loads
PART_TOKENS = 320  # of one part of an answer that has several
PARTS_SHARE = 5  # all parts together take at most a fifth of a small context: each is read before the next one
BROKEN_OFF = " …"  # what stands for the rest of a part that reached its length
PART_STOPS = ("\n#", "\n**")  # a model that goes on to a heading of its own has ended its part
CUT_NOTES: Mapping[Ending, str] = MappingProxyType(
    {
        Ending.LENGTH: "The answer reached its length limit and was cut. Ask it to go on.",
        Ending.TIME: "The answer took longer than one answer may and was cut. Ask it to go on, or ask for less at once.",
        Ending.REPETITION: "The answer only repeated itself and was cut. Ask again, or in other words.",
    }
)
UNANSWERED_NOTES: Mapping[Ending, str] = MappingProxyType(
    {
        Ending.STOP: "The model reasoned and then ended without an answer. Ask again, or in other words.",
        Ending.LENGTH: "The model was still reasoning at its length limit, so there is no answer. Ask for less at once.",
        Ending.TIME: "The model was still reasoning when its time was up, so there is no answer. Ask for less at once.",
        Ending.REPETITION: "The model's reasoning only repeated itself, so there is no answer. Ask again, or in other words.",
    }
)
STOPPED_NOTE = "You stopped this answer."
INTERRUPTED_NOTE = "The page went away while this answer was being written; what had arrived is kept."
PLAIN: tuple[Part, ...] = (Part("", (), 0, ""),)  # what the model alone is asked for: a text without parts


@dataclass(frozen=True)
class Begun:
    """The first event: the question is kept."""

    turn: str
    conversation: Conversation | None
    question: Message


@dataclass(frozen=True)
class Sourced:
    """The library was searched; comes before the model is asked."""

    grounds: Grounds


@dataclass(frozen=True)
class Fitted:
    """The conversation was fitted into the context; ``dropped`` earlier turns were left out."""

    dropped: int


@dataclass(frozen=True)
class Grown:
    """The whole answer so far, and the whole of what the model thought before it."""

    text: str
    reasoning: str


@dataclass(frozen=True)
class Drafted:
    """As Grown, of a model that has not earned prose: its text is no part of the answer."""

    text: str
    reasoning: str


@dataclass(frozen=True)
class Ended:
    """The last event, after a stop or a failure too. ``used`` of ``size`` tokens of context are taken."""

    answer: Message
    used: int | None
    size: int | None
    dropped: int


TurnEvent = Begun | Sourced | Fitted | Queued | Prefilling | Grown | Drafted | Ended


class Desk(Protocol):
    """Where turns are worked on. ``thinking``: a model that can reasons first; ``clock`` in seconds."""

    engine: Engine
    thinking: bool
    clock: Callable[[], float]

    def sampling(self, form: ChatFormat) -> Sampling:
        """How tokens are drawn."""

    def forget(self, turn: Turn) -> None:
        """The turn has ended."""


class Turn:
    """One question being answered. ``events`` is run by one thread; ``stop`` may be called from any."""

    def __init__(
        self,
        desk: Desk,
        visitor: int,
        conversation: Conversation | None,
        history: Sequence[Message],
        answer: Message,
        *,
        keep: Callable[[Message], None] | None,
        system: str = CHAT_SYSTEM,
        ground: Ground | None = None,
    ) -> None:
        """``keep`` is given the answer as it grows and as it has ended; None keeps it nowhere. ``ground``: where it is looked
        up; None asks the model alone."""
        self.id = secrets.token_urlsafe(16)
        self.visitor = visitor
        self.conversation = conversation
        self._keep_answer = keep
        self._system = system if ground is None else GROUNDED_SYSTEM
        self._desk = desk
        self._history = list(history)  # ends in the question
        self._answer = answer
        self._ground = ground
        self._written = ""  # by the model, with the headings that it was given
        self._tokens = 0
        self._looked_up = False
        self._erased = False
        self._stopped = threading.Event()
        self._dropped = 0
        self._info: ModelInfo | None = None

    def stop(self) -> None:
        self._stopped.set()

    def abandon(self) -> None:
        """Settles a turn whose page went away before its events began; nothing to one that has ended."""
        if self._answer.status is Status.STREAMING:
            self._settle(Status.STOPPED, INTERRUPTED_NOTE)
            self._desk.forget(self)

    def events(self) -> Generator[TurnEvent, None, None]:
        """The turn as events, Begun first and Ended last. Closing the iterator stops the work and keeps what there is."""
        try:
            yield Begun(self.id, self.conversation, self._history[-1])
            yield from self._answering()
        except LlamaCareError as error:
            self._settle(Status.FAILED, error.sentence)
        except GeneratorExit:
            self._settle(Status.STOPPED, INTERRUPTED_NOTE)
            raise
        finally:
            self._desk.forget(self)
            if self._answer.status is Status.STREAMING:
                self._settle(Status.FAILED, "The answer broke off because of a fault in the application.")
        size = self._info.context if self._info else None
        yield Ended(self._answer, self._answer.context_used, size, self._dropped)

    def _answering(self) -> Generator[TurnEvent, None, None]:
        if self._ground is not None:
            grounds = self._ground.look_up()
            self._looked_up = True
            self._show()
            self._keep()
            yield Sourced(grounds)
            if grounds.prose is Prose.NONE:
                self._settle(Status.COMPLETE, "")
                return
        yield from self._await_model()
        if self._stopped.is_set():
            self._settle(Status.STOPPED, STOPPED_NOTE)
            return
        with held(self._desk.engine) as engine:  # the prompt is written for the model that answers it
            yield from self._written_by(engine)

    def _await_model(self) -> Generator[TurnEvent, None, None]:
        """Signs of life while the model loads or is started again; an engine that failed raises at the next call."""
        while self._desk.engine.status().phase in (Phase.LOADING, Phase.RESTARTING) and not self._stopped.wait(WAIT_SECONDS):
            yield Queued(0)

    def _written_by(self, engine: Engine) -> Generator[TurnEvent, None, None]:
        info = self._info = engine.info()
        self._answer = replace(self._answer, model=info.name)
        form = ChatFormat(info.chat_template, info.bos, info.eos)
        if self._ground is not None:
            self._ground.know_model(info)
        parts = PLAIN if self._ground is None else self._ground.template.parts
        thinking = self._desk.thinking and len(parts) == 1
        write = partial(chat_prompt, form, thinking=thinking, system=self._system)
        asked = self._asked(engine, write, parts, info.context)
        kept, self._dropped = fit(engine, write, asked[0], info.context)
        yield Fitted(self._dropped)
        sampling = self._sampling(form, len(parts), info.context)
        begun = self._desk.clock()
        for part, messages in zip(parts, asked, strict=True):
            if part.heading:
                self._written = f"{self._written.rstrip()}\n\n**{part.heading}**\n\n".lstrip()
            prompt = (*write([*kept[:-1], messages[-1]]), *([Segment(self._written)] if self._written else []))
            yield from self._stream(engine, engine.stream(prompt, sampling), begun, last=part is parts[-1])
            if self._answer.status is not Status.STREAMING:
                return

    def _asked(
        self, engine: Engine, write: Callable[[Sequence[Message]], Prompt], parts: Sequence[Part], context: int
    ) -> list[list[Message]]:
        """The conversation as the model reads it for each part: with as many passages as fill half of the context."""
        ground, (*before, question) = self._ground, self._history
        if ground is None:
            return [self._history]
        most = len(ground.grounds.stood_on)
        while most and engine.count([write([ground.question(question, parts[0], most)])])[0] > context // 2:
            most -= 1
        return [[*before, ground.question(question, part, most)] for part in parts]

    def _sampling(self, form: ChatFormat, parts: int, context: int) -> Sampling:
        sampling = self._desk.sampling(form)
        if parts == 1:
            return sampling
        tokens = max(1, min(PART_TOKENS, context // (PARTS_SHARE * parts)))
        return replace(sampling, max_tokens=tokens, stop=(*sampling.stop, *PART_STOPS))

    def _stream(
        self, engine: Engine, stream: Generator[StreamEvent, None, None], begun: float, *, last: bool
    ) -> Generator[TurnEvent, None, None]:
        clock = self._desk.clock
        kept_at = clock()
        try:
            for event in stream:
                if self._stopped.is_set():
                    self._settle(Status.STOPPED, STOPPED_NOTE)
                    return
                if isinstance(event, Piece | Thought):
                    self._grow(event, clock() - begun)
                    if clock() - kept_at >= KEEP_SECONDS:
                        self._keep()
                        kept_at = clock()
                    yield self._grown()
                elif isinstance(event, Finished):
                    self._finish(event, engine, last=last)
                else:
                    yield event
        finally:
            stream.close()

    def _grow(self, event: Piece | Thought, elapsed: float) -> None:
        if self._answer.speed.first_token is None:
            self._answer = replace(self._answer, speed=Speed(first_token=elapsed))
        if isinstance(event, Thought):
            self._answer = replace(self._answer, reasoning=self._answer.reasoning + event.text)
        else:
            self._written += event.text
            self._show()

    def _show(self) -> None:
        """Puts what was written into the answer, where it belongs."""
        if self._ground is None:
            self._answer = replace(self._answer, text=self._written)
        elif self._looked_up:
            self._answer = self._ground.shown(self._answer, self._written)

    def _grown(self) -> Grown | Drafted:
        answer = self._answer
        if answer.grounds is not None and answer.grounds.prose is Prose.FOLDED:
            return Drafted(answer.grounds.draft, answer.reasoning)
        return Grown(answer.text, answer.reasoning)

    def _finish(self, event: Finished, engine: Engine, *, last: bool) -> None:
        """Ends a part. One that reached its length shows it and is no fault while others follow; the time is that of the whole
        answer."""
        self._tokens += event.tokens
        speed = replace(self._answer.speed, tokens_per_second=event.tokens_per_second, tokens=self._tokens)
        self._answer = replace(self._answer, speed=speed, context_used=event.prompt_tokens + event.tokens)
        if not last and event.ending is not Ending.TIME:
            if event.ending is Ending.LENGTH:
                self._written = f"{self._written.rstrip()}{BROKEN_OFF}"
            return
        unanswered = self._answer.reasoning and not self._written.strip()
        note = (UNANSWERED_NOTES if unanswered else CUT_NOTES).get(event.ending, "")
        if self._ground is not None:
            self._ground.held_against(self._written, engine)
        self._settle(Status.CUT if note else Status.COMPLETE, note)

    def _settle(self, status: Status, note: str) -> None:
        if self._ground is not None and self._written and not self._ground.grounds.judged_by:
            self._ground.held_against(self._written)
        if not self._erased:
            self._show()
            self._answer = replace(self._answer, status=status, note=note)
        try:
            self._keep()
        except StoreError as error:
            # The page still gets what was written, and why a reload will not show it.
            self._answer = replace(self._answer, status=Status.FAILED, note=f"{note} {error.sentence}".strip())

    def _keep(self) -> None:
        if self._keep_answer is not None:
            self._keep_answer(self._answer)
        # After it was written: whoever erases a document erases first, and then what quotes it (Store.forget_documents).
        if self._ground is not None and not self._erased and self._ground.gone():
            self._erased = True
            self._answer = erased(self._answer)
            self._stopped.set()
            if self._keep_answer is not None:
                self._keep_answer(self._answer)


def fit(
    engine: Engine, write: Callable[[Sequence[Message]], Prompt], messages: Sequence[Message], context: int
) -> tuple[list[Message], int]:
    """The messages that go to the model as ``write`` makes a prompt of them, and how many earlier turns (a question and its
    answer) were left out.

    All of them while they leave a quarter of the context for the answer. Else the oldest turns go until what stays fills at
    most half of it: dropping far at once keeps the start of the prompt the same for many turns.

    Raises:
        BadInput: the last question alone leaves no room for an answer.
    """
    readable = [message for message in messages if message.text]

    def tokens_of(some: Sequence[Message]) -> int:
        return engine.count([write(some)])[0]

    if tokens_of(readable) <= context * 3 // 4:
        return readable, 0
    starts = [place for place, message in enumerate(readable) if message.role is Role.USER]

    def is_half(dropped: int) -> bool:
        return tokens_of(readable[starts[dropped] :]) <= context // 2

    dropped = min(bisect_left(range(len(starts)), True, key=is_half), len(starts) - 1)
    kept = readable[starts[dropped] :]
    tokens = tokens_of(kept)
    if tokens > context * 3 // 4:
        raise BadInput(
            f"This message has about {tokens:,} tokens; the model reads {context:,} with its answer, so at most "
            f"{context * 3 // 4:,} here. Shorten it, or start the application with a larger --context."
        )
    return kept, dropped
