"""Every figure of the evaluation: worked by hand where that is possible, and its laws where it is not."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.measure import (
    accuracy,
    auroc_of_error,
    bootstrap_difference,
    brier,
    brier_skill,
    coverage_and_size,
    ece,
    ece_floor,
    flips,
    macro_f1,
    mcnemar,
    measure,
    nll,
    recall_spread_over_positions,
    risk_at_coverage,
    risk_coverage_curve,
    skill_sentence,
    wilson,
)

CONFIDENCES = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=40)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def a_model(n: int, *, skill: float, labels: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities and truths; the greater ``skill``, the surer."""
    draw = np.random.default_rng(seed)
    weights = np.exp(skill * draw.normal(size=(n, labels)))
    shares = weights / weights.sum(axis=1, keepdims=True)
    return shares, np.minimum((shares.cumsum(axis=1) < draw.random((n, 1))).sum(axis=1), labels - 1)


# Right and wrong


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_holds_the_proportion_and_stays_in_bounds(pair: tuple[int, int]) -> None:
    low, high = wilson(*pair)
    assert 0 <= low <= pair[0] / pair[1] <= high <= 1


@pytest.mark.parametrize("pair", [(0, 0), (-1, 3), (4, 3)])
def test_a_proportion_of_nothing_has_no_interval(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(*pair)


def test_an_answer_that_cannot_be_used_is_a_wrong_one() -> None:
    assert accuracy(ints(0, 1, 2, 0), ints(0, 1, -1, -1)) == 0.5


def test_macro_f1_by_hand() -> None:
    # label 0: TP 2, FP 1, FN 0: 4/5. 1: TP 1, FP 0, FN 1: 2/3. 2: FP 1: 0. 3 occurs nowhere.
    assert macro_f1(ints(0, 0, 1, 1), ints(0, 0, 1, 2)) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert macro_f1(ints(0, 0, 1, 1), ints(0, 0, 1, 0)) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_in_macro_f1_an_unusable_answer_misses_but_is_no_label() -> None:
    assert macro_f1(ints(0, 1), ints(0, -1)) == pytest.approx((1 + 0) / 2)


def test_recall_spread_is_between_the_best_and_the_worst_position_that_has_an_answer() -> None:
    assert recall_spread_over_positions(ints(0, 0, 1, 1, 3), ints(0, 0, 0, 1, -1), labels=5) == 1.0
    assert recall_spread_over_positions(ints(0, 0, 1, 1), ints(0, 2, 0, 1), labels=9) == 0.0


def test_flips_count_changed_choices() -> None:
    assert flips(ints(0, 1, 2, -1), ints(0, 2, 2, -1)) == 0.25


def test_mcnemar_is_the_exact_binomial() -> None:
    a = np.array([True] * 10 + [False] * 3 + [True] * 5)
    b = np.array([False] * 10 + [True] * 3 + [True] * 5)
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (10, 3)
    assert found.p_value == pytest.approx(2 * sum(math.comb(13, few) for few in range(4)) / 2**13)


def test_mcnemar_without_a_difference_finds_none() -> None:
    same = np.array([True, False])
    assert mcnemar(same, same).p_value == 1.0
    assert mcnemar(same, ~same).p_value == 1.0


def test_mcnemar_stands_thousands_of_questions() -> None:
    a = np.arange(9000) < 6000
    assert 0 <= mcnemar(a, ~a).p_value < 1e-200


def test_the_bootstrap_finds_a_difference_that_is_there_and_none_that_is_not() -> None:
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 4, 400)
    good, other, bad = (np.where(draw.random(400) < skill, truth, draw.integers(0, 4, 400)) for skill in (0.7, 0.7, 0.3))
    found = bootstrap_difference(truth, good, bad, seed=3)
    assert 0 < found.low < found.value < found.high
    assert found.value == pytest.approx(macro_f1(truth, good) - macro_f1(truth, bad))
    even = bootstrap_difference(truth, good, other, seed=3)
    assert even.low < 0 < even.high
    assert found == bootstrap_difference(truth, good, bad, seed=3)


