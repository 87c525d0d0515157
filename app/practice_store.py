"""Practice, kept in the database: sessions, what was done in them, what it adds up to, flags, notes. Knows no model, no page.

A method that a visitor's call reaches takes the visitor; what belongs to another one is NotFound, like what does not exist.
What attempts add up to (tallies) and where each item stands (its memory) are written in the transaction that writes an attempt,
so reading them costs the same after ten answers and after a hundred thousand.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.database import Database
from app.errors import NotFound
from app.records import Attempt, Confidence, Message, Miss, Mode, ModelView, Role, Status, Topic
from app.schedule import Memory, review
from app.sessions import Asked, Block, BlockState, Item, Session, State
from app.tallies import Dimension, Sums, Tallies, tally

ATTEMPT = "session = ? and position = ? and +visitor = ?"  # the + keeps SQLite from the index of all the visitor's attempts


@dataclass(frozen=True)
class Standing:
    """Where an item stands with a visitor after its last attempt."""

    attempts: int
    correct: bool
    sure: bool
    disagreed: bool
    memory: Memory


@dataclass(frozen=True)
class Summary:
    """A session as a list shows it. ``answered``: items that have been graded or, before that, chosen."""

    session: Session
    total: int
    answered: int
    correct: int


@dataclass(frozen=True)
class Kept:
    """An attempt and where it was made."""

    session: str
    position: int
    attempt: Attempt


class PracticeStore:
    def __init__(self, database: Database) -> None:
        self.database = database

    def now(self) -> datetime:
        return self.database.clock()

    # Sessions

    def add_session(
        self, visitor: int, *, mode: Mode, title: str, blocks: Sequence[Block], items: Sequence[tuple[str, int]]
    ) -> Session:
        """``items``: the questions in order, each with its block's number."""
        identity = secrets.token_urlsafe(16)
        with self.database.write():
            last = self.database.row("select coalesce(max(number), 0) as last from sessions where visitor = ?", visitor)
            assert last is not None
            row = {
                "id": identity,
                "visitor": visitor,
                "number": last["last"] + 1,
                "mode": mode,
                "title": title,
                "state": State.OPEN,
                "created": self.database.now(),
            }
            self.database.insert("sessions", row)
            for block in blocks:
                self.database.insert("session_blocks", {"session": identity, **_block_row(block)})
            self.database.run_many(
                "insert into session_items (session, position, question, block) values (?, ?, ?, ?)",
                [(identity, position, question, block) for position, (question, block) in enumerate(items, start=1)],
            )
        return self.session(visitor, identity)

    def session(self, visitor: int, identity: str) -> Session:
        """Raises NotFound where the visitor has none of that name."""
        row = self.database.row("select * from sessions where visitor = ? and id = ?", visitor, identity)
        if row is None:
            raise NotFound("This practice session does not exist. Choose one on the Practise page, or start another.")
        blocks = self.database.rows("select * from session_blocks where session = ? order by number", identity)
        return _session(row, [_block(block) for block in blocks])

    def keep_session(self, session: Session) -> None:
        """Writes what may change of a session: its state and its blocks'."""
        with self.database.write():
            ended = session.ended.isoformat() if session.ended else None
            self.database.update("sessions", {"state": session.state, "ended": ended}, "id = ?", session.id)
            for block in session.blocks:
                self.database.update("session_blocks", _block_row(block), "session = ? and number = ?", session.id, block.number)

    def summaries(self, visitor: int, *, ended: bool, limit: int) -> list[Summary]:
        """The last sessions that have ended, or all that have not, newest first."""
        rows = self.database.rows(
            "select s.*, (select count(*) from session_items i where i.session = s.id) as total,"
            " (select count(*) from attempts a where a.session = s.id) as graded,"
            " (select count(*) from attempts a where a.session = s.id and a.chosen = a.key) as correct,"
            " (select count(*) from session_items i where i.session = s.id and i.chosen is not null) as chosen"
            f" from sessions s where s.visitor = ? and s.state {'=' if ended else '!='} 'ended' order by s.number desc limit ?",
            visitor,
            limit,
        )
        blocks: dict[str, list[Block]] = defaultdict(list)
        if not ended:
            for row in self.database.rows(
                "select b.* from session_blocks b join sessions s on s.id = b.session"
                " where s.visitor = ? and s.state != 'ended' order by b.number",
                visitor,
            ):
                blocks[row["session"]].append(_block(row))
        return [
            Summary(_session(row, blocks[row["id"]]), row["total"], max(row["graded"], row["chosen"]), row["correct"])
            for row in rows
        ]

    # Items

    def items(self, visitor: int, session: str) -> list[Item]:
        rows = self.database.rows(
            "select i.* from session_items i join sessions s on s.id = i.session where s.visitor = ? and s.id = ?"
            " order by i.position",
            visitor,
            session,
        )
        return [_item(row) for row in rows]

    def item(self, visitor: int, session: str, position: int) -> Item:
        """Raises NotFound where the session is not the visitor's or has no such item."""
        row = self.database.row(
            "select i.* from session_items i join sessions s on s.id = i.session"
            " where s.visitor = ? and s.id = ? and i.position = ?",
            visitor,
            session,
            position,
        )
        if row is None:
            raise NotFound(f"This session has no item {position}. Choose another in the grid.")
        return _item(row)

    def keep_item(self, session: str, item: Item) -> None:
        """Writes what the learner has done to an item."""
        changes = {
            "chosen": item.chosen,
            "confidence": item.confidence,
            "struck": json.dumps(item.struck),
            "highlights": json.dumps(item.highlights),
            "hints": item.hints,
            "seconds": item.seconds,
            "touched": item.touched.isoformat() if item.touched else None,
        }
        with self.database.write():
            self.database.update("session_items", changes, "session = ? and position = ?", session, item.position)

    # Attempts

    def attempts(self, visitor: int, session: str) -> dict[int, Attempt]:
        """Position -> the attempt made there."""
        rows = self.database.rows("select * from attempts where session = ? and +visitor = ?", session, visitor)
        return {row["position"]: _attempt(row) for row in rows}

    def attempt(self, visitor: int, session: str, position: int) -> Attempt | None:
        row = self._attempt_row(visitor, session, position)
        return None if row is None else _attempt(row)

    def add_attempt(self, visitor: int, session: str, position: int, attempt: Attempt) -> Attempt:
        """Keeps the first attempt at an item of a session, with all that it adds up to, and returns the one that is kept."""
        row = {
            "session": session,
            "question": attempt.question,
            "visitor": visitor,
            "position": position,
            "chosen": attempt.chosen,
            "key": attempt.key,
            "confidence": attempt.confidence,
            "seconds": attempt.seconds,
            "options": attempt.options,
            "hints": attempt.hints,
            "struck": json.dumps(attempt.struck),
            **_topic_row(attempt.topic),
            "miss": attempt.miss,
            **_model_row(attempt.model),
            "created": attempt.when.isoformat(),
        }
        with self.database.write():
            if self.database.insert("attempts", row, ignore=True):
                self._add_up(visitor, [attempt], 1)
                self._keep_standing(visitor, attempt.question, self._standing_with(visitor, attempt))
            kept = self.attempt(visitor, session, position)
        assert kept is not None
        return kept

    def set_miss(self, visitor: int, session: str, position: int, miss: Miss | None) -> None:
        self._change(visitor, session, position, {"miss": miss})

    def set_model(self, visitor: int, session: str, position: int, view: ModelView) -> None:
        """Keeps what a model made of the item; the last reading counts."""
        self._change(visitor, session, position, _model_row(view))

    def statuses(self, visitor: int) -> dict[str, frozenset[Asked]]:
        """Question -> what can be said of it; only those that were answered or flagged."""
        rows = self.database.tuples(
            "select question, last_correct, last_sure, disagreed, due <= ? from question_states where visitor = ?",
            self.database.now(),
            visitor,
        )
        kinds = {held: _statuses(*map(bool, held)) for held in {tuple(held) for _, *held in rows}}
        found = {question: kinds[tuple(held)] for question, *held in rows}
        for question in self.flags(visitor):
            found[question] = found.get(question, frozenset({Asked.UNUSED})) | {Asked.FLAGGED}
        return found

    def due(self, visitor: int) -> list[str]:
        """The questions that should come back by now, longest due first."""
        rows = self.database.rows(
            "select question from question_states where visitor = ? and due <= ? order by due", visitor, self.database.now()
        )
        return [row["question"] for row in rows]

    def standing(self, visitor: int, question: str) -> Standing | None:
        row = self.database.row("select * from question_states where visitor = ? and question = ?", visitor, question)
        return None if row is None else _standing(row)

    def tallies(self, visitor: int) -> Tallies:
        """What all attempts of the visitor add up to."""
        found: dict[Dimension, dict[str, Sums]] = defaultdict(dict)
        for row in self.database.rows("select * from tallies where visitor = ?", visitor):
            sums = Sums(row["n"], row["correct"], row["seconds"], row["said"], row["error"])
            found[Dimension(row["dimension"])][row["name"]] = sums
        return found

    def sure_and_wrong(self, visitor: int, limit: int, session: str | None = None) -> list[Kept]:
        """Wrong answers that were given with "sure", newest first."""
        return self._kept(visitor, "confidence = 'sure' and chosen != key", limit, session)

    def disagreements(self, visitor: int, limit: int, session: str | None = None) -> list[Kept]:
        """Answers where learner, key and a model with earned skill were not all alike, newest first."""
        return self._kept(visitor, "model_earned = 1 and (model_choice != key or chosen != key)", limit, session)

    def last_attempts(self, visitor: int, questions: Sequence[str]) -> dict[str, Attempt]:
        """Question -> its last attempt, of those that have one."""
        rows = self.database.rows(
            "select a.*, max(a.created) from attempts a where a.visitor = ?"
            " and a.question in (select value from json_each(?)) group by a.question",
            visitor,
            json.dumps(list(questions)),
        )
        return {row["question"]: _attempt(row) for row in rows}

    def adopt(self, topics: Mapping[str, Topic]) -> None:
        """Files attempts of before there were tallies under their topics, and adds them up. For the start of the application."""
        waiting = self.database.rows(
            "select distinct visitor from attempts where visitor not in (select visitor from tallies) order by visitor"
        )
        for row in waiting:
            with self.database.write():
                for question, topic in topics.items():
                    where = "visitor = ? and question = ? and system = ''"
                    self.database.update("attempts", _topic_row(topic), where, row["visitor"], question)
                self.rebuild(row["visitor"])

    def rebuild(self, visitor: int) -> None:
        """Makes all tallies and standings of a visitor anew from the attempts, in the order of their times."""
        with self.database.write():
            self.database.run("delete from tallies where visitor = ?", visitor)
            self.database.run("delete from question_states where visitor = ?", visitor)
            attempts = _in_time(self.database.rows("select * from attempts where visitor = ?", visitor))
            self._add_up(visitor, attempts, 1)
            for question, standing in _folded(attempts).items():
                self._keep_standing(visitor, question, standing)

    # Flags, notes

    def flags(self, visitor: int) -> frozenset[str]:
        rows = self.database.rows("select question from flags where visitor = ?", visitor)
        return frozenset(row["question"] for row in rows)

    def set_flag(self, visitor: int, question: str, flagged: bool) -> None:
        with self.database.write():
            if flagged:
                self.database.insert("flags", {"visitor": visitor, "question": question}, ignore=True)
            else:
                self.database.run("delete from flags where visitor = ? and question = ?", visitor, question)

    def note(self, visitor: int, question: str) -> str:
        row = self.database.row("select text from notes where visitor = ? and question = ?", visitor, question)
        return "" if row is None else str(row["text"])

    def set_note(self, visitor: int, question: str, text: str) -> None:
        """An empty text takes the note away."""
        with self.database.write():
            self.database.run("delete from notes where visitor = ? and question = ?", visitor, question)
            if text:
                row = {"visitor": visitor, "question": question, "text": text, "updated": self.database.now()}
                self.database.insert("notes", row)

    # What was asked about an item

    def tutor_messages(self, visitor: int, session: str, position: int) -> list[Message]:
        self.item(visitor, session, position)
        rows = self.database.rows(
            "select * from tutor_messages where session = ? and position = ? order by place", session, position
        )
        return [
            Message(
                id=row["id"],
                role=Role(row["role"]),
                text=row["text"],
                status=Status(row["status"]),
                note=row["note"],
                model=row["model"],
            )
            for row in rows
        ]

    def add_tutor_turn(self, session: str, position: int, question: Message, answer: Message) -> None:
        """Keeps a question about an item and its still empty answer."""
        with self.database.write():
            last = self.database.row(
                "select coalesce(max(place), 0) as last from tutor_messages where session = ? and position = ?",
                session,
                position,
            )
            assert last is not None
            for place, message in enumerate((question, answer), start=last["last"] + 1):
                row = {"session": session, "position": position, "place": place, "created": self.database.now()}
                self.database.insert("tutor_messages", {"id": message.id, "role": message.role, **_answer_row(message), **row})

    def keep_tutor_answer(self, answer: Message) -> None:
        with self.database.write():
            self.database.update("tutor_messages", _answer_row(answer), "id = ?", answer.id)

    def close_interrupted(self, note: str) -> None:
        """Marks answers that a crash left open. For the start of the application, before anyone asks."""
        with self.database.write():
            changes = {"status": Status.FAILED, "note": note}
            self.database.update("tutor_messages", changes, "status = ?", Status.STREAMING)

    # Inside a transaction

    def _attempt_row(self, visitor: int, session: str, position: int) -> dict[str, Any] | None:
        return self.database.row(f"select * from attempts where {ATTEMPT}", session, position, visitor)

    def _change(self, visitor: int, session: str, position: int, changes: dict[str, Any]) -> None:
        """Changes an attempt and takes over what that changes in the sums; NotFound where there is none."""
        with self.database.write():
            before = self.attempt(visitor, session, position)
            if before is None:
                raise NotFound(f"Item {position} has no graded answer in this session. Answer it first.")
            self.database.update("attempts", changes, ATTEMPT, session, position, visitor)
            after = self.attempt(visitor, session, position)
            assert after is not None
            self._add_up(visitor, [before], -1)
            self._add_up(visitor, [after], 1)
            self._keep_standing(visitor, after.question, self._standing_of_all(visitor, after.question))

    def _standing_with(self, visitor: int, attempt: Attempt) -> Standing:
        """After this attempt, which is kept already. Where it is not the last one (a session that was graded later than its
        deadline), all are gone through again: a standing is what attempts make in the order of their times."""
        before = self.standing(visitor, attempt.question)
        if before is None or attempt.when > before.memory.last_review:
            return _after(before, attempt)
        return self._standing_of_all(visitor, attempt.question)

    def _standing_of_all(self, visitor: int, question: str) -> Standing:
        rows = self.database.rows("select * from attempts where visitor = ? and question = ?", visitor, question)
        return _folded(_in_time(rows))[question]

    def _add_up(self, visitor: int, attempts: Iterable[Attempt], sign: int) -> None:
        rows = [
            (visitor, dimension, name, sign * sums.n, *(sign * value for value in _figures(sums)))
            for dimension, by_name in tally(attempts).items()
            for name, sums in by_name.items()
        ]
        self.database.run_many(
            "insert into tallies (visitor, dimension, name, n, correct, seconds, said, error) values (?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict do update set n = n + excluded.n, correct = correct + excluded.correct,"
            " seconds = seconds + excluded.seconds, said = said + excluded.said, error = error + excluded.error",
            rows,
        )
        self.database.run("delete from tallies where visitor = ? and n = 0", visitor)

    def _keep_standing(self, visitor: int, question: str, standing: Standing) -> None:
        memory = standing.memory
        row = {
            "visitor": visitor,
            "question": question,
            "attempts": standing.attempts,
            "last_correct": standing.correct,
            "last_sure": standing.sure,
            "disagreed": standing.disagreed,
            "state": memory.state,
            "step": memory.step,
            "stability": memory.stability,
            "difficulty": memory.difficulty,
            "due": memory.due.isoformat(),
            "last_review": memory.last_review.isoformat(),
        }
        self.database.run("delete from question_states where visitor = ? and question = ?", visitor, question)
        self.database.insert("question_states", row)

    def _kept(self, visitor: int, where: str, limit: int, session: str | None) -> list[Kept]:
        mine, values = ("visitor = ?", [visitor]) if session is None else ("+visitor = ? and session = ?", [visitor, session])
        rows = self.database.rows(
            f"select * from attempts where {mine} and {where} order by created desc, position desc limit ?", *values, limit
        )
        return [Kept(row["session"], row["position"], _attempt(row)) for row in rows]


