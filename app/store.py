"""Everything that is kept on disk, in one SQLite file; the only home of sqlite_utils. Knows no model and no page.

WAL, ``synchronous=FULL``, and every write in ``BEGIN IMMEDIATE``: a deferred read-then-write fails under several writers.
A method that a visitor's call reaches takes the visitor; what belongs to another one is NotFound, like what does not exist.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from app.errors import BadInput, NotFound, StoreError
from app.migrations import all_migrations
from app.records import Attempt, Confidence, Conversation, Message, Role, Round, Speed, Status

FILE = "llamacare.db"
BUSY_SECONDS = 10.0  # how long a write waits for another process's
HALF_CHARACTER = "The text holds half of a character. Type it again."
INTERRUPTED = "The application ended while this answer was being written; what had arrived is kept."


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """One database file, usable from any thread. ``clock`` gives the times that are kept."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = utc_now) -> None:
        """Makes folder and file where absent and brings an older file to today's shape.

        Raises:
            StoreError: the folder or the file cannot be made, opened or written.
        """
        self._clock = clock
        self._lock = threading.RLock()
        path = folder / FILE
        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)  # conversations are the user's alone
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
            self._db = Database(connection)
            _switch_to_wal(connection)
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
                connection.execute(f"PRAGMA {pragma}")
            connection.create_function("fold", 1, str.casefold, deterministic=True)
            self._migrate(connection)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The database {path} cannot be used ({error}). Give --data-dir a folder that can be written, with free space."
            ) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        # Two processes may start at once: the first one migrates, the other waits and finds nothing to do.
        connection.execute("BEGIN IMMEDIATE")
        try:
            all_migrations().apply(self._db)
            connection.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _write(self) -> Iterator[Database]:
        with self._lock:
            try:
                self._db.conn.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.conn.execute("COMMIT")
            except BaseException as error:
                try:
                    self._db.rollback()
                except sqlite3.Error:
                    pass  # the database is closed, and with it the transaction
                if isinstance(error, sqlite3.Error):
                    sentence = f"The database could not be written ({error}). Check the free space and try again."
                    raise StoreError(sentence) from error
                if isinstance(error, UnicodeEncodeError):
                    raise BadInput(HALF_CHARACTER) from error
                raise

    def _rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with self._lock:
            try:
                return list(self._db.query(sql, list(values)))
            except sqlite3.Error as error:
                raise StoreError(f"The database could not be read ({error}). Try again.") from error
            except UnicodeEncodeError as error:
                raise BadInput(HALF_CHARACTER) from error

    def _row(self, sql: str, *values: object) -> dict[str, Any] | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def _now(self) -> str:
        return self._clock().isoformat()

    # Visitors

    def visitor(self, token: str) -> int:
        """The visitor of a secret token, made where new. Only the token's hash is kept."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = self._row("select id from visitors where token_hash = ?", digest)
        if found is None:
            with self._write() as db:
                db.table("visitors").insert({"token_hash": digest, "created": self._now()}, ignore=True)
            found = self._row("select id from visitors where token_hash = ?", digest)
            assert found is not None
        return int(found["id"])

    # Conversations

    def conversations(self, visitor: int, search: str = "") -> list[Conversation]:
        """Newest first; with ``search``, those that hold every word of it in title or text, in any case."""
        sql = "select id, title, updated from conversations where visitor = ?"
        values: list[object] = [visitor]
        for word in search.split():
            sql += (
                " and (instr(fold(title), ?) or exists"
                " (select 1 from messages where conversation = conversations.id and instr(fold(text), ?)))"
            )
            values += [word.casefold()] * 2
        rows = self._rows(f"{sql} order by updated desc, rowid desc", *values)
        return [_conversation(row) for row in rows]

    def conversation(self, visitor: int, conversation: str) -> Conversation:
        row = self._row("select id, title, updated from conversations where visitor = ? and id = ?", visitor, conversation)
        if row is None:
            raise NotFound(
                f"There is no conversation {conversation!r:.60}. It may have been deleted; choose another in the list."
            )
        return _conversation(row)

    def add_conversation(self, visitor: int, title: str) -> Conversation:
        now = self._now()
        row = {"id": secrets.token_urlsafe(16), "visitor": visitor, "title": title, "created": now, "updated": now}
        with self._write() as db:
            db.table("conversations").insert(row)
        return _conversation(row)

    def rename(self, visitor: int, conversation: str, title: str) -> Conversation:
        with self._write() as db:
            self.conversation(visitor, conversation)
            db.table("conversations").update(conversation, {"title": title})
            return self.conversation(visitor, conversation)

    def delete_conversation(self, visitor: int, conversation: str) -> None:
        """Erases it: the pages are overwritten (secure_delete) and the write-ahead log is emptied."""
        with self._write() as db:
            self.conversation(visitor, conversation)
            db.table("messages").delete_where("conversation = ?", [conversation])
            db.table("conversations").delete(conversation)
        with self._lock:
            self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def messages(self, visitor: int, conversation: str) -> list[Message]:
        self.conversation(visitor, conversation)
        rows = self._rows("select * from messages where conversation = ? order by position", conversation)
        return [_message(row) for row in rows]

    def add_turn(self, visitor: int, conversation: str, question: Message, answer: Message, *, replace: str | None) -> None:
        """Keeps a question and its still empty answer, at the end or in place of the message ``replace`` and all after it.

        Raises:
            NotFound: no such conversation, or no such question in it.
        """
        with self._write() as db:
            self.conversation(visitor, conversation)
            if replace is not None:
                place = self._row(
                    "select position from messages where conversation = ? and id = ? and role = ?",
                    conversation,
                    replace,
                    Role.USER,
                )
                if place is None:
                    raise NotFound(f"There is no question {replace!r:.60} in this conversation. Reload the page and try again.")
                db.table("messages").delete_where("conversation = ? and position >= ?", [conversation, place["position"]])
            last = self._row("select coalesce(max(position), 0) as last from messages where conversation = ?", conversation)
            assert last is not None
            now = self._now()
            for offset, message in enumerate((question, answer), start=1):
                row = {
                    **_columns(message),
                    "conversation": conversation,
                    "position": last["last"] + offset,
                    "created": now,
                }
                db.table("messages").insert(row)
            db.table("conversations").update(conversation, {"updated": now})

    def keep_answer(self, answer: Message) -> None:
        """Writes what an answer has become. Quietly nothing where it was deleted meanwhile."""
        with self._write() as db:
            values = _columns(answer)
            identity = values.pop("id")
            sets = ", ".join(f"{column} = ?" for column in values)
            db.conn.execute(f"update messages set {sets} where id = ?", [*values.values(), identity])

    def close_interrupted(self) -> None:
        """Marks answers that a crash left open. For the start of the application, before anyone asks."""
        with self._write() as db:
            db.conn.execute(
                "update messages set status = ?, note = ? where status = ?",
                [Status.FAILED, INTERRUPTED, Status.STREAMING],
            )

    # Practice

    def current_round(self, visitor: int) -> Round | None:
        row = self._row("select * from rounds where visitor = ? order by number desc limit 1", visitor)
        return None if row is None else Round(id=row["id"], number=row["number"], order=tuple(json.loads(row["question_order"])))

    def add_round(self, visitor: int, number: int, order: Sequence[str]) -> Round:
        """Begins round ``number``; where another page has begun it already, that one is returned."""
        row = {
            "id": secrets.token_urlsafe(16),
            "visitor": visitor,
            "number": number,
            "question_order": json.dumps(list(order)),
            "started": self._now(),
        }
        with self._write() as db:
            db.conn.execute(
                "insert or ignore into rounds (id, visitor, number, question_order, started) values (?, ?, ?, ?, ?)",
                list(row.values()),
            )
        current = self.current_round(visitor)
        assert current is not None
        return current

    def attempts(self, visitor: int, round_id: str) -> dict[str, Attempt]:
        """Question id -> its attempt in a round."""
        rows = self._rows(
            "select attempts.* from attempts join rounds on rounds.id = attempts.round"
            " where rounds.visitor = ? and rounds.id = ?",
            visitor,
            round_id,
        )
        return {row["question"]: _attempt(row) for row in rows}

    def add_attempt(self, visitor: int, round_id: str, attempt: Attempt) -> Attempt:
        """Keeps the first attempt at a question in a round, and returns the one that is kept.

        Raises:
            NotFound: the round is not this visitor's.
        """
        if self._row("select 1 from rounds where visitor = ? and id = ?", visitor, round_id) is None:
            raise NotFound("This practice round does not exist any more. Reload the page.")
        row = {
            "round": round_id,
            "question": attempt.question,
            "chosen": attempt.chosen,
            "key": attempt.key,
            "confidence": attempt.confidence,
            "seconds": attempt.seconds,
            "hints": attempt.hints,
            "struck": json.dumps(attempt.struck),
            "created": self._now(),
        }
        with self._write() as db:
            db.table("attempts").insert(row, ignore=True)
        return self.attempts(visitor, round_id)[attempt.question]

    def flags(self, visitor: int) -> set[str]:
        return {row["question"] for row in self._rows("select question from flags where visitor = ?", visitor)}

    def set_flag(self, visitor: int, question: str, flagged: bool) -> None:
        with self._write() as db:
            if flagged:
                db.table("flags").insert({"visitor": visitor, "question": question}, ignore=True)
            else:
                db.table("flags").delete_where("visitor = ? and question = ?", [visitor, question])


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The busy timeout does not cover this switch: two starts on a blank folder would meet "database is locked"."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _conversation(row: dict[str, Any]) -> Conversation:
    return Conversation(id=row["id"], title=row["title"], updated=datetime.fromisoformat(row["updated"]))


def _message(row: dict[str, Any]) -> Message:
    return Message(
        id=row["id"],
        role=Role(row["role"]),
        text=row["text"],
        reasoning=row["reasoning"],
        status=Status(row["status"]),
        note=row["note"],
        model=row["model"],
        source=row["source"],
        speed=Speed(row["first_token"], row["tokens_per_second"], row["tokens"]),
        context_used=row["context_used"],
    )


def _columns(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "role": message.role,
        "text": message.text,
        "reasoning": message.reasoning,
        "status": message.status,
        "note": message.note,
        "model": message.model,
        "source": message.source,
        "first_token": message.speed.first_token,
        "tokens_per_second": message.speed.tokens_per_second,
        "tokens": message.speed.tokens,
        "context_used": message.context_used,
    }


def _attempt(row: dict[str, Any]) -> Attempt:
    return Attempt(
        question=row["question"],
        chosen=row["chosen"],
        key=row["key"],
        confidence=Confidence(row["confidence"]),
        seconds=row["seconds"],
        hints=row["hints"],
        struck=tuple(json.loads(row["struck"])),
    )
