"""The command for reports on answers, as the application's administrator. It works beside a running application.

    python -m app.reports list
    python -m app.reports export [--form jsonl|csv] [--out FILE]

``--data-dir FOLDER`` as the application has it. Exit code 0: done; 2: not possible, with the reason.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from app.columns import guarded
from app.database import FILE, Database
from app.errors import BadInput, LlamaCareError
from app.files import write_aside
from app.records import Passage
from app.report_store import Asked, Report, ReportStore
from app.settings import read_settings

EXCERPT = 60  # characters of a question in the list
NONE = "No reports yet: nobody has called an answer wrong or unsafe.\n"
COLUMNS = (
    "id",
    "created",
    "kinds",
    "text",
    "model",
    "file",
    "digest",
    "question",
    "answer",
    "draft",
    "passages",
    "prompt",
    "erased",
)

Environ = Mapping[str, str]
Run: TypeAlias = Callable[[ReportStore, argparse.Namespace], int]
Form: TypeAlias = Callable[[Iterable[Report]], Iterator[str]]


def main(arguments: Sequence[str], environ: Environ) -> int:
    given = _parser().parse_args(arguments)
    run: Run = given.run
    try:
        with closing(_open(given, environ)) as database:
            code = run(ReportStore(database), given)
            sys.stdout.flush()
            return code
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    except BrokenPipeError:  # whoever read it has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--data-dir", metavar="FOLDER", help="the application's folder, as its own flag of this name")
    parser = argparse.ArgumentParser(prog="python -m app.reports", description="Answers that were called wrong or unsafe.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", parents=[place], help="a line for each report, oldest first")
    listing.set_defaults(run=_list)

    export = commands.add_parser("export", parents=[place], help="all reports with all that is kept of them")
    export.add_argument("--form", choices=("jsonl", "csv"), default="jsonl", help="JSON Lines (if not given) or a table")
    export.add_argument("--out", type=Path, metavar="FILE", help="where to; the standard output if not given")
    export.set_defaults(run=_export)
    return parser


def _open(given: argparse.Namespace, environ: Environ) -> Database:
    """Raises BadInput where there is no database: a new one would only hide a wrong folder."""
    settings = read_settings([] if given.data_dir is None else ["--data-dir", given.data_dir], environ)
    path = settings.data_dir / FILE
    if not path.is_file():
        raise BadInput(f"There is no database {path}. Give --data-dir the folder that the application has.")
    return Database(settings.data_dir)


def _list(store: ReportStore, given: argparse.Namespace) -> int:
    del given
    empty = True
    for report in store.reports():
        empty = False
        question = " ".join(report.question.split())
        excerpt = question if len(question) <= EXCERPT else f"{question[: EXCERPT - 3]}..."
        what = ", ".join(report.kinds) or "in words"
        sys.stdout.write(f"{report.id}  {report.created:%Y-%m-%d %H:%M}  {what}  {report.model or 'no model'}  {excerpt}\n")
    if empty:
        sys.stdout.write(NONE)
    return 0


def _export(store: ReportStore, given: argparse.Namespace) -> int:
    if next(store.reports(), None) is None:
        sys.stderr.write(NONE)
        return 0
    form: Form = as_csv if given.form == "csv" else as_jsonl
    if given.out is None:
        _write(sys.stdout, form(store.reports()))
        return 0
    try:
        write_aside(given.out, lambda aside: _write_file(aside, form(store.reports()), given.form))
    except OSError as error:
        raise BadInput(f"{given.out} cannot be written ({error.strerror}). Name a file in a folder that can be.") from error
    sys.stderr.write(f"Written to {given.out}\n")
    return 0


def _write_file(path: Path, pieces: Iterable[str], form: str) -> None:
    # Spreadsheets take a table for UTF-8 only with a mark.
    with path.open("w", encoding="utf-8-sig" if form == "csv" else "utf-8", newline="") as stream:
        _write(stream, pieces)


def _write(stream: TextIO, pieces: Iterable[str]) -> None:
    for piece in pieces:
        stream.write(piece)


def as_jsonl(reports: Iterable[Report]) -> Iterator[str]:
    """A line for each report, in plain ASCII."""
    for report in reports:
        yield json.dumps(asdict(report) | {"created": report.created.isoformat()}) + "\n"


def as_csv(reports: Iterable[Report]) -> Iterator[str]:
    """A table. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    yield _line(COLUMNS)
    for report in reports:
        cells: dict[str, Any] = {
            **{name: getattr(report, name) for name in COLUMNS},
            "created": report.created.isoformat(),
            "kinds": " ".join(report.kinds),
            "passages": "\n\n".join(map(_passage_text, report.passages)),
            "prompt": _prompt_text(report.prompt),
            "erased": "yes" if report.erased else "no",
        }
        yield _line([guarded(str(cells[name])) for name in COLUMNS])


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _passage_text(passage: Passage) -> str:
    page = f"page {passage.page}" if passage.page else ""
    about = ", ".join(fact for fact in (passage.title, passage.section, page, passage.date, passage.source) if fact)
    return f"[{passage.document} {passage.id}] {about}\n{passage.text}"


def _prompt_text(prompt: Asked) -> str:
    asked = [("system", prompt.system), *prompt.history, *(("user", question) for question in prompt.questions)]
    return "\n\n".join(f"{role}: {text}" for role, text in asked if text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