def _in_time(rows: Sequence[dict[str, Any]]) -> list[Attempt]:
    """Attempts in the order of their times; of one time, in an order that is always the same."""
    ordered = sorted(rows, key=lambda row: (datetime.fromisoformat(row["created"]), row["session"], row["position"]))
    return [_attempt(row) for row in ordered]


def _folded(attempts: Iterable[Attempt]) -> dict[str, Standing]:
    """Question -> where these attempts, in time order, leave it."""
    standings: dict[str, Standing] = {}
    for attempt in attempts:
        standings[attempt.question] = _after(standings.get(attempt.question), attempt)
    return standings


def _after(before: Standing | None, attempt: Attempt) -> Standing:
    return Standing(
        attempts=1 + (before.attempts if before else 0),
        correct=attempt.correct,
        sure=attempt.confidence is Confidence.SURE,
        disagreed=_disagrees(attempt),
        memory=review(before.memory if before else None, attempt),
    )


def _disagrees(attempt: Attempt) -> bool:
    """Whether learner, key and a model with earned skill are not all alike."""
    view = attempt.model
    return view is not None and view.earned and (view.choice != attempt.key or not attempt.correct)


def _statuses(correct: bool, sure: bool, disagreed: bool, due: bool) -> frozenset[Asked]:
    """Of an answered question, as its last answer left it."""
    held = {
        Asked.WRONG: not correct,
        Asked.SURE_WRONG: sure and not correct,
        Asked.DISAGREEMENT: disagreed,
        Asked.DUE: due,
    }
    return frozenset(status for status, holds in held.items() if holds)


