"""What the library's database holds, written: documents with their passages added, updated and erased without a trace.

Knows no file's form and no query's.
"""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from app.database import Database, utc_now
from app.errors import StoreError
from app.library_read_store import ARRIVING, GONE, STRETCH, LibraryReader, in_parts, marks
from app.migrations import library_migrations

FILE = "library.db"
PORTION = 1000  # passages, written or erased in one transaction: a quarter of a second for whoever waits
MERGED_AT_ONCE = 2000  # deleted passages that one merge may meet
MERGE_PAGES = 300  # of the index, written in one transaction when it is merged
PAUSE = 0.12  # between two transactions, seconds: longer than SQLite sleeps between two looks whether the file is free
LONGEST_ARRIVAL = 6 * 3600  # seconds; a document that is older and not yet whole was left by what ended too early
UNMERGED = "unmerged"  # the note that erased words may still stand in rows, index or log
STALE = "stale"  # the note that a copy of them may have stayed where SQLite moved a row


@dataclass(frozen=True)
class Piece:
    """A passage to be: from character ``start`` to ``end`` of its document's whole text."""

    start: int
    end: int
    text: str
    section: str = ""
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    """A document to be. An update is recognised by ``key``, the same content by ``digest``."""

    key: str
    digest: str
    title: str
    kind: str
    file: str
    pieces: Sequence[Piece]
    characters: int
    pages: int | None = None
    date: str = ""
    licence: str = ""
    source: str = ""
    sample: bool = False


class Outcome(enum.StrEnum):
    ADDED = "added"
    UPDATED = "updated"
    DUPLICATE = "duplicate"