def test_the_bootstrap_draws_questions() -> None:
    """Against the plain way, question by question."""
    draw = np.random.default_rng(2)
    truth, a, b = draw.integers(0, 3, 60), draw.integers(-1, 3, 60), draw.integers(0, 3, 60)
    rows = [draw.integers(0, 60, 60) for _ in range(1000)]
    plain = [macro_f1(truth[row], a[row]) - macro_f1(truth[row], b[row]) for row in rows]
    found = bootstrap_difference(truth, a, b, seed=0, draws=4000)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.025)


# Probabilities


def test_brier_by_hand() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
    assert brier(shares, ints(0, 0)) == pytest.approx((0.09 + 0.04 + 0.01 + 2) / 2)


def test_saying_the_prior_has_no_skill_and_saying_the_truth_has_all() -> None:
    truth = ints(0, 0, 0, 1)
    assert brier_skill(np.tile([0.75, 0.25], (4, 1)), truth) == pytest.approx(0)
    assert brier_skill(np.eye(2)[truth], truth) == 1
    assert brier_skill(np.tile([0.5, 0.5], (4, 1)), truth) < 0


def test_a_constant_prior_calls_each_questions_own_options_as_likely() -> None:
    truth, counts = ints(1, 0, 4), ints(2, 4, 5)
    even = (np.arange(5) < counts[:, None]) / counts[:, None]
    assert brier_skill(even, truth, np.ones(5), counts) == pytest.approx(0)
    assert brier_skill(even, truth, np.full(5, 0.2)) > 0, "without the counts the prior wastes itself on absent options"


def test_a_prior_that_cannot_be_wrong_leaves_skill_undefined() -> None:
    assert math.isnan(brier_skill(np.array([[0.5, 0.5]]), ints(1)))


def test_nll_is_in_nats_and_finite() -> None:
    shares = np.array([[0.5, 0.5], [1.0, 0.0]])
    assert nll(shares, ints(0, 1)) == pytest.approx((math.log(2) + 12 * math.log(10)) / 2)


def test_coverage_and_size_of_answer_sets() -> None:
    assert coverage_and_size([(0, 1), (2,), (0, 1, 2, 3)], ints(1, 0, 3)) == pytest.approx((2 / 3, 7 / 3))


# Confidence


def test_ece_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    assert ece(confidence, np.array([True, True, True, False])) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    assert ece(confidence, np.array([False, False, True, False])) == pytest.approx(0.5 * 0.95 + 0.5 * 0.05)


def test_the_edge_of_a_bin_belongs_to_the_bin_below() -> None:
    # Guo et al. 2017: ((m - 1) / M, m / M]. 0.7 and 0.61 share a bin and cancel, 0.7 and 0.79 do not
    correct = np.array([True, False])
    assert ece(np.array([0.7, 0.61]), correct) == pytest.approx(abs(0.7 + 0.61 - 1) / 2)
    assert ece(np.array([0.7, 0.79]), correct) == pytest.approx((0.3 + 0.79) / 2)
    assert ece(np.array([0.0, 1.0]), np.array([False, True])) == 0


def test_the_floor_is_what_calibrated_models_show_and_falls_with_questions() -> None:
    for n in (25, 400):
        shown = []
        for seed in range(150):
            shares, truth = a_model(n, skill=1.5, seed=seed)
            shown.append(ece(shares.max(axis=1), shares.argmax(axis=1) == truth) - ece_floor(shares.max(axis=1), seed, draws=100))
        assert np.mean(shown) == pytest.approx(0, abs=3 * np.std(shown) / math.sqrt(150))
    confidence = a_model(400, skill=1.5)[0].max(axis=1)
    assert ece_floor(confidence, 0) < ece_floor(confidence[:25], 0) / 2
    assert ece_floor(np.ones(10), 0) == 0
    assert ece_floor(confidence, 5) == ece_floor(confidence, 5)


