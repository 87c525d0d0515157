"""The command that measures a model, as `app.models` offers it: a labelled set through its engine, and what it has earned.

    python -m app.models measure [MODEL] --questions FILE ... [--limit N] [--careful] [--seed N] [--out FOLDER]

Stopped or killed, the same command goes on.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO, TypeAlias

from app.earned import Ledger, Measurement, Skill
from app.engine.local import LocalEngine, LocalModel
from app.engine.ready import await_ready
from app.errors import BadInput
from app.labelled import Labelled, read_labelled
from app.measure_sets import Wanted, measure_sets, summary
from app.measuring import JOURNALS, MEASUREMENTS
from app.settings import read_settings

EMBEDDED = "embedded"
LEFT_OUT_SHOWN = 3

Environ = Mapping[str, str]
NamedModel = Callable[[Environ, str], LocalModel]
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_measure_command(subparsers: Subparsers, named_model: NamedModel) -> None:
    """``named_model`` finds what MODEL stands for; it raises a LlamaCareError with the reason where there is none."""
    parser = subparsers.add_parser("measure", help="run labelled questions through a model and keep what it has earned")
    parser.add_argument("model", nargs="?", default=EMBEDDED, metavar="MODEL", help="id or file; the embedded model if not given")
    parser.add_argument(
        "--questions",
        nargs="+",
        type=Path,
        required=True,
        metavar="FILE",
        help="question files in any public layout, or folders of *.jsonl",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N questions of each file, drawn by --seed")
    parser.add_argument(
        "--careful", action="store_true", help="read every question in all cyclic orders too: slower and steadier"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which questions --limit draws (0)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where it is kept; the application's own place if not given")
    parser.set_defaults(run=lambda given, environ: _measure(given, environ, named_model))


def _measure(given: argparse.Namespace, environ: Environ, named_model: NamedModel) -> int:
    """Raises LlamaCareError with the reason where it cannot be done, KeyboardInterrupt where it was stopped."""
    if given.limit is not None and given.limit < 1:
        raise BadInput(f"--limit is {given.limit}; expected a whole number of at least 1.")
    settings = read_settings([], environ)
    sets = tuple(read_labelled(path) for path in given.questions)
    for labelled in sets:
        _tell_refusals(labelled, sys.stderr)
    wanted = Wanted(sets=sets, careful=given.careful, limit=given.limit, seed=given.seed, command=_command(given))
    ledger = Ledger(given.out or settings.data_dir / MEASUREMENTS)
    engine = LocalEngine(named_model(environ, given.model))
    try:
        await_ready(engine, given.model)
        with _Progress(sys.stderr) as progress:
            measurement = measure_sets(engine, wanted, settings.data_dir / JOURNALS, tell=progress)
    finally:
        engine.close()
    assert measurement is not None  # nothing else stops it than KeyboardInterrupt
    path = ledger.put(measurement)
    sys.stdout.write(f"{table(measurement)}\n\n{summary(measurement)}\n")
    sys.stderr.write(f"Kept in {path}\n")
    return 0


def table(measurement: Measurement) -> str:
    """Skill per system, a line each: n, share of right answers with its interval, chance, and whether it is earned."""
    rows: list[tuple[str, ...]] = [("system", "mode", "n", "right", "95 % interval", "chance", "")]
    rows += [_row(skill) for skill in measurement.skills]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def _row(skill: Skill) -> tuple[str, ...]:
    interval = f"{100 * skill.low:.1f}-{100 * skill.high:.1f} %"
    shares = (f"{100 * skill.accuracy:.1f} %", interval, f"{100 * skill.chance:.1f} %")
    return (skill.name, skill.mode, str(skill.n), *shares, "earned" if skill.earned else "not earned")


def _command(given: argparse.Namespace) -> str:
    words = ["python", "-m", "app.models", "measure", given.model, "--questions", *map(str, given.questions)]
    words += ["--limit", str(given.limit), "--seed", str(given.seed)] if given.limit is not None else []
    words += ["--careful"] if given.careful else []
    words += ["--out", str(given.out)] if given.out is not None else []
    return shlex.join(words)


def _tell_refusals(labelled: Labelled, stream: TextIO) -> None:
    for refused in labelled.refusals[:LEFT_OUT_SHOWN]:
        stream.write(f"Left out: {refused}\n")
    more = len(labelled.refusals) - LEFT_OUT_SHOWN
    if more > 0:
        stream.write(f"Left out: {more} more rows of {labelled.name}\n")


class _Progress:
    """A line that is written over: how much, and how long still. Silent where nobody looks at a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun: tuple[float, int] | None = None
        self._open = False

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._stream.write("\n")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        since, already = self._begun = self._begun or (now, done)
        if self._stream.isatty():
            left = f", {(now - since) / (done - already) * (total - done):.0f} s left" if done > already else ""
            self._stream.write(f"\r{done} of {total} questions{left}\x1b[K")
            self._stream.flush()
            self._open = True
