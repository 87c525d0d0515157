"""What a model has earned: calibrations, thresholds and skill, fitted and judged on measured questions, and where they are kept.

A measurement belongs to one model file, by its digest. Knows no engine at work and no page. In three parts: fitting
(``fit_record``), the kept measurement (``Measurement``, ``Ledger``), and which one counts for a loaded model (``earned``).
"""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.calibration import (
    MODES,
    Calibration,
    EciRecord,
    Figures,
    Mode,
    Threshold,
    conformal_threshold,
    fit_calibration,
)
from app.eci import FloatArray, probabilities
from app.engine.base import ModelInfo
from app.errors import StoreError
from app.files import write_aside
from app.measure import measure, wilson
from app.prompts import prompt_digest
from app.readings import Labels, Scored, form_of, system_of
from app.records import ANSWER_WORDS, Question

LEVEL = 0.9  # of the conformal sets
ALL = "all"  # the skill over every exam question that was measured: those with lettered options
LEAST = 20  # questions of a system that it is judged by alone; below that an interval is wider than 40 points
MEASUREMENT_VERSION = 1
DIGEST = re.compile(r"[0-9a-f]{64}")
NO_NAMES: Mapping[Labels, str] = MappingProxyType({})


# Skill


@dataclass(frozen=True)
class Skill:
    """How many questions of one system were answered rightly in one mode.

    Attributes:
        name: the system, or ``ALL``.
        chance: what can be had without reading a question, see ``skills_of``; above 0, at most 1.

    Raises:
        ValueError: n below 1, correct not from 0 to n, another mode, or a chance that cannot be.
    """

    name: str
    mode: Mode
    n: int
    correct: int
    chance: float

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.correct <= self.n:
            raise ValueError(f"skill in {self.name!r} is {self.correct} of {self.n}; expected 0 to n of at least 1")
        if self.mode not in MODES or not 0 < self.chance <= 1:
            raise ValueError(f"skill in {self.name!r} is of {self.mode!r} with a chance of {self.chance}; expected above 0 to 1")

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def low(self) -> float:
        """The lower end of Wilson's 95 % interval."""
        return wilson(self.correct, self.n)[0]

    @property
    def high(self) -> float:
        return wilson(self.correct, self.n)[1]

    @property
    def earned(self) -> bool:
        """The whole interval lies above chance."""
        return self.low > self.chance

    @property
    def sentence(self) -> str:
        """As it stands beside a reading: "right in 61 % of cardiology (n = 120)"."""
        over = self.name == ALL
        share = f"right in {100 * self.accuracy:.0f} % of" if self.earned else f"no measured skill {'over' if over else 'in'}"
        return f"{share} {'all exam questions measured' if over else self.name} (n = {self.n})"


def skills_of(calibration: Sequence[Scored], conformal: Sequence[Scored]) -> tuple[Skill, ...]:
    """Skill per system and over all exam questions, in each mode that was read.

    Of the calibrated read-out, because a calibration's bias can change which label wins. Every row is judged by a calibration
    that was not fitted on it: those of one half by the one fitted on the other half, which is as large. So all rows count and
    none speaks for itself. Rows whose labels the other half lacks are judged as they stand. Yes, no or maybe over a text is
    another task than the options of an exam question, so such rows count under their system alone.

    ``chance`` is the mean over a system's questions of what one constant answer would get: how often the most frequent key of the
    question's labels is the key in all that was measured, and 1 / options at least. A model that only says "yes" on a set that is
    mostly "yes", or has a favourite letter, thus earns nothing.
    """
    chances = _constant_answers([*calibration, *conformal])
    found: list[Skill] = []
    for mode in MODES:
        rows = [*_judged(calibration, conformal, mode), *_judged(conformal, calibration, mode)]
        exam = [row for row in rows if not set(row.labels) <= set(ANSWER_WORDS)]
        for name in (ALL, *sorted({row.system for row in rows} - {ALL})):
            of = exam if name == ALL else [row for row in rows if row.system == name]
            if of:
                chance = math.fsum(chances[row.labels] for row in of) / len(of)
                found.append(Skill(name, mode, len(of), sum(row.correct for row in of), chance))
    return tuple(found)


@dataclass(frozen=True)
class _Judged:
    labels: tuple[str, ...]
    system: str
    correct: bool


def _constant_answers(parts: Sequence[Scored]) -> dict[tuple[str, ...], float]:
    """Label set -> the share of its rows that its most frequent key gets right, 1 / labels at least."""
    truths: dict[tuple[str, ...], list[int]] = {}
    for part in parts:
        truths.setdefault(part.labels, []).extend(part.truth.tolist())
    return {labels: max(max(map(keys.count, range(len(labels)))) / len(keys), 1 / len(labels)) for labels, keys in truths.items()}


