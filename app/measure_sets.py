"""Measures a model: labelled sets through its engine, with stop and resume, fitted to what is kept of it (`earned`).

Every row is kept in a journal as soon as it is read, so what was stopped or killed goes on where it was. A few questions are
asked at a time, so that whoever chats meanwhile waits for a few prompts at most.
"""

from __future__ import annotations

import hashlib
import os
import platform
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.calibration import MIN_FIT_ROWS, MODES, Mode
from app.earned import ALL, DataSet, Measurement, fit_record
from app.engine.base import EciHead, Engine, ModelInfo
from app.errors import BadInput, Busy, Conflict, EngineError, NoLabels
from app.labelled import Labelled
from app.prompts import prompt_digest
from app.readings import Labels, Scores, form_of, gathered, labels_of, read_scores, requests_for
from app.records import Question
from app.score_journal import Journal

CHUNK = 4  # questions a call of the engine
BUSY_SECONDS = 1.0  # before a call that was turned away is made again

Tell = Callable[[int, int], None]  # done, total


class ModelSwitched(Conflict):
    """The engine answers with another model than it began with."""


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
    info, head = measurable(engine)
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


def measurable(engine: Engine) -> tuple[ModelInfo, EciHead]:
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
    """Every other question of each label set, by a hash of its id: what else was measured moves no question to the other half.
    A question that stands in two sets stays in one half."""
    halves: tuple[list[tuple[Question, Scores]], list[tuple[Question, Scores]]] = ([], [])
    seen: dict[Labels, dict[str, int]] = {}
    for pair in sorted(pairs, key=lambda pair: _hash(pair[0].id)):
        places = seen.setdefault(labels_of(pair[0]), {})
        halves[places.setdefault(pair[0].id, len(places)) % 2].append(pair)
    return halves


def _names(parts: Sequence[_Part]) -> dict[Labels, str]:
    """Label set -> the names of the sets with questions that have it and were read."""
    names: dict[Labels, dict[str, None]] = {}
    for part in parts:
        for question in part.questions:
            if question.id in part.rows:
                names.setdefault(labels_of(question), {})[part.labelled.name] = None
    return {labels: " and ".join(each) for labels, each in names.items()}


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
