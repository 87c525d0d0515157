"""What the library's database holds, written: documents with their passages added, updated and erased without a trace.

Knows no file's form and no query's.
"""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.database import Database, utc_now
from app.library_read_store import STRETCH, LibraryReader, in_parts, marks
from app.migrations import library_migrations

FILE = "library.db"
MERGE_PAGES = 500  # of the index, merged in one transaction: a tenth of a second for whoever waits
PAUSE = 0.02  # between two steps, seconds: without it a waiting writer would seldom find the file free
UNMERGED = "unmerged"  # the note that erased words may still stand in the index


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
        it held and keeps its id; one whose content is there under another key is left out.

        Call ``compact`` where any was updated: words of the old content may still stand in the index.

        Raises:
            StoreError: the file could not be written.
        """
        with self._writer.write():
            self._writer.insert("owners", {"owner": owner}, ignore=True)
            [(number, last)] = self._writer.tuples("select number, last from owners where owner = ?", owner)
            outcomes, now = [], self._writer.now()
            for document in documents:
                outcome, last = self._put(number, last, document, now)
                outcomes.append(outcome)
            self._writer.update("owners", {"last": last}, "number = ?", number)
            return outcomes

    def _put(self, number: int, last: int, new: NewDocument, now: str) -> tuple[Outcome, int]:
        """``last``: the count within the owner's stretch that was last given to a passage, and is afterwards."""
        held = self._writer.row("select id, digest from documents where owner = ? and key = ?", number, new.key)
        if held is not None and held["digest"] == new.digest:
            return self._redate(held["id"], new), last
        if held is None and self._writer.row("select 1 from documents where owner = ? and digest = ?", number, new.digest):
            return Outcome.DUPLICATE, last
        identity = secrets.token_urlsafe(9) if held is None else held["id"]
        values = _columns(new) | {"added": now}
        if held is None:
            self._writer.insert("documents", {"id": identity, "owner": number, "key": new.key, **values})
        else:
            self._erase([identity], keep=True)
            self._writer.update("documents", values, "id = ?", identity)
        first = number * STRETCH + last + 1
        columns = "id, document, place, section, page, start, end, title, text"
        self._writer.run_many(
            f"insert into passages ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (first + place, identity, place, piece.section, piece.page, piece.start, piece.end, new.title, piece.text)
                for place, piece in enumerate(new.pieces)
            ),
        )
        return (Outcome.ADDED if held is None else Outcome.UPDATED), last + len(new.pieces)

    def _redate(self, identity: str, new: NewDocument) -> Outcome:
        """The same content with another date or licence."""
        changes = {name: value for name, value in (("date", new.date), ("licence", new.licence)) if value}
        differs = " or ".join(f"{name} <> ?" for name in changes)
        changed = differs and self._writer.update("documents", changes, f"id = ? and ({differs})", identity, *changes.values())
        return Outcome.UPDATED if changed else Outcome.DUPLICATE

    # Erasing

    def erase(self, documents: Sequence[str]) -> int:
        """Takes documents and their passages out, all or none of them; returns how many were there. ``compact`` has to follow:
        until then their words stand in the index, which no search finds any more."""
        with self._writer.write():
            erased = sum(self._erase(some) for some in in_parts(documents))
        time.sleep(PAUSE)
        return erased

    def _erase(self, documents: Sequence[str], *, keep: bool = False) -> int:
        """``keep`` the documents' own rows."""
        self.set_note(UNMERGED, secrets.token_hex(8))
        self._writer.run(f"delete from passages where document in {marks(documents)}", *documents)
        return 0 if keep else self._writer.run(f"delete from documents where id in {marks(documents)}", *documents)

    def compact(self) -> Iterator[None]:
        """Writes the index anew without the words that were erased and empties the log, in steps, each one a short wait for
        other writers; at once at its end where nothing was erased since. What ends it early leaves it to the next call."""
        erasure = self.note(UNMERGED)
        if erasure is None:
            return
        pages = -MERGE_PAGES  # the first call makes one merge of all segments, the others go on with it
        while self._merge(pages):
            pages = MERGE_PAGES
            yield
            time.sleep(PAUSE)
        if self._writer.empty_log():
            with self._writer.write():  # unless more was erased meanwhile
                self._writer.run("delete from notes where name = ? and value = ?", UNMERGED, erasure)

    def _merge(self, pages: int) -> bool:
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


def _columns(new: NewDocument) -> dict[str, Any]:
    return {
        "title": new.title,
        "kind": new.kind,
        "file": new.file,
        "digest": new.digest,
        "date": new.date,
        "licence": new.licence,
        "source": new.source,
        "pages": new.pages,
        "characters": new.characters,
        "passages": len(new.pieces),
        "sample": new.sample,
    }
