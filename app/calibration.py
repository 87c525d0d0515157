"""Calibration and conformal sets of label scores, fitted and applied, and the record of both that a model carries.

Pure numpy; knows no model, no file and no page. What was fitted on rows is claimed for questions like them, by name and n, and no
others. In three parts: applying (``read``), fitting (``fit_calibration``, ``conformal_threshold``), the record (``EciRecord``).
"""

from __future__ import annotations

import json
import math
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from types import UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from app.eci import FloatArray, IntArray, answer_set, probabilities

Mode = Literal["fast", "careful"]
MODES: tuple[Mode, ...] = ("fast", "careful")

MIN_CONFORMAL_ROWS = 100  # below it coverage swings by several points from sample to sample (DESIGN.md, ECI)
MIN_FIT_ROWS = 20  # below it cross-validation has less than four rows a fold to judge by
MIN_SCALE = 1e-3  # flat for scores of any use, and the order of the labels is kept
MAX_SCORE = 1e6  # a larger one is a mask or a fault, never a logit
MIN_SHARE = 1e-12  # a probability whose logarithm is asked for

FOLDS = 5
STRENGTHS = (300.0, 100.0, 30.0, 10.0)  # pseudo-rows, from tight to loose
GATE = 1.4  # standard errors; of calibrated models a few in a hundred are then changed, within the 1 % of NLL that is allowed
RIDGE = 1e-3  # keeps the minimum finite where the rows are separable; too small to matter where they are not
MAX_STEPS = 50

RECORD_VERSION = 1

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Calibration:
    """Scores -> probabilities for one label set in one mode: the softmax of ``scale * scores + bias``.

    Guo et al. 2017, section 4.2, between temperature scaling (temperature = 1 / ``scale``) and vector scaling: one scale for all
    labels, because a scale of its own for each letter has nothing to stand for, and a bias for each.

    Attributes:
        labels: the label set; ``bias`` has one value for each, in logits.
        mode: "fast" scores are logits of one pass, "careful" ones are ``log_scores`` of the mean over the cyclic orders.
        n: how many rows it was fitted on. name: of which data.

    Raises:
        ValueError: labels that repeat or are none, another mode, a scale below MIN_SCALE, a bias of another length, n below 1,
            no name, or a value that is not finite.
    """

    labels: tuple[str, ...]
    mode: Mode
    scale: float
    bias: tuple[float, ...]
    n: int
    name: str

    def __post_init__(self) -> None:
        _check_fitted(self.labels, self.mode, self.n, self.name)
        if not (math.isfinite(self.scale) and self.scale >= MIN_SCALE):
            raise ValueError(f"scale is {self.scale!r}; expected a finite number of at least {MIN_SCALE}")
        if len(self.bias) != len(self.labels) or not all(math.isfinite(value) for value in self.bias):
            raise ValueError(f"bias is {self.bias!r}; expected {len(self.labels)} finite numbers, one for each label")

    @property
    def is_identity(self) -> bool:
        return self.scale == 1.0 and not any(self.bias)

    @property
    def word(self) -> str:
        """What stands beside the probabilities. Scores left as they were because rows were few are not called calibrated."""
        if self.is_identity and self.n < MIN_CONFORMAL_ROWS:
            return f"uncalibrated ({self.n} rows of {self.name} called for no change)"
        return f"calibrated on {self.name} (n = {self.n})"

    def probabilities(self, scores: Sequence[float] | FloatArray) -> FloatArray:
        """The calibrated probabilities of one question or of many.

        Args:
            scores: shape (k,) or (n, k) for the first k labels of the set; -inf where a question lacks the label.

        Returns:
            the same shape, each row summing to 1, exactly 0 where the score is -inf.

        Raises:
            ValueError: another shape, more labels than the set has, a score out of range, or a row without a label.
        """
        table = np.asarray(scores, dtype=np.float64)
        if table.ndim not in (1, 2) or not 1 <= table.shape[-1] <= len(self.labels):
            raise ValueError(f"scores have shape {table.shape}; expected (k,) or (n, k) with k from 1 to {len(self.labels)}")
        _check_scores(table)
        return np.exp(_log_softmax(self.scale * table + np.array(self.bias[: table.shape[-1]])))


