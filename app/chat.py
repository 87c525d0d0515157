"""Conversations: what is asked in them, by whom, and how many answers are written at once. Knows the store, no page.

A question is kept before its answer starts (`app.turns` writes it). A private turn goes the same way and is kept nowhere.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from app.engine.base import Engine, Sampling
from app.errors import BadInput, Busy, Conflict, TooLarge
from app.grounding import Ground, Grounding, Wanted
from app.prompts import ChatFormat, stop_texts
from app.records import NO_SOURCE, Conversation, Message, Role, Scope, Status
from app.store import Store
from app.turns import Turn

MAX_CHARACTERS = 32_000  # of one message; more than any context here holds
MAX_TITLE = 80
TURNS_OF_ONE = 4  # answers that one visitor may have in the making, so that nobody fills the queue alone
THINKING_TOKENS = 4096  # of reasoning and answer together; the reasoning alone often takes two thousand


class Place(Protocol):
    """Where a bound turn is kept."""

    def begin(self, question: Message, answer: Message) -> None:
        """Keeps the question and its still empty answer."""

    def keep(self, answer: Message) -> None:
        """Writes what the answer has become."""


class Chat:
    """Conversations and their turns, for any number of visitors at once.

    ``thinking``: a model that can reasons first. ``grounding``: where questions are looked up; without it, nowhere.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        *,
        max_turns: int,
        thinking: bool = False,
        grounding: Grounding | None = None,
        clock: Callable[[], float] = time.monotonic,
        seed: Callable[[], int] = lambda: secrets.randbits(32),
    ) -> None:
        self.engine = engine
        self.store = store
        self.thinking = thinking
        self.clock = clock
        self._grounding = grounding
        self._max_turns = max_turns
        self._seed = seed
        self._turns: dict[str, Turn] = {}
        self._lock = threading.Lock()

    def sampling(self, form: ChatFormat) -> Sampling:
        sampling = Sampling(seed=self._seed(), stop=stop_texts(form))
        return replace(sampling, max_tokens=THINKING_TOKENS) if self.thinking else sampling

    def begin(
        self,
        visitor: int,
        text: str,
        *,
        conversation: str | None = None,
        replace: str | None = None,
        wanted: Wanted | None = None,
    ) -> Turn:
        """A turn that is kept: in a conversation of the visitor's, or in a new one.

        Args:
            replace: a question of the conversation, whose place this one takes; all after it goes.
            wanted: how it is looked up and shaped; None asks the model alone.

        Raises:
            BadInput, TooLarge: the message cannot be used.
            NotFound: no such conversation or question.
            Busy: too many answers are being written.
            Conflict: this conversation's last answer is still being written.
        """
        question, answer = _question(text), _empty_answer()
        with self._lock:
            self._admit(visitor, conversation)
            with self.store.write():  # a question that is refused leaves no conversation behind
                if conversation is None:
                    place = self.store.add_conversation(visitor, _title(question.text))
                else:
                    place = self.store.conversation(visitor, conversation)
                self.store.add_turn(visitor, place.id, question, answer, replace=replace)
            history = self.store.messages(visitor, place.id)[:-1]
            ground = self._ground(visitor, history, wanted)
            turn = Turn(self, visitor, place, history, answer, keep=self.store.keep_answer, ground=ground)
            self._turns[turn.id] = turn
        return turn

    def begin_private(self, visitor: int, text: str, history: Sequence[Message], wanted: Wanted | None = None) -> Turn:
        """A turn that is kept nowhere; ``history`` comes from the page that holds it. Raises like ``begin``."""
        said = [*history, _question(text)]
        with self._lock:
            self._admit(visitor, None)
            turn = Turn(self, visitor, None, said, _empty_answer(), keep=None, ground=self._ground(visitor, said, wanted))
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

    def _ground(self, visitor: int, history: Sequence[Message], wanted: Wanted | None) -> Ground | None:
        if self._grounding is None or wanted is None or wanted.scope is Scope.NONE:
            return None
        return self._grounding.of(visitor, history, wanted)

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
