"""Training data by command: any layout -> training rows, disjoint parts, few-shot sets, checks for overlap.

    python -m finetune.data convert FILE... --out ROWS.jsonl [--layout NAME] [--hub ID --split S]
    python -m finetune.data split ROWS.jsonl... --out DIR --parts train=200,calibration=60,test=rest --seed 1
    python -m finetune.data shots QUESTIONS.jsonl --pool TRAIN.jsonl --shots 5 --seed 1 --out SHOTS.jsonl
    python -m finetune.data check TRAIN.jsonl... --against TEST.jsonl... [--write CLEAN.jsonl]

Beside ``ROWS.jsonl`` stands ``ROWS.run.json``, in a folder of parts ``run.json``: inputs' and outputs' digests, arguments, seed,
versions, counts and every refused row. Exit code 0: done; 1: ``check`` found something; 2: not possible, with the reason.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from app.errors import BadInput, LlamaCareError
from app.files import digest_of, write_aside, write_json
from app.questions import STEPS
from app.records import Question
from finetune.overlap import Overlap, find_overlap, without_overlap
from finetune.rows import QuestionRow, Row, collect, read_rows, row_record
from finetune.sources import NAMES, Source, hub_loader, read_hub, read_source
from finetune.splits import STRATA, default_stratum, few_shot_rows, parse_parts, per_field, split_rows, without_duplicates

VERSION = 1  # of run.json
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    commands = {"convert": convert, "split": split, "shots": shots, "check": check}
    try:
        return commands[given.command](given)
    except LlamaCareError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What was not yet named as written is not there.\n")
        return 130
    except OSError as error:
        sys.stderr.write(
            f"{error.filename or 'The output'} cannot be written ({error.strerror}). Choose another --out, or make room.\n"
        )
        return 2


def convert(given: argparse.Namespace) -> int:
    out = _outputs(given, {"rows": given.out}, _run_of(given.out))
    if not given.files and not given.hub:
        raise BadInput("Nothing is given to convert. Give files, or --hub ID.")
    readings = [read_source(path, given.layout) for path in _progress(given.files, "reading")]
    if given.hub:
        readings.append(read_hub(given.hub, given.split, hub_loader()))
    for reading in readings:
        _say(f"{reading.name}: {len(reading.rows)} rows, {len(reading.refusals)} refused")
    rows = collect(readings, on_bad="drop")
    _say(str(rows.report))
    _write(given, {out["rows"]: rows.rows}, _run_of(given.out), given.files, rows.report.record())
    return 0


def split(given: argparse.Namespace) -> int:
    parts = parse_parts(given.parts)
    out = _outputs(given, {part.name: given.out / f"{part.name}.jsonl" for part in parts}, given.out / "run.json")
    strays = sorted(path.name for path in given.out.glob("*.jsonl") if path not in out.values()) if given.out.is_dir() else []
    if strays:
        raise BadInput(f"{given.out} holds {strays[0]}, which is no part of this split. Choose another --out, or remove it.")
    read = read_rows(given.files, on_bad="drop")
    _say(str(read.report))
    rows, twins = without_duplicates(read.rows)
    for twin in twins[:20]:
        _say(f"  - {twin}")
    _say(f"{len(read.rows) - len(rows)} rows left out as duplicates, {len(rows)} different rows kept")
    stratify = default_stratum(rows) if given.stratify == "auto" else None if given.stratify == "none" else given.stratify
    divided = split_rows(rows, parts, seed=given.seed, stratify=stratify)
    counts = {
        **read.report.record(),
        "duplicates": [str(twin) for twin in twins],
        "stratified_by": stratify,
        "keys": {name: per_field(_questions(rows), lambda one: one.key) for name, rows in divided.items()},
    }
    _write(given, {out[name]: rows for name, rows in divided.items()}, given.out / "run.json", given.files, counts)
    return 0


def shots(given: argparse.Namespace) -> int:
    out = _outputs(given, {"rows": given.out}, _run_of(given.out))
    read, pool = read_rows([given.file], on_bad="drop"), read_rows([given.pool], on_bad="drop")
    _say(f"{given.file}: {read.report}\n{given.pool}: {pool.report}")
    questions = [one for one in _questions(read.rows) if given.step in (None, one.step)]
    if not questions:
        raise BadInput(f"{given.file} holds no question of step {given.step}. Leave --step out, or give another file.")
    made = few_shot_rows(questions, _questions(pool.rows), shots=given.shots, seed=given.seed, balance=given.balance)
    steps = per_field(questions, lambda one: one.step)
    _say(f"{len(made.rows)} rows with {given.shots} examples each; by step: {_listed(steps)}")
    if made.mixed:
        _say(f"{len(made.mixed)} of them have examples of other steps, because the pool has too few of theirs")
    counts = {"file": read.report.record(), "pool": pool.report.record(), "steps": steps, "mixed": list(made.mixed)}
    _write(given, {out["rows"]: made.rows}, _run_of(given.out), [given.file, given.pool], counts)
    return 0


def check(given: argparse.Namespace) -> int:
    if given.write:
        _outputs(given, {"rows": given.write}, _run_of(given.write))
    train, judged = read_rows(given.files, on_bad="drop"), read_rows(given.against, on_bad="drop")
    questions = _questions(judged.rows)
    overlaps = find_overlap(train.rows, questions, progress=lambda rows: _progress(rows, "comparing"))
    clean = without_overlap(train, overlaps, least_share=given.least_share)
    _say(f"training: {clean.report}")
    _say(f"evaluation: {judged.report}")
    _say(_summary(overlaps, len(train.rows), len(questions)))
    if given.write:
        if not clean.rows:
            raise BadInput("No training row is left without overlap. Choose other training data.")
        counts = {"training": clean.report.record(), "evaluation": judged.report.record()}
        _write(given, {given.write: clean.rows}, _run_of(given.write), [*given.files, *given.against], counts)
    return int(bool(clean.report.found or judged.report.found))


def _summary(overlaps: Sequence[Overlap], train: int, judged: int) -> str:
    exact, near = ({one.train for one in overlaps if one.kind == kind} for kind in ("exact", "ngram"))
    shares = ", ".join(
        f"{len({one.train for one in overlaps if one.share >= least})} share {least:.0%}" for least in (0.1, 0.2, 0.5)
    )
    asked = {one.evaluation for one in overlaps}
    return (
        f"overlap: {len(exact | near)} of {train} training rows with {len(asked)} of {judged} evaluation questions; "
        f"{len(exact)} equal, {len(near - exact)} by a run of words ({shares} of a question's words or more)"
    )


def _questions(rows: Iterable[Row]) -> list[Question]:
    return [row.question for row in rows if isinstance(row, QuestionRow)]


def _outputs(given: argparse.Namespace, files: Mapping[str, Path], run: Path) -> Mapping[str, Path]:
    """The files to be written, refused before any work where one is there."""
    inputs = {path.resolve() for name in ("files", "against") for path in getattr(given, name, ())}
    inputs |= {path.resolve() for name in ("file", "pool") if (path := getattr(given, name, None))}
    for path in (*files.values(), run):
        if path.resolve() in inputs:
            raise BadInput(f"{path} is read and would be written. Choose another --out.")
        if path.exists() and not given.force:
            raise BadInput(f"{path} is there already. Choose another --out, or add --force to replace it.")
    return files


def _run_of(out: Path) -> Path:
    return out.with_suffix(".run.json")


def _write(
    given: argparse.Namespace, files: Mapping[Path, Sequence[Row]], run: Path, inputs: Sequence[Path], counts: Mapping[str, Any]
) -> None:
    run.unlink(missing_ok=True)  # an old one must not vouch for new files, should this be killed between them
    outputs = []
    for path, rows in files.items():
        text = "".join(f"{json.dumps(row_record(row), ensure_ascii=False)}\n" for row in rows)
        write_aside(path, partial(Path.write_text, data=text, encoding="utf-8", newline="\n"))
        kinds = Counter(row_record(row)["kind"] for row in rows)
        outputs.append({"path": path.name, "sha256": digest_of(path), "rows": len(rows), "kinds": dict(kinds)})
        _say(f"wrote {path}: {len(rows)} rows ({_listed(kinds)}), sha256 {outputs[-1]['sha256']}")
    plain = {name: _plain(value) for name, value in vars(given).items() if name != "command"}
    write_json(
        run,
        {
            "stage": "data",
            "version": VERSION,
            "command": given.command,
            "arguments": plain,
            "seed": getattr(given, "seed", None),
            "inputs": [{"path": str(path), "sha256": digest_of(path)} for path in inputs],
            "outputs": outputs,
            "versions": {"python": platform.python_version(), **_versions("tqdm", "datasets")},
            "counts": counts,
        },
    )
    _say(f"wrote {run}")


def _versions(*names: str) -> dict[str, str]:
    there = {found.metadata["Name"]: found.version for name in names for found in importlib.metadata.distributions(name=name)}
    return {name: there[name] for name in names if name in there}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _progress(things: Sequence[T], what: str) -> Iterable[T]:
    """A bar on stderr for what takes over two seconds."""
    bar: Iterable[T] = tqdm(things, desc=what, delay=2, leave=False, file=sys.stderr)
    return bar


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune.data", description="Training data: convert, split, shots, check.")
    commands = parser.add_subparsers(dest="command", required=True)

    one = commands.add_parser("convert", help="files of any layout, or a set of the Hugging Face hub, to training rows")
    one.add_argument("files", nargs="*", type=Path, metavar="FILE")
    one.add_argument("--out", required=True, type=Path, metavar="FILE.jsonl")
    one.add_argument("--layout", choices=NAMES, default=str(Source.AUTO), help="what the files are; auto looks at their fields")
    one.add_argument("--hub", metavar="ID", help="a set of the hub, owner/name or owner/name:config; needs a network")
    one.add_argument("--split", default="train", help="which split of the hub's set (train)")

    one = commands.add_parser("split", help="disjoint seeded parts, duplicates left out")
    one.add_argument("files", nargs="+", type=Path, metavar="FILE")
    one.add_argument("--out", required=True, type=Path, metavar="DIR")
    one.add_argument("--parts", required=True, help="name=rows, name=share or name=rest, with commas")
    one.add_argument("--seed", required=True, type=int)
    one.add_argument(
        "--stratify", choices=("auto", "none", *STRATA), default="auto", help="auto: by key where answers are words, else none"
    )

    one = commands.add_parser("shots", help="one-shot and few-shot sets")
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--out", required=True, type=Path, metavar="FILE.jsonl")
    one.add_argument("--pool", required=True, type=Path, metavar="FILE", help="where the examples come from")
    one.add_argument("--shots", required=True, type=int, choices=(1, 5))
    one.add_argument("--seed", required=True, type=int)
    one.add_argument("--balance", action="store_true", help="examples with each key in turn")
    one.add_argument("--step", choices=STEPS, help="the questions of one USMLE step alone")

    one = commands.add_parser("check", help="bad rows, and overlap with evaluation questions; exit code 1 where there are any")
    one.add_argument("files", nargs="+", type=Path, metavar="TRAIN")
    one.add_argument("--against", required=True, nargs="+", type=Path, metavar="EVAL")
    one.add_argument("--write", type=Path, metavar="FILE.jsonl", help="the training rows that are left")
    one.add_argument(
        "--least-share", type=float, default=0.0, help="keep rows that share less of a question's words; 0 keeps none"
    )

    for command in commands.choices.values():
        command.add_argument("--force", action="store_true", help="replace outputs that are there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
