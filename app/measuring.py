"""Measures a model: a labelled set through its engine, with stop and resume, fitted and kept (`earned`).

Every row is kept in a journal as soon as it is read, so what was stopped or killed goes on where it was. A few questions are
asked at a time, so that whoever chats meanwhile waits for a few prompts at most. In three parts: the sets, the measuring itself
(``measure_sets``), and ``Measuring``, the service of the page. `app.measure_command` is its command.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np

from app.calibration import MAX_SCORE, MIN_FIT_ROWS, MODES, Mode
from app.earned import ALL, DataSet, Ledger, Measurement, fit_record
from app.eci import FloatArray
from app.engine.base import EciHead, Engine, ModelInfo
from app.errors import BadInput, Busy, Conflict, EngineError, LlamaCareError, NoLabels, NotFound, StoreError
from app.prompts import prompt_digest
from app.questions import read_questions
from app.readings import Labels, Scores, form_of, gathered, labels_of, read_scores, requests_for
from app.records import Question
from app.rowfiles import Refusal

CHUNK = 4  # questions a call of the engine
BUSY_SECONDS = 1.0  # before a call that was turned away is made again
CLOSE_SECONDS = 5.0
BANK = "question bank"
JOURNALS, LABELLED, MEASUREMENTS = "measuring", "labelled", "measurements"  # folders in the data folder

Tell = Callable[[int, int], None]  # done, total


class ModelSwitched(Conflict):
    """The engine answers with another model than it began with."""


# Labelled sets


@dataclass(frozen=True)
class LabelledSet:
    """A set that can be measured on: ``n`` usable questions in a file, or in a folder of *.jsonl."""

    name: str
    path: Path
    n: int


@dataclass(frozen=True)
class Labelled:
    """A set as it was read. ``digest`` is of everything that the model sees of the questions, and their keys."""

    name: str
    questions: tuple[Question, ...]
    refusals: tuple[Refusal, ...]

    @property
    def digest(self) -> str:
        digest = hashlib.sha256()
        for one in self.questions:
            row = [one.id, one.context, one.stem, list(one.options.items()), one.key]
            digest.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
        return digest.hexdigest()


def read_labelled(path: Path, name: str = "") -> Labelled:
    """The questions of a file in any public layout, or of every *.jsonl in a folder; of an id that stands twice the first.

    Raises:
        BadInput: it is not there, or nothing in it can be used.
    """
    if not path.exists():
        raise BadInput(f"The question file {str(path)!r} does not exist; expected a file in any public layout, or a folder.")
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    questions: dict[str, Question] = {}
    refusals: list[Refusal] = []
    for file in files:
        rows, refused = read_questions(file)
        refusals += refused
        for _, question in rows:
            questions.setdefault(question.id, question)
    if not questions:
        reason = f" ({refusals[0]})" if refusals else ""
        raise BadInput(f"{str(path)!r} holds no question that can be used{reason}. Give a question file, or a folder of them.")
    return Labelled(name or path.stem, tuple(questions.values()), tuple(refusals))


# Rows on disk


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


# The measuring itself


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What shall be measured.

    Attributes:
        limit: of each set at most so many questions, those that come first by a hash of ``seed`` and id; None all.
        command: what makes the measurement again, for those who read it.
    """

    sets: tuple[Labelled, ...]
    careful: bool = False
    limit: int | None = None
    seed: int = 0
    command: str = ""

    @property
    def mode(self) -> Mode:
        return "careful" if self.careful else "fast"


