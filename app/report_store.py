"""Answers that someone called wrong or unsafe, each with all that led to it, kept in the database. Knows no page.

What a report quotes of a document goes when the document is erased, wherever in the report it stands.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from app.database import Database
from app.errors import Busy
from app.records import Passage

A_DAY = 200  # reports that one visitor may send within 24 hours
PART = 50  # reports in memory while all of them are read


class Kind(enum.StrEnum):
    """What is wrong with an answer."""

    WRONG = "wrong"
    UNSAFE = "unsafe"
    CITATION = "citation"
    OUTDATED = "outdated"
    OTHER = "other"


@dataclass(frozen=True)
class Asked:
    """What the model was given: the system text, the earlier messages as (role, text), and for each part of the answer the
    question with its passages. All empty where it was asked nothing or where that is not known."""

    system: str = ""
    history: tuple[tuple[str, str], ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """``text`` is the reporter's own; ``draft``: what the model wrote beside the answer; ``file`` and ``digest`` are the model
    file's, "" where not known. ``erased``: a document was erased, and with it all that the report quoted of it."""

    kinds: tuple[Kind, ...]
    text: str
    question: str
    answer: str
    created: datetime
    draft: str = ""
    model: str = ""
    file: str = ""
    digest: str = ""
    prompt: Asked = Asked()
    passages: tuple[Passage, ...] = ()
    erased: bool = False
    id: int = 0


class ReportStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> datetime:
        return self._db.clock()

    def put(self, visitor: int, subject: str, report: Report, documents: Iterable[str]) -> None:
        """Keeps a report, in place of the visitor's earlier one on the same ``subject``. ``documents``: the ids of all that it
        quotes, in passages, prompt and answer.

        Raises:
            Busy: the visitor has sent too many within a day.
            StoreError: the file could not be written.
        """
        with self._db.write():
            self._db.run("delete from reports where visitor = ? and subject = ?", visitor, subject)
            self._refuse_too_many(visitor)
            self._db.insert("reports", {"visitor": visitor, "subject": subject, **_columns(report)})
            row = self._db.row("select id from reports where visitor = ? and subject = ?", visitor, subject)
            assert row is not None
            for document in set(documents):
                self._db.insert("report_documents", {"report": row["id"], "document": document})

    def _refuse_too_many(self, visitor: int) -> None:
        since = (self.now() - timedelta(days=1)).isoformat()
        sent = self._db.row("select count(*) as n from reports where visitor = ? and created > ?", visitor, since)
        assert sent is not None
        if sent["n"] >= A_DAY:
            raise Busy(f"You have sent {sent['n']} reports within a day, the most that are taken. Send this one tomorrow.")

    def reports(self) -> Iterator[Report]:
        """All of them, oldest first."""
        last = 0
        while rows := self._db.rows("select * from reports where id > ? order by id limit ?", last, PART):
            yield from map(_report, rows)
            last = rows[-1]["id"]

    def quoted_documents(self) -> list[str]:
        """The documents that reports quote, whoever's."""
        return [row["document"] for row in self._db.rows("select distinct document from report_documents")]

    def forget_documents(self, documents: Sequence[str]) -> int:
        """Takes what reports quote of these documents out of them: their passages, and answer, draft and prompt, which are made
        of them. What the reporter wrote stays. Returns how many reports that were."""
        gone = set(documents)
        quoting = "select report from report_documents where document in (select value from json_each(?))"
        with self._db.write():
            rows = self._db.rows(f"select * from reports where id in ({quoting})", json.dumps(sorted(gone)))
            for row in rows:
                passages = [passage for passage in json.loads(row["passages"]) if passage["document"] not in gone]
                blank = {"answer": "", "draft": "", "prompt": json.dumps(asdict(Asked())), "passages": json.dumps(passages)}
                self._db.update("reports", {**blank, "erased": 1}, "id = ?", row["id"])
                for document in gone:
                    self._db.run("delete from report_documents where report = ? and document = ?", row["id"], document)
        if rows:
            self._db.empty_log()
        return len(rows)


def _columns(report: Report) -> dict[str, Any]:
    return {
        "created": report.created.isoformat(),
        "kinds": json.dumps(report.kinds),
        "text": report.text,
        "question": report.question,
        "answer": report.answer,
        "draft": report.draft,
        "model": report.model,
        "file": report.file,
        "digest": report.digest,
        "prompt": json.dumps(asdict(report.prompt)),
        "passages": json.dumps([asdict(passage) for passage in report.passages]),
        "erased": int(report.erased),
    }


def _report(row: dict[str, Any]) -> Report:
    prompt = json.loads(row["prompt"])
    history = tuple((role, text) for role, text in prompt["history"])
    return Report(
        id=row["id"],
        created=datetime.fromisoformat(row["created"]),
        kinds=tuple(Kind(kind) for kind in json.loads(row["kinds"])),
        text=row["text"],
        question=row["question"],
        answer=row["answer"],
        draft=row["draft"],
        model=row["model"],
        file=row["file"],
        digest=row["digest"],
        prompt=Asked(prompt["system"], history, tuple(prompt["questions"])),
        passages=tuple(Passage(**passage) for passage in json.loads(row["passages"])),
        erased=bool(row["erased"]),
    )
