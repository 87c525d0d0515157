"""How good a model's answers and probabilities are: every figure of the evaluation has its one home here. Pure numpy.

Knows no model, no question and no page. Probabilities are an array of shape (n, k), a row a question, with 0 where a question has
fewer than k options; ``truth`` and ``predicted`` are indices of options, and a prediction of -1 is no usable answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

INVALID = -1
BINS = 10
MIN_PROBABILITY = 1e-12  # what a true label of probability 0 costs in NLL: 27.6 nats
COVERAGES = (0.5, 0.8, 1.0)


# Right and wrong


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927); 95 % at the usual ``z``.

    Raises:
        ValueError: n below 1, or successes not from 0 to n.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes are {successes} of n = {n}; expected n of at least 1 and successes from 0 to n")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def accuracy(truth: IntArray, predicted: IntArray) -> float:
    """The share of questions, shape (n,) both, answered rightly; -1 is wrong."""
    _check_choices(truth, predicted)
    return float((truth == predicted).mean())


def macro_f1(truth: IntArray, predicted: IntArray) -> float:
    """The mean of F1 = 2 TP / (2 TP + FP + FN) over the labels that occur in truth or prediction, as scikit-learn's default.

    -1 is no label of its own: it is a miss for the true label and nobody's false alarm.
    """
    _check_choices(truth, predicted)
    cells, counts = np.unique(np.stack([truth, predicted]), axis=1, return_counts=True)
    return float(_macro_f1(cells[0], cells[1], counts[None])[0])


def recall_spread_over_positions(truth: IntArray, predicted: IntArray, labels: int) -> float:
    """The greatest minus the least recall over the positions 0 to labels - 1 at which at least one true answer stands."""
    _check_choices(truth, predicted)
    if truth.max() >= labels:
        raise ValueError(f"truth holds the position {truth.max()}; expected below {labels}")
    recalls = [float((predicted[truth == place] == place).mean()) for place in range(labels) if (truth == place).any()]
    return max(recalls) - min(recalls)


def flips(choices: IntArray, choices_permuted: IntArray) -> float:
    """The share of questions whose chosen option changes when the options stand in another order.

    Args:
        choices, choices_permuted: shape (n,), both as indices in the original order; -1 is a choice like any other.
    """
    _check_choices(choices, choices_permuted, least=INVALID)
    return float((choices != choices_permuted).mean())


@dataclass(frozen=True)
class McNemar:
    """Two methods on the same questions: how many each alone got right, and how likely a split as uneven is by chance."""

    only_a: int
    only_b: int
    p_value: float


def mcnemar(correct_a: BoolArray, correct_b: BoolArray) -> McNemar:
    """The exact two-sided test of equal accuracy (McNemar 1947): the discordant questions against a fair coin.

    Args:
        correct_a, correct_b: shape (n,), of the same questions.
    """
    a, b = _flags(correct_a, "correct_a"), _flags(correct_b, "correct_b")
    _check_same(a, b, "correct_a", "correct_b")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    total = only_a + only_b
    # In logarithms: the binomial coefficients of some thousand questions are beyond a float.
    terms = (_log_binomial(total, few) - total * math.log(2) for few in range(min(only_a, only_b) + 1))
    return McNemar(only_a, only_b, min(1.0, 2 * math.fsum(math.exp(term) for term in terms)))


@dataclass(frozen=True)
class Difference:
    """A difference of two methods, the first less the second, with its interval."""

    value: float
    low: float
    high: float


def bootstrap_difference(
    truth: IntArray, predicted_a: IntArray, predicted_b: IntArray, *, seed: int, draws: int = 2000, level: float = 0.95
) -> Difference:
    """The difference of macro-F1 of two methods on the same questions with its percentile interval (Efron 1979), by questions.

    In each draw macro-F1 is over the labels that occur there, as in ``macro_f1``. The same seed gives the same interval.

    Args:
        truth, predicted_a, predicted_b: shape (n,).
    """
    _check_choices(truth, predicted_a)
    _check_choices(truth, predicted_b)
    # Questions with the same truth and predictions are alike, so counts of each kind are drawn and not questions.
    kinds, counts = np.unique(np.stack([truth, predicted_a, predicted_b]), axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(truth), counts / len(truth), size=draws)
    value, *_ = _macro_f1(kinds[0], kinds[1], counts[None]) - _macro_f1(kinds[0], kinds[2], counts[None])
    differences = _macro_f1(kinds[0], kinds[1], drawn) - _macro_f1(kinds[0], kinds[2], drawn)
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(value), float(low), float(high))


# Probabilities


def brier(probabilities: FloatArray, truth: IntArray) -> float:
    """The squared error summed over the labels, the mean over the questions (Brier 1950): 0 is perfect, 2 the worst."""
    _check_probabilities(probabilities, truth)
    return float(_squared_errors(probabilities, truth).mean())


def brier_skill(
    probabilities: FloatArray, truth: IntArray, prior: FloatArray | None = None, counts: IntArray | None = None
) -> float:
    """1 - Brier / Brier of always saying ``prior``: 1 is perfect, 0 no better than the prior, NaN where the prior makes no error.

    Args:
        probabilities: shape (n, k). truth: (n,).
        prior: shape (k,), frequencies of the labels in training rows, or for lettered questions any constant, which calls every
            option as likely; by default the frequencies in ``truth``, which no forecast without skill can beat.
        counts: shape (n,), how many options each question has, all k by default. The prior is cut to them and scaled to 1.
    """
    _check_probabilities(probabilities, truth, counts)
    reference = _squared_errors(_prior_forecast(truth, probabilities.shape[1], prior, counts), truth).mean()
    return float(1 - brier(probabilities, truth) / reference) if reference > 0 else math.nan


def nll(probabilities: FloatArray, truth: IntArray) -> float:
    """The mean negative natural logarithm of the true label's probability, which counts as at least MIN_PROBABILITY."""
    _check_probabilities(probabilities, truth)
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], MIN_PROBABILITY)).mean())


