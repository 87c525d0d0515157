"""What search is measured on: MedQuAD's rows as a library, whole or in part, and a library of any size."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.library.rows import Row, rows_of
from app.library.splitting import passages_of
from app.library_store import LibraryStore, NewDocument, Piece
from app.measure import wilson

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LLAMACARE_DATA", ROOT.parent / "shared" / "data"))
SHARED = ""
SEED = 7


@dataclass(frozen=True)
class Pair:
    """A row of MedQuAD."""

    row: Row
    kind: str  # of question: symptoms, treatment, ...

    @property
    def tuning(self) -> bool:
        return number_of(f"{self.row.id}|{self.row.source}|{self.row.question}") % 2 == 0

    @property
    def topic(self) -> tuple[str, str]:
        return self.row.title.casefold(), self.kind


@dataclass(frozen=True)
class Shelf:
    """A library of pairs; ``of`` says which pair a document is."""

    store: LibraryStore
    of: dict[str, int]


def number_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def read_pairs() -> list[Pair]:
    raw = (DATA / "medquad" / "qa.jsonl").read_bytes()
    kinds = [json.loads(line)["qtype"] for line in raw.splitlines()]
    rows = [row for _, row in rows_of("qa.jsonl", raw)]
    return [Pair(row, kind) for row, kind in zip(rows, kinds, strict=True) if isinstance(row, Row)]


@contextlib.contextmanager
def shelf(documents: Iterator[NewDocument]) -> Iterator[Shelf]:
    """Documents whose `file` is the number of their pair."""
    with tempfile.TemporaryDirectory() as folder:
        store = LibraryStore(Path(folder))
        batch: list[NewDocument] = []
        for document in documents:
            batch.append(document)
            if len(batch) == 500:
                store.put(SHARED, batch)
                batch = []
        store.put(SHARED, batch)
        listed, _ = store.documents(SHARED)
        try:
            yield Shelf(store, {document.id: int(document.file) for document in listed})
        finally:
            store.close()


def documents(pairs: Sequence[Pair], *, bare: bool, keep: Callable[[Pair], bool] = lambda _: True) -> Iterator[NewDocument]:
    """As the application stores rows; ``bare``: the answers alone, without focus and question."""
    for number, pair in enumerate(pairs):
        if keep(pair):
            pieces = passages_of(pair.row.parsed())
            if bare:
                pieces = [replace(piece, section="") for piece in pieces]
            yield new(number, "" if bare else pair.row.title, pieces)


def new(number: int, title: str, pieces: Sequence[Piece]) -> NewDocument:
    return NewDocument(
        key=str(number), digest=str(number), title=title, kind="jsonl", file=str(number), pieces=pieces, characters=0
    )


def share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{100 * count / of:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def many(pairs: Sequence[Pair], size: int) -> Iterator[NewDocument]:
    """``size`` passages: MedQuAD's, then OpenStax's, then MedQuAD's again and again with one word in ten another one."""
    drawn, count = random.Random(SEED), 0
    vocabulary = sorted({word for pair in pairs[::20] for word in re.findall(r"[a-z]{4,}", pair.row.answer)})
    for number, (title, document) in enumerate(_endless(pairs)):
        pieces = passages_of(document.parsed())[: size - count]
        if number >= len(pairs):
            pieces = [replace(piece, text=_varied(piece.text, vocabulary, drawn)) for piece in pieces]
        count += len(pieces)
        yield new(number, title, pieces)
        if count >= size:
            return


def _endless(pairs: Sequence[Pair]) -> Iterator[tuple[str, Row]]:
    yield from ((pair.row.title, pair.row) for pair in pairs)
    with (DATA / "openstax" / "sections.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            section = json.loads(line)
            if section["text"].strip():
                yield section["title"], Row(id="", title=section["title"], question=section["heading"], answer=section["text"])
    while True:
        yield from ((pair.row.title, pair.row) for pair in pairs)


def _varied(text: str, vocabulary: Sequence[str], drawn: random.Random) -> str:
    return " ".join(drawn.choice(vocabulary) if drawn.random() < 0.1 else word for word in text.split())