@given(CONFIDENCES)
def test_auroc_counts_pairs_with_ties_halved(rows: list[tuple[float, bool]]) -> None:
    right = [confidence for confidence, correct in rows if correct]
    wrong = [confidence for confidence, correct in rows if not correct]
    found = auroc_of_error(np.array([c for c, _ in rows]), np.array([c for _, c in rows]))
    if right and wrong:
        pairs = [(r > w) + 0.5 * (r == w) for r in right for w in wrong]
        assert found == pytest.approx(np.mean(pairs))
    else:
        assert math.isnan(found)


def test_risk_is_the_error_rate_among_the_most_confident() -> None:
    confidence = np.array([0.2, 0.9, 0.5, 0.8])
    correct = np.array([False, True, True, False])
    assert risk_at_coverage(confidence, correct, (0.25, 0.5, 0.51, 1.0)) == pytest.approx((0, 1 / 2, 1 / 3, 1 / 2))
    coverage, risk = risk_coverage_curve(confidence, correct)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])


@given(CONFIDENCES, st.randoms(use_true_random=False))
def test_the_order_of_rows_moves_no_figure_of_confidence(rows: list[tuple[float, bool]], shuffle: Any) -> None:
    def figures(given_rows: list[tuple[float, bool]]) -> tuple[float, ...]:
        confidence, correct = (np.array(column) for column in zip(*given_rows, strict=True))
        return (*risk_at_coverage(confidence, correct), *risk_coverage_curve(confidence, correct)[1], ece(confidence, correct))

    other = list(rows)
    shuffle.shuffle(other)
    assert figures(other) == pytest.approx(figures(rows))
    assert figures(rows)[2] == pytest.approx(1 - np.mean([correct for _, correct in rows]))


# All of it


def test_a_skilled_model_is_said_to_have_skill_with_the_figures() -> None:
    shares, truth = a_model(400, skill=2)
    found = measure(shares, truth)
    assert found.n == 400
    assert found.accuracy_low < found.accuracy < found.accuracy_high
    assert found.brier_skill is not None and found.brier_skill > 0.2
    assert found.risk_100 == pytest.approx(1 - found.accuracy)
    assert found.risk_50 is not None and found.risk_50 < found.risk_100
    assert found.invalid == 0
    sentence = skill_sentence(found)
    assert sentence.startswith("skill: Brier skill 0.")
    assert f"accuracy {100 * found.accuracy:.1f} %" in sentence


def test_a_model_that_guesses_is_said_to_have_no_skill() -> None:
    shares, _ = a_model(400, skill=2)
    truth = np.random.default_rng(9).integers(0, 4, 400)
    found = measure(shares, truth)
    assert found.brier_skill is not None and found.brier_skill < 0
    assert skill_sentence(found).startswith("no skill: Brier skill -")


def test_a_model_that_always_says_the_most_frequent_label_has_no_skill() -> None:
    truth = ints(*[0] * 80, *[1] * 20)
    found = measure(np.tile([0.9, 0.1], (100, 1)), truth)
    assert (found.accuracy, found.baseline) == (0.8, 0.8)
    assert skill_sentence(found).startswith("no skill")
    assert skill_sentence(measure(None, truth, predicted=np.zeros(100, dtype=np.int64))).startswith("no skill: accuracy 80.0 %")


def test_with_an_even_prior_the_baseline_is_chance_over_each_questions_options() -> None:
    truth, counts = ints(0, 1, 2, 0), ints(2, 4, 4, 5)
    found = measure(None, truth, predicted=truth, prior=np.ones(5), counts=counts)
    assert found.baseline == pytest.approx((1 / 2 + 1 / 4 + 1 / 4 + 1 / 5) / 4)