def _figures(sums: Sums) -> tuple[float, float, float, float]:
    return sums.correct, sums.seconds, sums.said, sums.error


def _session(row: dict[str, Any], blocks: Iterable[Block]) -> Session:
    return Session(
        id=row["id"],
        number=row["number"],
        mode=Mode(row["mode"]),
        title=row["title"],
        created=datetime.fromisoformat(row["created"]),
        state=State(row["state"]),
        ended=_time(row["ended"]),
        blocks=tuple(blocks),
    )


def _block(row: dict[str, Any]) -> Block:
    state, deadline = BlockState(row["state"]), _time(row["deadline"])
    return Block(row["number"], row["first"], row["last"], row["seconds"], state, deadline, row["seconds_left"])


def _block_row(block: Block) -> dict[str, Any]:
    return {
        "number": block.number,
        "first": block.first,
        "last": block.last,
        "seconds": block.limit,
        "state": block.state,
        "deadline": block.deadline.isoformat() if block.deadline else None,
        "seconds_left": block.left,
    }


def _item(row: dict[str, Any]) -> Item:
    return Item(
        position=row["position"],
        question=row["question"],
        block=row["block"],
        chosen=row["chosen"],
        confidence=Confidence(row["confidence"]),
        struck=tuple(json.loads(row["struck"])),
        highlights=tuple((start, end) for start, end in json.loads(row["highlights"])),
        hints=row["hints"],
        seconds=row["seconds"],
        touched=_time(row["touched"]),
    )