def coverage_and_size(sets: Sequence[Sequence[int]], truth: IntArray) -> tuple[float, float]:
    """The share of answer sets that hold the true label, and their mean size.

    Args:
        sets: n sets of labels' indices. truth: shape (n,).
    """
    _check_index(truth, "truth", 0)
    if len(sets) != len(truth):
        raise ValueError(f"there are {len(sets)} sets for {len(truth)} truths; expected one each")
    held = [int(key) in members for members, key in zip(sets, truth, strict=True)]
    return float(np.mean(held)), float(np.mean([len(members) for members in sets]))


# Confidence: one number a question, here the probability of the chosen label


def ece(confidence: FloatArray, correct: BoolArray, bins: int = BINS) -> float:
    """Expected calibration error of the top label, in bins of equal width, (0, 1/bins] the first (Guo et al. 2017, section 2).

    It is positive even for a calibrated model where questions are few: show ``ece_floor`` beside it.

    Args:
        confidence: shape (n,), from 0 to 1. correct: shape (n,).
    """
    _check_confidence(confidence, correct, bins)
    which = _bin(confidence, bins)
    gaps = np.bincount(which, confidence, bins) - np.bincount(which, np.asarray(correct, dtype=np.float64), bins)
    return float(np.abs(gaps).sum() / len(confidence))


