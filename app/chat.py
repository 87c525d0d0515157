"""One turn of the chat: check -> fit -> prompt -> stream -> keep. Knows the engine and the store, no page.

A question is kept before its answer starts; an answer that was stopped or that failed is kept and marked. A private
turn goes the same way and is kept nowhere.
"""

from __future__ import annotations

import secrets
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from app.engine.base import Ending, Engine, Finished, ModelInfo, Phase, Piece, Prefilling, Queued, Sampling, Thought
from app.engine.switch import held
from app.errors import BadInput, Busy, Conflict, LlamaCareError, StoreError, TooLarge
from app.prompts import CHAT_SYSTEM, ChatFormat, chat_prompt, stop_texts
from app.records import NO_SOURCE, Conversation, Message, Role, Speed, Status
from app.store import Store

MAX_CHARACTERS = 32_000  # of one message; more than any context here holds
MAX_TITLE = 80
TURNS_OF_ONE = 4  # answers that one visitor may have in the making, so that nobody fills the queue alone
KEEP_SECONDS = 2.0  # how often a growing answer is written to disk, so that a crash costs no more
WAIT_SECONDS = 0.25  # between two signs of life while the model loads
THINKING_TOKENS = 4096  # of reasoning and answer together; the reasoning alone often takes two thousand
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


@dataclass(frozen=True)
class Begun:
    """The first event: the question is kept."""

    turn: str
    conversation: Conversation | None
    question: Message


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
class Ended:
    """The last event, after a stop or a failure too. ``used`` of ``size`` tokens of context are taken."""

    answer: Message
    used: int | None
    size: int | None
    dropped: int


ChatEvent = Begun | Fitted | Queued | Prefilling | Grown | Ended


class Turn:
    """One question being answered. ``events`` is run by one thread; ``stop`` may be called from any."""

    def __init__(
        self,
        chat: Chat,
        visitor: int,
        conversation: Conversation | None,
        history: Sequence[Message],
        answer: Message,
        *,
        keep: Callable[[Message], None] | None,
        system: str = CHAT_SYSTEM,
    ) -> None:
        """``keep`` is given the answer as it grows and as it has ended; None keeps it nowhere."""
        self.id = secrets.token_urlsafe(16)
        self.visitor = visitor
        self.conversation = conversation
        self._keep_answer = keep
        self._system = system
        self._chat = chat
        self._history = list(history)  # ends in the question
        self._answer = answer
        self._stopped = threading.Event()
        self._dropped = 0
        self._info: ModelInfo | None = None

    def stop(self) -> None:
        self._stopped.set()

    def abandon(self) -> None:
        """Settles a turn whose page went away before its events began; nothing to one that has ended."""
        if self._answer.status is Status.STREAMING:
            self._settle(Status.STOPPED, INTERRUPTED_NOTE)
            self._chat.forget(self)

    def events(self) -> Generator[ChatEvent, None, None]:
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
            self._chat.forget(self)
            if self._answer.status is Status.STREAMING:
                self._settle(Status.FAILED, "The answer broke off because of a fault in the application.")
        size = self._info.context if self._info else None
        yield Ended(self._answer, self._answer.context_used, size, self._dropped)

    def _answering(self) -> Generator[ChatEvent, None, None]:
        yield from self._await_model()
        if self._stopped.is_set():
            self._settle(Status.STOPPED, STOPPED_NOTE)
            return
        with held(self._chat.engine) as engine:  # the prompt is written for the model that answers it
            yield from self._written_by(engine)

    def _written_by(self, engine: Engine) -> Generator[ChatEvent, None, None]:
        clock = self._chat.clock
        info = self._info = engine.info()
        self._answer = replace(self._answer, model=info.name)
        form = ChatFormat(info.chat_template, info.bos, info.eos)
        thinking = self._chat.thinking
        kept, self._dropped = fit(engine, form, self._history, info.context, thinking=thinking, system=self._system)
        yield Fitted(self._dropped)
        asked, kept_at = clock(), clock()
        prompt = chat_prompt(form, kept, thinking=thinking, system=self._system)
        stream = engine.stream(prompt, self._chat.sampling(form))
        try:
            for event in stream:
                if self._stopped.is_set():
                    self._settle(Status.STOPPED, STOPPED_NOTE)
                    return
                if isinstance(event, Piece | Thought):
                    self._grow(event, clock() - asked)
                    if clock() - kept_at >= KEEP_SECONDS:
                        self._keep()
                        kept_at = clock()
                    yield Grown(self._answer.text, self._answer.reasoning)
                elif isinstance(event, Finished):
                    self._finish(event)
                else:
                    yield event
        finally:
            stream.close()

    def _await_model(self) -> Generator[ChatEvent, None, None]:
        """Signs of life while the model loads or is started again; an engine that failed raises at the next call."""
        while self._chat.engine.status().phase in (Phase.LOADING, Phase.RESTARTING) and not self._stopped.wait(WAIT_SECONDS):
            yield Queued(0)

    def _grow(self, event: Piece | Thought, elapsed: float) -> None:
        answer = self._answer
        if not answer.text and not answer.reasoning:
            answer = replace(answer, speed=Speed(first_token=elapsed))
        if isinstance(event, Thought):
            self._answer = replace(answer, reasoning=answer.reasoning + event.text)
        else:
            self._answer = replace(answer, text=answer.text + event.text)

    def _finish(self, event: Finished) -> None:
        speed = replace(self._answer.speed, tokens_per_second=event.tokens_per_second, tokens=event.tokens)
        self._answer = replace(self._answer, speed=speed, context_used=event.prompt_tokens + event.tokens)
        unanswered = self._answer.reasoning and not self._answer.text.strip()
        note = (UNANSWERED_NOTES if unanswered else CUT_NOTES).get(event.ending, "")
        self._settle(Status.CUT if note else Status.COMPLETE, note)

    def _settle(self, status: Status, note: str) -> None:
        self._answer = replace(self._answer, status=status, note=note)
        try:
            self._keep()
        except StoreError as error:
            # The page still gets what was written, and why a reload will not show it.
            self._answer = replace(self._answer, status=Status.FAILED, note=f"{note} {error.sentence}".strip())

    def _keep(self) -> None:
        if self._keep_answer is not None:
            self._keep_answer(self._answer)


