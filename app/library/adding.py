"""A file into the library: read, split, kept, with progress on the way. What is there already is found by its digest and skipped,
so that adding the same again goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeAlias

from app.errors import BadInput
from app.library.cleaning import clean
from app.library.kinds import Kind, kind_of
from app.library.parsed import Parsed
from app.library.reading import Stopped, read_document
from app.library.rows import Row, rows_of
from app.library.splitting import passages_of, whole_text
from app.library_store import LibraryStore, NewDocument, Outcome
from app.rowfiles import Refusal

TURNS = 2  # files that are parsed at once, for each may take a GiB of memory
BATCH = 200  # rows of one transaction
LOOK = 0.1  # seconds between two looks whether to stop
BEAT = 0.5  # seconds between signs of life while a file is parsed
MAX_NAME = 255  # characters of a file's name with its folders
MAX_LABEL = 200  # characters of a licence or a date


@dataclass(frozen=True)
class Reading:
    """The file is being parsed, or waits for its turn; said again every half second."""

    file: str


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total``, both in ``unit``."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True)
class Added:
    """What became of a file: how many documents and passages came, how many documents were there already, how many took the
    place of an older state, and the rows that were left out. ``sentence`` says all of it."""

    documents: int
    passages: int
    duplicates: int
    updated: int
    refused: tuple[Refusal, ...]
    sentence: str


Adding: TypeAlias = Reading | Progress | Added


class Read(Protocol):
    def __call__(self, name: str, raw: bytes, *, stop: Callable[[], bool]) -> Parsed: ...


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What is to be added, and what was said of it."""

    owner: str
    file: str
    raw: bytes
    licence: str
    date: str
    sample: bool


@dataclass
class _Tally:
    documents: int = 0
    passages: int = 0
    duplicates: int = 0
    updated: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def count(self, document: NewDocument, outcome: Outcome) -> None:
        self.documents += outcome is Outcome.ADDED
        self.updated += outcome is Outcome.UPDATED
        self.duplicates += outcome is Outcome.DUPLICATE
        self.passages += len(document.pieces) if outcome is not Outcome.DUPLICATE else 0