@dataclass(frozen=True)
class Threshold:
    """A split-conformal threshold for one label set in one mode: the answer set holds every label with 1 - p <= ``value``.

    The probabilities are those of the ``Calibration`` of the same labels and mode, and the ``n`` rows of ``name`` are not among
    those that it was fitted on.

    Raises:
        ValueError: as ``Calibration``; a level not between 0 and 1, or a value not from 0 to 1.
    """

    labels: tuple[str, ...]
    mode: Mode
    level: float
    value: float
    n: int
    name: str

    def __post_init__(self) -> None:
        _check_fitted(self.labels, self.mode, self.n, self.name)
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level!r}; expected a number between 0 and 1")
        if not 0 <= self.value <= 1:
            raise ValueError(f"value is {self.value!r}; expected a number from 0 to 1")

    @property
    def claims_coverage(self) -> bool:
        return self.n >= MIN_CONFORMAL_ROWS


@dataclass(frozen=True)
class Reading:
    """One question as it is shown.

    Attributes:
        probabilities: shape (labels of the question,), summing to 1.
        answer_set: indices, most probable first; never empty.
        coverage: the share of questions like those of the threshold whose answer the set holds; None where no coverage is
            claimed, and the set is then ``eci.answer_set``, the fewest labels with 0.9 of the probability.
        calibration: "calibrated on NAME (n = ...)" or a word that begins with "uncalibrated".
    """

    probabilities: FloatArray
    answer_set: tuple[int, ...]
    coverage: float | None
    calibration: str

    @property
    def abstains(self) -> bool:
        """The set rules no label out, so the model has said nothing."""
        return len(self.answer_set) == self.probabilities.size > 1


def log_scores(shares: FloatArray) -> FloatArray:
    """The scores of the careful mode: logarithms of mean probabilities (``eci.mean_over_orders``), any shape, from MIN_SHARE."""
    return np.asarray(np.log(np.maximum(shares, MIN_SHARE)), dtype=np.float64)


def read(
    scores: Sequence[float] | FloatArray, calibration: Calibration | None = None, threshold: Threshold | None = None
) -> Reading:
    """One question's probabilities, answer set, and what both may claim.

    A threshold counts only where it claims coverage and the question has exactly its labels: sets for five options say nothing of
    questions with four.

    Args:
        scores: shape (k,), of the labels that the question has, so all finite; ``log_scores`` of the mean in the careful mode.
            Without a calibration their softmax is taken.

    Raises:
        ValueError: scores as ``Calibration.probabilities``; a threshold without the calibration that it was fitted through.
    """
    if threshold is not None and (calibration is None or _key(calibration) != _key(threshold)):
        raise ValueError(f"a threshold for {_key(threshold)} came with {calibration!r}; expected the calibration of the same")
    shares, word = probabilities(scores), "uncalibrated"
    if calibration is not None:
        shares, word = calibration.probabilities(scores), calibration.word
    if threshold is None or not threshold.claims_coverage or shares.size != len(threshold.labels):
        return Reading(shares, answer_set(shares), None, word)
    return Reading(shares, conformal_set(shares, threshold), threshold.level, word)


def conformal_threshold(
    probabilities_of_truth: Sequence[float] | FloatArray, level: float = 0.9, *, labels: tuple[str, ...], mode: Mode, name: str
) -> Threshold:
    """Split conformal with the score 1 - p of the true label (LAC: Sadinle, Lei and Wasserman 2019, section 2).

    LAC and not APS (Romano, Sesia and Candes 2020): it gives the smallest sets on average at a level and needs no random draw, so
    a question has one set. APS spreads coverage more evenly over easy and hard questions, which is not claimed here.
    The value is the ceil((n + 1) * level)-th smallest score; where there is none, 1, and the set holds every label.

    Args:
        probabilities_of_truth: shape (n,), calibrated, of rows that the calibration was not fitted on.

    Raises:
        ValueError: no row, a probability not from 0 to 1, or what ``Threshold`` refuses.
    """
    shares = np.asarray(probabilities_of_truth, dtype=np.float64)
    if shares.ndim != 1 or shares.size == 0:
        raise ValueError(f"probabilities_of_truth have shape {shares.shape}; expected (n,) with at least one row")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"probabilities_of_truth run from {shares.min()} to {shares.max()}; expected numbers from 0 to 1")
    # 1e-9: (n + 1) * level that is a whole number must not be one more by rounding.
    rank = math.ceil((shares.size + 1) * level - 1e-9)
    value = float(np.sort(1 - shares)[max(rank, 1) - 1]) if rank <= shares.size else 1.0
    return Threshold(labels, mode, level, value, shares.size, name)