class Place(Protocol):
    """Where a bound turn is kept."""

    def begin(self, question: Message, answer: Message) -> None:
        """Keeps the question and its still empty answer."""

    def keep(self, answer: Message) -> None:
        """Writes what the answer has become."""


class Chat:
    """Conversations and their turns, for any number of visitors at once. ``thinking``: a model that can reasons first."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        *,
        max_turns: int,
        thinking: bool = False,
        clock: Callable[[], float] = time.monotonic,
        seed: Callable[[], int] = lambda: secrets.randbits(32),
    ) -> None:
        self.engine = engine
        self.store = store
        self.thinking = thinking
        self.clock = clock
        self._max_turns = max_turns
        self._seed = seed
        self._turns: dict[str, Turn] = {}
        self._lock = threading.Lock()

    def sampling(self, form: ChatFormat) -> Sampling:
        sampling = Sampling(seed=self._seed(), stop=stop_texts(form))
        return replace(sampling, max_tokens=THINKING_TOKENS) if self.thinking else sampling

    def begin(self, visitor: int, text: str, *, conversation: str | None = None, replace: str | None = None) -> Turn:
        """A turn that is kept: in a conversation of the visitor's, or in a new one.

        Args:
            replace: a question of the conversation, whose place this one takes; all after it goes.

        Raises:
            BadInput, TooLarge: the message cannot be used.
            NotFound: no such conversation or question.
            Busy: too many answers are being written.
            Conflict: this conversation's last answer is still being written.
        """
        question, answer = _question(text), _empty_answer()
        with self._lock:
            self._admit(visitor, conversation)
            if conversation is None:
                place = self.store.add_conversation(visitor, _title(question.text))
            else:
                place = self.store.conversation(visitor, conversation)
            self.store.add_turn(visitor, place.id, question, answer, replace=replace)
            history = self.store.messages(visitor, place.id)[:-1]
            turn = Turn(self, visitor, place, history, answer, keep=self.store.keep_answer)
            self._turns[turn.id] = turn
        return turn

    def begin_private(self, visitor: int, text: str, history: Sequence[Message]) -> Turn:
        """A turn that is kept nowhere; ``history`` comes from the page that holds it. Raises like ``begin``."""
        question = _question(text)
        with self._lock:
            self._admit(visitor, None)
            turn = Turn(self, visitor, None, [*history, question], _empty_answer(), keep=None)
            self._turns[turn.id] = turn
        return turn

    def begin_bound(self, visitor: int, text: str, history: Sequence[Message], *, system: str, place: Place) -> Turn:
        """A turn that is bound to something else than a conversation: ``system`` says to what, ``place`` keeps question and
        answer. Raises like ``begin``."""
        question, answer = _question(text), _empty_answer()
        with self._lock:
            self._admit(visitor, None)
            place.begin(question, answer)
            turn = Turn(self, visitor, None, [*history, question], answer, keep=place.keep, system=system)
            self._turns[turn.id] = turn
        return turn

    def stop(self, visitor: int, turn: str) -> None:
        """Stops a turn of the visitor's; quietly nothing where there is none, for it may just have ended by itself."""
        with self._lock:
            found = self._turns.get(turn)
        if found is not None and found.visitor == visitor:
            found.stop()

    def forget(self, turn: Turn) -> None:
        with self._lock:
            self._turns.pop(turn.id, None)

    def rename(self, visitor: int, conversation: str, title: str) -> Conversation:
        title = " ".join(title.split())
        if not title:
            raise BadInput("The title is empty; expected some text. The old title is kept.")
        return self.store.rename(visitor, conversation, title[:MAX_TITLE])

    def delete(self, visitor: int, conversation: str) -> None:
        """Erases a conversation; an answer that is being written in it is stopped."""
        self.store.delete_conversation(visitor, conversation)
        with self._lock:
            for turn in self._turns.values():
                if turn.conversation and turn.conversation.id == conversation:
                    turn.stop()

    def _admit(self, visitor: int, conversation: str | None) -> None:
        if len(self._turns) >= self._max_turns:
            raise Busy(f"{len(self._turns)} answers are being written, the most that this machine takes. Try again in a minute.")
        if sum(turn.visitor == visitor for turn in self._turns.values()) >= TURNS_OF_ONE:
            raise Busy(f"{TURNS_OF_ONE} answers are being written for you already. Stop one or wait for its end.")
        if conversation and any(turn.conversation and turn.conversation.id == conversation for turn in self._turns.values()):
            raise Conflict("An answer is still being written in this conversation. Stop it or wait for its end.")


