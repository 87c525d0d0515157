"""Practice: choose -> show -> commit -> grade -> keep, and the model's reading of an item. No page.

A question's key, explanations and the model's reading leave this module only where the rules of the session's mode
(`app.sessions`) allow it: after committing, or after the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app import sessions as rules
from app.deck import Deck, topic_of
from app.earned import Ledger
from app.engine.base import Engine
from app.errors import BadInput, Conflict, NotFound
from app.practice_store import PracticeStore, Summary
from app.readout import Readout, read_options
from app.records import Attempt, Confidence, Miss, ModelView, Question, Topic
from app.schedule import Memory
from app.sessions import BlockState, Item, Selection, Session

MAX_SECONDS = 24 * 3600.0
MAX_NOTE = 4000  # characters
MAX_HIGHLIGHTS = 200


@dataclass(frozen=True)
class Progress:
    """A session as its grid shows it, at ``now``."""

    session: Session
    items: tuple[Item, ...]
    topics: Mapping[str, Topic]
    attempts: Mapping[int, Attempt]
    flags: frozenset[str]
    now: datetime

    @property
    def current(self) -> int:
        return rules.current(self.items, self.session, frozenset(self.attempts))


@dataclass(frozen=True)
class Opened:
    """One item as the page shows it. ``attempt`` and ``question``'s key may be shown only where ``feedback``."""

    session: Session
    item: Item
    question: Question
    attempt: Attempt | None
    memory: Memory | None
    flagged: bool
    note: str

    @property
    def graded(self) -> bool:
        """Whether key and explanations may be shown: after committing, or after the end, of what was left out too."""
        return self.session.feedback and (self.attempt is not None or self.session.state is rules.State.ENDED)

    @property
    def editable(self) -> bool:
        return self.attempt is None and self.session.editable(self.item.block)


