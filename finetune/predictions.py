"""What an evaluation has found so far, one line a question, kept so that a run that was cut goes on where it was.

``run.json`` says what is being measured; a folder never holds the answers of two different runs. Knows no model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from app.errors import BadInput
from app.files import write_json
from app.records import LABELS
from finetune.plots import PICTURES

PREDICTIONS = "predictions.jsonl"
METRICS = "metrics.json"
RUN = "run.json"
STAGE = "finetune.evaluate"
TABLE = "table.md"
WRITTEN = (PREDICTIONS, METRICS, RUN, TABLE, *PICTURES)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One question's answer.

    Attributes:
        labels: the question's; ``probabilities`` and ``uncalibrated`` in the same order, None for methods without them, equal
            where no calibration was applied.
        choice: the most probable label, the written one, or None where what was written names none (an invalid answer, wrong).
        choice_uncalibrated: the same before the calibration.
        choice_permuted, choice_permuted_calibrated: under the question's permutation, as labels of the question as it
            stands; another label is another text.
        permuted: whether the question was asked in a second order at all.
        written: what the model wrote, None for methods that write nothing.
        seconds: what the answer itself took, without the permuted reading, by its share of the requests of its batch.
    """

    id: str
    truth: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...] | None
    uncalibrated: tuple[float, ...] | None
    choice: str | None
    choice_uncalibrated: str | None
    choice_permuted: str | None
    choice_permuted_calibrated: str | None
    permuted: bool
    written: str | None
    seconds: float
    subject: str
    system: str
    step: str

    @property
    def correct(self) -> bool:
        return self.choice == self.truth


def line_of(prediction: Prediction) -> str:
    return json.dumps(asdict(prediction), ensure_ascii=False, allow_nan=False)


def _prediction(line: bytes) -> Prediction:
    """Raises ValueError for a line that is no prediction."""
    row = json.loads(line.decode("utf-8"))
    names = {field.name for field in fields(Prediction)}
    if not isinstance(row, dict) or row.keys() != names:
        raise ValueError(f"its fields are not {', '.join(sorted(names))}")
    tuples = {name: None if row[name] is None else tuple(row[name]) for name in ("labels", "probabilities", "uncalibrated")}
    prediction = Prediction(**(row | tuples))
    if prediction.truth not in prediction.labels or not set(prediction.labels) <= set(LABELS):
        raise ValueError(f"its truth is {prediction.truth!r} and its labels are {prediction.labels!r}")
    return prediction


def digest_of(predictions: Sequence[Prediction]) -> str:
    """SHA-256 of what was answered: every field but the seconds, so that the same answers have the same digest."""
    rows = [{name: value for name, value in asdict(one).items() if name != "seconds"} for one in predictions]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def append(path: Path, predictions: Sequence[Prediction]) -> None:
    """Adds lines that survive a cut of the power once this has returned."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line_of(one)}\n" for one in predictions))
        file.flush()
        os.fsync(file.fileno())


def read_predictions(path: Path) -> list[Prediction]:
    """Every whole line. What follows the last line's end is the half of a line that a cut run left, and is no prediction.

    Raises:
        BadInput: there is no such file, or a whole line in it is no prediction.
    """
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}). Give the --out folder of an evaluation.") from error
    predictions = []
    for number, line in enumerate(lines, start=1):
        try:
            predictions.append(_prediction(line))
        except (ValueError, TypeError) as error:
            raise BadInput(
                f"{path}, line {number} is no prediction: {error}. Evaluate again with --force, or into another --out."
            ) from error
    return predictions


def keep(path: Path, predictions: Sequence[Prediction]) -> None:
    """Puts exactly these into the file, the old one standing until the new one is whole."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    append(new, predictions)
    new.replace(path)


def kept(folder: Path, ids: Sequence[str], *, batch: int) -> list[Prediction]:
    """What an earlier run of the same identity has answered: the predictions of the first questions, in whole batches.

    A batch that was cut is answered anew as a whole: a model's figures depend in their last bits on what is computed together.

    Raises:
        BadInput: what is there answers other questions.
    """
    path = folder / PREDICTIONS
    if not path.exists():
        return []
    found = read_predictions(path)
    if [one.id for one in found] != list(ids[: len(found)]):
        raise BadInput(f"{path} answers other questions than this run asks. Evaluate again with --force, or into another --out.")
    whole = found if len(found) == len(ids) else found[: len(found) - len(found) % batch]
    keep(path, whole)
    return whole


def begin(folder: Path, identity: Mapping[str, Any], about: Mapping[str, Any], *, force: bool) -> None:
    """Claims a folder for a run; the same run goes on, ``force`` clears away another's files.

    Args:
        identity: what decides the answers, as JSON values.
        about: what is also kept in ``run.json``, as the command and the versions of libraries.

    Raises:
        BadInput: the folder holds another run, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / RUN
        if path.exists() and read_json(path).get("stage") != STAGE:
            raise BadInput(f"{folder} holds the {RUN} of another stage than {STAGE}, as a trained adapter's. Give another --out.")
        if force:
            for name in WRITTEN:
                (folder / name).unlink(missing_ok=True)
        elif path.exists():
            _check_same(path, identity)
            return
        elif any((folder / name).exists() for name in WRITTEN):
            raise BadInput(f"{folder} holds results without a {RUN} of what. Give another --out, or --force to clear it.")
        write_json(path, {"stage": STAGE, "identity": identity, **about})
    except OSError as error:
        raise BadInput(f"The folder {str(folder)!r} cannot be written ({error.strerror}). Give another --out.") from error


def _check_same(path: Path, identity: Mapping[str, Any]) -> None:
    before = read_json(path).get("identity")
    if not isinstance(before, dict):
        raise BadInput(f"{path} does not say what was measured. Give another --out, or --force to begin again.")
    now = json.loads(json.dumps(identity))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise BadInput(
                f"{path.parent} holds another run: {name} was {_short(before.get(name))} and is now {_short(now.get(name))}. "
                "Give another --out, or --force to throw that run away."
            )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_json(path: Path) -> dict[str, Any]:
    """Raises BadInput for a file that is absent or holds no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}). Give the --out folder of a finished evaluation.") from error
    except ValueError as error:
        raise BadInput(f"{path} is no JSON ({error}). Evaluate again with --force.") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path} holds a JSON {type(value).__name__}, expected an object. Evaluate again with --force.")
    return value
