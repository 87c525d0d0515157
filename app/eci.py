"""Label scores -> probabilities and answer sets (DESIGN.md, ECI). Pure numpy; knows no model and no page.

A label's score is the logit of its token where the answer would begin. What is read here off an untrained model
is marked uncalibrated wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

ANSWER_SET_MASS = 0.9


def probabilities(scores: Sequence[float] | FloatArray) -> FloatArray:
    """The softmax of the labels' scores.

    Args:
        scores: shape (labels,), logits; labels that the question does not have are left out by the caller.

    Returns:
        shape (labels,), non-negative, summing to 1.

    Raises:
        ValueError: no score, or a score that is not finite.
    """
    logits = np.asarray(scores, dtype=np.float64)
    if logits.ndim != 1 or logits.size == 0:
        raise ValueError(f"scores have shape {logits.shape}; expected (labels,) with at least one label")
    if not np.isfinite(logits).all():
        raise ValueError(f"scores {logits.tolist()} hold a value that is not finite")
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def answer_set(shares: FloatArray, mass: float = ANSWER_SET_MASS) -> tuple[int, ...]:
    """The smallest set of labels whose probabilities sum to at least ``mass``, as indices, most probable first.

    Equal probabilities enter in the order of their labels, so the set is the same on every call.
    """
    order = np.argsort(-shares, kind="stable")
    # 1e-12: a sum of exactly ``mass`` must not miss it by rounding.
    count = int(np.searchsorted(np.cumsum(shares[order]), mass - 1e-12)) + 1
    return tuple(int(i) for i in order[: min(count, shares.size)])