def measure_sets(
    engine: Engine,
    wanted: Wanted,
    journals: Path,
    *,
    tell: Tell = lambda done, total: None,
    stopped: threading.Event | None = None,
) -> Measurement | None:
    """Every question read and kept in ``journals``, then calibrations, thresholds and skill fitted on what was read.

    Half of each label set's questions, by a hash of their ids, fit the calibrations, the other half the thresholds. Questions
    whose labels the model does not have, or which are too long for its context, are left out.

    Args:
        tell: called with how many of all questions are done, at the start too.
        stopped: when it is set, the measurement ends after the questions that are being read.

    Returns:
        None where it was stopped.

    Raises:
        NoLabels: the model has no labels, or no question has labels of its. ModelSwitched: another model answers now.
        EngineError, StoreError: no answer can be computed, or nothing kept. What was read until then stays kept.
    """
    stopped = threading.Event() if stopped is None else stopped
    info, head = _measurable(engine)
    prompt = prompt_digest(form_of(info))
    parts = []
    for labelled in wanted.sets:
        journal = Journal(journals, model=info.digest, data=labelled.digest, mode=wanted.mode, prompt=prompt)
        questions = _chosen(labelled, wanted, head, info)
        parts.append(_Part(labelled, questions, journal, _usable(journal.read(), questions, wanted.mode)))
    done, total = (sum(map(len, each)) for each in ([part.rows for part in parts], [part.questions for part in parts]))
    tell(done, total)
    for part in parts:
        missing = [question for question in part.questions if question.id not in part.rows]
        for first in range(0, len(missing), CHUNK):
            chunk = missing[first : first + CHUNK]
            read = _read_chunk(engine, info, chunk, wanted.mode, stopped)
            if read is None:
                return None
            part.journal.add(list(read.items()))
            part.rows.update(read)
            done += len(chunk)
            tell(done, total)
    return _fitted(info, head, wanted, parts)


@dataclass(frozen=True)
class _Part:
    """A set, its questions that shall be read, and the rows that are known of them, which grow."""

    labelled: Labelled
    questions: list[Question]
    journal: Journal
    rows: dict[str, Scores]


def _measurable(engine: Engine) -> tuple[ModelInfo, EciHead]:
    info = engine.info()
    if info.eci is None:
        raise NoLabels(f"{info.name} has no single token for each option letter, so it cannot be measured. Choose another GGUF.")
    if not info.digest:
        raise EngineError(
            f"The file of {info.name} has no digest here, so no measurement could be kept for it. Choose a GGUF file."
        )
    return info, info.eci


def _chosen(labelled: Labelled, wanted: Wanted, head: EciHead, info: ModelInfo) -> list[Question]:
    """The questions of a set that shall be read, in the order in which they are, which follows no subject."""
    readable = [question for question in labelled.questions if head.token_ids.keys() >= set(question.options)]
    if not readable:
        raise NoLabels(
            f"No question of {labelled.name} can be read: they have labels like {'/'.join(labels_of(labelled.questions[0]))}, "
            f"and {info.name} reads {', '.join(head.token_ids)}. Choose another set."
        )
    return sorted(readable, key=lambda question: _hash(f"{wanted.seed} {question.id}"))[: wanted.limit]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _usable(rows: dict[str, Scores], questions: Sequence[Question], mode: Mode) -> dict[str, Scores]:
    """The rows of these questions that have a score for each label."""
    sizes = {question.id: len(question.options) for question in questions}
    wanted = {identity: (scores, scores.of(mode)) for identity, scores in rows.items() if identity in sizes}
    return {
        identity: scores
        for identity, (scores, row) in wanted.items()
        if row is not None and scores.fast.size == row.size == sizes[identity]
    }


def _read_chunk(
    engine: Engine, info: ModelInfo, questions: Sequence[Question], mode: Mode, stopped: threading.Event
) -> dict[str, Scores] | None:
    """What was read of those that are not too long, None when it was stopped. Whoever chats goes first: a busy engine is asked
    again later."""
    while not stopped.is_set():
        try:
            _same_model(engine, info)
            short = _short(engine, info, questions, mode)
            scores = read_scores(engine.label_scores, form_of(info), short, careful=mode == "careful") if short else []
            _same_model(engine, info)
        except Busy:
            stopped.wait(BUSY_SECONDS)
        else:
            return {question.id: each for question, each in zip(short, scores, strict=True)}
    return None


