"""How often the options alone give the key away: a classifier that never sees the stem, judged on questions it never saw.

A conditional logit (McFadden 1974): a softmax over a question's options of a linear score of what each option looks like. Pure
numpy. A set whose options hold no cue lets it do no better than chance.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.measure import wilson
from app.records import OPTION_LETTERS, Question

FOLDS = 10
SEED = 20240604
MOST = 1000  # questions that are looked at; drawn from more
HASHED = 256
RIDGE = 2.0
STEPS = 80
HEDGES = re.compile("usually|often|may|might|can|sometimes|generally|likely|probably|possibl[ey]|most|some")
ABSOLUTES = re.compile("always|never|all|none|only|every|must|no|completely|entirely")

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Baseline:
    """``correct`` of ``n`` questions; ``low`` and ``high`` bound its accuracy (95 %, Wilson). ``chance`` is the mean of
    1 / options, and 95 % of classifiers that know nothing get from ``chance_low`` to ``chance_high``."""

    n: int
    correct: int
    low: float
    high: float
    chance: float
    chance_low: float
    chance_high: float

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def within_chance(self) -> bool:
        return self.chance_low <= self.accuracy <= self.chance_high

    def __str__(self) -> str:
        interval = f"{_percent(self.low)} to {_percent(self.high)}"
        band = f"{_percent(self.chance_low)} to {_percent(self.chance_high)}"
        verdict = "within" if self.within_chance else "outside"
        return (
            f"options alone: {self.correct} of {self.n} right ({_percent(self.accuracy)}, 95 % interval {interval}); "
            f"chance {_percent(self.chance)}; {verdict} chance's interval ({band})"
        )


def options_only(questions: Sequence[Question], *, seed: int = SEED) -> Baseline:
    """Trains on nine tenths of the questions and answers the rest, ten times, so that every question is answered once.

    At most ``MOST`` questions, drawn by ``seed``. The same questions in the same order give the same result.

    Raises:
        ValueError: there are fewer questions than folds.
    """
    if len(questions) < FOLDS:
        raise ValueError(f"there are {len(questions)} questions; expected at least {FOLDS}")
    places = np.random.default_rng(seed).permutation(len(questions))[:MOST]
    asked = [questions[place] for place in places]
    truth = np.array([list(question.options).index(question.key) for question in asked])
    looks, hashed, there = _features(asked)
    features = np.concatenate([_standardised(looks, there), hashed], axis=2)
    # The log loss of one question curves by at most half of its options' spread, so this step never overshoots.
    step = 1 / (RIDGE + 0.5 * float(np.linalg.eigvalsh(features[there].T @ features[there])[-1]))
    fold = np.arange(len(asked)) % FOLDS
    chosen = np.zeros_like(truth)
    for held_out in range(FOLDS):
        train, test = fold != held_out, fold == held_out
        weights = _fit(features[train], there[train], truth[train], step)
        chosen[test] = np.where(there[test], features[test] @ weights, -np.inf).argmax(axis=1)
    correct = int((chosen == truth).sum())
    chances = 1 / there.sum(axis=1)
    chance, spread = float(chances.mean()), 1.96 * math.sqrt(float((chances * (1 - chances)).sum())) / len(asked)
    return Baseline(len(asked), correct, *wilson(correct, len(asked)), chance, max(0.0, chance - spread), chance + spread)


def _features(questions: Sequence[Question]) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """What each option looks like (n, k, few), its words and letters by their hashes (n, k, HASHED), and which options are there
    (n, k). Both are 0 where none is."""
    most = max(len(question.options) for question in questions)
    looks = np.zeros((len(questions), most, len(OPTION_LETTERS) + 13))
    hashed = np.zeros((len(questions), most, HASHED))
    there = np.zeros((len(questions), most), dtype=np.bool_)
    for row, question in enumerate(questions):
        texts = list(question.options.values())
        count = len(texts)
        there[row, :count] = True
        looks[row, :count] = _looks(texts)
        for place, text in enumerate(texts):
            for grain in _grains(text):
                hashed[row, place, zlib.crc32(grain.encode(errors="replace")) % HASHED] += 1
        # only differences between a question's options count, and a long option is not worth more than a short one
        hashed[row, :count] -= hashed[row, :count].mean(axis=0)
        hashed[row, :count] /= np.maximum(np.linalg.norm(hashed[row, :count], axis=1, keepdims=True), 1e-9)
    return looks, hashed, there


def _looks(texts: Sequence[str]) -> FloatArray:
    """One row an option: its length, absolute and among the others, what it shares with them, its kinds of words, its place."""
    words = [re.findall(r"\w+", text.casefold()) for text in texts]
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    counts = np.array([len(found) for found in words], dtype=np.float64)
    shared = [
        sum(word in other for word in found for place_b, other in enumerate(words) if place_a != place_b) / max(1, len(found))
        for place_a, found in enumerate(words)
    ]
    columns = [
        np.log1p(lengths) - np.log1p(lengths).mean(),
        counts - counts.mean(),
        (lengths[:, None] > lengths[None, :]).mean(axis=1),
        lengths == lengths.max(),
        lengths == lengths.min(),
        counts == counts.max(),
        counts == counts.min(),
        np.array(shared),
        np.array([sum(sign.isdigit() for sign in text) for text in texts]),
        np.array([sum(bool(HEDGES.fullmatch(word)) for word in found) for found in words]),
        np.array([sum(bool(ABSOLUTES.fullmatch(word)) for word in found) for found in words]),
        np.array([sum(not (sign.isalnum() or sign.isspace()) for sign in text) for text in texts]),
        np.array([text[:1].isupper() for text in texts]),
        *np.eye(len(OPTION_LETTERS))[:, : len(texts)],
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _grains(text: str) -> Iterator[str]:
    """Words, and runs of three characters, which know endings and parts of words."""
    words = re.findall(r"[^\W_]+", text.casefold())
    yield from words
    plain = f" {' '.join(words)} "
    yield from (f"#{plain[start : start + 3]}" for start in range(len(plain) - 2))


def _standardised(looks: FloatArray, there: npt.NDArray[np.bool_]) -> FloatArray:
    """Less the mean of the question's own options, over the spread of that; no key is looked at."""
    centred = (looks - looks.sum(axis=1, keepdims=True) / there.sum(axis=1)[:, None, None]) * there[:, :, None]
    spread = np.sqrt((centred**2).sum(axis=(0, 1)) / there.sum())
    return np.asarray(centred / np.where(spread > 1e-9, spread, 1.0))


def _fit(features: FloatArray, there: npt.NDArray[np.bool_], truth: IntArray, step: float) -> FloatArray:
    """The weights, shape (d,), of least summed log loss plus RIDGE / 2 times their squares, by Nesterov's gradient."""
    rows = features[there]
    weights = ahead = np.zeros(features.shape[2])
    right = np.zeros(there.shape)
    right[np.arange(len(truth)), truth] = 1
    for turn in range(STEPS):
        scores = np.full(there.shape, -np.inf)
        scores[there] = rows @ ahead
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        gradient = rows.T @ (chances - right)[there] + RIDGE * ahead
        following = ahead - step * gradient
        ahead = following + turn / (turn + 3) * (following - weights)
        weights = following
    return weights


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