class Quiz:
    """Everybody's sessions through the deck."""

    def __init__(
        self, deck: Deck, practice: PracticeStore, engine: Engine, *, ledger: Ledger | None = None, seed: int | None = None
    ) -> None:
        """``ledger``: what was measured of models; none by default. ``seed`` fixes the order of sessions, for tests; without it
        every session has an order of its own."""
        self.deck = deck
        self._practice = practice
        self._engine = engine
        self._ledger = ledger
        self._random = random.Random(seed)

    @property
    def practice(self) -> PracticeStore:
        return self._practice

    # Sessions

    def begin(self, visitor: int, selection: Selection) -> Progress:
        """A new session of at most ``selection.count`` questions.

        Raises:
            BadInput: the count cannot be.
            NotFound: no question matches.
        """
        rules.check_count(selection.count)
        found = self.deck.matching(visitor, selection)
        if not found:
            raise NotFound("No question matches this choice. Take away a filter, or choose another topic.")
        questions = (found if selection.ordered else self._random.sample(found, len(found)))[: selection.count]
        blocks = rules.plan_blocks(selection.mode, len(questions), self._practice.now())
        block_of = {position: block.number for block in blocks for position in range(block.first, block.last + 1)}
        session = self._practice.add_session(
            visitor,
            mode=selection.mode,
            title=selection.title,
            blocks=blocks,
            items=[(question, block_of.get(position, 0)) for position, question in enumerate(questions, start=1)],
        )
        return self.progress(visitor, session.id)

    def progress(self, visitor: int, identity: str) -> Progress:
        """A session as it stands now. Raises NotFound."""
        session = self._session(visitor, identity)
        items = self._practice.items(visitor, identity)
        topics = self.deck.topics(visitor, [item.question for item in items])
        attempts, flags = self._practice.attempts(visitor, identity), self._practice.flags(visitor)
        return Progress(session, tuple(items), topics, attempts, flags, self._practice.now())

    def open_sessions(self, visitor: int) -> list[Summary]:
        """What has not ended, newest first; a session whose time has run out meanwhile is ended first."""
        for summary in self._practice.summaries(visitor, ended=False, limit=100):
            self._session(visitor, summary.session.id)
        return self._practice.summaries(visitor, ended=False, limit=100)

    def recent_sessions(self, visitor: int, limit: int) -> list[Summary]:
        return self._practice.summaries(visitor, ended=True, limit=limit)

    def pause(self, visitor: int, identity: str) -> Progress:
        """Raises Conflict in an exam, and after the end."""
        return self._move(visitor, identity, rules.pause)

    def resume(self, visitor: int, identity: str) -> Progress:
        """Raises Conflict after the end."""
        return self._move(visitor, identity, rules.resume)

    def end(self, visitor: int, identity: str) -> Progress:
        """Grades what is chosen and ends the session."""
        return self._move(visitor, identity, rules.end)

    def start_block(self, visitor: int, identity: str, number: int) -> Progress:
        """Raises BadInput and Conflict as `app.sessions.start_block`."""
        return self._move(visitor, identity, lambda session, now: rules.start_block(session, number, now))

    def close_block(self, visitor: int, identity: str, number: int) -> Progress:
        """What is chosen in it is graded at the end. Raises BadInput and Conflict as `app.sessions.close_block`."""
        return self._move(visitor, identity, lambda session, now: rules.close_block(session, number, now))

    # One item

    def open(self, visitor: int, identity: str, position: int) -> Opened:
        """An item to look at.

        Raises:
            NotFound: no such session or item.
            Conflict: its block has not begun, is paused or closed.
        """
        session = self._session(visitor, identity)
        item = self._practice.item(visitor, identity, position)
        if not session.reachable(item.block):
            raise Conflict(_why_closed(session, item.block))
        attempt = self._practice.attempt(visitor, identity, position)
        standing = self._practice.standing(visitor, item.question) if attempt else None
        return Opened(
            session=session,
            item=item,
            question=self.deck.question(visitor, item.question),
            attempt=attempt,
            memory=standing.memory if standing else None,
            flagged=item.question in self._practice.flags(visitor),
            note=self._practice.note(visitor, item.question),
        )

    def keep(
        self,
        visitor: int,
        identity: str,
        position: int,
        *,
        seconds: float = 0.0,
        highlights: Sequence[tuple[int, int]] | None = None,
        **answer: object,
    ) -> Item:
        """Keeps what the learner did to an item: ``chosen``, ``confidence`` and ``struck`` where named, the highlights, and the
        ``seconds`` in view since the last call.

        Raises:
            BadInput: a value that cannot be.
            Conflict: the answer cannot be changed any more.
        """
        with self._practice.database.write():
            opened = self.open(visitor, identity, position)
            item = opened.item
            if highlights is not None:
                item = replace(item, highlights=_spans(highlights))
            if answer or seconds:
                if not opened.editable:
                    raise Conflict(_why_not_editable(opened))
                item = replace(self._credited(opened, item, seconds), **_answer(opened.question, answer))  # type: ignore[arg-type]
            self._practice.keep_item(identity, item)
        return item

    def commit(
        self,
        visitor: int,
        identity: str,
        position: int,
        *,
        chosen: str,
        confidence: str,
        seconds: float,
        struck: Sequence[str] = (),
    ) -> Opened:
        """Grades and keeps an answer in tutor mode. Committing again, from any page, gives the first one back.

        Raises:
            BadInput: a letter, confidence or time that cannot be.
            Conflict: the mode grades at the end, or the session is paused or has ended.
        """
        with self._practice.database.write():
            opened = self.open(visitor, identity, position)
            answer = _answer(opened.question, {"chosen": chosen, "confidence": confidence, "struck": struck})
            if opened.attempt is None:
                if not opened.session.tutored:
                    raise Conflict("Answers of this session are graded at its end. Choose an option and go on.")
                if not opened.editable:
                    raise Conflict(_why_not_editable(opened))
                item = replace(self._credited(opened, opened.item, seconds), **answer)  # type: ignore[arg-type]
                self._practice.keep_item(identity, item)
                self._grade(visitor, identity, item, self._practice.now())
        return self.open(visitor, identity, position)

    def hints(self, visitor: int, identity: str, position: int, number: int) -> tuple[str, ...]:
        """Opens hints up to ``number``, from 1, of growing strength.

        Raises:
            NotFound: there is no such hint.
            Conflict: the mode has none, or the session is paused.
        """
        with self._practice.database.write():
            opened = self.open(visitor, identity, position)
            if not opened.session.tutored:
                raise Conflict("Hints are for tutor mode; this session has none, as the exam.")
            hints = opened.question.hints
            if not 1 <= number <= len(hints):
                raise NotFound(f"There is no hint {number}; this question has {len(hints)}.")
            if not opened.graded:
                if not opened.editable:
                    raise Conflict(_why_not_editable(opened))
                self._practice.keep_item(identity, replace(opened.item, hints=max(opened.item.hints, number)))
        return tuple(hints[:number])

    def name_miss(self, visitor: int, identity: str, position: int, kind: str) -> None:
        """Keeps what the learner says went wrong; "" takes it back.

        Raises:
            BadInput: no such kind.
            Conflict: the item is not answered, or was right.
        """
        if kind not in ("", *Miss):
            raise BadInput(f"The kind of miss is {kind!r:.20}; expected one of {', '.join(Miss)}.")
        opened = self.open(visitor, identity, position)
        if opened.attempt is None or not opened.graded or opened.attempt.correct:
            raise Conflict("Only a wrong answer has a kind of miss. Answer the item first.")
        self._practice.set_miss(visitor, identity, position, Miss(kind) if kind else None)

    def readout(self, visitor: int, identity: str, position: int, *, careful: bool = False) -> tuple[Readout, Opened]:
        """The model's reading of an item whose key may be seen; what it chose is kept beside the learner's answer.

        Raises:
            Conflict: not committed yet.
            EngineError: there is no model, or it has no labels.
        """
        opened = self.open(visitor, identity, position)
        if not opened.graded:
            raise Conflict("The model's reading is shown after you commit an answer. Choose an option and press Enter.")
        readout = self.read(opened.question, careful=careful)
        if opened.attempt is not None:
            self._practice.set_model(visitor, identity, position, _view(readout, opened.question))
        return readout, opened

    def read(self, question: Question, *, careful: bool = False) -> Readout:
        """Any question read as by `app.readout.read_many`, with what was measured of the model."""
        return read_options(self._engine, question, careful=careful, ledger=self._ledger)

    def set_flag(self, visitor: int, identity: str, flagged: bool) -> None:
        self._practice.set_flag(visitor, self.deck.question(visitor, identity).id, flagged)

    def set_note(self, visitor: int, identity: str, text: str) -> None:
        """Raises BadInput where the note is too long."""
        if len(text) > MAX_NOTE:
            raise BadInput(f"The note has {len(text):,} characters; at most {MAX_NOTE:,} are kept. Shorten it.")
        self._practice.set_note(visitor, self.deck.question(visitor, identity).id, text.strip())

    # Below

    def _session(self, visitor: int, identity: str) -> Session:
        """The session as of now: what has run out meanwhile is graded and closed first."""
        session = self._practice.session(visitor, identity)
        if rules.settled(session, self._practice.now()) == session:
            return session
        return self._moved(visitor, identity, rules.settled)

    def _move(self, visitor: int, identity: str, move: Callable[[Session, datetime], Session]) -> Progress:
        self._session(visitor, identity)
        self._moved(visitor, identity, move)
        return self.progress(visitor, identity)

    def _moved(self, visitor: int, identity: str, move: Callable[[Session, datetime], Session]) -> Session:
        """Makes a move, in one transaction with the grading where it ends the session."""
        with self._practice.database.write():
            now = self._practice.now()
            before = self._practice.session(visitor, identity)
            after = move(before, now)
            if after != before:
                self._practice.keep_session(after)
                if after.state is rules.State.ENDED:
                    self._grade_blocks(visitor, after)
        return after

    def _grade_blocks(self, visitor: int, session: Session) -> None:
        """Grades what is chosen, as of when its block closed. Not before the end: an attempt shows in the statistics at once."""
        closed = {block.number: block.deadline or self._practice.now() for block in session.blocks}
        for item in self._practice.items(visitor, session.id):
            if item.block in closed and item.chosen is not None:
                self._grade(visitor, session.id, item, closed[item.block])

    def _grade(self, visitor: int, session: str, item: Item, when: datetime) -> None:
        question = self.deck.find(visitor, item.question)
        if question is None or item.chosen is None or item.chosen not in question.options:
            return  # the question was deleted meanwhile: there is no key to grade it by
        attempt = Attempt(
            question=question.id,
            chosen=item.chosen,
            key=question.key,
            confidence=item.confidence,
            seconds=item.seconds,
            when=when,
            options=len(question.options),
            hints=item.hints,
            struck=item.struck,
            topic=topic_of(question),
        )
        self._practice.add_attempt(visitor, session, item.position, attempt)

    def _credited(self, opened: Opened, item: Item, seconds: float) -> Item:
        if not 0 <= seconds <= MAX_SECONDS:
            raise BadInput(f"The time is {seconds} seconds; expected 0 to {MAX_SECONDS:.0f}.")
        now = self._practice.now()
        credited = rules.credited(item, opened.session, seconds, now)
        return replace(item, seconds=item.seconds + credited, touched=now if seconds else item.touched)