def _judged(parts: Sequence[Scored], others: Sequence[Scored], mode: Mode) -> Iterator[_Judged]:
    """The rows of ``parts``, each choice through the calibration fitted on ``others``."""
    for part in parts:
        scores, other = part.of(mode), next((each for each in others if each.labels == part.labels), None)
        beside = None if other is None else other.of(mode)
        if scores is None:
            continue
        fitted = None
        if other is not None and beside is not None:
            fitted = fit_calibration(beside, other.truth, other.labels, mode, "the other half")
        for row, truth, system in zip(scores, part.truth, part.systems, strict=True):
            shares = probabilities(row) if fitted is None else fitted.probabilities(row)
            yield _Judged(part.labels, system, int(shares.argmax()) == int(truth))


def skill_figures(skills: Iterable[Skill]) -> dict[str, Figures]:
    """Skills as a record carries them; ``skills_in`` reads them back."""
    return {
        f"{skill.name}, {skill.mode}": {
            "n": skill.n,
            "correct": skill.correct,
            "chance": skill.chance,
            "accuracy": skill.accuracy,
            "accuracy_low": skill.low,
            "accuracy_high": skill.high,
        }
        for skill in skills
    }


def skills_in(record: EciRecord) -> tuple[Skill, ...]:
    """The skills that a record carries, by mode, the one over all first and then by name.

    The record may be anybody's: an entry that cannot be one is none.
    """
    found = (skill for name, figures in record.skill.items() if (skill := _skill(name, figures)) is not None)
    return tuple(sorted(found, key=lambda skill: (MODES.index(skill.mode), skill.name != ALL, skill.name)))


def _skill(name: str, figures: Figures) -> Skill | None:
    system, _, last = name.rpartition(", ")
    mode = next((mode for mode in MODES if mode == last), None)
    n, correct, chance = (figures.get(figure) for figure in ("n", "correct", "chance"))
    if mode is None or not system or n is None or correct is None or chance is None:
        return None
    try:
        return Skill(system, mode, int(n), int(correct), chance)
    except ValueError:
        return None


# Fitting


def fit_record(
    *,
    token_ids: Mapping[str, int],
    prompt: str,
    calibration: Sequence[Scored],
    conformal: Sequence[Scored],
    name: str,
    names: Mapping[Labels, str] = NO_NAMES,
) -> EciRecord:
    """The record that travels with the model.

    Calibrations are fitted on ``calibration``; thresholds, and the figures of the calibrated probabilities, come from
    ``conformal``, which nothing else was fitted on; skill per system from both (``skills_of``).

    Args:
        token_ids: where each label of the model is read.
        prompt: the digest of how the questions were asked (`app.prompts.prompt_digest`).
        name: of the data, for what is claimed; ``names``: of the data of a label set, where that is not all of it.
    """
    calibrations: list[Calibration] = []
    thresholds: list[Threshold] = []
    skill: dict[str, Figures] = {}
    for mode in MODES:
        for scored in calibration:
            scores = scored.of(mode)
            if scores is not None:
                data = names.get(scored.labels, name)
                calibrations.append(fit_calibration(scores, scored.truth, scored.labels, mode, data))
        for scored in conformal:
            scores = scored.of(mode)
            fitted = next((c for c in calibrations if (c.labels, c.mode) == (scored.labels, mode)), None)
            if scores is None or fitted is None:
                continue
            shares = fitted.probabilities(scores)
            truth, data = _of_truth(shares, scored), fitted.name
            thresholds.append(conformal_threshold(truth, LEVEL, labels=scored.labels, mode=mode, name=data))
            skill[f"{data}, {len(scored.labels)} labels, {mode}"] = measure(shares, scored.truth).as_dict()
    return EciRecord(
        labels=tuple(token_ids),
        token_ids=tuple(token_ids.values()),
        prompt_digest=prompt,
        calibrations=tuple(calibrations),
        thresholds=tuple(thresholds),
        skill={**skill, **skill_figures(skills_of(calibration, conformal))},
    )


def _of_truth(shares: FloatArray, scored: Scored) -> list[float]:
    return [float(row[truth]) for row, truth in zip(shares, scored.truth, strict=True)]


# The kept measurement