def _attempt(row: dict[str, Any]) -> Attempt:
    view = None
    if row["model"] is not None:
        view = ModelView(
            row["model"],
            row["model_choice"],
            row["model_probability"],
            row["model_key_probability"],
            bool(row["model_earned"]),
        )
    return Attempt(
        question=row["question"],
        chosen=row["chosen"],
        key=row["key"],
        confidence=Confidence(row["confidence"]),
        seconds=row["seconds"],
        when=datetime.fromisoformat(row["created"]),
        options=row["options"],
        hints=row["hints"],
        struck=tuple(json.loads(row["struck"])),
        topic=Topic(row["system"], row["subject"], row["step"], row["difficulty"]),
        miss=Miss(row["miss"]) if row["miss"] else None,
        model=view,
    )


def _standing(row: dict[str, Any]) -> Standing:
    memory = Memory(
        row["state"],
        row["step"],
        row["stability"],
        row["difficulty"],
        datetime.fromisoformat(row["due"]),
        datetime.fromisoformat(row["last_review"]),
    )
    return Standing(row["attempts"], bool(row["last_correct"]), bool(row["last_sure"]), bool(row["disagreed"]), memory)


def _topic_row(topic: Topic) -> dict[str, Any]:
    return {"system": topic.system, "subject": topic.subject, "step": topic.step, "difficulty": topic.difficulty}


def _model_row(view: ModelView | None) -> dict[str, Any]:
    return {
        "model": view.model if view else None,
        "model_choice": view.choice if view else None,
        "model_probability": view.probability if view else None,
        "model_key_probability": view.key_probability if view else None,
        "model_earned": view.earned if view else None,
    }


def _answer_row(message: Message) -> dict[str, Any]:
    return {"text": message.text, "status": message.status, "note": message.note, "model": message.model}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