def conformal_set(probabilities: FloatArray, threshold: Threshold) -> tuple[int, ...]:
    """The labels that the threshold keeps, as indices, most probable first; the first of them always, so never an empty set.

    Args:
        probabilities: shape (labels,), of one question, through the threshold's calibration.
    """
    order = np.argsort(-probabilities, kind="stable")
    count = int((1 - probabilities <= threshold.value).sum())
    return tuple(int(i) for i in order[: max(count, 1)])


def fit_calibration(
    scores: Sequence[Sequence[float]] | FloatArray,
    truth: Sequence[int] | IntArray,
    labels: tuple[str, ...],
    mode: Mode,
    name: str,
) -> Calibration:
    """Penalised maximum likelihood of (scale, bias), shrunk to identity as far as the rows do not speak against it.

    The penalty is a number of pseudo-rows, the strength: questions like these on which the probabilities are right as they stand,
    so it is strength * mean KL(as they stand || calibrated). It is stiff against more confidence than the model shows and mild
    against less, as the costs of the two are; a few rows can flatten a model without skill.

    The strength is chosen among STRENGTHS by cross-validated NLL and the one-standard-error rule (Hastie, Tibshirani and Friedman
    2009, section 7.10). Identity is left only where the gain of the best passes GATE standard errors, taken as they would be if
    the scores stood calibrated: rows that happen to hold no error show too small ones. Below MIN_FIT_ROWS rows it is identity.

    Careful scores of lettered labels get no bias. There every text has stood at every letter, so no favour for a letter is left
    to correct; a bias would learn where this exam puts its keys, and turning the options would no longer turn the answer along.

    Args:
        scores: shape (n, labels), logits (``log_scores`` in the careful mode); -inf where a question lacks the label.
        truth: shape (n,), the index of the true label.

    Returns:
        the same calibration for the same rows in the same order.

    Raises:
        ValueError: a shape, score or true label that cannot be, or what ``Calibration`` refuses.
    """
    _check_fitted(labels, mode, len(scores), name)
    table, keys = _check_rows(np.array(scores, dtype=np.float64), np.asarray(truth), len(labels))
    table -= table.max(axis=1, keepdims=True)
    theta = _identity(len(labels))
    bias_is_free = not (mode == "careful" and _lettered(labels))
    strength = _strength(table, keys, bias_is_free) if len(table) >= MIN_FIT_ROWS else None
    if strength is not None:
        every = np.ones((1, len(table)))
        theta = _minimise(table, keys, every, theta[None], strength=strength, bias_is_free=bias_is_free)[0]
    return Calibration(labels, mode, float(theta[0]), tuple(theta[1:].tolist()), len(table), name)