def test_a_method_without_probabilities_has_no_figures_of_them() -> None:
    found = measure(None, ints(0, 1, 2, 3), predicted=ints(0, 1, -1, 0))
    assert (found.accuracy, found.invalid) == (0.5, 0.25)
    of_probabilities = ("ece", "ece_floor", "brier", "brier_skill", "nll", "auroc_error", "risk_50", "risk_80", "risk_100")
    assert {name for name, value in found.as_dict().items() if value is None} == set(of_probabilities)


def test_predictions_beside_probabilities_move_the_figures_of_choices_alone() -> None:
    shares, truth = a_model(50, skill=2)
    plain, other = measure(shares, truth).as_dict(), measure(shares, truth, predicted=np.full(50, -1)).as_dict()
    assert (other["accuracy"], other["invalid"], other["macro_f1"]) == (0, 1, 0)
    changed = {name for name in plain if plain[name] != other[name]}
    assert changed == {"accuracy", "accuracy_low", "accuracy_high", "macro_f1", "invalid", "recall_spread"}


def test_figures_go_into_json_with_none_for_what_is_undefined() -> None:
    found = measure(np.array([[0.9, 0.1]]), ints(0))
    row = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert row["auroc_error"] is None
    assert row["brier_skill"] is None
    assert row["n"] == 1


def test_the_same_seed_gives_the_same_figures() -> None:
    shares, truth = a_model(60, skill=1)
    assert measure(shares, truth, seed=4) == measure(shares, truth, seed=4)


SHARES = np.array([[0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("shares", "truth", "options", "match"),
    [
        (SHARES, ints(0), {}, "same questions"),
        (SHARES[0], ints(0, 1), {}, r"shape \(2,\)"),
        (SHARES[:0], ints(), {}, r"shape \(0, 2\)"),
        (SHARES, ints(0, 2), {}, "truth holds 2"),
        (SHARES, ints(0, -1), {}, "truth holds -1"),
        (SHARES, np.array([0.0, 1.0]), {}, "truth .* of integers"),
        (SHARES * 1.001, ints(0, 1), {}, "row . sum to 1.001"),
        (np.array([[1.5, -0.5]]), ints(0), {}, "probabilities hold -0.5"),
        (np.array([[math.nan, 1.0]]), ints(0), {}, "probabilities hold nan"),
        (np.array([[math.inf, 0.0]]), ints(0), {}, "sum to inf"),
        (SHARES, ints(0, 0), {"counts": ints(1, 2)}, "lacks by counts"),
        (SHARES, ints(0, 1), {"counts": ints(2, 1)}, "counts"),
        (SHARES, ints(0, 1), {"counts": ints(2, 3)}, "counts"),
        (SHARES, ints(0, 1), {"prior": np.ones(3)}, "expected 2 finite numbers"),
        (SHARES, ints(0, 1), {"prior": np.zeros(2)}, "expected one above"),
        (SHARES, ints(0, 1), {"predicted": ints(0, -2)}, "predicted holds -2"),
        (SHARES, ints(0, 1), {"predicted": ints(0)}, "same questions"),
        (None, ints(0, 1), {}, "both None"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name_and_value(shares: Any, truth: Any, options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        measure(shares, truth, **options)


def test_confidence_and_correctness_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0.5 to 1.5"):
        ece(np.array([0.5, 1.5]), np.array([True, False]))
    with pytest.raises(ValueError, match="nan"):
        auroc_of_error(np.array([0.5, math.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="correct"):
        ece(np.array([0.5]), np.array([0.5]))
    with pytest.raises(ValueError, match="coverages"):
        risk_at_coverage(np.array([0.5]), np.array([True]), (0.0,))
    with pytest.raises(ValueError, match="same questions"):
        mcnemar(np.array([True]), np.array([True, False]))
    with pytest.raises(ValueError, match="sets"):
        coverage_and_size([(0,)], ints(0, 1))
    with pytest.raises(ValueError, match="bins"):
        ece(np.array([0.5]), np.array([True]), bins=0)