@dataclass(frozen=True)
class DataSet:
    """A set of questions that was measured on: ``digest`` of all its questions, ``n`` of them measured."""

    name: str
    digest: str
    n: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one model file was measured to be worth.

    Attributes:
        digest: SHA-256 of the model's file. finished: time in UTC, ISO 8601. command: what makes it again. machine: in words.
    """

    digest: str
    model: str
    sets: tuple[DataSet, ...]
    finished: str
    command: str
    machine: str
    modes: tuple[Mode, ...]
    record: EciRecord
    version: int = MEASUREMENT_VERSION

    @property
    def skills(self) -> tuple[Skill, ...]:
        return skills_in(self.record)

    @property
    def n(self) -> int:
        return sum(each.n for each in self.sets)

    def to_json(self) -> str:
        """JSON from which ``from_json`` makes an equal measurement."""
        row = {**asdict(self), "record": json.loads(self.record.to_json())}
        return json.dumps(row, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        """The measurement that a file holds; everything about it is checked.

        Raises:
            ValueError: no JSON, another version, a field missing, unknown or of another kind, or a value that cannot be.
        """
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is no JSON ({error})") from None
        version = row.get("version") if isinstance(row, dict) else None
        if version != MEASUREMENT_VERSION or isinstance(version, bool):
            raise ValueError(f"it has version {version!r:.40}; this application reads version {MEASUREMENT_VERSION}")
        _check_fields(row, FIELDS, "it")
        if not DIGEST.fullmatch(row["digest"]):
            raise ValueError(f"its digest is {row['digest']!r:.80}; expected 64 hexadecimal digits")
        for each in row["sets"]:
            _check_fields(each, SET_FIELDS, "a set in it")
        modes = tuple(mode for mode in MODES if mode in row["modes"])
        if len(modes) != len(row["modes"]) or not modes or not row["sets"]:
            raise ValueError(f"it has {row['modes']!r:.60} and {len(row['sets'])} sets; expected modes of {MODES}, and sets")
        sets = tuple(DataSet(**each) for each in row["sets"])
        return cls(**{**row, "modes": modes, "sets": sets, "record": EciRecord.from_json(json.dumps(row["record"]))})


FIELDS: tuple[tuple[str, type], ...] = (
    ("digest", str),
    ("model", str),
    ("sets", list),
    ("finished", str),
    ("command", str),
    ("machine", str),
    ("modes", list),
    ("record", dict),
    ("version", int),
)
SET_FIELDS: tuple[tuple[str, type], ...] = (("name", str), ("digest", str), ("n", int))


def _check_fields(row: Any, fields: tuple[tuple[str, type], ...], place: str) -> None:
    if not isinstance(row, dict) or row.keys() != {name for name, _ in fields}:
        has = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise ValueError(f"{place} has the fields {has}; expected {sorted(name for name, _ in fields)}")
    for name, kind in fields:
        if type(row[name]) is not kind:
            raise ValueError(f"{place} has {name} = {row[name]!r:.60}; expected {kind.__name__}")


class Ledger:
    """The measurements of model files: the user's own in ``folder``, one file a model, and those that came with the application
    in ``shipped``. Files are read when they are asked for, so that another process's measurement is seen at once."""

    def __init__(self, folder: Path, shipped: Path | None = None) -> None:
        self._folder = folder
        self._shipped = shipped

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each file that cannot be used; it counts as absent."""
        read = (_read(path) for folder in (self._folder, self._shipped) for path in _files(folder))
        return tuple(each for each in read if isinstance(each, str))

    def own(self, digest: str) -> Measurement | None:
        if not DIGEST.fullmatch(digest):
            return None
        return _measurement(_read(self._path(digest)), digest)

    def shipped(self, digest: str) -> Measurement | None:
        found = (_measurement(_read(path), digest) for path in _files(self._shipped))
        return next((each for each in found if each is not None), None)

    def get(self, digest: str) -> Measurement | None:
        """The user's own measurement of the file, else the shipped one."""
        return self.own(digest) or self.shipped(digest)

    def put(self, measurement: Measurement) -> Path:
        """Keeps a measurement in place of an earlier one of the same file, and says where.

        Raises:
            StoreError: the folder cannot be written.
        """
        path = self._path(measurement.digest)
        try:
            write_aside(path, lambda aside: aside.write_text(measurement.to_json(), encoding="utf-8"))
        except OSError as error:
            raise StoreError(
                f"The measurement cannot be kept in {self._folder} ({error.strerror}). Make room or give it a folder that can be "
                "written; what was read so far is not lost."
            ) from error
        return path

    def all(self) -> list[Measurement]:
        """One for each model file that was measured, by model name."""
        found: dict[str, Measurement] = {}
        for folder in (self._shipped, self._folder):
            for each in (_read(path) for path in _files(folder)):
                if isinstance(each, Measurement):
                    found[each.digest] = each
        return sorted(found.values(), key=lambda each: (each.model, each.digest))

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def _files(folder: Path | None) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json") if folder is not None else []
    except OSError:
        return []  # not made yet