class Adder:
    def __init__(self, store: LibraryStore, *, read: Read = read_document) -> None:
        """``read``: a file that is one document -> its text."""
        self._store = store
        self._read = read
        self._turns = threading.BoundedSemaphore(TURNS)

    def add(
        self, owner: str, name: str, raw: bytes, *, licence: str = "", date: str = "", sample: bool = False
    ) -> Generator[Adding, None, None]:
        """Adds one file; the last event is ``Added``. ``name`` may have folders in front, and tells what an update replaces.
        ``licence`` and ``date`` go before what the file says of itself.

        Closing stops it: rows that were kept stay, a single document is kept whole or not at all.

        Raises:
            BadInput: the file cannot be used; the sentence names it, what is wrong and the cure. TooLarge: it is over a limit.
            StoreError: it could not be kept. What was kept before stays.
        """
        file = file_name(name)
        given = _Given(
            owner=owner, file=file, raw=raw, licence=_label("licence", licence), date=_label("date", date), sample=sample
        )
        yield Reading(file)
        if kind_of(file, raw) is Kind.ROWS:
            yield from self._add_rows(given)
        else:
            yield from self._add_file(given)

    def _add_file(self, given: _Given) -> Generator[Adding, None, None]:
        digest = hashlib.sha256(given.raw).hexdigest()
        if all(self._store.held(given.owner, [(given.file, digest)], licence=given.licence, date=given.date)):
            yield Added(0, 0, 1, 0, (), f"{given.file} is in the library already.")
            return
        document, notes = yield from self._parse(given, digest)
        tally = _Tally()
        try:
            tally.count(document, *self._store.put(given.owner, [document]))
            yield from self._compact(Progress(1, 1, "documents"), tally)
        finally:
            self._finish(tally)
        yield _added(tally, _file_sentence(given.file, document, tally, notes))

    def _parse(self, given: _Given, digest: str) -> Generator[Adding, None, tuple[NewDocument, Sequence[str]]]:
        """In a thread, so that the caller can close this meanwhile."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            parsing = pool.submit(self._read_in_turn, given, digest, stop)
            try:
                while not wait([parsing], BEAT).done:
                    yield Reading(given.file)
            finally:
                stop.set()
            return parsing.result()

    def _read_in_turn(self, given: _Given, digest: str, stop: threading.Event) -> tuple[NewDocument, Sequence[str]]:
        """The file as a document, and what is to be said of it."""
        while not self._turns.acquire(timeout=LOOK):
            if stop.is_set():
                raise Stopped(f"Reading {given.file} was stopped before its turn; add it again.")
        try:
            parsed = self._read(given.file, given.raw, stop=stop.is_set)
            return _new(given, given.file, digest, parsed), parsed.notes
        finally:
            self._turns.release()

    def _add_rows(self, given: _Given) -> Generator[Adding, None, None]:
        tally, ids = _Tally(), Counter[str]()
        progress = Progress(0, given.raw.count(b"\n") + (not given.raw.endswith(b"\n")), "rows")
        try:
            for batch in _batches(rows_of(given.file, given.raw)):
                self._keep(given, batch, ids, tally)
                progress = Progress(batch[-1][0], progress.total, "rows")
                yield progress
            yield from self._compact(progress, tally)
        finally:
            self._finish(tally)
        yield _added(tally, _rows_sentence(given.file, tally))

    def _keep(self, given: _Given, batch: Sequence[tuple[int, Row | Refusal]], ids: Counter[str], tally: _Tally) -> None:
        """Keeps the rows of one batch together, and where one cannot be kept, each by itself. ``ids`` that came before in this
        file are counted: MedQuAD's are used by several rows, and none may take another's place."""
        tally.refused += [row for _, row in batch if isinstance(row, Refusal)]
        rows = [(line, row) for line, row in batch if isinstance(row, Row)]
        names = []
        for _, row in rows:
            ids[row.id] += 1
            names.append((f"{given.file}\n{row.id}\n{ids[row.id]}", _row_digest(row)))
        held = self._store.held(given.owner, names, licence=given.licence, date=given.date)
        tally.duplicates += sum(held)
        fresh = [
            (line, _new(given, *name, row.parsed()))
            for (line, row), name, there in zip(rows, names, held, strict=True)
            if not there
        ]
        try:
            self._put(given.owner, [document for _, document in fresh], tally)
        except BadInput:
            for line, document in fresh:
                try:
                    self._put(given.owner, [document], tally)
                except BadInput as error:
                    tally.refused.append(Refusal(given.file, line, "", error.sentence))

    def _put(self, owner: str, documents: Sequence[NewDocument], tally: _Tally) -> None:
        for document, outcome in zip(documents, self._store.put(owner, documents), strict=True):
            tally.count(document, outcome)

    def _compact(self, progress: Progress, tally: _Tally) -> Iterator[Progress]:
        """Takes the words that an update replaced out of the index, with a sign of life at each step."""
        if tally.updated:
            for _ in self._store.compact():
                yield progress

    def _finish(self, tally: _Tally) -> None:
        """The same where adding was stopped before it came to that."""
        if tally.updated:
            for _ in self._store.compact():
                pass


def file_name(name: str) -> str:
    """The name as it is kept and shown: without what cannot be seen, its folders parted by "/".

    Raises:
        BadInput: nothing is left of it, or it is too long.
    """
    plain = clean(unicodedata.normalize("NFC", name)).text.replace("\\", "/")
    parts = [" ".join(part.split()) for part in plain.split("/")]
    file = "/".join(part for part in parts if part not in ("", ".", ".."))
    if not file:
        raise BadInput(f"The name of a file is {name!r:.60}; expected one that can be shown. Rename the file and add it again.")
    if len(file) > MAX_NAME:
        raise BadInput(
            f"The name {file[:40]}... has {len(file)} characters with its folders; at most {MAX_NAME} are kept. Shorten it and "
            "add the file again."
        )
    return file


def _label(what: str, text: str) -> str:
    label = " ".join(clean(text).text.split())
    if len(label) > MAX_LABEL:
        raise BadInput(f"The {what} has {len(label)} characters; at most {MAX_LABEL} are kept. Shorten it.")
    return label


def _new(given: _Given, key: str, digest: str, parsed: Parsed) -> NewDocument:
    """
    Raises:
        BadInput: there is no text in it.
    """
    pieces = passages_of(parsed)
    if not pieces:
        raise BadInput(f"{given.file} was not added: it holds no text. Add a file with text.")
    return NewDocument(
        key=key,
        digest=digest,
        title=parsed.title or given.file,
        kind=parsed.kind,
        file=given.file,
        pieces=pieces,
        characters=len(whole_text(parsed)),
        pages=parsed.pages,
        date=given.date or parsed.date,
        licence=given.licence or parsed.licence,
        source=parsed.source,
        sample=given.sample,
    )


def _row_digest(row: Row) -> str:
    content = [row.title, row.question, row.answer, row.source, row.url, row.date, row.licence]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _batches(rows: Iterator[tuple[int, Row | Refusal]]) -> Iterator[list[tuple[int, Row | Refusal]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _added(tally: _Tally, sentence: str) -> Added:
    return Added(tally.documents, tally.passages, tally.duplicates, tally.updated, tuple(tally.refused), sentence)


def _file_sentence(file: str, document: NewDocument, tally: _Tally, notes: Sequence[str]) -> str:
    if tally.duplicates:  # it came by another way while this one was read
        return f"{file} is in the library already."
    done = "was updated" if tally.updated else "was added"
    pages = f" from {_many(document.pages, 'page')}" if document.pages else ""
    return " ".join([f"{file} {done}: {_many(len(document.pieces), 'passage')}{pages}.", *notes])


def _rows_sentence(file: str, tally: _Tally) -> str:
    parts = [f"{_many(tally.documents, 'document')} added"]
    parts += [f"{tally.updated:,} updated"] if tally.updated else []
    parts += [f"{tally.duplicates:,} in the library already"] if tally.duplicates else []
    parts += [f"{_many(len(tally.refused), 'row')} left out"] if tally.refused else []
    return f"{file}: {', '.join(parts)}; {_many(tally.passages, 'new passage')}."


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
