"""One visitor's practice as a file and back: merged into what is there, never deleted, never doubled. Knows no page."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.backup import ATTEMPT, BLOCK, FORMAT, ITEM, MESSAGE, NOTE, SESSION, Backup, Row, SavedSession, read_backup
from app.database import Database
from app.exports import question_row
from app.own_store import OwnStore
from app.practice_store import PracticeStore
from app.records import Status
from app.sessions import BlockState, State

MAX_NOTE = 4_000  # characters, as the page takes them
JSON_COLUMNS = ("struck", "highlights")


@dataclass(frozen=True)
class Restored:
    """How many of each a restore added, and how many parts of the file were there ``already``."""

    sessions: int
    answers: int
    flags: int
    notes: int
    questions: int
    already: int

    @property
    def sentence(self) -> str:
        parts = (
            (self.sessions, "session", "sessions"),
            (self.answers, "answer", "answers"),
            (self.flags, "flag", "flags"),
            (self.notes, "note", "notes"),
            (self.questions, "own question", "own questions"),
        )
        added = [f"{n:,} {one if n == 1 else many}" for n, one, many in parts if n]
        brought = f"Added: {', '.join(added)}." if added else "Nothing was added."
        return f"{brought} {self.already:,} were there already." if self.already else brought


@dataclass(frozen=True)
class _Count:
    added: int = 0
    already: int = 0

    def plus(self, other: _Count) -> _Count:
        return _Count(self.added + other.added, self.already + other.already)


class Backups:
    def __init__(self, database: Database) -> None:
        self._db = database
        self._practice = PracticeStore(database)
        self._own = OwnStore(database)

    def dump(self, visitor: int) -> dict[str, Any]:
        """All of a visitor's practice, in the shape of `backup.py`. It names no visitor."""
        of_sessions = "in (select id from sessions where visitor = ?)"
        blocks = self._by_session(f"select * from session_blocks where session {of_sessions} order by number", visitor, BLOCK)
        items = self._by_session(f"select * from session_items where session {of_sessions} order by position", visitor, ITEM)
        attempts = self._by_session("select * from attempts where visitor = ? order by position", visitor, ATTEMPT)
        tutor = self._by_session(
            f"select * from tutor_messages where session {of_sessions} order by position, place", visitor, MESSAGE
        )
        sessions = self._db.rows("select * from sessions where visitor = ? order by number", visitor)
        flags = self._db.rows("select question from flags where visitor = ? order by question", visitor)
        notes = self._db.rows("select * from notes where visitor = ? order by question", visitor)
        return {
            "format": FORMAT,
            "created": self._db.now(),
            "sessions": [
                {
                    **_picked(session, SESSION),
                    "blocks": blocks[session["id"]],
                    "items": items[session["id"]],
                    "attempts": attempts[session["id"]],
                    "tutor": tutor[session["id"]],
                }
                for session in sessions
            ],
            "flags": [row["question"] for row in flags],
            "notes": [_picked(note, NOTE) for note in notes],
            "own": [
                {
                    "file": batch.file,
                    "created": batch.created.isoformat(),
                    "questions": [question_row(question) for question in self._own.of_batch(visitor, batch.id)],
                }
                for batch in reversed(self._own.batches(visitor))
            ],
        }

    def restore(self, visitor: int, raw: bytes) -> Restored:
        """Adds what the file has and this visitor has not.

        Raises:
            BadInput: the file is no whole backup; nothing was changed.
        """
        backup = read_backup(raw)
        with self._db.write():
            questions = self._restore_own(visitor, backup)
            sessions, answers = _Count(), _Count()
            for saved in backup.sessions:
                one, made = self._restore_session(visitor, saved)
                sessions, answers = sessions.plus(one), answers.plus(made)
            flags = self._restore_flags(visitor, backup.flags)
            notes = self._restore_notes(visitor, backup.notes)
            if answers.added:
                self._practice.rebuild(visitor)
        return Restored(
            sessions=sessions.added,
            answers=answers.added,
            flags=flags.added,
            notes=notes.added,
            questions=questions.added,
            already=sum(count.already for count in (sessions, answers, flags, notes, questions)),
        )

    def _by_session(self, sql: str, visitor: int, columns: Collection[str]) -> Mapping[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self._db.rows(sql, visitor):
            found[row["session"]].append(_picked(row, columns))
        return found

    # Inside a transaction

    def _restore_own(self, visitor: int, backup: Backup) -> _Count:
        count = _Count()
        for batch in backup.own:
            kept = self._own.add_batch(visitor, batch.file, batch.questions, created=datetime.fromisoformat(batch.created))
            count = count.plus(_Count(kept.questions, kept.already))
        return count

    def _restore_session(self, visitor: int, saved: SavedSession) -> tuple[_Count, _Count]:
        """How many sessions, and how many answers."""
        identity, there = self._place_of(visitor, saved.row["id"])
        if there:
            self._take_over_end(identity, saved)
        else:
            self._add_session(visitor, identity, saved)
        made = self._add_attempts(visitor, identity, saved)
        self._add_tutor(visitor, identity, saved)
        return _Count(0, 1) if there else _Count(1, 0), made

    def _place_of(self, visitor: int, identity: str) -> tuple[str, bool]:
        """The id that a session of a file has here, and whether it is here. Another visitor's keeps its own: this one then gets
        an id made of both, so that it is found the next time."""
        for name in (identity, _derived(visitor, identity)):
            row = self._db.row("select visitor from sessions where id = ?", name)
            if row is None or row["visitor"] == visitor:
                return name, row is not None
        raise AssertionError("two sessions of other visitors have ids that SHA-256 says are this visitor's")

    def _add_session(self, visitor: int, identity: str, saved: SavedSession) -> None:
        taken = self._db.row("select 1 from sessions where visitor = ? and number = ?", visitor, saved.row["number"])
        last = self._db.row("select coalesce(max(number), 0) as last from sessions where visitor = ?", visitor)
        number = last["last"] + 1 if taken and last else saved.row["number"]
        self._db.insert("sessions", {**saved.row, "id": identity, "visitor": visitor, "number": number})
        self._insert_many("session_blocks", ({"session": identity, **row} for row in saved.blocks))
        self._insert_many("session_items", ({"session": identity, **row} for row in saved.items))

    def _take_over_end(self, identity: str, saved: SavedSession) -> None:
        """A session that is open here and has ended in the file has ended."""
        if saved.row["state"] == State.ENDED:
            ended = {"state": State.ENDED, "ended": saved.row["ended"]}
            if self._db.update("sessions", ended, "id = ? and state != ?", identity, State.ENDED):
                closed = {"state": BlockState.CLOSED, "deadline": None, "seconds_left": None}
                self._db.update("session_blocks", closed, "session = ?", identity)

    def _add_attempts(self, visitor: int, identity: str, saved: SavedSession) -> _Count:
        """Only at items that are the same here."""
        rows = self._db.rows("select position, question from session_items where session = ?", identity)
        items = {(row["position"], row["question"]) for row in rows}
        fitting = [row for row in saved.attempts if (row["position"], row["question"]) in items]
        added = self._insert_many("attempts", ({"session": identity, "visitor": visitor, **row} for row in fitting))
        return _Count(added, len(saved.attempts) - added)

    def _add_tutor(self, visitor: int, identity: str, saved: SavedSession) -> None:
        """What was asked about an item, unless something else was asked about it here meanwhile."""
        rows = self._db.rows("select id, position from tutor_messages where session = ?", identity)
        here: dict[int, set[str]] = defaultdict(set)
        for row in rows:
            here[row["position"]].add(row["id"])
        said: dict[int, list[Row]] = defaultdict(list)
        for message in saved.tutor:
            said[message["position"]].append(message)
        for position, messages in said.items():
            names = {name for row in messages for name in (row["id"], _derived(visitor, row["id"]))}
            if here[position] <= names:
                self._insert_many("tutor_messages", (self._message(visitor, identity, row) for row in messages))

    def _message(self, visitor: int, session: str, message: Row) -> Row:
        """A message's row here: an id that another session's has already is made anew, and nothing is being written any more."""
        there = self._db.row("select 1 from tutor_messages where id = ? and session != ?", message["id"], session)
        status = Status.STOPPED if message["status"] == Status.STREAMING else message["status"]
        name = _derived(visitor, message["id"]) if there else message["id"]
        return {"session": session, **message, "id": name, "status": status}

    def _restore_flags(self, visitor: int, flags: Iterable[str]) -> _Count:
        rows = [{"visitor": visitor, "question": question} for question in flags]
        added = self._insert_many("flags", rows)
        return _Count(added, len(rows) - added)

    def _restore_notes(self, visitor: int, notes: Iterable[Row]) -> _Count:
        """Two notes on one question are put together; where that is too long, the one that is here stays."""
        count = _Count()
        for note in notes:
            here = self._practice.note(visitor, note["question"])
            both = f"{here}\n\n{note['text']}"
            added = False
            if note["text"] and not here:
                added = self._db.insert("notes", {"visitor": visitor, **note}, ignore=True) > 0
            elif note["text"] not in here and len(both) <= MAX_NOTE:
                self._practice.set_note(visitor, note["question"], both)
                added = True
            count = count.plus(_Count(int(added), int(not added)))
        return count

    def _insert_many(self, table: str, rows: Iterable[Row]) -> int:
        return sum(self._db.insert(table, row, ignore=True) for row in rows)


def _derived(visitor: int, identity: str) -> str:
    return hashlib.sha256(f"{visitor} {identity}".encode()).hexdigest()[:32]


def _picked(row: Row, columns: Collection[str]) -> Row:
    """The columns of a database row that go into the file."""
    picked = {name: row[name] for name in columns}
    picked |= {name: json.loads(row[name]) for name in JSON_COLUMNS if name in picked}
    if picked.get("model_earned") is not None:
        picked["model_earned"] = bool(picked["model_earned"])
    return picked