def _short(engine: Engine, info: ModelInfo, questions: Sequence[Question], mode: Mode) -> list[Question]:
    """The questions that the model's context holds in every order."""
    asked = [requests_for(form_of(info), question, mode) for question in questions]
    counts = iter(engine.count([request.prompt for each in asked for request in each]))
    lengths = [max([next(counts) for _ in each]) for each in asked]
    return [question for question, length in zip(questions, lengths, strict=True) if length < info.context]


def _same_model(engine: Engine, info: ModelInfo) -> None:
    now = engine.info()
    if now.digest != info.digest:
        raise ModelSwitched(
            f"{info.name} was being measured when the model was switched to {now.name}. What was read is kept: switch back and "
            "start the measurement again, and it goes on."
        )


def _fitted(info: ModelInfo, head: EciHead, wanted: Wanted, parts: Sequence[_Part]) -> Measurement:
    pairs = [(one, part.rows[one.id]) for part in parts for one in part.questions if one.id in part.rows]
    if not pairs:
        raise BadInput(f"No question fits into the {info.context:,} tokens of {info.name} here. Give a larger --context.")
    calibration, conformal = (
        gathered([question for question, _ in half], [scores for _, scores in half]) for half in _halves(pairs)
    )
    sets = tuple(DataSet(part.labelled.name, part.labelled.digest, len(part.rows)) for part in parts if part.rows)
    return Measurement(
        digest=info.digest,
        model=info.name,
        sets=sets,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        command=wanted.command,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {info.device}",
        modes=MODES if wanted.careful else MODES[:1],
        record=fit_record(
            token_ids=head.token_ids,
            prompt=prompt_digest(form_of(info)),
            calibration=calibration,
            conformal=conformal,
            name=" and ".join(each.name for each in sets),
            names=_names(parts),
        ),
    )


def _halves(pairs: Sequence[tuple[Question, Scores]]) -> tuple[list[tuple[Question, Scores]], list[tuple[Question, Scores]]]:
    """Every other question of each label set, by a hash of its id: what else was measured moves no question to the other half."""
    halves: tuple[list[tuple[Question, Scores]], list[tuple[Question, Scores]]] = ([], [])
    seen: dict[Labels, int] = {}
    for pair in sorted(pairs, key=lambda pair: _hash(pair[0].id)):
        labels = labels_of(pair[0])
        seen[labels] = seen.get(labels, -1) + 1
        halves[seen[labels] % 2].append(pair)
    return halves


def _names(parts: Sequence[_Part]) -> dict[Labels, str]:
    """Label set -> the names of the sets with questions that have it and were read."""
    names: dict[Labels, dict[str, None]] = {}
    for part in parts:
        for question in part.questions:
            if question.id in part.rows:
                names.setdefault(labels_of(question), {})[part.labelled.name] = None
    return {labels: " and ".join(each) for labels, each in names.items()}


# The page's service


