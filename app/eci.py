"""Label scores -> probabilities and answer sets (DESIGN.md, ECI). Pure numpy; knows no model and no page.

A label's score is the logit of its token where the answer would begin. What is read here off an untrained model
is marked uncalibrated wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

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


def cyclic_orders(options: int) -> IntArray:
    """The cyclic orders of a question's options, the given one first.

    Returns:
        shape (options, options); ``[r, p]`` is the option whose text stands at the letter of place p in order r. In each
        row and in each column every option stands once, so each text is read once at each letter.
    """
    places = np.arange(options)
    return np.asarray((places + places[:, None]) % options, dtype=np.int64)


def mean_over_orders(scores: Sequence[FloatArray] | FloatArray) -> FloatArray:
    """The careful read-out (DESIGN.md, ECI): the mean over the cyclic orders of one question.

    The mean is of probabilities, each order's scores going through the softmax first, and not of scores: an order in which
    the model is thrown off by one extreme logit then counts as one reading of n.

    Args:
        scores: shape (options, options); row r holds the labels' logits in order r of ``cyclic_orders``.

    Returns:
        shape (options,), the probability of each option under its own letter, summing to 1. A model that looks at the
        letters alone gets exactly equal ones.

    Raises:
        ValueError: another shape, or a score that is not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"scores have shape {table.shape}; expected (options, options), one row for each cyclic order")
    shares = np.zeros(len(table))
    for order, row in zip(cyclic_orders(len(table)), table, strict=True):
        shares[order] += probabilities(row)
    return shares / len(table)


def answer_set(shares: FloatArray, mass: float = ANSWER_SET_MASS) -> tuple[int, ...]:
    """The smallest set of labels whose probabilities sum to at least ``mass``, as indices, most probable first.

    Equal probabilities enter in the order of their labels, so the set is the same on every call.
    """
    order = np.argsort(-shares, kind="stable")
    # 1e-12: a sum of exactly ``mass`` must not miss it by rounding.
    count = int(np.searchsorted(np.cumsum(shares[order]), mass - 1e-12)) + 1
    return tuple(int(i) for i in order[: min(count, shares.size)])
