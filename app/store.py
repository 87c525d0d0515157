"""Visitors and their conversations, kept in the database. Knows no model and no page.

A method that a visitor's call reaches takes the visitor; what belongs to another one is NotFound, like what does not exist.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from app.database import Database
from app.errors import NotFound
from app.grounds import grounds_text, read_grounds
from app.records import Conversation, Message, Role, Speed, Status

INTERRUPTED = "The application ended while this answer was being written; what had arrived is kept."


class Store:
    def __init__(self, database: Database) -> None:
        self._db = database

    def write(self) -> AbstractContextManager[None]:
        """Several writes as one: all or none."""
        return self._db.write()

    # Visitors

    def visitor(self, token: str) -> int:
        """The visitor of a secret token, made where new. Only the token's hash is kept."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = self._db.row("select id from visitors where token_hash = ?", digest)
        if found is None:
            with self._db.write():
                self._db.insert("visitors", {"token_hash": digest, "created": self._db.now()}, ignore=True)
            found = self._db.row("select id from visitors where token_hash = ?", digest)
            assert found is not None
        return int(found["id"])

    def owner(self, visitor: int) -> str:
        """What a visitor is called outside of this database: never given twice, and nobody can guess it."""
        row = self._db.row("select token_hash from visitors where id = ?", visitor)
        assert row is not None
        return str(row["token_hash"])

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
        rows = self._db.rows(f"{sql} order by updated desc, rowid desc", *values)
        return [_conversation(row) for row in rows]

    def conversation(self, visitor: int, conversation: str) -> Conversation:
        row = self._db.row("select id, title, updated from conversations where visitor = ? and id = ?", visitor, conversation)
        if row is None:
            raise NotFound(
                f"There is no conversation {conversation!r:.60}. It may have been deleted; choose another in the list."
            )
        return _conversation(row)

    def add_conversation(self, visitor: int, title: str) -> Conversation:
        now = self._db.now()
        row = {"id": secrets.token_urlsafe(16), "visitor": visitor, "title": title, "created": now, "updated": now}
        with self._db.write():
            self._db.insert("conversations", row)
        return _conversation(row)

    def rename(self, visitor: int, conversation: str, title: str) -> Conversation:
        with self._db.write():
            self.conversation(visitor, conversation)
            self._db.update("conversations", {"title": title}, "id = ?", conversation)
            return self.conversation(visitor, conversation)

    def delete_conversation(self, visitor: int, conversation: str) -> None:
        """Erases it: the pages are overwritten (secure_delete) and the write-ahead log is emptied."""
        with self._db.write():
            self.conversation(visitor, conversation)
            self._db.run("delete from messages where conversation = ?", conversation)
            self._db.run("delete from conversations where id = ?", conversation)
        self._db.empty_log()

    def messages(self, visitor: int, conversation: str) -> list[Message]:
        self.conversation(visitor, conversation)
        rows = self._db.rows("select * from messages where conversation = ? order by position", conversation)
        return [_message(row) for row in rows]

    def add_turn(self, visitor: int, conversation: str, question: Message, answer: Message, *, replace: str | None) -> None:
        """Keeps a question and its still empty answer, at the end or in place of the message ``replace`` and all after it.

        Raises:
            NotFound: no such conversation, or no such question in it.
        """
        with self._db.write():
            self.conversation(visitor, conversation)
            if replace is not None:
                place = self._db.row(
                    "select position from messages where conversation = ? and id = ? and role = ?",
                    conversation,
                    replace,
                    Role.USER,
                )
                if place is None:
                    raise NotFound(f"There is no question {replace!r:.60} in this conversation. Reload the page and try again.")
                self._db.run("delete from messages where conversation = ? and position >= ?", conversation, place["position"])
            last = self._db.row("select coalesce(max(position), 0) as last from messages where conversation = ?", conversation)
            assert last is not None
            now = self._db.now()
            for offset, message in enumerate((question, answer), start=1):
                row = {
                    **_columns(message),
                    "conversation": conversation,
                    "position": last["last"] + offset,
                    "created": now,
                }
                self._db.insert("messages", row)
            self._db.update("conversations", {"updated": now}, "id = ?", conversation)

    def keep_answer(self, answer: Message) -> None:
        """Writes what an answer has become; of one whose documents were erased, nothing of what it was stays on disk. Quietly
        nothing where it was deleted meanwhile."""
        self._keep_answer(answer)
        if answer.grounds is not None and answer.grounds.erased:
            self._db.empty_log()

    def _keep_answer(self, answer: Message) -> None:
        with self._db.write():
            values = _columns(answer)
            identity = values.pop("id")
            if not self._db.update("messages", values, "id = ?", identity) or answer.grounds is None:
                return
            if answer.grounds.erased:
                self._db.run("delete from quotations where message = ?", identity)
            for document in answer.grounds.documents:
                self._db.insert("quotations", {"message": identity, "document": document}, ignore=True)

    def quoted_documents(self) -> list[str]:
        """The documents that answers quote, whoever's."""
        return [row["document"] for row in self._db.rows("select distinct document from quotations")]

    def forget_documents(self, documents: Sequence[str], blank: Callable[[Message], Message]) -> int:
        """Puts ``blank`` of each answer that quotes one of these documents in its place; returns how many answers. For after
        the documents were erased: an answer that is being written looks again after each time that it is kept."""
        quoting = "select message from quotations where document in (select value from json_each(?))"
        with self._db.write():
            rows = self._db.rows(f"select * from messages where id in ({quoting})", json.dumps(list(documents)))
            for row in rows:
                self._keep_answer(blank(_message(row)))
                self._db.run("delete from quotations where message = ?", row["id"])
        self._db.empty_log()
        return len(rows)

    def close_interrupted(self) -> None:
        """Marks answers that a crash left open. For the start of the application, before anyone asks."""
        with self._db.write():
            self._db.update("messages", {"status": Status.FAILED, "note": INTERRUPTED}, "status = ?", Status.STREAMING)


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
        grounds=read_grounds(row["grounds"]),
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
        "grounds": grounds_text(message.grounds),
    }
