"""The command line of `finetune.evaluate`: read, checked, and what of it decides the answers."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from app.calibration import MODES, Mode
from app.errors import BadInput
from app.files import digest_of
from app.prompts import Style, prompt_digest
from finetune.readers import Reader
from finetune.readings import Method

CAREFUL = (Method.ECI, Method.LETTERS, Method.PAPER)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, checked."""

    model: Path | None
    questions: tuple[Path, ...]
    method: Method
    out: Path
    shots: int
    shots_from: Path | None
    style: Style
    mode: Mode
    limit: int
    seed: int
    prior_from: Path | None
    uncalibrated: bool
    force: bool
    title: str
    command: str

    @property
    def name(self) -> str:
        """What tables call it: as the user says, else the method with what sets it apart."""
        if self.title:
            return self.title
        parts = (
            str(self.method),
            "careful" if self.mode == "careful" else "",
            f"{self.shots}-shot" if self.shots else "",
            "steps" if self.style is Style.STEPS else "",
            "uncalibrated" if self.uncalibrated else "",
        )
        return " ".join(part for part in parts if part)


def read_options(argv: Sequence[str]) -> Options:
    """Raises BadInput for a flag that cannot be, or flags that do not go together."""
    parser = _Parser(prog="python -m finetune.evaluate", description="Measures a model on question files by one method.")
    parser.add_argument("--model", type=Path, help="a .gguf file, a Hugging Face folder, or the folder of finetune.train")
    parser.add_argument(
        "--questions", type=Path, nargs="+", required=True, help="question files of any layout of app/questions.py"
    )
    parser.add_argument("--method", choices=list(Method), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; the same command goes on in it")
    parser.add_argument("--shots", type=int, choices=(0, 1, 5), default=0, help="examples before each question")
    parser.add_argument("--shots-from", type=Path, help="question file that the examples come from")
    parser.add_argument("--style", choices=list(Style), default=Style.LABEL, help="ask for the label, or for three steps first")
    parser.add_argument(
        "--mode", choices=MODES, default="fast", help="one pass, or the mean over the cyclic orders of the options"
    )
    parser.add_argument("--limit", type=int, default=0, help="this many questions, evenly spread over all; 0 takes all")
    parser.add_argument("--seed", type=int, default=0, help="of the permutations and the choice of examples")
    parser.add_argument("--prior-from", type=Path, help="questions whose keys the majority and the label prior are counted on")
    parser.add_argument("--uncalibrated", action="store_true", help="leave the model's calibration aside")
    parser.add_argument("--name", dest="title", default="", help="what tables call this evaluation; else the method")
    parser.add_argument("--force", action="store_true", help="clear away another run's results in --out")
    given = parser.parse_args(argv)
    values = vars(given) | {"questions": tuple(given.questions), "method": Method(given.method), "style": Style(given.style)}
    options = Options(**values, command=f"python -m finetune.evaluate {shlex.join(argv)}")
    _check(options)
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{self.prog}: {message}. --help lists the flags.")


def _check(options: Options) -> None:
    if options.limit < 0:
        raise BadInput(f"--limit is {options.limit}; expected 0 for all questions, or how many.")
    if options.model is None and options.method is not Method.MAJORITY:
        raise BadInput(f"--method {options.method} needs a model; add --model with a .gguf file or a model's folder.")
    if options.mode == "careful" and options.method not in CAREFUL:
        raise BadInput(f"--mode careful turns the labels, and --method {options.method} reads none. Leave it out.")
    if bool(options.shots) != (options.shots_from is not None):
        raise BadInput(
            f"--shots is {options.shots} and --shots-from {options.shots_from}; give both, or neither: examples never come from "
            "the questions under test."
        )


def identity(options: Options, reader: Reader | None) -> dict[str, Any]:
    """What decides the answers: a folder holds those of one identity alone."""
    return {
        "model": reader.digest if reader else None,
        "prompt": prompt_digest(reader.form, options.style) if reader else None,
        "questions": [digest_of(path) for path in options.questions],
        "method": str(options.method),
        "mode": options.mode,
        "shots": options.shots,
        "shots_from": digest_of(options.shots_from) if options.shots_from else None,
        "style": str(options.style),
        "limit": options.limit,
        "seed": options.seed,
        "prior_from": digest_of(options.prior_from) if options.prior_from else None,
        "uncalibrated": options.uncalibrated,
    }