def _answer(question: Question, answer: Mapping[str, object]) -> dict[str, object]:
    """The named parts of an answer, checked against the question."""
    checked: dict[str, object] = {}
    if "chosen" in answer:
        if answer["chosen"] is not None:
            _letter(question, answer["chosen"])
        checked["chosen"] = answer["chosen"]
    if "confidence" in answer:
        if answer["confidence"] not in list(Confidence):
            raise BadInput(f"The confidence is {answer['confidence']!r:.20}; expected guess, unsure or sure.")
        checked["confidence"] = Confidence(str(answer["confidence"]))
    if "struck" in answer:
        struck = answer["struck"]
        assert isinstance(struck, Sequence)
        for letter in struck:
            _letter(question, letter)
        checked["struck"] = tuple(sorted(set(struck)))
    return checked


def _letter(question: Question, letter: object) -> None:
    if letter not in question.options:
        raise BadInput(f"{letter!r:.20} is no option of this question; expected one of {', '.join(question.options)}.")


def _spans(highlights: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Stretches of the stem, in order."""
    spans = tuple(sorted((int(start), int(end)) for start, end in highlights))
    if len(spans) > MAX_HIGHLIGHTS or any(not 0 <= start < end <= 1_000_000 for start, end in spans):
        raise BadInput(f"The highlights are not stretches of the text; expected at most {MAX_HIGHLIGHTS}, each [start, end].")
    return spans


def _view(readout: Readout, question: Question) -> ModelView:
    probabilities = readout.probabilities
    return ModelView(readout.model, readout.choice, probabilities[readout.choice], probabilities[question.key], readout.earned)


def _why_closed(session: Session, number: int) -> str:
    block = session.blocks[number - 1]
    return {
        BlockState.WAITING: f"Block {number} has not begun. Start it first.",
        BlockState.PAUSED: "The session is paused. Resume it to see its items.",
        BlockState.CLOSED: f"Block {number} is closed and stays closed until the session has ended. Go on with the next block.",
    }[block.state]


def _why_not_editable(opened: Opened) -> str:
    if opened.session.state is rules.State.ENDED:
        return "This session has ended; its answers cannot be changed any more."
    if opened.attempt is not None:
        return "This item is answered already; the first answer counts."
    return "The session is paused. Resume it to answer."