def fit(
    engine: Engine,
    form: ChatFormat,
    messages: Sequence[Message],
    context: int,
    *,
    thinking: bool = False,
    system: str = CHAT_SYSTEM,
) -> tuple[list[Message], int]:
    """The messages that go to the model, and how many earlier turns (a question and its answer) were left out.

    All of them while they leave a quarter of the context for the answer. Else the oldest turns go until what stays fills at
    most half of it: dropping far at once keeps the start of the prompt the same for many turns.

    Raises:
        BadInput: the last question alone leaves no room for an answer.
    """
    readable = [message for message in messages if message.text]

    def tokens_of(some: Sequence[Message]) -> int:
        return engine.count([chat_prompt(form, some, thinking=thinking, system=system)])[0]

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


def _question(text: str) -> Message:
    text = text.strip()
    if not text:
        raise BadInput("The message is empty; expected a question. Type one and send it again.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The message holds half of a character ({text[error.start]!r}). Type it again.") from error
    if len(text) > MAX_CHARACTERS:
        raise TooLarge(
            f"The message has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken. Shorten it and send it again."
        )
    return Message(id=secrets.token_urlsafe(16), role=Role.USER, text=text)


def _empty_answer() -> Message:
    return Message(id=secrets.token_urlsafe(16), role=Role.ASSISTANT, text="", status=Status.STREAMING, source=NO_SOURCE)


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1].rstrip() + "…"
