"""The command for the library that everybody may read, as its administrator. It works beside a running application.

    python -m app.library add PATH [PATH ...] [--licence TEXT] [--date TEXT]
    python -m app.library list
    python -m app.library search WORD [WORD ...]
    python -m app.library remove ID [ID ...] | --all
    python -m app.library sample on | off

``--data-dir FOLDER`` as the application has it. Exit code 0: done; 1: a file was not added; 2: not possible, with the reason;
130: stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeAlias

from app.database import Database
from app.errors import BadInput, LlamaCareError
from app.library.adding import Added, Adding, Progress, Reading
from app.library.kinds import ENDINGS, ending_of
from app.library.library import Erased, ErasingStep, Library
from app.library_read_store import SHARED
from app.library_store import LibraryStore
from app.quotations import Quotations
from app.records import Document, Found
from app.settings import ROOT, read_settings

SAMPLES = ROOT / "assets" / "library"
LARGEST = 2**30  # bytes of a file that is read into memory
REFUSALS_SHOWN = 5
EXCERPT = 300  # characters of a found passage

Environ = Mapping[str, str]
Run: TypeAlias = Callable[[Library, argparse.Namespace], int]
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str], environ: Environ) -> int:
    given = _parser().parse_args(arguments)
    run: Run = given.run
    try:
        with _opened(given, environ) as library:
            return run(library, given)
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What was done so far is kept; the same command goes on from there.\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--data-dir", metavar="FOLDER", help="the application's folder, as its own flag of this name")
    parser = argparse.ArgumentParser(prog="python -m app.library", description="The documents that every visitor may read.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add = commands.add_parser("add", parents=[place], help="add or update files, and folders with all that is in them")
    add.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="PDF, Word, HTML, Markdown, text or JSON Lines")
    add.add_argument("--licence", default="", metavar="TEXT", help="shown with each passage; what the file says if not given")
    add.add_argument("--date", default="", metavar="TEXT", help="of what is written there; what the file says if not given")
    add.set_defaults(run=_add)

    listing = commands.add_parser("list", parents=[place], help="the shared documents with their ids")
    listing.set_defaults(run=_list)

    search = commands.add_parser("search", parents=[place], help="passages of shared documents, as a question finds them")
    search.add_argument("words", nargs="+", metavar="WORD")
    search.set_defaults(run=_search)

    remove = commands.add_parser("remove", parents=[place], help="erase documents, and what answers quote of them")
    which = remove.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", default=[], metavar="ID", help="as `list` prints it")
    which.add_argument("--all", action="store_true", help="all but the sample pages")
    remove.set_defaults(run=_remove)

    sample = commands.add_parser("sample", parents=[place], help="the pages that come with the application")
    sample.add_argument("state", choices=("on", "off"))
    sample.set_defaults(run=_sample)
    return parser


@contextmanager
def _opened(given: argparse.Namespace, environ: Environ) -> Iterator[Library]:
    settings = read_settings([] if given.data_dir is None else ["--data-dir", given.data_dir], environ)
    with closing(Database(settings.data_dir)) as conversations, closing(LibraryStore(settings.data_dir)) as store:
        yield Library(store, forget=Quotations(conversations).forget, sample=SAMPLES)


def _add(library: Library, given: argparse.Namespace) -> int:
    failed = False
    files = [file for path in given.paths for file in _files(path)]
    for place, file in enumerate(files, start=1):
        with _Line(sys.stderr, f"{place} of {len(files)} files: {file.name}" if len(files) > 1 else file.name) as line:
            try:
                with closing(library.add(SHARED, file.name, file.read(), licence=given.licence, date=given.date)) as events:
                    for event in events:
                        line.show(_said(event))
            except BadInput as error:  # the other files may be fine
                line.clear()
                sys.stderr.write(f"{error.sentence}\n")
                failed = True
                continue
        assert isinstance(event, Added)
        _tell(event)
    return 1 if failed else 0


@dataclass(frozen=True)
class _File:
    """``name``: with the folders below the one that was named, and that one."""

    path: Path
    name: str

    def read(self) -> bytes:
        try:
            size = self.path.stat().st_size
            if size > LARGEST:
                reason = f"it has {size:,} bytes; at most {LARGEST:,} are read. Split it into smaller files."
                raise BadInput(f"{self.name} was not added: {reason}")
            return self.path.read_bytes()
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read ({error.strerror}). Name a file that is there.") from error


def _files(path: Path) -> Iterator[_File]:
    """The file itself, or all that are read of a folder, in the order of their names; hidden ones never."""
    if not path.is_dir():
        yield _File(path, path.name)
        return
    root = path.resolve()
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root.parent)
        hidden = any(part.startswith(".") for part in name.parts[1:])
        if file.is_file() and not hidden and ending_of(file.name) in ENDINGS.keys() - {""}:
            yield _File(file, name.as_posix())


def _said(event: Adding) -> str:
    if isinstance(event, Progress):
        return f"{event.done:,} of {event.total:,} {event.unit}"
    return "reading" if isinstance(event, Reading) else ""


def _tell(added: Added) -> None:
    sys.stdout.write(f"{added.sentence}\n")
    for refusal in added.refused[:REFUSALS_SHOWN]:
        sys.stderr.write(f"Left out: {refusal}\n")
    more = len(added.refused) - REFUSALS_SHOWN
    if more > 0:
        sys.stderr.write(f"Left out: {more:,} more rows\n")


def _list(library: Library, given: argparse.Namespace) -> int:
    del given
    documents, _ = library.documents(SHARED, count=None)
    for document in documents:
        about = ", ".join(part for part in (document.date, document.licence, "sample" if document.sample else "") if part)
        sys.stdout.write(f"{document.id}  {document.passages:>6,} passages  {document.title}  [{document.file}]  {about}\n")
    if not documents:
        sys.stdout.write("No documents yet. `python -m app.library add PATH` adds some.\n")
    return 0


def _search(library: Library, given: argparse.Namespace) -> int:
    result = library.search(SHARED, " ".join(given.words))
    for expansion in result.expanded:
        sys.stdout.write(f"Searched too: {expansion}\n")
    if not result.relevant:
        sys.stdout.write("Nothing in the shared documents bears on this.\n")
    for found in result.found:
        sys.stdout.write(f"{_shown(found)}\n")
    return 0


def _shown(found: Found) -> str:
    passage = found.passage
    page = f"page {passage.page}" if passage.page else ""
    text = " ".join(passage.text.split())
    excerpt = text if len(text) <= EXCERPT else f"{text[:EXCERPT]}..."
    return f"{' · '.join(part for part in (passage.title, passage.section, page) if part)}\n    {excerpt}"


def _remove(library: Library, given: argparse.Namespace) -> int:
    documents = {document.id: document for document in library.documents(SHARED, count=None)[0]}
    wanted = given.ids or [document.id for document in documents.values() if not document.sample]
    for identity in wanted:
        _refuse_sample(documents.get(identity))
    return _erase(library.erase(SHARED, wanted))


def _refuse_sample(document: Document | None) -> None:
    if document is not None and document.sample:
        raise BadInput(
            f"{document.id} is a sample page and would come back. `python -m app.library sample off` removes them all."
        )


def _erase(steps: Iterator[ErasingStep]) -> int:
    with _Line(sys.stderr, "Erasing") as line:
        for step in steps:
            line.show("" if isinstance(step, Erased) else f"{step.done:,} of {step.total:,} documents")
    assert isinstance(step, Erased)
    sys.stdout.write(f"Documents erased: {step.documents:,}. Answers that quoted them, and were erased too: {step.answers:,}.\n")
    return 0


def _sample(library: Library, given: argparse.Namespace) -> int:
    library.switch_sample(given.state == "on")
    sys.stdout.write(f"The library has {library.counts(SHARED).sample:,} sample pages now.\n")
    return 0


class _Line:
    """A line that is written over. Silent where nobody looks at a terminal."""

    def __init__(self, stream: TextIO, begin: str) -> None:
        self._stream = stream
        self._begin = begin

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        self._write(f"{self._begin}: {text}")

    def clear(self) -> None:
        self._write("")

    def _write(self, line: str) -> None:
        if self._stream.isatty():
            self._stream.write(f"\r{line}\x1b[K")
            self._stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
