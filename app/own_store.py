"""A visitor's own questions, kept in the database by the file that they came with. Knows no layout and no page.

A method that a visitor's call reaches takes the visitor; what belongs to another one is NotFound, like what does not exist.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from app.database import Database
from app.errors import BadInput, NotFound
from app.imports import own_id
from app.records import Question, Topic
from app.stems import plain_stem

MAX_OWN = 20_000  # questions of one visitor
COLUMNS = ("id", "stem", "key", "system", "subject", "step", "difficulty")  # the others stand together, as JSON


@dataclass(frozen=True)
class Batch:
    """What one file brought. ``already``: questions of it that were there before, known only when it has just been added; ``id``
    is "" where it then held nothing new, so that nothing is kept of it."""

    id: str
    file: str
    created: datetime
    questions: int
    already: int = 0


class OwnStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add_batch(self, visitor: int, file: str, questions: Sequence[Question], *, created: datetime | None = None) -> Batch:
        """Keeps the questions that are not there yet, each under an id made of its content. ``created``: now, if not given.

        Raises:
            BadInput: the visitor would have more than ``MAX_OWN``.
        """
        named = {own_id(question): question for question in questions}
        identity, when = secrets.token_urlsafe(16), created or self._db.clock()
        with self._db.write():
            known = self.keys(visitor, list(named))
            new = {name: question for name, question in named.items() if name not in known}
            total = self.total(visitor)
            if total + len(new) > MAX_OWN:
                raise BadInput(
                    f"You have {total:,} own questions, and {len(new):,} of this file are new; {MAX_OWN:,} can be kept. "
                    "Delete a file that you no longer need, or import a smaller one."
                )
            if new:
                row = {"id": identity, "visitor": visitor, "file": file, "created": when.isoformat()}
                self._db.insert("own_batches", row)
                rows = (_row(visitor, identity, replace(question, id=name)) for name, question in new.items())
                self._db.run_many(
                    "insert into own_questions (visitor, batch, id, stem, key, system, subject, step, difficulty, rest)"
                    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
        already = len(questions) - len(new)
        return Batch(identity if new else "", file, when, len(new), already)

    def batches(self, visitor: int) -> list[Batch]:
        """Newest first."""
        rows = self._db.rows(
            "select b.*, (select count(*) from own_questions q where q.batch = b.id) as questions from own_batches b"
            " where b.visitor = ? order by b.created desc, b.rowid desc",
            visitor,
        )
        return [Batch(row["id"], row["file"], datetime.fromisoformat(row["created"]), row["questions"]) for row in rows]

    def delete_batch(self, visitor: int, identity: str) -> None:
        """Erases it: the pages are overwritten (secure_delete) and the write-ahead log is emptied. Attempts stay.

        Raises:
            NotFound: no such batch.
        """
        with self._db.write():
            if self._db.row("select id from own_batches where visitor = ? and id = ?", visitor, identity) is None:
                raise NotFound("This file of own questions does not exist; it may be deleted already. Reload the page.")
            self._db.run("delete from own_questions where batch = ?", identity)
            self._db.run("delete from own_batches where id = ?", identity)
        self._db.empty_log()

    def total(self, visitor: int) -> int:
        row = self._db.row("select count(*) as n from own_questions where visitor = ?", visitor)
        return int(row["n"]) if row else 0

    def topics(self, visitor: int, identities: Sequence[str] | None = None) -> dict[str, Topic]:
        """Question -> what it is filed under, in the order in which they came; of all, or of those of ``identities``."""
        columns = "select id, system, subject, step, difficulty from own_questions where visitor = ?"
        if identities is None:
            rows = self._db.tuples(f"{columns} order by number", visitor)
        else:
            few = f"{columns} and id in (select value from json_each(?)) order by number"
            rows = self._db.tuples(few, visitor, json.dumps(list(identities)))
        kinds = {filed: Topic(*filed) for filed in {row[1:] for row in rows}}  # thousands of rows share some hundred of them
        return {row[0]: kinds[row[1:]] for row in rows}

    def keys(self, visitor: int, identities: Sequence[str]) -> Mapping[str, str]:
        """Question -> its key, of those of ``identities`` that the visitor has."""
        rows = self._db.rows(
            "select id, key from own_questions where visitor = ? and id in (select value from json_each(?))",
            visitor,
            json.dumps(list(identities)),
        )
        return {row["id"]: row["key"] for row in rows}

    def question(self, visitor: int, identity: str) -> Question | None:
        """None where the visitor has none of that name."""
        row = self._db.row("select * from own_questions where visitor = ? and id = ?", visitor, identity)
        return None if row is None else _question(row)

    def questions(self, visitor: int, identities: Sequence[str]) -> list[Question]:
        """Those of ``identities`` that the visitor has, in their order."""
        rows = self._db.rows(
            "select * from own_questions where visitor = ? and id in (select value from json_each(?))",
            visitor,
            json.dumps(list(identities)),
        )
        found = {row["id"]: _question(row) for row in rows}
        return [found[identity] for identity in identities if identity in found]

    def of_batch(self, visitor: int, identity: str) -> list[Question]:
        """The questions of a batch in their order."""
        rows = self._db.rows("select * from own_questions where visitor = ? and batch = ? order by number", visitor, identity)
        return [_question(row) for row in rows]

    def stems(self, visitor: int) -> Iterator[tuple[str, str]]:
        """Question and stem in words, for a search."""
        rows = self._db.rows("select id, stem from own_questions where visitor = ? order by number", visitor)
        return ((row["id"], plain_stem(row["stem"])) for row in rows)


def _row(visitor: int, batch: str, question: Question) -> tuple[object, ...]:
    fields = asdict(replace(question, options=dict(question.options), explanations=dict(question.explanations)))
    columns = [fields.pop(name) for name in COLUMNS]
    return (visitor, batch, *columns, json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False))


def _question(row: Mapping[str, Any]) -> Question:
    rest = json.loads(row["rest"])
    hints = tuple(rest.pop("hints", ()))
    return Question(**{name: row[name] for name in COLUMNS}, **rest, hints=hints)
