"""What the library's database holds, read: documents, their passages, and a search of the index over their words.

A document belongs to the visitor who added it, or to everybody (``SHARED``). What is another visitor's is NotFound, like what
does not exist. A passage's id holds its owner's number in its upper half, so that a search of the index walks over the asking
visitor's stretch and the shared one alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.database import Database
from app.errors import NotFound
from app.records import Document, Passage, Scope

SHARED = ""  # the owner of what the administrator gives to everybody
ARRIVING, GONE = -3, -2  # owners' numbers of documents that nobody reads: not yet whole, or erased and not yet off the disk
STRETCH = 1 << 32  # ids of one owner's passages
MANY = 500  # documents named in one statement
SELECT_DOCUMENT = (
    "select d.id, d.title, d.kind, d.file, d.date, d.licence, d.source, d.added, d.pages, d.characters, d.passages, d.sample,"
    " d.owner = 0 as shared from documents d"
)
SELECT_PASSAGE = (
    "select p.id, p.document, p.place, p.section, p.page, p.start, p.end, p.title, p.text, d.date, d.licence, d.source,"
    " d.sample, d.owner = 0 as shared from passages p join documents d on d.id = p.document"
)
HIDDEN = "select p.id from documents d join passages p on p.document = d.id where d.owner < 0"


@dataclass(frozen=True)
class Counts:
    """Documents that a visitor may read: their own, those of the administrator, and of these the samples apart."""

    own: int
    shared: int
    sample: int


class LibraryReader:
    def __init__(self, database: Database) -> None:
        self._db = database

    # Documents and passages

    def documents(self, owner: str, *, search: str = "", offset: int = 0, count: int | None = None) -> tuple[list[Document], int]:
        """Own ones first, then shared ones, each newest first, then samples by title; and how many there are in all. With
        ``search`` those whose title or file holds every word of it, in any case."""
        where = "d.owner in (?, 0)"
        values: list[object] = [self._number(owner)]
        for word in search.split():
            where += " and instr(fold(d.title || ' ' || d.file), ?)"
            values.append(word.casefold())
        [(total,)] = self._db.tuples(f"select count(*) from documents d where {where}", *values)
        newest = "case when d.sample then '' else d.added end desc"
        order = f"order by d.owner = 0, d.sample, {newest}, d.title, d.rowid limit ? offset ?"
        rows = self._db.rows(f"{SELECT_DOCUMENT} where {where} {order}", *values, -1 if count is None else count, offset)
        return [_document(row) for row in rows], total

    def document(self, owner: str, document: str) -> Document:
        row = self._db.row(f"{SELECT_DOCUMENT} where d.id = ? and d.owner in (?, 0)", document, self._number(owner))
        if row is None:
            raise no_document(document)
        return _document(row)

    def passage(self, owner: str, passage: int) -> Passage:
        row = None
        if 0 < passage < 2**63:
            row = self._db.row(f"{SELECT_PASSAGE} where p.id = ? and d.owner in (?, 0)", passage, self._number(owner))
        if row is None:
            raise NotFound(f"There is no passage {passage!r:.30}. Its document may have been removed or updated; search again.")
        return _passage(row)

    def passages(
        self, owner: str, document: str, *, around: int | None = None, start: int = 0, count: int = 40
    ) -> tuple[int, int, list[Passage]]:
        """The place of the first one, how many the document has, and ``count`` passages in order: from the place ``start``, or
        with the passage ``around`` in their middle.

        Raises:
            NotFound: no such document, or no such passage in it.
        """
        total = self.document(owner, document).passages
        if around is not None:
            middle = self.passage(owner, around)
            if middle.document != document:
                raise NotFound(f"Passage {around} is none of document {document!r:.30}. Reload the page and open it again.")
            start = min(middle.place - count // 2, total - count)
        start = max(start, 0)
        where = "p.document = ? and p.place >= ? order by p.place limit ?"
        rows = self._db.rows(f"{SELECT_PASSAGE} where {where}", document, start, count)
        return start, total, [_passage(row) for row in rows]

    def counts(self, owner: str) -> Counts:
        sql = "select coalesce(sum(owner > 0), 0), coalesce(sum(owner = 0 and not sample), 0), coalesce(sum(sample), 0)"
        [counts] = self._db.tuples(f"{sql} from documents where owner in (?, 0)", self._number(owner))
        return Counts(*counts)

    def missing(self, documents: Sequence[str]) -> set[str]:
        """Those of them that nobody has any more."""
        there: set[str] = set()
        for some in in_parts(documents):
            sql = f"select id from documents where owner >= 0 and id in {marks(some)}"
            there.update(id for (id,) in self._db.tuples(sql, *some))
        return set(documents) - there

    def match(
        self,
        owner: str,
        query: str,
        *,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
        limit: int = 50,
        scope: Scope = Scope.ALL,
        documents: Sequence[str] = (),
    ) -> list[tuple[Passage, float]]:
        """Passages that an FTS5 expression finds, with their BM25, higher is better, best first.

        ``weights`` of title, section and text. ``documents``: only in these, where any are named.

        Raises:
            StoreError: ``query`` is no FTS5 expression.
        """
        within = ""
        if documents:
            within = " and rowid in (select id from passages where document in (select value from json_each(?)))"
        if self._db.tuples("select 1 from documents where owner < 0 limit 1"):
            within += f" and rowid not in ({HIDDEN})"
        sql = (
            "select rowid, -bm25(passages_fts, ?, ?, ?) as score from passages_fts"
            f" where passages_fts match ? and rowid between ? and ?{within} order by score desc, rowid limit ?"
        )
        named = (json.dumps(list(documents)),) if documents else ()
        scored: list[tuple[float, int]] = []
        for number in self._scope(owner, scope):
            first = number * STRETCH
            values = (*weights, query, first, first + STRETCH - 1, *named, limit)
            rows = self._db.tuples(sql, *values)
            scored += [(score, id) for id, score in rows]
        best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:limit]
        found = self._by_id([id for _, id in best])
        return [(found[id], score) for score, id in best if id in found]  # one may have been erased in between

    def _scope(self, owner: str, scope: Scope) -> list[int]:
        """Numbers of the owners whose stretches are searched."""
        own = self._number(owner)
        wanted = {Scope.ALL: (own, 0), Scope.OWN: (own,), Scope.SHARED: (0,), Scope.NONE: ()}[scope]
        return sorted(set(wanted) - {-1})

    def _by_id(self, ids: Sequence[int]) -> dict[int, Passage]:
        rows = self._db.rows(f"{SELECT_PASSAGE} where d.owner >= 0 and p.id in {marks(ids)}", *ids)
        return {row["id"]: _passage(row) for row in rows}

    def _number(self, owner: str) -> int:
        """What an owner is called inside, -1 for one who has never added anything."""
        rows = self._db.tuples("select number from owners where owner = ?", owner)
        return int(rows[0][0]) if rows else -1

    def held(self, owner: str, documents: Sequence[tuple[str, str]], *, date: str = "", licence: str = "") -> list[bool]:
        """Whether adding each of these, given as key and digest, would change nothing: its content is there, under this key or
        another, and with this date and licence where they are given."""
        same = "d.digest = ? and (? = '' or d.date = ?) and (? = '' or d.licence = ?)"
        sql = (
            f"select 1 from documents d where d.owner = ? and {same}"
            " and not exists (select 1 from documents k where k.owner = d.owner and k.key = ? and k.digest <> d.digest) limit 1"
        )
        number = self._number(owner)
        values = (date, date, licence, licence)
        return [bool(self._db.tuples(sql, number, digest, *values, key)) for key, digest in documents]

    def erasable(self, owner: str, documents: Sequence[str] | None = None) -> list[str]:
        """The ids of an owner's documents: those named, or all.

        Raises:
            NotFound: one of them is not there or not the owner's.
        """
        number = self._number(owner)
        own = {id for (id,) in self._db.tuples("select id from documents where owner = ? order by rowid", number)}
        if documents is None:
            return sorted(own)
        for document in documents:
            if document not in own:
                raise no_document(document)
        return list(dict.fromkeys(documents))

    def sample_keys(self) -> dict[str, str]:
        """The samples' ids by their keys."""
        rows = self._db.tuples("select key, id from documents where owner = 0 and sample")
        return dict(rows)

    def note(self, name: str) -> str | None:
        rows = self._db.tuples("select value from notes where name = ?", name)
        return str(rows[0][0]) if rows else None


def no_document(document: str) -> NotFound:
    return NotFound(f"There is no document {document!r:.60}. It may have been removed; choose another in the list.")


def in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[first : first + MANY] for first in range(0, len(ids), MANY))


def marks(values: Sequence[object]) -> str:
    return f"({', '.join('?' * len(values))})"


def _document(row: dict[str, Any]) -> Document:
    flags = {name: bool(row[name]) for name in ("shared", "sample")}
    return Document(**row | flags | {"added": datetime.fromisoformat(row["added"])})


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(**row | {name: bool(row[name]) for name in ("shared", "sample")})
