"""MedQuAD into the library, row by row, and documents out of it without a trace: how long each takes, and how long others wait.

    python -m tests.benchmarks.library [--questions FILE] [--passages N]

MedQuAD is read from ../shared/data, or where LLAMACARE_DATA points; it is no part of this repository. To --passages the index is
filled with the same rows under other ids, each with its number in its text. Ends with 1 where adding takes over three minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.library.adding import Added
from app.library.library import Erased, Library
from app.library_read_store import SHARED
from app.library_store import LibraryStore

ROOT = Path(__file__).parents[2]
MEDQUAD = Path(os.environ.get("LLAMACARE_DATA", ROOT.parent / "shared" / "data")) / "medquad" / "qa.jsonl"
LIMIT = 180.0  # seconds that adding all of MedQuAD may take
OTHER = "b" * 64  # a visitor who has a hundred documents
BETWEEN = 0.02  # seconds from one write of the other process to the next


@dataclass(frozen=True)
class Took:
    """``wall`` and ``computed`` in seconds, the latter by this process; ``waited``: the longest that another connection waited
    for one small write of its own meanwhile."""

    name: str
    wall: float
    computed: float
    waited: float
    about: str


@contextmanager
def another_writer(folder: Path) -> Iterator[list[float]]:
    """Writes a note again and again, as another process would; the seconds of each write."""
    store, waits, stop = LibraryStore(folder), [0.0], threading.Event()

    def write() -> None:
        while not stop.wait(BETWEEN):
            begun = time.perf_counter()
            store.set_note("beside", "1")
            waits.append(time.perf_counter() - begun)

    thread = threading.Thread(target=write)
    thread.start()
    yield waits
    stop.set()
    thread.join()
    store.close()


def timed(name: str, folder: Path, work: Callable[[], str]) -> Took:
    with another_writer(folder) as waits:
        begun, before = time.perf_counter(), time.process_time()
        about = work()
        took = Took(name, time.perf_counter() - begun, time.process_time() - before, max(waits), about)
    print(f"{took.name}: {took.wall:.1f} s", file=sys.stderr)
    return took


def measured(folder: Path, raw: bytes, passages: int) -> Iterator[Took]:
    store = LibraryStore(folder)
    library = Library(store, forget=lambda _: 0, sample=ROOT / "assets" / "library")
    yield timed("sample pages, first start", folder, lambda: installed(library))
    yield timed("sample pages, nothing changed", folder, lambda: installed(library))
    yield timed("MedQuAD added", folder, lambda: added(library, SHARED, "qa.jsonl", raw))
    yield timed("MedQuAD added again", folder, lambda: added(library, SHARED, "qa.jsonl", raw))
    added(library, OTHER, "own.jsonl", b"".join(raw.splitlines(keepends=True)[:100]))
    size = count(library)
    yield timed("a page of 50 of the list", folder, lambda: f"{library.documents(OTHER, offset=8000)[1]:,} documents")
    yield timed(f"one document erased, {size:,} passages", folder, lambda: erased(library, OTHER, 1))
    number = 0
    while (size := count(library)) < passages:
        number += 1
        added(library, SHARED, f"copy-{number}.jsonl", copied(raw, number))
    yield timed(f"one document erased, {size:,} passages", folder, lambda: erased(library, OTHER, 1))
    yield timed(f"98 documents erased, {size:,} passages", folder, lambda: erased(library, OTHER, None))
    yield timed("all that is shared erased", folder, lambda: erased(library, SHARED, None))
    library.close()


def installed(library: Library) -> str:
    library.install_sample()
    return f"{library.counts(SHARED).sample} pages"


def added(library: Library, owner: str, name: str, raw: bytes) -> str:
    *_, last = library.add(owner, name, raw)
    assert isinstance(last, Added)
    return last.sentence


def erased(library: Library, owner: str, count: int | None) -> str:
    ids = None if count is None else [document.id for document in library.documents(owner, count=count)[0]]
    *_, last = library.erase(owner, ids)
    assert isinstance(last, Erased)
    return f"{last.documents:,} documents"


def count(library: Library) -> int:
    return sum(document.passages for document in library.documents(OTHER, count=None)[0])


def copied(raw: bytes, number: int) -> bytes:
    rows = (json.loads(line) for line in raw.splitlines())
    return b"".join(json.dumps(row | {"answer": f"Copy{number}. {row['answer']}"}).encode() + b"\n" for row in rows)


def table(tooks: Sequence[Took]) -> str:
    rows = [("what", "s", "computed, s", "another's write, longest, ms", ""), ("---", "---:", "---:", "---:", "---")]
    rows += [(took.name, f"{took.wall:.2f}", f"{took.computed:.2f}", f"{1000 * took.waited:.0f}", took.about) for took in tooks]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.library", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=Path, default=MEDQUAD, metavar="FILE", help=f"MedQuAD as JSON Lines ({MEDQUAD})")
    parser.add_argument("--passages", type=int, default=200_000, metavar="N", help="size of the large index (200000)")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        tooks = list(measured(Path(folder), given.questions.read_bytes(), given.passages))
    print(table(tooks))
    return int(any(took.wall > LIMIT for took in tooks if took.name == "MedQuAD added"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