def _read(path: Path) -> Measurement | str | None:
    """The measurement in a file, a sentence where it cannot be used, None where there is none."""
    try:
        return Measurement.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"The measurement {path.name} is not used: {reason}. Measure the model again, or delete the file."


def _measurement(read: Measurement | str | None, digest: str) -> Measurement | None:
    return read if isinstance(read, Measurement) and read.digest == digest else None


# Which one counts


class Origin(enum.StrEnum):
    """Who measured."""

    OWN = "own"
    SHIPPED = "shipped"
    FILE = "file"
    NONE = "none"


@dataclass(frozen=True)
class Earned:
    """What counts for a loaded model. ``sentence``: where it comes from, or why there is none."""

    record: EciRecord | None
    skills: tuple[Skill, ...]
    origin: Origin
    sentence: str

    def skill(self, question: Question, mode: Mode) -> Skill | None:
        """The skill that speaks for a question: its system's, over all where fewer than LEAST of the system were measured. For a
        question on a text, which is another task than an exam's, its system's alone.

        Where this mode was not measured the other one speaks, so that a model without skill does not show its probabilities just
        because it was asked in another way; None where neither was.
        """
        for each in (mode, *(other for other in MODES if other != mode)):
            named = {skill.name.casefold(): skill for skill in self.skills if skill.mode == each}
            own = named.get(system_of(question).casefold())
            found = own if question.worded or (own is not None and own.n >= LEAST) else named.get(ALL)
            if found is not None:
                return found
        return None

    def words(self, question: Question, mode: Mode) -> str:
        """The sentence beside a reading of the question, "" where nothing was measured."""
        skill = self.skill(question, mode)
        if skill is None:
            return ""
        how = "" if skill.mode == mode else f" when read in {'one pass' if skill.mode == 'fast' else 'every order'}"
        few = f"; too few of {system_of(question)} to tell" if skill.name == ALL else ""
        return f"{skill.sentence}{how}{few}"


def earned(info: ModelInfo, ledger: Ledger | None) -> Earned:
    """What counts for the model: the user's own measurement of its file, else the shipped one, else what its file carries; each
    only if it was made with the prompt that this application asks with and speaks of the labels' tokens as the model has them.

    Raises:
        ModelFileError: the model's chat template cannot be rendered.
    """
    if info.eci is None:
        return Earned(None, (), Origin.NONE, "This model has no single token for each option letter, so it cannot be measured.")
    refused: list[str] = []
    for origin, record, sentence in _candidates(info, ledger):
        reason = _misfit(info, record)
        if not reason:
            return Earned(record, skills_in(record), origin, sentence)
        refused.append(f"An earlier measurement ({origin}) is not used: {reason}.")
    return Earned(None, (), Origin.NONE, " ".join(["Nobody has measured this model as it is asked here.", *refused]))


def _candidates(info: ModelInfo, ledger: Ledger | None) -> Iterator[tuple[Origin, EciRecord, str]]:
    own, shipped = (None, None) if ledger is None else (ledger.own(info.digest), ledger.shipped(info.digest))
    if own is not None:
        yield Origin.OWN, own.record, f"Measured on this machine on {_data(own)}."
    if shipped is not None:
        yield Origin.SHIPPED, shipped.record, f"Measured by the makers of this application on {_data(shipped)}."
    if info.eci is not None and info.eci.record is not None:
        yield Origin.FILE, info.eci.record, "Measured by those who made the model, as its file says; not yet measured here."


def _data(measurement: Measurement) -> str:
    sets = " and ".join(f"{each.name} (n = {each.n})" for each in measurement.sets)
    return f"{sets}, {measurement.finished[:10]}"


def _misfit(info: ModelInfo, record: EciRecord) -> str:
    """Why a record does not hold for the model as it is asked here, "" where it does."""
    tokens = {} if info.eci is None else info.eci.token_ids
    for label, token in zip(record.labels, record.token_ids, strict=True):
        if tokens.get(label) != token:
            return f"it reads label {label} at token {token}, the model at {tokens.get(label, 'none')}"
    asked = prompt_digest(form_of(info))
    if record.prompt_digest != asked:
        return f"it was made with the prompt {record.prompt_digest}, and this application asks with {asked}"
    return ""
