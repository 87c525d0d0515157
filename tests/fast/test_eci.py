"""Label scores become probabilities and answer sets: the arithmetic behind every bar that is shown."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.eci import ANSWER_SET_MASS, answer_set, cyclic_orders, mean_over_orders, probabilities


def test_probabilities_are_shares_of_one_in_the_order_of_the_scores() -> None:
    shares = probabilities([2.0, -1.0, 0.5, 2.5])
    assert shares.shape == (4,)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()
    assert list(np.argsort(shares)) == [1, 2, 0, 3]


def test_two_scores_are_as_far_apart_as_their_odds() -> None:
    assert probabilities([np.log(3.0), 0.0]) == pytest.approx([0.75, 0.25])


def test_only_differences_of_scores_count() -> None:
    scores = np.array([0.3, 4.0, -2.0])
    assert probabilities(scores + 57.0) == pytest.approx(probabilities(scores))


def test_scores_of_any_finite_size_neither_overflow_nor_vanish_all() -> None:
    assert probabilities([3e38, -3e38]) == pytest.approx([1.0, 0.0])  # the ends of float32
    assert probabilities([-1e4, -1e4]) == pytest.approx([0.5, 0.5])


def test_one_label_has_all() -> None:
    assert probabilities([-7.0]) == pytest.approx([1.0])


@pytest.mark.parametrize(
    "scores",
    [[], [[1.0, 2.0]], [1.0, float("nan")], [1.0, float("inf")], [float("-inf")]],
    ids=["none", "a table", "nan", "infinite", "minus infinite"],
)
def test_scores_that_say_nothing_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        probabilities(scores)


def test_the_answer_set_is_the_most_probable_labels_first() -> None:
    assert answer_set(np.array([0.05, 0.6, 0.05, 0.3])) == (1, 3)


def test_a_model_that_is_sure_has_one_answer() -> None:
    assert answer_set(np.array([0.02, 0.95, 0.03])) == (1,)


def test_a_model_that_knows_nothing_has_them_all() -> None:
    assert answer_set(np.full(5, 0.2)) == (0, 1, 2, 3, 4)


def test_equal_probabilities_enter_in_the_order_of_their_labels() -> None:
    assert answer_set(np.full(4, 0.25), mass=0.5) == (0, 1)


def test_a_mass_that_is_just_reached_is_not_missed_by_rounding() -> None:
    shares = np.full(10, 0.1)
    assert np.cumsum(shares)[7] < 0.8, "the case that this test is about"
    assert answer_set(shares, mass=0.8) == tuple(range(8))


def test_shares_that_sum_to_a_little_less_than_the_mass_give_every_label_once() -> None:
    assert answer_set(np.array([0.5, 0.3]), mass=0.9) == (0, 1)


def test_no_smaller_set_of_labels_holds_the_mass() -> None:
    draw = random.Random(7)
    for _ in range(200):
        shares = probabilities([draw.gauss(0, 2) for _ in range(draw.randint(2, 6))])
        chosen = answer_set(shares)
        assert len(set(chosen)) == len(chosen)
        assert shares[list(chosen)].sum() >= ANSWER_SET_MASS - 1e-9
        rivals = itertools.combinations(range(len(shares)), len(chosen) - 1)
        assert all(shares[list(rival)].sum() < ANSWER_SET_MASS for rival in rivals)


# The mean over the cyclic orders

OPTIONS = st.integers(2, 10)
LOGITS = st.floats(-30, 30)


def in_every_order(scores: np.ndarray, favour: np.ndarray) -> np.ndarray:
    """What a model says that gives each text its score and each letter its favour."""
    return np.array([scores[order] + favour for order in cyclic_orders(len(scores))])


@pytest.mark.parametrize("count", range(1, 11))
def test_in_the_cyclic_orders_every_option_stands_once_at_every_letter(count: int) -> None:
    orders = cyclic_orders(count)
    assert orders[0].tolist() == list(range(count))
    for line in (*orders, *orders.T):
        assert sorted(line.tolist()) == list(range(count))


@given(OPTIONS.flatmap(lambda count: st.lists(LOGITS, min_size=count, max_size=count)))
def test_a_favour_for_letters_alone_leaves_every_option_as_probable(favour: list[float]) -> None:
    count = len(favour)
    assert mean_over_orders(in_every_order(np.zeros(count), np.array(favour))) == pytest.approx(np.full(count, 1 / count))


@given(OPTIONS.flatmap(lambda count: st.lists(LOGITS, min_size=count, max_size=count)))
def test_a_model_that_reads_the_texts_alone_says_the_same_in_all_orders_as_in_one(scores: list[float]) -> None:
    texts = np.array(scores)
    assert mean_over_orders(in_every_order(texts, np.zeros(len(texts)))) == pytest.approx(probabilities(texts))


@given(OPTIONS.flatmap(lambda n: st.lists(st.tuples(LOGITS, LOGITS), min_size=n, max_size=n)), st.integers(0, 9))
def test_turning_the_options_turns_the_mean_and_changes_nothing_else(values: list[tuple[float, float]], turn: int) -> None:
    texts, favour = np.array(values).T
    first = mean_over_orders(in_every_order(texts, favour))
    turned = mean_over_orders(in_every_order(np.roll(texts, turn), favour))
    assert turned == pytest.approx(np.roll(first, turn))
    assert first.sum() == pytest.approx(1)


@pytest.mark.parametrize("scores", [[], [1.0, 2.0], [[1.0, 2.0]], [[1.0], [2.0]]], ids=["none", "a row", "flat", "tall"])
def test_the_mean_wants_a_row_for_every_order(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="one row for each cyclic order"):
        mean_over_orders(np.array(scores))
