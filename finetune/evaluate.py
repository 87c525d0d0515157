"""Measures a model on question files by one method, and writes what can be trusted of it.

    python -m finetune.evaluate --model model.gguf --questions dev.jsonl --method letters --out runs/letters

Writes metrics.json, predictions.jsonl, table.md, reliability.png and risk_coverage.png into --out. Stopped at any moment, the
same command goes on. Several such folders: `python -m finetune.compare`. Knows neither llama.cpp nor torch.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from app.errors import BadInput, LlamaCareError
from app.questions import read_questions
from app.readings import labels_of
from app.records import Question
from app.rowfiles import Refusal
from finetune.environment import INTERRUPTED
from finetune.figures import label_set
from finetune.methods import Answers, answers_of, refuse_unreadable
from finetune.options import Options, identity, read_options
from finetune.plots import draw as draw_pictures
from finetune.predictions import METRICS, PREDICTIONS, Prediction, append, begin, kept
from finetune.readers import Reader, open_reader
from finetune.readings import Asking, Method
from finetune.report import Draw, Rows, metrics, write_results
from finetune.shots import choose_examples

BATCH = 16  # questions answered, and kept on disk, together
SHOWN = 5  # refused rows that are told; the report counts all
LIBRARIES = ("numpy", "llama-cpp-python", "torch", "transformers", "peft")


def main(argv: Sequence[str] | None = None, *, opener: Callable[[Path], Reader] = open_reader, draw: Draw = draw_pictures) -> int:
    """The command; its exit code. ``opener`` loads the model, ``draw`` makes the pictures."""
    try:
        run(read_options(sys.argv[1:] if argv is None else argv), opener, draw)
    except LlamaCareError as error:
        _say(error.sentence)
        return 2
    except KeyboardInterrupt:
        _say("\nStopped. What was answered is kept; run the same command again to go on.")
        return INTERRUPTED
    return 0


def run(options: Options, opener: Callable[[Path], Reader], draw: Draw) -> None:
    """Raises LlamaCareError with the sentence for the user."""
    rows = _limited(read_all(options.questions, what="--questions"), options.limit)
    pool = read_all([options.shots_from], what="--shots-from").questions if options.shots_from else ()
    label_set([labels_of(one) for one in rows.questions])
    prior = read_all([options.prior_from], what="--prior-from").questions if options.prior_from else ()
    asking = Asking(
        method=options.method,
        mode=options.mode,
        style=options.style,
        seed=options.seed,
        uncalibrated=options.uncalibrated,
        examples=choose_examples(pool, rows.questions, options.shots, options.seed),
    )
    _tell_refused(rows.refusals, kept_rows=len(rows.questions))
    reader = None if options.model is None or options.method is Method.MAJORITY else opener(options.model)
    try:
        if reader is not None:
            refuse_unreadable(asking, reader, rows.questions)
        begin(options.out, identity(options, reader), _about(options), force=options.force)
        answers = answers_of(asking, reader, prior or rows.questions)
        predictions = answer_all(options.out, rows.questions, answers, name=options.name)
        found = metrics(options, rows, predictions, reader=reader, asking=asking, prior=prior)
        write_results(options.out, options.name, found, predictions, draw)
    finally:
        if reader is not None:
            reader.close()
    _say(f"{options.out / METRICS}: accuracy {100 * found['accuracy']:.1f} % of {found['n']} questions. {found['skill']}")


def read_all(paths: Sequence[Path], *, what: str) -> Rows:
    """The questions of several files; an id that stands in two is kept once, the first time.

    Raises:
        BadInput: a file is not there, or none has a question.
    """
    questions: dict[str, Question] = {}
    refusals: list[Refusal] = []
    for path in paths:
        if not path.is_file():
            raise BadInput(f"{what} names {str(path)!r}, which is no file; expected a question file (.jsonl, .json, .csv).")
        rows, refused = read_questions(path)
        refusals += refused
        for line, question in rows:
            if question.id in questions:
                refusals.append(Refusal(path.name, line, "id", f"{question.id!r} stands in an earlier file too."))
            questions.setdefault(question.id, question)
    if not questions:
        first = f" The first: {refusals[0]}" if refusals else ""
        raise BadInput(f"{what} has no question that can be read; {len(refusals)} rows were refused.{first}")
    return Rows(tuple(questions.values()), tuple(refusals))


def _limited(rows: Rows, limit: int) -> Rows:
    """Evenly spread and not the first: files are often sorted. The same for every method and seed, so runs can be compared."""
    count = len(rows.questions)
    if not 0 < limit < count:
        return rows
    return Rows(tuple(rows.questions[place * count // limit] for place in range(limit)), rows.refusals)


def _tell_refused(refusals: Sequence[Refusal], *, kept_rows: int) -> None:
    if not refusals:
        return
    _say(f"{len(refusals)} rows were refused and {kept_rows} questions are measured:")
    for refusal in refusals[:SHOWN]:
        _say(f"  {refusal}")
    if len(refusals) > SHOWN:
        _say(f"  and {len(refusals) - SHOWN} more")


def _about(options: Options) -> dict[str, Any]:
    return {"command": options.command, "versions": {"python": platform.python_version(), **_versions()}}


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def answer_all(folder: Path, questions: Sequence[Question], answers: Answers, *, name: str) -> list[Prediction]:
    """Every question's prediction, those of an earlier run taken as they are; each batch is on disk before the next begins."""
    predictions = kept(folder, [question.id for question in questions], batch=BATCH)
    right = sum(one.correct for one in predictions)
    with tqdm(total=len(questions), initial=len(predictions), desc=name, unit="question", file=sys.stderr) as bar:
        for start in range(len(predictions), len(questions), BATCH):
            batch = answers(questions[start : start + BATCH])
            append(folder / PREDICTIONS, batch)
            predictions += batch
            right += sum(one.correct for one in batch)
            bar.set_postfix_str(f"accuracy {100 * right / len(predictions):.1f} %", refresh=False)
            bar.update(len(batch))
    return predictions


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