@dataclass(frozen=True)
class EciRecord:
    """What was trained and measured of a model's labels, as it travels in the model's file.

    Attributes:
        labels, token_ids: every label of the model and, in the same order, the token that it is read at.
        prompt_digest: of the prompt that they were measured with.
        calibrations, thresholds: at most one for a label set and mode; a threshold's calibration is among them.
        skill: name of what was measured -> figures; None where a figure is undefined.

    Raises:
        ValueError: another version, or parts that do not fit together.
    """

    labels: tuple[str, ...]
    token_ids: tuple[int, ...]
    prompt_digest: str
    calibrations: tuple[Calibration, ...]
    thresholds: tuple[Threshold, ...]
    skill: Mapping[str, Figures]
    version: int = RECORD_VERSION

    def __post_init__(self) -> None:
        if self.version != RECORD_VERSION:
            raise ValueError(f"version is {self.version!r}; this application reads version {RECORD_VERSION}")
        _check_labels(self.labels)
        ids = self.token_ids
        if len(ids) != len(self.labels) or len(set(ids)) != len(ids) or min(ids) < 0:
            raise ValueError(
                f"token_ids are {ids!r}; expected {len(self.labels)} different ones of at least 0, one for each label"
            )
        if not self.prompt_digest:
            raise ValueError("prompt_digest is empty; expected the digest of the prompt")
        for kind, entries in (("calibrations", self.calibrations), ("thresholds", self.thresholds)):
            keys = [_key(entry) for entry in entries]
            if len(set(keys)) != len(keys):
                raise ValueError(f"{kind} are for {keys}; expected at most one for a label set and mode")
            if strange := {label for entry in entries for label in entry.labels} - set(self.labels):
                raise ValueError(f"{kind} name the labels {sorted(strange)}; expected labels of {self.labels}")
        if alone := {_key(entry) for entry in self.thresholds} - {_key(entry) for entry in self.calibrations}:
            raise ValueError(f"thresholds for {sorted(alone)} have no calibration; expected one for each")
        for what, figures in self.skill.items():
            for figure, value in figures.items():
                if value is not None and not math.isfinite(value):
                    raise ValueError(f"skill {what!r}, {figure!r} is {value!r}; expected a finite number or null")

    def calibration(self, labels: Sequence[str], mode: Mode) -> Calibration | None:
        return next((entry for entry in self.calibrations if _key(entry) == (tuple(labels), mode)), None)

    def threshold(self, labels: Sequence[str], mode: Mode) -> Threshold | None:
        return next((entry for entry in self.thresholds if _key(entry) == (tuple(labels), mode)), None)

    def to_json(self) -> str:
        """One line of JSON from which ``from_json`` makes an equal record, every float to the last bit."""
        return json.dumps(asdict(self) | {"skill": {k: dict(v) for k, v in self.skill.items()}}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> EciRecord:
        """The record that a file carries. The file is anybody's, so everything about it is checked.

        Raises:
            ValueError: no JSON, another version, a field missing, unknown or of another kind, or a value that cannot be.
        """
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError also for a number of 5000 digits
            raise ValueError(f"the ECI record is no JSON ({error}); expected what EciRecord.to_json writes") from None
        version = row.get("version") if isinstance(row, dict) else None
        if version != RECORD_VERSION:
            raise ValueError(f"the ECI record has version {version!r:.40}; this application reads version {RECORD_VERSION}")
        return cast(EciRecord, _decode(cls, row, "the ECI record"))


def _decode(kind: Any, value: Any, place: str) -> Any:
    """A JSON value as the type that a field is annotated with; ``place`` is where it stands, for the error."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return float(value)
    if (kind in (str, int) and type(value) is kind) or (origin is Literal and value in inside):
        return value
    if origin is UnionType:
        return None if value is None else _decode(inside[0], value, place)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(inside[0], each, f"{place}[{number}]") for number, each in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {key: _decode(inside[1], each, f"{place}.{key}") for key, each in value.items()}
    if is_dataclass(kind) and isinstance(value, dict):
        types = get_type_hints(kind)
        if value.keys() != types.keys():
            raise ValueError(f"{place} has the fields {sorted(value)}; expected {sorted(types)}")
        return cast(type, kind)(**{name: _decode(types[name], each, f"{place}.{name}") for name, each in value.items()})
    raise ValueError(f"{place} is {value!r:.60}; expected {getattr(kind, '__name__', kind) if origin is None else kind}")


def _key(entry: Calibration | Threshold) -> tuple[tuple[str, ...], Mode]:
    return entry.labels, entry.mode


def _lettered(labels: tuple[str, ...]) -> bool:
    return "".join(labels) == string.ascii_uppercase[: len(labels)]


def _check_labels(labels: tuple[str, ...]) -> None:
    if not labels or len(set(labels)) != len(labels) or "" in labels:
        raise ValueError(f"labels are {labels!r}; expected at least one, each a different word")


def _check_fitted(labels: tuple[str, ...], mode: str, n: int, name: str) -> None:
    _check_labels(labels)
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; expected one of {MODES}")
    if n < 1:
        raise ValueError(f"n is {n}; expected the number of rows, at least 1")
    if not name:
        raise ValueError("name is empty; expected the name of the data")


def _check_scores(table: FloatArray) -> None:
    """Raises ValueError unless every score is -inf or a logit, and every row has one that is."""
    absent = np.isneginf(table)
    if not (absent | (np.abs(table) <= MAX_SCORE)).all():
        raise ValueError(
            f"scores hold a value beyond {MAX_SCORE:.0e} or none at all; expected logits, or -inf for an absent label"
        )
    if absent.all(axis=-1).any():
        raise ValueError("scores have a question without any label; expected at least one that is not -inf")


def _check_rows(table: FloatArray, truth: npt.NDArray[Any], labels: int) -> tuple[FloatArray, IntArray]:
    if table.ndim != 2 or table.shape[1] != labels or len(table) == 0:
        raise ValueError(f"scores have shape {table.shape}; expected (n, {labels}) with at least one row")
    if truth.shape != (len(table),) or not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"truth has shape {truth.shape} of {truth.dtype}; expected ({len(table)},) of integers")
    _check_scores(table)
    if truth.min() < 0 or truth.max() >= labels:
        raise ValueError(f"truth runs from {truth.min()} to {truth.max()}; expected 0 to {labels - 1}")
    rows = np.flatnonzero(np.isneginf(table[np.arange(len(table)), truth]))
    if rows.size:
        raise ValueError(
            f"truth of row {rows[0]} is label {truth[rows[0]]}, whose score is -inf; expected a label that the row has"
        )
    return table, truth.astype(np.int64)


def _log_softmax(logits: FloatArray) -> FloatArray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), dtype=np.float64)


def _log_shares(thetas: FloatArray, table: FloatArray) -> FloatArray:
    """Log-probabilities, shape (m, n, labels), of scores (n, labels) under each of ``thetas`` (m, 1 + labels)."""
    return _log_softmax(thetas[:, :1, None] * table + thetas[:, None, 1:])


def _identity(labels: int) -> FloatArray:
    return np.concatenate([[1.0], np.zeros(labels)])


def _strength(table: FloatArray, truth: IntArray, bias_is_free: bool) -> float | None:
    """The strength of STRENGTHS that cross-validation chooses; None for identity."""
    rows = np.arange(len(table))
    shuffled = np.random.default_rng(0).permutation(rows)  # a file's order may follow its subjects
    fold = np.empty(len(table), dtype=np.int64)
    fold[shuffled[np.argsort(truth[shuffled], kind="stable")]] = rows % FOLDS  # every fold gets its share of each label
    weights = (fold != np.arange(FOLDS)[:, None]).astype(np.float64)
    logs = _log_softmax(table)
    shares = np.exp(logs)
    thetas = np.tile(_identity(table.shape[1]), (FOLDS, 1))
    gains, errors = [], []
    for strength in STRENGTHS:  # each fit starts from the tighter one before it
        thetas = _minimise(table, truth, weights, thetas, strength=strength, bias_is_free=bias_is_free)
        gain = np.where(shares > 0, _log_shares(thetas, table)[fold, rows] - np.maximum(logs, -MAX_SCORE), 0.0)
        gains.append(gain[rows, truth])
        spread = (shares * gain**2).sum(1) - (shares * gain).sum(1) ** 2
        errors.append(math.sqrt(max(spread.sum(), 0.0)) / len(table))
    held_out = np.array(gains)
    best = int(np.argmax(held_out.mean(axis=1)))
    if held_out[best].mean() <= GATE * errors[best]:
        return None
    short = held_out[best] - held_out
    error = short.std(axis=1, ddof=1) / math.sqrt(len(table))
    return STRENGTHS[int(np.argmax(short.mean(axis=1) <= error))]


def _minimise(
    table: FloatArray, truth: IntArray, weights: FloatArray, start: FloatArray, *, strength: float, bias_is_free: bool
) -> FloatArray:
    """The least NLL of rows and pseudo-rows together with scale >= MIN_SCALE, for each of m choices of rows at once.

    Newton steps to the bound at most, halved until they descend. The objective is strictly convex: its minimum is the only one.

    Args:
        table: shape (n, k), the greatest score of each row 0. truth: (n,). weights: (m, n). start: (m, 1 + k), scale first.

    Returns:
        shape (m, 1 + k).
    """
    present = np.where(np.isneginf(table), 0.0, table)
    pseudo = (strength / weights.sum(axis=1))[:, None, None] * np.exp(_log_softmax(table))
    target = weights[..., None] * (np.eye(table.shape[1])[truth] + pseudo)
    reached = np.concatenate([(target * present).sum(axis=(1, 2))[:, None], target.sum(axis=1)], axis=1)
    weights = target.sum(axis=2)
    identity = _identity(table.shape[1])

    def at(thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        logits = thetas[:, :1, None] * table + thetas[:, None, 1:]
        top = logits.max(axis=2, keepdims=True)
        shares = np.exp(logits - top)
        total = shares.sum(axis=2, keepdims=True)
        normaliser = (top + np.log(total))[..., 0]
        ridge = RIDGE / 2 * ((thetas - identity) ** 2).sum(axis=1)
        return (weights * normaliser).sum(axis=1) - (reached * thetas).sum(axis=1) + ridge, shares / total

    thetas = start
    value, shares = at(thetas)
    for _ in range(MAX_STEPS):
        gradient, hessian = _derivatives(shares, present, weights)
        gradient += RIDGE * (thetas - identity) - reached
        hessian += RIDGE * np.eye(len(identity))
        room = thetas[:, 0] - MIN_SCALE
        step = _newton_step(gradient, hessian, room, bias_is_free)
        for _ in range(MAX_STEPS):
            trial = thetas - step
            trial[:, 0] = np.where(step[:, 0] == room, MIN_SCALE, trial[:, 0])
            lower, shares = at(trial)
            worse = lower > value
            if not worse.any():
                break
            step[worse] /= 2
        moved = np.abs(trial - thetas).max()
        thetas, value = trial, lower
        if (
            moved < 1e-5 and not ((step[:, 0] == room) & (room > 0)).any()
        ):  # steps shrink quadratically here: the next would be of the order of 1e-10
            break
    return thetas


def _newton_step(gradient: FloatArray, hessian: FloatArray, room: FloatArray, bias_is_free: bool) -> FloatArray:
    """What to subtract, shape (m, 1 + k): the Newton step over what is free to move, cut where the scale has no ``room`` left."""
    fixed = np.full(gradient.shape, not bias_is_free)
    fixed[:, 0] = (room == 0) & (gradient[:, 0] > 0)
    fixed[:, 0] |= (room == 0) & (_solve(hessian, gradient, fixed)[:, 0] > 0)
    step = _solve(hessian, gradient, fixed)
    beyond = step[:, 0] > room
    step[beyond] *= (room[beyond] / step[beyond, 0])[:, None]
    step[beyond, 0] = room[beyond]
    return step


def _solve(hessian: FloatArray, gradient: FloatArray, fixed: npt.NDArray[np.bool_]) -> FloatArray:
    free = ~fixed
    held = hessian * free[:, :, None] * free[:, None, :] + fixed[:, :, None] * np.eye(fixed.shape[1])
    return np.asarray(np.linalg.solve(held, (gradient * free)[..., None])[..., 0], dtype=np.float64)


def _derivatives(shares: FloatArray, present: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gradient (m, 1 + k) and Hessian (m, 1 + k, 1 + k) of the weighted normaliser, by (scale, bias); ``shares``: (m, n, k)."""
    weighted = weights[..., None] * shares
    centred = present - (shares * present).sum(axis=2, keepdims=True)
    gradient = np.concatenate([(weighted * present).sum(axis=(1, 2))[:, None], weighted.sum(axis=1)], axis=1)
    hessian = np.empty((*gradient.shape, gradient.shape[1]))
    hessian[:, 0, 0] = (weighted * centred**2).sum(axis=(1, 2))
    hessian[:, 0, 1:] = hessian[:, 1:, 0] = (weighted * centred).sum(axis=1)
    hessian[:, 1:, 1:] = weighted.sum(axis=1)[:, :, None] * np.eye(present.shape[1]) - weighted.transpose(0, 2, 1) @ shares
    return gradient, hessian
