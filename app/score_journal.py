"""What was read of each question, on disk as soon as it was read, so that a measurement that ended early goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from app.calibration import MAX_SCORE, Mode
from app.eci import FloatArray
from app.errors import StoreError
from app.readings import Scores


class Journal:
    """The rows of one model, set, mode and prompt, a JSON line each. A line that a kill cut off counts as not read."""

    def __init__(self, folder: Path, *, model: str, data: str, mode: Mode, prompt: str) -> None:
        self._path = folder / f"{model[:16]}-{data[:16]}-{mode}-{prompt}.jsonl"

    def read(self) -> dict[str, Scores]:
        """Question id -> its scores.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error) from error
        rows = (_parsed(line) for line in lines)
        return dict(row for row in rows if row is not None)

    def add(self, rows: Sequence[tuple[str, Scores]]) -> None:
        """Appends rows and forces them to disk.

        Raises:
            StoreError: the file cannot be written.
        """
        text = "".join(f"{_line(identity, scores)}\n" for identity, scores in rows)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as stream:
                stream.write(text.encode() if _ends_whole(stream) else f"\n{text}".encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(
            f"The rows that were read cannot be kept in {self._path.parent} ({error.strerror}). "
            "Make room there, or give --data-dir another folder, and start the measurement again: it goes on where it was."
        )


def _ends_whole(stream: IO[bytes]) -> bool:
    """Whether a file that is open at its end is empty or ends with a whole line. Leaves it at its end."""
    if not stream.tell():
        return True
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) == b"\n"


def _line(identity: str, scores: Scores) -> str:
    careful = None if scores.careful is None else scores.careful.tolist()
    return json.dumps({"id": identity, "fast": scores.fast.tolist(), "careful": careful})


def _parsed(line: bytes) -> tuple[str, Scores] | None:
    try:
        row = json.loads(line)
        careful = None if row["careful"] is None else _logits(row["careful"])
        return str(row["id"]), Scores(_logits(row["fast"]), careful)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _logits(values: object) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not (np.abs(array) <= MAX_SCORE).all():
        raise ValueError(f"{values!r:.60} are no scores")
    return array