def ece_floor(confidence: FloatArray, seed: int, bins: int = BINS, draws: int = 1000) -> float:
    """The mean ECE of a perfectly calibrated model with these confidences: in each draw, correct ~ Bernoulli(confidence)."""
    _check_confidence(confidence, np.ones(np.shape(confidence), dtype=np.bool_), bins)
    which = _bin(confidence, bins)
    ordered = confidence[np.argsort(which, kind="stable")]
    starts = np.flatnonzero(np.diff(np.sort(which), prepend=-1))
    expected = np.add.reduceat(ordered, starts)
    draw = np.random.default_rng(seed)
    block = max(1, 1_000_000 // len(ordered))  # of draws at a time: 8 MB
    total = 0.0
    for done in range(0, draws, block):
        hits = draw.random((min(block, draws - done), len(ordered))) < ordered
        total += float(np.abs(np.add.reduceat(hits, starts, axis=1, dtype=np.float64) - expected).sum())
    return total / draws / len(ordered)


def auroc_of_error(confidence: FloatArray, correct: BoolArray) -> float:
    """How well low confidence finds the errors: the chance that an error has less of it than a right answer, ties halved.

    The rank statistic of Mann and Whitney (1947). 0.5 finds nothing; NaN when all are right or all wrong.
    """
    _check_confidence(confidence, correct)
    right = np.asarray(correct, dtype=np.bool_)
    _, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    hits, errors = int(right.sum()), int((~right).sum())
    if not hits or not errors:
        return math.nan
    return float((ranks[right].sum() - hits * (hits + 1) / 2) / (hits * errors))


def risk_coverage_curve(confidence: FloatArray, correct: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Coverage and the error rate among the most confident at it (El-Yaniv and Wiener 2010), shape (n,) each, coverage rising.

    Of questions with the same confidence each counts with the error rate of all of them, so the order of rows is without effect.
    """
    _check_confidence(confidence, correct)
    wrong = 1.0 - np.asarray(correct, dtype=np.float64)
    _, inverse, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    errors = np.repeat(np.bincount(inverse, wrong) / counts, counts)
    taken = np.arange(1, len(errors) + 1)
    return taken / len(errors), np.cumsum(errors) / taken


def risk_at_coverage(confidence: FloatArray, correct: BoolArray, coverages: Sequence[float] = COVERAGES) -> tuple[float, ...]:
    """The error rate among the ceil(coverage * n) most confident questions, for each coverage; ties as in the curve.

    Raises:
        ValueError: a coverage not above 0 and at most 1.
    """
    if not all(0 < coverage <= 1 for coverage in coverages):
        raise ValueError(f"coverages are {tuple(coverages)}; expected numbers above 0 and at most 1")
    _, risks = risk_coverage_curve(confidence, correct)
    # 1e-9: a coverage * n that is a whole number must not be one more by rounding.
    return tuple(float(risks[max(math.ceil(coverage * len(risks) - 1e-9), 1) - 1]) for coverage in coverages)


# All of it


@dataclass(frozen=True)
class Measured:
    """One method on one set of questions. The figures of probabilities are None for a method that gives only choices.

    Attributes:
        accuracy_low, accuracy_high: Wilson's 95 % interval.
        baseline: the accuracy of always choosing the label that the prior finds most likely, ties drawn by lot.
        invalid: the share of questions without a usable answer; they count as wrong.
        ece, auroc_error, risk_50, risk_80, risk_100: of the top label and its probability.
    """

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    baseline: float
    macro_f1: float
    invalid: float
    recall_spread: float
    ece: float | None = None
    ece_floor: float | None = None
    brier: float | None = None
    brier_skill: float | None = None
    nll: float | None = None
    auroc_error: float | None = None
    risk_50: float | None = None
    risk_80: float | None = None
    risk_100: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Ready for JSON: None where a figure is not a number."""
        return {name: None if value is None or math.isnan(value) else value for name, value in asdict(self).items()}


def measure(
    probabilities: FloatArray | None,
    truth: IntArray,
    *,
    prior: FloatArray | None = None,
    seed: int = 0,
    predicted: IntArray | None = None,
    counts: IntArray | None = None,
) -> Measured:
    """Every figure of one method on one set of questions.

    Args:
        probabilities: shape (n, k), 0 where a question lacks an option; None for a method that gives only choices.
        truth: shape (n,).
        prior: shape (k,), as in ``brier_skill``, also of the baseline.
        seed: of ``ece_floor``.
        predicted: shape (n,), -1 where there was no usable answer; by default the most probable option, the first of equal ones.
            Given beside probabilities it is what accuracy, macro-F1, recall and ``invalid`` are of, and nothing else.
        counts: shape (n,), how many options each question has; all k by default.

    Raises:
        ValueError: neither probabilities nor predictions, shapes that differ, or values that cannot be.
    """
    truth = np.asarray(truth)
    counts = None if counts is None else np.asarray(counts)
    if probabilities is not None:
        probabilities = np.asarray(probabilities, dtype=np.float64)
        _check_probabilities(probabilities, truth, counts)
        labels = probabilities.shape[1]
        chosen = np.asarray(probabilities.argmax(axis=1) if predicted is None else predicted)
    elif predicted is not None:
        chosen = np.asarray(predicted)
        _check_choices(truth, chosen)
        labels = _labels(truth, prior, counts)
    else:
        raise ValueError("probabilities and predicted are both None; expected one of them")
    right = int((chosen == truth).sum())
    low, high = wilson(right, len(truth))
    return Measured(
        n=len(truth),
        accuracy=right / len(truth),
        accuracy_low=low,
        accuracy_high=high,
        baseline=_baseline(_prior_forecast(truth, labels, prior, counts), truth),
        macro_f1=macro_f1(truth, chosen),
        invalid=float((chosen == INVALID).mean()),
        recall_spread=recall_spread_over_positions(truth, chosen, labels),
        **({} if probabilities is None else _of_probabilities(probabilities, truth, prior=prior, counts=counts, seed=seed)),
    )


def skill_sentence(measured: Measured) -> str:
    """What the figures say, in one sentence that begins with "no skill" unless the method is better than the baseline.

    Better is an accuracy interval above the baseline and, where there are probabilities, a Brier skill above 0.
    """
    figures = [
        f"accuracy {_percent(measured.accuracy)} (95 % interval {_percent(measured.accuracy_low)} to "
        f"{_percent(measured.accuracy_high)}; always the likeliest label: {_percent(measured.baseline)})"
    ]
    skilled = measured.accuracy_low > measured.baseline
    if measured.brier_skill is not None:
        skilled = skilled and measured.brier_skill > 0
        figures.insert(0, f"Brier skill {measured.brier_skill:.2f}")
        figures.append(f"calibration error {measured.ece:.3f} where a calibrated model shows {measured.ece_floor:.3f}")
    return f"{'skill' if skilled else 'no skill'}: {', '.join(figures)}, on {measured.n} questions."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _of_probabilities(
    probabilities: FloatArray,
    truth: IntArray,
    *,
    prior: FloatArray | None,
    counts: IntArray | None,
    seed: int,
) -> dict[str, Any]:
    confidence = probabilities.max(axis=1).clip(0, 1)
    correct = probabilities.argmax(axis=1) == truth
    risks = risk_at_coverage(confidence, correct)
    return {
        "ece": ece(confidence, correct),
        "ece_floor": ece_floor(confidence, seed),
        "brier": brier(probabilities, truth),
        "brier_skill": brier_skill(probabilities, truth, prior, counts),
        "nll": nll(probabilities, truth),
        "auroc_error": auroc_of_error(confidence, correct),
        "risk_50": risks[0],
        "risk_80": risks[1],
        "risk_100": risks[2],
    }


def _squared_errors(probabilities: FloatArray, truth: IntArray) -> FloatArray:
    return np.asarray(((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1), dtype=np.float64)


def _labels(truth: IntArray, prior: FloatArray | None, counts: IntArray | None) -> int:
    """How many labels there are when no probabilities say it."""
    if prior is not None:
        return len(prior)
    return int(counts.max()) if counts is not None else int(truth.max()) + 1


def _prior_forecast(truth: IntArray, labels: int, prior: FloatArray | None, counts: IntArray | None) -> FloatArray:
    """What the prior says of each question, shape (n, labels), cut to the options that the question has."""
    shares = np.bincount(truth, minlength=labels) / len(truth) if prior is None else np.asarray(prior, dtype=np.float64)
    if shares.shape != (labels,) or not (np.isfinite(shares) & (shares >= 0)).all():
        raise ValueError(f"prior is {shares.tolist()}; expected {labels} finite numbers of at least 0")
    kept = shares * _options(truth, labels, counts)
    if not (kept.sum(axis=1) > 0).all():
        raise ValueError(f"prior {shares.tolist()} gives every option of some question 0; expected one above it")
    return np.asarray(kept / kept.sum(axis=1, keepdims=True), dtype=np.float64)


def _options(truth: IntArray, labels: int, counts: IntArray | None) -> BoolArray:
    """Which options each question has, shape (n, labels)."""
    if counts is None:
        counts = np.full(len(truth), labels)
    if counts.shape != truth.shape or not ((counts > truth) & (counts <= labels)).all():
        raise ValueError(f"counts are {counts!r:.200}; expected {len(truth)} numbers above truth and at most {labels}")
    return np.asarray(np.arange(labels) < counts[:, None], dtype=np.bool_)


def _baseline(forecast: FloatArray, truth: IntArray) -> float:
    likeliest = np.isclose(forecast, forecast.max(axis=1, keepdims=True), rtol=1e-9, atol=0)
    return float((likeliest[np.arange(len(truth)), truth] / likeliest.sum(axis=1)).mean())


def _macro_f1(truth: IntArray, predicted: IntArray, counts: IntArray) -> FloatArray:
    """Macro-F1, shape (m,): a value for each row of ``counts`` (m, kinds), how many questions are of each kind."""
    labels = np.unique(np.concatenate([truth, predicted[predicted != INVALID]]))
    is_truth, is_predicted = truth[:, None] == labels, predicted[:, None] == labels
    hits = counts @ (is_truth & is_predicted)
    sizes = counts @ (is_truth.astype(np.int64) + is_predicted)  # 2 TP + FP + FN
    f1 = 2 * hits / np.maximum(sizes, 1)
    return np.asarray(f1.sum(axis=1) / (sizes > 0).sum(axis=1), dtype=np.float64)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _bin(confidence: FloatArray, bins: int) -> IntArray:
    return np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")


def _check_index(values: npt.NDArray[Any], name: str, least: int) -> None:
    if values.ndim != 1 or not len(values) or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{name} has shape {values.shape} of {values.dtype}; expected (n,) of integers with n of at least 1")
    if values.min() < least:
        raise ValueError(f"{name} holds {values.min()}; expected indices of at least {least}")


def _check_same(a: npt.NDArray[Any], b: npt.NDArray[Any], name_a: str, name_b: str) -> None:
    if a.shape != b.shape:
        raise ValueError(f"{name_a} has shape {a.shape} and {name_b} {b.shape}; expected the same questions in both")


def _check_choices(truth: IntArray, predicted: IntArray, least: int = 0) -> None:
    _check_index(truth, "truth", least)
    _check_index(predicted, "predicted", INVALID)
    _check_same(truth, predicted, "truth", "predicted")


def _check_probabilities(probabilities: FloatArray, truth: IntArray, counts: IntArray | None = None) -> None:
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise ValueError(f"probabilities have shape {probabilities.shape}; expected (n, labels), both at least 1")
    _check_index(truth, "truth", 0)
    _check_same(probabilities[:, 0], truth, "probabilities' first column", "truth")
    if not (probabilities >= 0).all():
        raise ValueError(f"probabilities hold {np.min(probabilities)}; expected numbers from 0 to 1")
    sums = probabilities.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > 1e-6:
        raise ValueError(f"probabilities of row {worst} sum to {sums[worst]}; expected 1 within 1e-6")
    if truth.max() >= probabilities.shape[1]:
        raise ValueError(f"truth holds {truth.max()}; expected an index below {probabilities.shape[1]}, the number of labels")
    if probabilities[~_options(truth, probabilities.shape[1], counts)].any():
        raise ValueError("probabilities are above 0 for an option that its question lacks by counts; expected 0 there")


def _flags(values: npt.NDArray[Any], name: str) -> BoolArray:
    flags = np.asarray(values)
    if flags.ndim != 1 or not len(flags) or not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name} is {flags!r:.120}; expected (n,) of true and false with n of at least 1")
    return flags.astype(np.bool_)


def _check_confidence(confidence: FloatArray, correct: BoolArray, bins: int = BINS) -> None:
    _check_same(np.asarray(confidence), _flags(correct, "correct"), "confidence", "correct")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(f"confidence runs from {np.min(confidence)} to {np.max(confidence)}; expected numbers from 0 to 1")
    if bins < 1:
        raise ValueError(f"bins are {bins}; expected at least 1")