class LibraryStore(LibraryReader):
    """Reads and writes go through connections of their own, so that a long import keeps no search waiting."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = utc_now) -> None:
        """
        Raises:
            StoreError: the folder or the file cannot be made, opened or written.
        """
        self._writer = Database(folder, clock, file=FILE, migrations=library_migrations)
        super().__init__(Database(folder, clock, file=FILE, migrations=library_migrations))

    def close(self) -> None:
        self._db.close()
        self._writer.close()

    # Adding

    def put(self, owner: str, documents: Sequence[NewDocument]) -> list[Outcome]:
        """Keeps documents, all or none of them, and says what became of each. One whose key is there takes the place of what
        it held and keeps its id; one whose content is there under another key is left out. Nobody sees them before all of them
        are whole; they are written in portions, so that no other writer waits long.

        Call ``compact`` where any was updated: words of the old content still stand in the file. What is erased next, or the
        next start, takes the last copies of them away.

        Raises:
            StoreError: the file could not be written.
        """
        held = self.held(owner, [(document.key, document.digest) for document in documents])
        arriving = {place: secrets.token_urlsafe(9) for place, there in enumerate(held) if not there}
        at_once = sum(len(documents[place].pieces) for place in arriving) < PORTION  # a whole portion is followed by a pause
        try:
            with self._writer.write() if at_once else nullcontext():
                number = self._register(owner)
                self._arrive(number, [(id, documents[place]) for place, id in arriving.items()])
                outcomes = self._publish(number, documents, arriving)
        except BaseException:
            with suppress(StoreError):  # as it may be full; the next erasure, or the next start, goes on with it
                self._drop(list(arriving.values()))
            raise
        self._drop(list(arriving.values()))  # of what stands twice in this call, or that another call added meanwhile
        return outcomes

    def _register(self, owner: str) -> int:
        with self._writer.write():
            self._writer.insert("owners", {"owner": owner}, ignore=True)
            [(number,)] = self._writer.tuples("select number from owners where owner = ?", owner)
            return int(number)

    def _arrive(self, number: int, documents: Sequence[tuple[str, NewDocument]]) -> None:
        """Writes documents under ids of their own where nobody reads them yet."""
        now = self._writer.now()
        with self._writer.write():
            for identity, new in documents:
                self._writer.insert("documents", {"id": identity, "owner": ARRIVING, "key": identity, **_columns(new, now)})
        rows = (
            (identity, place, piece.section, piece.page, piece.start, piece.end, new.title, piece.text)
            for identity, new in documents
            for place, piece in enumerate(new.pieces)
        )
        columns = "id, document, place, section, page, start, end, title, text"
        sql = f"insert into passages ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        while portion := list(islice(rows, PORTION)):
            with self._writer.write():
                [(last,)] = self._writer.tuples("select last from owners where number = ?", number)
                first = number * STRETCH + last + 1
                self._writer.run_many(sql, ((id, *row) for id, row in enumerate(portion, first)))
                self._writer.update("owners", {"last": last + len(portion)}, "number = ?", number)
            if len(portion) == PORTION:
                time.sleep(PAUSE)

    def _publish(self, number: int, documents: Sequence[NewDocument], arriving: dict[int, str]) -> list[Outcome]:
        with self._writer.write():
            return [self._put(number, document, arriving.get(place)) for place, document in enumerate(documents)]

    def _put(self, number: int, new: NewDocument, arrived: str | None) -> Outcome:
        """``arrived``: the id under which its passages were written, None where it looked as if they were there."""
        held = self._writer.row("select id, digest from documents where owner = ? and key = ?", number, new.key)
        if held is not None and held["digest"] == new.digest:
            return self._redate(held["id"], new)
        if held is None and self._writer.row("select 1 from documents where owner = ? and digest = ?", number, new.digest):
            return Outcome.DUPLICATE
        if arrived is None or not self._writer.row("select 1 from documents where id = ? and owner = ?", arrived, ARRIVING):
            raise StoreError(f"{new.file} was removed by another call while it was being added. Add it again.")
        if held is None:
            self._writer.update("documents", {"owner": number, "key": new.key, "added": self._writer.now()}, "id = ?", arrived)
            return Outcome.ADDED
        self._replace(held["id"], new, arrived)
        return Outcome.UPDATED

    def _replace(self, identity: str, new: NewDocument, arrived: str) -> None:
        """The passages change places, and what is old goes with those that were erased."""
        now, old = self._writer.now(), secrets.token_urlsafe(9)
        self._writer.insert("documents", {"id": old, "owner": GONE, "key": old, **_columns(BLANK, now)})
        self._writer.update("passages", {"document": old}, "document = ?", identity)
        self._writer.update("passages", {"document": identity}, "document = ?", arrived)
        self._writer.run("delete from documents where id = ?", arrived)
        self._writer.update("documents", _columns(new, now), "id = ?", identity)
        self._note_erasure()

    def _redate(self, identity: str, new: NewDocument) -> Outcome:
        """The same content with another date or licence."""
        changes = {name: value for name, value in (("date", new.date), ("licence", new.licence)) if value}
        differs = " or ".join(f"{name} <> ?" for name in changes)
        changed = differs and self._writer.update("documents", changes, f"id = ? and ({differs})", identity, *changes.values())
        return Outcome.UPDATED if changed else Outcome.DUPLICATE

    # Erasing

    def erase(self, documents: Sequence[str]) -> int:
        """Takes documents and their passages away, all or none of them, so that nobody reads or finds them any more; returns
        how many were there. ``compact`` has to follow: until then their words stand in the file; and ``rewrite``, until which
        copies of some do."""
        with self._writer.write():
            erased = sum(self._hand_over(some) for some in in_parts(documents))
            self._note_erasure()
        return erased

    def _hand_over(self, documents: Sequence[str]) -> int:
        """To nobody, inside ``write``."""
        sql = f"update documents set owner = ?, key = id where id in {marks(documents)} and owner <> ?"
        return self._writer.run(sql, GONE, *documents, GONE)

    def _drop(self, documents: Sequence[str]) -> None:
        """Takes out those of these that arrived and that nobody got, with all else that is erased and still written."""
        sql = f"select id from documents where id in {marks(documents)} and owner = ?"
        if left := [identity for (identity,) in self._db.tuples(sql, *documents, ARRIVING)]:
            self.erase(left)
            for _ in self._clear():
                pass

    def drop_unfinished(self) -> None:
        """Erases documents whose writing was cut off, by a crash say."""
        before = (self._db.clock() - timedelta(seconds=LONGEST_ARRIVAL)).isoformat()
        sql = "select id from documents where owner = ? and added < ?"
        if cut := [id for (id,) in self._db.tuples(sql, ARRIVING, before)]:
            self.erase(cut)

    def compact(self) -> Iterator[None]:
        """Takes what was erased out of the file: the rows, their words in the index, and the log, in steps, each one a short
        wait for other writers; at once at its end where nothing was erased since. What ends it early leaves it to the next
        call."""
        erasure = self.note(UNMERGED)
        if erasure is None:
            return
        yield from self._clear()
        yield from self._merge()
        if self._writer.empty_log():
            self._settle(UNMERGED, erasure)

    def rewrite(self) -> None:
        """Takes the last copies of what was erased out of the file, by writing all of it anew: a second for 50 MB on a slow disk.
        For after ``compact``; where it cannot be done now, the next call does it."""
        erasure = self.note(STALE)
        if erasure is not None and self._writer.rewrite() and self._writer.empty_log():
            self._settle(STALE, erasure)

    def _note_erasure(self) -> None:
        erasure = secrets.token_hex(8)
        for name in (UNMERGED, STALE):
            self.set_note(name, erasure)

    def _settle(self, name: str, erasure: str) -> None:
        """Unless more was erased meanwhile."""
        with self._writer.write():
            self._writer.run("delete from notes where name = ? and value = ?", name, erasure)

    def _clear(self) -> Iterator[None]:
        """Deletes the rows. The index is merged each time that as much was deleted as is left: a merge writes nothing for what
        was deleted, and could not be stopped in time where that is most of it."""
        [(left,)] = self._db.tuples("select count(*) from passages")
        deleted = 0
        while some := [id for (id,) in self._db.tuples("select id from documents where owner = ? limit ?", GONE, PORTION)]:
            with self._writer.write():
                portion = f"select id from passages where document in {marks(some)} limit ?"
                count = self._writer.run(f"delete from passages where id in ({portion})", *some, PORTION)
                if count < PORTION:
                    self._writer.run(f"delete from documents where id in {marks(some)}", *some)
            yield
            if count == PORTION:
                time.sleep(PAUSE)
            left, deleted = left - count, deleted + count
            if deleted > max(left, MERGED_AT_ONCE):
                deleted = 0
                yield from self._merge()

    def _merge(self) -> Iterator[None]:
        """Writes the index anew without the words of deleted rows."""
        pages = -MERGE_PAGES  # the first call makes one merge of all segments, the others go on with it
        while self._merge_some(pages):
            pages = MERGE_PAGES
            yield
            time.sleep(PAUSE)

    def _merge_some(self, pages: int) -> bool:
        """Whether there was anything to merge; FTS5 tells it only by its record of segments, row 10 of its data."""
        structure = "select block from passages_fts_data where id = 10"
        with self._writer.write():
            before = self._writer.tuples(structure)
            self._writer.run("insert into passages_fts (passages_fts, rank) values ('merge', ?)", pages)
            return self._writer.tuples(structure) != before

    # What else is kept

    def set_note(self, name: str, value: str | None) -> None:
        """None takes the note away."""
        with self._writer.write():
            self._writer.run("delete from notes where name = ?", name)
            if value is not None:
                self._writer.insert("notes", {"name": name, "value": value})


BLANK = NewDocument(key="", digest="", title="", kind="", file="", pieces=(), characters=0)


def _columns(new: NewDocument, added: str) -> dict[str, Any]:
    return {
        "title": new.title,
        "kind": new.kind,
        "file": new.file,
        "digest": new.digest,
        "date": new.date,
        "licence": new.licence,
        "source": new.source,
        "added": added,
        "pages": new.pages,
        "characters": new.characters,
        "passages": len(new.pieces),
        "sample": new.sample,
    }
