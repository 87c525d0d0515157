"""The library as chat, pages and the command use it: documents of a visitor beside the shared ones, added, searched, erased."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from app.library.adding import Adder, Adding
from app.library.parsed import Parsed
from app.library.parsing_text import parse_markdown
from app.library.search import Searcher
from app.library.terms import read_terms
from app.library_read_store import SHARED, Counts
from app.library_store import LibraryStore
from app.records import Document, Passage, Scope, SearchResult

PART = 200  # documents that are taken away in one transaction
SAMPLE = "sample"  # the folder that samples are shown in, and the note that they are not wanted
OFF = "off"


@dataclass(frozen=True)
class Erasing:
    """``done`` of ``total`` documents; said again while their text is taken off the disk."""

    done: int
    total: int


@dataclass(frozen=True)
class Erased:
    """How many documents are gone, and how many answers lost what they quoted of them."""

    documents: int
    answers: int


ErasingStep: TypeAlias = Erasing | Erased


class Library:
    """``owner`` is what ``Store.owner`` calls a visitor, or ``SHARED``. Whatever is another owner's is NotFound."""

    def __init__(self, store: LibraryStore, *, forget: Callable[[Sequence[str]], int], sample: Path | None = None) -> None:
        """``forget`` takes quotations of documents out of answers and says of how many. ``sample``: the folder of the pages that
        come with the application."""
        self._store = store
        self._searcher = Searcher(store, read_terms())
        self._adder = Adder(store)
        self._forget = forget
        self._sample = sample

    def close(self) -> None:
        self._store.close()

    # Reading

    def documents(self, owner: str, *, search: str = "", offset: int = 0, count: int | None = 50) -> tuple[list[Document], int]:
        """Some of the documents that the owner may read, and how many there are; see ``LibraryStore.documents``."""
        return self._store.documents(owner, search=search, offset=offset, count=count)

    def document(self, owner: str, document: str) -> Document:
        return self._store.document(owner, document)

    def passages(
        self, owner: str, document: str, *, around: int | None = None, start: int = 0, count: int = 40
    ) -> tuple[int, int, list[Passage]]:
        """The place of the first one, how many the document has, and the passages; see ``LibraryStore.passages``."""
        return self._store.passages(owner, document, around=around, start=start, count=count)

    def passage(self, owner: str, passage: int) -> Passage:
        return self._store.passage(owner, passage)

    def counts(self, owner: str) -> Counts:
        return self._store.counts(owner)

    def missing(self, documents: Sequence[str]) -> set[str]:
        """Those of them that nobody has any more."""
        return self._store.missing(documents)

    def search(
        self,
        owner: str,
        query: str,
        *,
        limit: int = 6,
        scope: Scope = Scope.ALL,
        documents: Sequence[str] = (),
    ) -> SearchResult:
        return self._searcher.search(owner, query, limit=limit, scope=scope, documents=documents)

    # Changing

    def add(self, owner: str, name: str, raw: bytes, *, licence: str = "", date: str = "") -> Generator[Adding, None, None]:
        """As ``Adder.add``."""
        return self._adder.add(owner, name, raw, licence=licence, date=date)

    def erase(self, owner: str, documents: Sequence[str] | None) -> Generator[ErasingStep, None, None]:
        """Erases documents of the owner, or all of them where ``documents`` is None: their passages, what answers quote of them,
        and their words in the index. Closing does not leave it half done: it goes on to the end without telling.

        Raises:
            NotFound: one of them is not there or not the owner's; nothing is erased.
            StoreError: it could not be written; documents that were erased before stay erased.
        """
        steps = self._erase(self._store.erasable(owner, documents))
        try:
            while (step := next(steps, None)) is not None:  # `yield from` would close the steps when this is closed
                yield step
        finally:
            for _ in steps:
                pass

    def _erase(self, documents: Sequence[str]) -> Iterator[ErasingStep]:
        """First the documents, so that an answer that is being written finds them gone; then quotations; then their text, out of
        rows, index and file."""
        done = answers = 0
        for first in range(0, len(documents), PART):
            part = documents[first : first + PART]
            done += self._store.erase(part)
            answers += self._forget(part)
            yield Erasing(done, len(documents))
        for _ in self._store.compact():
            yield Erasing(done, len(documents))
        self._store.rewrite()
        yield Erased(done, answers)

    def finish_erasing(self) -> None:
        """Does what the end of the application or of the power cut off, and what updates left; nothing, most of the time."""
        self._store.drop_unfinished()
        for _ in self._store.compact():
            pass
        self._store.rewrite()

    # Sample

    def install_sample(self) -> None:
        """Brings the pages that come with the application to their today's state, unless they were switched off.

        Raises:
            LlamaCareError: a page cannot be read or kept.
        """
        if self._sample is None or self._store.note(SAMPLE) == OFF:
            return
        pages = {f"{SAMPLE}/{path.name}": path for path in sorted(self._sample.glob("*.md"))}
        adder = Adder(self._store, read=_read_own)
        for name, path in pages.items():
            for _ in adder.add(SHARED, name, path.read_bytes(), sample=True):
                pass
        gone = [id for key, id in self._store.sample_keys().items() if key not in pages]
        for _ in self._erase(gone):
            pass

    def switch_sample(self, on: bool) -> None:
        """For all visitors, and for good: off erases the pages, on installs them again."""
        self._store.set_note(SAMPLE, None if on else OFF)
        if on:
            self.install_sample()
        else:
            for _ in self._erase(list(self._store.sample_keys().values())):
                pass


def _read_own(name: str, raw: bytes, *, stop: Callable[[], bool]) -> Parsed:
    """A page of our own needs no process to be read in."""
    del name, stop
    return parse_markdown(raw)