class MeasuringPhase(enum.StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class MeasuringStatus:
    """How the measurement stands, or how the last one ended. ``done`` of ``total`` questions; ``seconds_left`` None while there
    is nothing to judge by."""

    phase: MeasuringPhase
    set: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    sentence: str = ""


class Measuring:
    """One measurement at a time, in a thread of its own, for the page. Callable from any thread."""

    def __init__(
        self, engine: Engine, ledger: Ledger, *, bank: Path, data_dir: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``bank``: the folder of the application's own questions. In ``data_dir`` are the user's sets, labelled/*.jsonl, and the
        journals."""
        self._engine = engine
        self._ledger = ledger
        self._bank = bank
        self._data_dir = data_dir
        self._clock = clock
        self._lock = threading.Lock()  # guards all below
        self._status = MeasuringStatus(MeasuringPhase.IDLE)
        self._begun: tuple[float, int] | None = None  # when the first question was asked, and how many were done then
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def sets(self) -> list[LabelledSet]:
        """The question bank and the user's files, those with at least one question that can be used."""
        found = []
        for name, path in self._places().items():
            try:
                found.append(LabelledSet(name, path, len(read_labelled(path, name).questions)))
            except BadInput:
                continue  # the command says why
        return found

    def start(self, name: str, careful: bool = False) -> None:
        """Begins, or goes on with, the measurement of the loaded model on a set.

        Raises:
            NotFound: no such set. Conflict: one is running. BadInput: no question of the set can be used.
            EngineError: there is no model, or it cannot be measured.
        """
        path = self._places().get(name)
        if path is None:
            raise NotFound(f"There is no labelled set {name!r:.60}; expected one of {', '.join(self._places())}.")
        labelled = read_labelled(path, name)
        info, _ = _measurable(self._engine)
        flags = " --careful" if careful else ""
        command = f"python -m app.models measure {info.file} --questions {path.name}{flags}"
        with self._lock:
            if self._closed:
                raise Conflict("The application is closing. Start the measurement again when it is open.")
            if self._status.phase is MeasuringPhase.RUNNING:
                raise Conflict(f"A measurement on {self._status.set} is running. Stop it first, or wait for its end.")
            self._stop = threading.Event()
            self._begun = None
            self._status = MeasuringStatus(MeasuringPhase.RUNNING, name, 0, len(labelled.questions))
            wanted = Wanted(sets=(labelled,), careful=careful, command=command)
            self._thread = threading.Thread(target=self._run, args=(wanted, self._stop), name="measuring", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the measurement after the questions that are being read; nothing where none runs."""
        with self._lock:
            self._stop.set()

    def status(self) -> MeasuringStatus:
        with self._lock:
            return self._status

    def close(self) -> None:
        """Stops, and waits a moment for the end. Close this before the engine."""
        with self._lock:
            self._closed = True
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def _places(self) -> dict[str, Path]:
        files = sorted((self._data_dir / LABELLED).glob("*.jsonl"))
        return {BANK: self._bank} | {path.stem: path for path in files if path.stem != BANK}

    def _run(self, wanted: Wanted, stopped: threading.Event) -> None:
        try:
            found = measure_sets(self._engine, wanted, self._data_dir / JOURNALS, tell=self._tell, stopped=stopped)
            if found is None:
                self._end(MeasuringPhase.STOPPED, "Stopped. What was read is kept: start it again and it goes on.")
            else:
                self._ledger.put(found)
                self._end(MeasuringPhase.DONE, summary(found))
        except ModelSwitched as switched:
            self._end(MeasuringPhase.STOPPED, switched.sentence)
        except LlamaCareError as error:
            self._end(MeasuringPhase.FAILED, error.sentence)
        except BaseException:
            self._end(MeasuringPhase.FAILED, "The measurement ended by a fault of the application. Start it again: it goes on.")
            raise

    def _tell(self, done: int, total: int) -> None:
        now = self._clock()
        with self._lock:
            if self._begun is None:
                self._begun = (now, done)
            since, already = self._begun
            left = (now - since) / (done - already) * (total - done) if done > already else None
            self._status = MeasuringStatus(MeasuringPhase.RUNNING, self._status.set, done, total, left)

    def _end(self, phase: MeasuringPhase, sentence: str) -> None:
        with self._lock:
            self._status = MeasuringStatus(phase, self._status.set, self._status.done, self._status.total, None, sentence)


def summary(measurement: Measurement) -> str:
    """What came out, in a sentence for each mode over all questions, and how many systems showed skill."""
    parts = []
    for mode in measurement.modes:
        of = [skill for skill in measurement.skills if skill.mode == mode]
        whole = next((skill for skill in of if skill.name == ALL), of[0])
        systems = [skill for skill in of if skill.name != ALL]
        shown = sum(skill.earned for skill in systems)
        parts.append(f"{mode}: {whole.sentence}, skill in {shown} of {len(systems)} systems")
    most = max(calibration.n for calibration in measurement.record.calibrations)
    few = (
        f" To fit a calibration takes {2 * MIN_FIT_ROWS} questions: probabilities stay as they are."
        if most < MIN_FIT_ROWS
        else ""
    )
    return f"{measurement.model}, {'; '.join(parts)}.{few}"
